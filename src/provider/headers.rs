//! Headers a person adds (`extra_headers`), and headers that say who is calling (`enable_request_metadata`).

use super::errors::refused;
use crate::gateway::auth::KeyPlacement;
use crate::gateway::{Auth, Error, ErrorKind};
use crate::runtime::{Context, InvokeError};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use std::str::FromStr;

/// The form's variable, and the parameter of the same name.
const FIELD: &str = "extra_headers";

/// Most headers a person may add.
const MAX_HEADERS: usize = 32;

/// Most bytes of names and values together: gateways refuse header blocks of more than 60 KiB.
const MAX_BYTES: usize = 16 * 1024;

/// Longest value that says who is calling.
const MAX_METADATA_LEN: usize = 256;

/// The Dify app a call comes from.
pub const APP_ID: HeaderName = HeaderName::from_static("x-dify-app-id");
/// Always `dify`.
pub const SOURCE: HeaderName = HeaderName::from_static("x-dify-source");
/// The person on whose behalf Dify calls.
pub const USER_ID: HeaderName = HeaderName::from_static("x-dify-user-id");

/// The model, for routes that are chosen by it. Higress' model router fills it in for the paths it knows; most of those
/// of embedding, rerank and images it does not know, and a request without a body has no model at all.
pub const LLM_MODEL: HeaderName = HeaderName::from_static("x-higress-llm-model");

/// Names with a meaning for the connection, the body or the gateway's identity checks: only this plugin sets them.
const RESERVED: [&str; 18] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "host",
    "accept",
    "accept-encoding",
    "date",
    "digest",
    "x-higress-nonce",
    "x-hi-original-auth",
    "x-mse-consumer",
];

/// Families of reserved names.
const RESERVED_PREFIXES: [&str; 2] = ["content-", "x-ca-"];

/// The value of [`LLM_MODEL`].
///
/// # Errors
///
/// [`ErrorKind::Config`] for a name that is not visible ASCII.
pub fn llm_model(model: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(model).map_err(|_| {
        Error::new(ErrorKind::Config, format!("The model's name `{model}` does not fit into the header {LLM_MODEL}"))
            .advise("Set gateway_model_name to a name in ASCII, or llm_model_header to false")
    })
}

/// Who is calling: `enable_request_metadata`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestMetadata {
    /// `disabled` (default)
    Disabled,
    /// `enabled`: the app.
    App,
    /// `app_and_user`
    AppAndUser,
}

/// Whether only the plugin itself may set this header.
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str();
    name == "authorization"
        || RESERVED.contains(&name)
        || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Reads a JSON object of header names and values, for example `{"X-Tenant": "blue"}`; blank text is none. A header
/// with an empty value is left out, so that a Dify variable may be empty. `authorization` is free while the gateway
/// asks for no credential.
///
/// # Errors
///
/// A bad request that names the header: no JSON object, a name that is no token or is reserved, a name twice, a value
/// that is no text or holds anything but visible ASCII, blanks and tabs, too many or too large headers. Values are not
/// repeated: they may be secret.
pub fn parse_extra_headers(text: &str, auth: &Auth) -> Result<HeaderMap, InvokeError> {
    let text = text.trim();
    let mut headers = HeaderMap::new();
    if text.is_empty() {
        return Ok(headers);
    }
    if text.len() > MAX_BYTES {
        return Err(refused(FIELD, format!("is longer than {MAX_BYTES} bytes")));
    }
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        // The kind and the place only: the text of a type error repeats the value.
        let (line, column) = (error.line(), error.column());
        refused(FIELD, format!(r#"is not a JSON object like {{"X-Tenant": "blue"}} (line {line}, column {column})"#))
    })?;
    if object.len() > MAX_HEADERS {
        return Err(refused(FIELD, format!("has {} headers, {MAX_HEADERS} are allowed", object.len())));
    }
    for (name, value) in &object {
        let (name, value) = header(name, value, auth)?;
        if headers.contains_key(&name) {
            return Err(refused(FIELD, format!("names {name} twice")));
        }
        if !value.is_empty() {
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

/// One header, checked.
fn header(name: &str, value: &Value, auth: &Auth) -> Result<(HeaderName, HeaderValue), InvokeError> {
    let token = HeaderName::from_str(name)
        .map_err(|_| refused(FIELD, format!("has a name that is no header name (RFC 9110): {name:?}")))?;
    let free = token == http::header::AUTHORIZATION && matches!(auth, Auth::Disabled);
    let carries_key = matches!(auth, Auth::ApiKey { placement: KeyPlacement::Header(key), .. } if *key == token);
    if carries_key || (is_reserved(&token) && !free) {
        return Err(refused(
            FIELD,
            format!("cannot set {token}: that header belongs to the plugin or to the connection"),
        ));
    }
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(refused(FIELD, format!("gives {token} a value that is no text")));
        }
    };
    // `HeaderValue` takes any byte above 127; what a gateway makes of those is anybody's guess.
    let value = HeaderValue::from_str(&text).ok().filter(|_| text.is_ascii()).ok_or_else(|| {
        let problem =
            format!("gives {token} a value with characters a header cannot carry: use visible ASCII on one line");
        refused(FIELD, problem)
    })?;
    Ok((token, value))
}

/// Puts the headers that say who is calling over `headers` and returns their names, for the signature. What cannot be
/// told truly is left out, and a person's own header of such a name is taken out: an app must not pass for another.
pub(super) fn add_metadata(metadata: RequestMetadata, cx: &Context, headers: &mut HeaderMap) -> Vec<HeaderName> {
    if metadata == RequestMetadata::Disabled {
        return Vec::new();
    }
    let user = (metadata == RequestMetadata::AppAndUser).then_some(cx.user_id.as_deref()).flatten();
    let mut names = Vec::new();
    for (name, value) in [(APP_ID, cx.app_id.as_deref()), (SOURCE, Some("dify")), (USER_ID, user)] {
        headers.remove(&name);
        if let Some(value) = value.and_then(metadata_value) {
            headers.insert(name.clone(), value);
            names.push(name);
        }
    }
    names
}

/// Takes out what only [`add_metadata`] may set.
pub(super) fn remove_metadata(headers: &mut HeaderMap) {
    for name in [APP_ID, SOURCE, USER_ID] {
        headers.remove(&name);
    }
}

/// Visible ASCII of at most 256 bytes, or nothing: a cut or re-coded id would be somebody else's.
fn metadata_value(text: &str) -> Option<HeaderValue> {
    let fits = !text.is_empty() && text.len() <= MAX_METADATA_LEN && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| HeaderValue::from_str(text).ok()).flatten()
}
