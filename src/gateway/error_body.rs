//! From an answer that is an error to an [`Error`]: bodies of OpenAI, DashScope, Anthropic, vLLM and `FastAPI`, plain
//! text, HTML, nothing.

use super::error_table::{self, Rule};
use super::redact::Redactor;
use super::reply_meta::ReplyMeta;
use super::{Error, ErrorKind, Origin, diagnose, hints};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

#[cfg(test)]
mod tests;

/// How much of an upstream's words is shown, in bytes.
pub(super) const MAX_SHOWN: usize = 1024;
const MAX_CODE: usize = 100;

/// An answer with a status that is an error.
pub(super) struct Refusal<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    /// What was read of the body.
    pub(super) body: &'a [u8],
    /// What was signed for the request.
    pub(super) string_to_sign: Option<&'a [u8]>,
    pub(super) redactor: &'a Redactor,
    /// This machine's clock, in seconds since 1970.
    pub(super) unix_seconds: i64,
}

/// What a body says of an error.
#[derive(Debug, Default)]
struct Told {
    message: Option<String>,
    code: Option<String>,
    /// `error.type`, or the code: what the kind is read from.
    kind: Option<ErrorKind>,
    status: Option<u16>,
    request_id: Option<String>,
}

impl Refusal<'_> {
    /// The error, in the words of the table.
    pub(super) fn error(&self) -> Error {
        let status = self.status.as_u16();
        let text = String::from_utf8_lossy(self.body);
        let text = text.trim();
        let told = serde_json::from_str(text).ok().and_then(|value| told(&value)).unwrap_or_default();
        let by_envoy = hints::origin(self.headers);
        let rule = error_table::rule(status, text, by_envoy);
        let kind =
            told.code.as_deref().and_then(error_table::kind_before_status).or_else(|| rule.map(|rule| rule.kind));
        let mut error = Error::new(kind.unwrap_or(ErrorKind::ServerUnavailable), self.message(text, &told, rule));
        error.status = Some(status);
        error.origin = by_envoy.or_else(|| rule.and_then(|rule| rule.origin)).or_else(|| self.likely_origin(&told));
        let told_id = told.request_id.map(|id| self.redactor.clean(&id));
        error.request_id = hints::request_id(self.headers, self.redactor).or(told_id);
        let by_code = told.code.as_deref().and_then(error_table::advice_of_code);
        let advice = by_code.or_else(|| rule.and_then(|rule| rule.advice));
        error.structured = told.message.is_some();
        error.advice = self.diagnosis(text).or_else(|| advice.map(str::to_owned));
        error.code = told.code.map(|code| self.redactor.line(&code, MAX_CODE));
        error.retry_after = hints::retry_after(self.status, self.headers, self.unix_seconds);
        error
    }

    fn message(&self, text: &str, told: &Told, rule: Option<&Rule>) -> String {
        let own = rule.and_then(|rule| rule.message).map(str::to_owned);
        let mut message = own.or_else(|| told.message.clone()).unwrap_or_else(|| plain(text));
        if message.is_empty() {
            self.status.canonical_reason().unwrap_or("no reason given").clone_into(&mut message);
        }
        if let Some(challenge) = hints::text(self.headers, "www-authenticate").filter(|_| text.is_empty()) {
            message = format!("{message} ({challenge})");
        }
        if let Some(place) = hints::text(self.headers, "location").filter(|_| self.status.is_redirection()) {
            let place = place.split(['?', '#']).next().unwrap_or_default();
            let place = place.rsplit_once('@').map_or(place, |(_, host)| host);
            message = format!("redirected to {place}");
        }
        self.redactor.line(&message, MAX_SHOWN)
    }

    /// Without Envoy's measure of the upstream's time: an Envoy that does not hide its name made the answer itself,
    /// unless the answer looks like a provider's.
    fn likely_origin(&self, told: &Told) -> Option<Origin> {
        let envoy = hints::text(self.headers, "server").is_some_and(|server| server.contains("envoy"));
        (envoy && told.message.is_none()).then_some(Origin::Gateway)
    }

    /// What only this request can tell about a refused signature or date.
    fn diagnosis(&self, text: &str) -> Option<String> {
        if text.starts_with("Invalid Signature") {
            return diagnose::signature(
                self.string_to_sign?,
                self.headers.get("x-ca-error-message")?.as_bytes(),
                self.redactor,
            );
        }
        let about_time = text.starts_with("Invalid Date") || text.contains("Clock skew exceeded");
        let theirs = super::auth::parse_http_date(hints::text(self.headers, "date")?)?;
        about_time.then(|| diagnose::clock(self.unix_seconds, theirs))
    }
}

impl Error {
    /// The error that a decoded answer or event of a stream is, if it is one: `{"error":…}`, DashScope's `{code,
    /// message, request_id}`, vLLM's `{"object":"error"}`, a masking plugin's `{"errmsg":…}`. `http_status` is a status
    /// that stands beside it, such as DashScope's `:HTTP_STATUS/400`.
    pub fn in_answer(value: &Value, http_status: Option<u16>, meta: &ReplyMeta) -> Option<Self> {
        let told = told(value)?;
        let status = http_status.or(told.status).filter(|status| (400..600).contains(status));
        let by_status = status.and_then(|status| error_table::rule(status, "{}", None));
        let message = told.message.as_deref().unwrap_or("no reason given");
        let kind = told.code.as_deref().and_then(error_table::kind_before_status);
        let kind = kind.or_else(|| by_status.map(|rule| rule.kind)).or(told.kind);
        let kind = kind.or_else(|| error_table::kind_of_words(message)).unwrap_or(ErrorKind::ServerUnavailable);
        let mut error = meta.error(kind, meta.redactor.line(message, MAX_SHOWN));
        error.status = status;
        error.structured = true;
        error.request_id = error.request_id.or_else(|| told.request_id.map(|id| meta.redactor.clean(&id)));
        let by_code = told.code.as_deref().and_then(error_table::advice_of_code);
        error.advice = by_code.or_else(|| by_status.and_then(|rule| rule.advice)).map(str::to_owned);
        error.code = told.code.map(|code| meta.redactor.line(&code, MAX_CODE));
        Some(error)
    }
}

/// See [`ReplyMeta::undecodable`].
pub(super) fn undecodable(meta: &ReplyMeta, what: &str, body: &[u8]) -> Error {
    let text = String::from_utf8_lossy(body.get(..body.len().min(4 * MAX_SHOWN)).unwrap_or_default());
    let text = text.trim();
    if let Some(rule) = error_table::rule_of_words(text) {
        let mut error = meta.error(rule.kind, meta.redactor.line(rule.message.unwrap_or(text), MAX_SHOWN));
        error.origin = rule.origin.or(error.origin);
        error.advice = rule.advice.map(str::to_owned);
        return error;
    }
    let shown = meta.redactor.line(&plain(text), MAX_SHOWN);
    let shown = match (shown.as_str(), body.trim_ascii()) {
        ("", []) => "the body is empty",
        ("", _) => "nothing in the body can be read",
        (shown, _) => shown,
    };
    let message = format!("{what}: {shown}");
    meta.error(ErrorKind::Decode, message).advise("Check that the endpoint URL is the address of a model route")
}

/// What a JSON body says, if it speaks of an error.
fn told(value: &Value) -> Option<Told> {
    let body = value.as_object()?;
    let text = |fields: &serde_json::Map<String, Value>, names: &[&str]| -> Option<String> {
        names.iter().find_map(|name| fields.get(*name).filter(|value| is_filled(value)).map(said))
    };
    let request_id = text(body, &["request_id", "requestId", "RequestId", "id"]);
    let mut told = Told { request_id: request_id.and_then(|id| hints::request_id_text(&id)), ..Told::default() };
    // An answer that carries a result is an error only if it says so under `error`.
    let has_result = ["choices", "output", "data", "results"].iter().any(|name| body.get(*name).is_some_and(is_filled));
    let (code, kind);
    match body.get("error").filter(|error| is_filled(error)) {
        Some(Value::Object(error)) => {
            told.message = text(error, &["message", "msg", "detail", "reason"]);
            (code, kind) = (text(error, &["code"]), text(error, &["type"]));
            told.status = status_in(error).or_else(|| status_in(body));
            if let Some(id) = text(error, &["request_id"]).and_then(|id| hints::request_id_text(&id)) {
                told.request_id = Some(id);
            }
        }
        Some(error) => {
            told.message = Some(said(error));
            (code, kind) = (text(body, &["code"]), text(body, &["type"]));
            told.status = status_in(body);
        }
        None if has_result => return None,
        None => {
            code = text(body, &["code"]).filter(|code| !means_success(code));
            kind = text(body, &["type"]);
            told.message = text(body, &["message", "msg", "errmsg", "error_msg", "detail", "denyMessage"]);
            told.status = status_in(body);
            let speaks_of_error = code.is_some()
                || told.status.is_some()
                || ["errmsg", "error_msg", "denyMessage", "blockedDetails", "detail"]
                    .iter()
                    .any(|name| body.contains_key(*name))
                || (body.len() == 1 && body.contains_key("message"));
            if !speaks_of_error {
                return None;
            }
        }
    }
    // Numbers are statuses or say less than the type.
    told.kind = [&code, &kind].into_iter().flatten().find_map(|name| error_table::kind_of_code(name));
    told.code = code.filter(|code| code.parse::<f64>().is_err()).or(kind);
    Some(told)
}

/// Whether a value says anything: some gateways give every answer an error object whose fields are all empty.
fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => fields.values().any(is_filled),
        Value::Number(number) => number.as_i64() != Some(0),
        _ => true,
    }
}

fn means_success(code: &str) -> bool {
    matches!(code.to_ascii_lowercase().as_str(), "0" | "200" | "ok" | "success")
}

/// A status that a body gives as a number or in digits.
fn status_in(fields: &serde_json::Map<String, Value>) -> Option<u16> {
    ["status_code", "status", "code"]
        .iter()
        .find_map(|name| match fields.get(*name)? {
            Value::Number(number) => number.as_u64().and_then(|status| u16::try_from(status).ok()),
            Value::String(digits) => digits.parse().ok(),
            _ => None,
        })
        .filter(|status| (400..600).contains(status))
}

/// A value in words: a string as it is, everything else as JSON.
fn said(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The words of a body that is not JSON: an HTML page's title, or the text itself.
fn plain(text: &str) -> String {
    // hmac-auth-apisix answers with JSON in which inner quotes are not escaped.
    if let Some(rest) = text.strip_prefix("{\"message\":\"") {
        return rest.trim_end_matches(['"', '}']).to_owned();
    }
    let head = text.get(..text.len().min(4096)).unwrap_or(text).to_ascii_lowercase();
    if !(head.starts_with("<!doctype") || head.starts_with('<') && head.contains("<html")) {
        return text.to_owned();
    }
    let title = head.find("<title>").and_then(|at| text.get(at + 7..)).and_then(|rest| rest.split('<').next());
    match title.map(str::trim).filter(|title| !title.is_empty()) {
        Some(title) => format!("an HTML page titled \"{title}\""),
        None => "an HTML page".to_owned(),
    }
}
