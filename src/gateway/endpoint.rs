//! The address a person typed, made canonical.

use super::{Error, ErrorKind, escape};
use std::fmt;
use url::Url;

#[cfg(test)]
mod tests;

/// The base of a route: scheme, host, prefix and fixed query, canonical as the gateway will see it, without `/v1`.
/// `Display` and `Debug` show it without its query, which may hold a secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Its path is empty (`/`) or has no slash at its end.
    base: Url,
    /// Whether the typed address ended in `/api/v1`: the root of DashScope's API, or a prefix `/api` with OpenAI's.
    /// The call decides, see [`Endpoint::join`].
    ends_in_api_v1: bool,
}

/// Paths of the APIs that a gateway serves below a route's prefix. A pasted full address ends in one of them.
const API_PATHS: &[&str] = &[
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/reranks",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/images/variations",
    "/v1/videos",
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/messages",
    "/v1/responses",
    "/v1/moderations",
    "/v1/models",
    "/v1/files",
    "/v1/batches",
    "/chat/completions",
];

/// DashScope's own APIs: these and everything below them.
const DASHSCOPE_PATHS: &[&str] = &["/api/v1/services", "/api/v1/tasks"];

/// Longer than any address; keeps errors and maps small.
const MAX_ADDRESS: usize = 4096;

impl Endpoint {
    /// Reads what a person typed: blanks around it, a trailing `/v1`, or a pasted full path are taken off; a missing
    /// scheme is refused with a hint.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for no or another scheme than `http` and `https`, a user name or password, a fragment, a
    /// query parameter without a value, and whatever is no address.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{200B}' | '\u{FEFF}'));
        if text.is_empty() {
            return Err(refused("The endpoint URL is empty").advise("Write the address of the gateway's route"));
        }
        if text.len() > MAX_ADDRESS || text.chars().any(char::is_control) {
            return Err(refused("The endpoint URL is too long or has control characters in it"));
        }
        let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
            return Err(missing_scheme(text));
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return Err(refused(format!("The endpoint URL's scheme `{scheme}` is not http or https")));
        }
        Self::read(&scheme, rest)
    }

    /// The URL of `path` (for example `/v1/chat/completions`) on this route. `path` may bring a query of its own.
    pub fn join(&self, path: &str) -> Url {
        let (path, own_query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut prefix = self.base.path().trim_end_matches('/');
        if self.ends_in_api_v1 && path.starts_with("/api/v1/") {
            prefix = prefix.strip_suffix("/api").unwrap_or(prefix);
        }
        let mut url = self.base.clone();
        url.set_path(&format!("{prefix}{}", escape::path(path)));
        if let Some(own) = own_query.map(escape::query).filter(|own| !own.is_empty()) {
            let query = self.base.query().map_or_else(|| own.clone(), |fixed| format!("{fixed}&{own}"));
            url.set_query(Some(&query));
        }
        url
    }

    /// The host, without its port.
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// Scheme, host and port: what all routes of one server have in common.
    pub(super) fn server(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// The values of the fixed query, as sent: they may be secrets.
    pub(super) fn query_values(&self) -> impl Iterator<Item = &str> {
        self.base
            .query()
            .into_iter()
            .flat_map(|query| query.split('&'))
            .filter_map(|pair| Some(pair.split_once('=')?.1))
    }

    fn read(scheme: &str, rest: &str) -> Result<Self, Error> {
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        if !fragment.is_empty() {
            return Err(refused("The endpoint URL has a fragment (`#…`)")
                .advise("Write the address of the gateway's route, not that of a page of its console"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find(['/', '\\']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(refused("The endpoint URL has a user name or password in it")
                .advise("Remove it and choose a consumer authorisation in the form"));
        }
        // The URL parser would take the path's first segment for the host.
        if authority.is_empty() {
            return Err(refused("The endpoint URL has no host"));
        }
        let mut base = Url::parse(&format!("{scheme}://{authority}{}", escape::path(path)))
            .map_err(|reason| refused(format!("The endpoint URL has no valid host or port: {reason}")))?;
        let (prefix, ends_in_api_v1) = without_api_path(base.path());
        let prefix = prefix.to_owned();
        base.set_path(&prefix);
        base.set_query(fixed_query(query)?.as_deref());
        Ok(Self { base, ends_in_api_v1 })
    }
}

/// Takes off what [`Endpoint::join`] will add. Also says whether `/api/v1` was at the end.
fn without_api_path(path: &str) -> (&str, bool) {
    let path = path.trim_end_matches('/');
    // The first of them, so that none is left in the prefix.
    let dashscope =
        DASHSCOPE_PATHS.iter().flat_map(|api| path.match_indices(api).map(|(at, api)| (at, at + api.len())));
    let whole = dashscope.filter(|(_, end)| path.get(*end..).is_some_and(|t| t.is_empty() || t.starts_with('/')));
    if let Some(prefix) = whole.min().and_then(|(at, _)| path.get(..at)) {
        return (prefix.trim_end_matches('/'), false);
    }
    if let Some(prefix) = API_PATHS.iter().find_map(|api| path.strip_suffix(api)) {
        return (prefix.trim_end_matches('/'), false);
    }
    match path.strip_suffix("/v1") {
        Some(prefix) => (prefix.trim_end_matches('/'), prefix.ends_with("/api")),
        None => (path, false),
    }
}

/// The query in canonical form. Empty pieces are dropped. A name without a value is refused: the gateway's signature
/// check and its documentation disagree on how to sign it.
fn fixed_query(query: &str) -> Result<Option<String>, Error> {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => pairs.push(escape::query(pair)),
            _ => {
                let name = pair.split('=').next().unwrap_or_default();
                return Err(refused(format!("The endpoint URL's query parameter `{name}` has no name or no value"))
                    .advise("Remove it or give it a value"));
            }
        }
    }
    Ok(Some(pairs.join("&")).filter(|query| !query.is_empty()))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// Names the address that was probably meant.
fn missing_scheme(text: &str) -> Error {
    let lower = text.to_ascii_lowercase();
    let written = ["https", "http"]
        .into_iter()
        .find(|scheme| lower.strip_prefix(scheme).is_some_and(|rest| rest.starts_with(":/") || rest.starts_with("//")));
    let rest = text.get(written.map_or(0, str::len)..).unwrap_or_default().trim_start_matches([':', '/']);
    let host_and_port = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let scheme = written.unwrap_or_else(|| if looks_local(host_and_port) { "http" } else { "https" });
    let error = refused("The endpoint URL does not start with http:// or https://");
    match Endpoint::read(scheme, rest) {
        Ok(guess) => error.advise(format!("Write it in full, probably {guess}")),
        Err(_) => error.advise("Write it in full, for example https://gateway.example.com/my-route"),
    }
}

/// Addresses that seldom have a certificate: IP addresses, names without a dot, and ports other than 443.
fn looks_local(host_and_port: &str) -> bool {
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
        _ => (host_and_port, None),
    };
    port.is_some_and(|port| !port.ends_with("443"))
        || !host.contains('.')
        || host.split('.').all(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit()))
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.base.origin().ascii_serialization())?;
        f.write_str(self.base.path().trim_end_matches('/'))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}
