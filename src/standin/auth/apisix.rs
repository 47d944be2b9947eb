//! `hmac-auth-apisix`: `Authorization: Signature …`, as the Go plugin of Higress checks it.

use super::{Accepted, Incoming, Rejection, Rules, date, first};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, DATE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use std::collections::HashMap;

pub(super) fn check(request: &Incoming<'_>, rules: &Rules<'_>) -> Result<Accepted, Rejection> {
    verify(request, rules).map_err(|(reason, string)| {
        // The plugin writes JSON and calls it text.
        let body = format!(r#"{{"message":"client request can't be validated: {reason}"}}"#);
        let mut rejection = Rejection::text(StatusCode::UNAUTHORIZED, body);
        rejection.string_to_sign = string;
        rejection
    })
}

/// Why a request is refused, and what was signed if that is the reason.
type Refusal = (String, Option<Vec<u8>>);

fn verify(request: &Incoming<'_>, rules: &Rules<'_>) -> Result<Accepted, Refusal> {
    let because = |reason: &str| (reason.to_owned(), None);
    let header = first(request.headers, AUTHORIZATION.as_str());
    let header =
        std::str::from_utf8(header).map_err(|_| because("Authorization header does not start with 'Signature '"))?;
    if header.is_empty() {
        return Err(because("missing Authorization header"));
    }
    let fields = header
        .strip_prefix("Signature ")
        .map(fields)
        .ok_or_else(|| because("Authorization header does not start with 'Signature '"))?;
    let field = |name| fields.get(name).copied().filter(|value| !value.is_empty());
    let (Some(key), Some(signature)) = (field("keyId"), field("signature")) else {
        return Err(because("keyId or signature missing"));
    };
    let algorithm = field("algorithm").ok_or_else(|| because("algorithm missing"))?;
    let consumer =
        rules.consumers.iter().find(|consumer| consumer.access_key == key).ok_or_else(|| because("Invalid keyId"))?;
    if !consumer.allowed {
        return Err(because(&format!("consumer '{}' is not allowed", consumer.name)));
    }
    check_date(request, rules)?;
    let string = string_to_sign(request, key, field("headers"));
    match is_signature(algorithm, consumer.secret.as_bytes(), &string, signature) {
        None => return Err(because("Invalid algorithm")),
        Some(false) => return Err(("Invalid signature".to_owned(), Some(string))),
        Some(true) => {}
    }
    let digest = first(request.headers, "digest");
    let is = format!("SHA-256={}", BASE64.encode(Sha256::digest(request.body)));
    if !digest.is_empty() && digest != is.as_bytes() {
        return Err(because("Invalid digest"));
    }
    Ok(Accepted { consumer: Some(consumer.name.clone()), string_to_sign: Some(string) })
}

/// Every `name="value"`, in any order, whatever stands between them.
fn fields(text: &str) -> HashMap<&str, &str> {
    let mut fields = HashMap::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("=\"") {
        let Some((value, tail)) = after.split_once('"') else { break };
        let name = before.rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default();
        fields.insert(name, value);
        rest = tail;
    }
    fields
}

fn check_date(request: &Incoming<'_>, rules: &Rules<'_>) -> Result<(), Refusal> {
    let Some(skew) = rules.date_offset else { return Ok(()) };
    let date = first(request.headers, DATE.as_str());
    if date.is_empty() {
        return Err(("Date header missing. failed to validate clock skew".to_owned(), None));
    }
    let time = std::str::from_utf8(date)
        .ok()
        .and_then(date::parse_gmt)
        .ok_or_else(|| ("Invalid GMT format time".to_owned(), None))?;
    if date::apart(time, rules.now) > skew {
        return Err(("Clock skew exceeded".to_owned(), None));
    }
    Ok(())
}

/// The bytes the signature covers: the key's id, then one line per listed header in the list's order. A listed header
/// that is absent is skipped.
pub fn string_to_sign(request: &Incoming<'_>, key: &str, listed: Option<&str>) -> Vec<u8> {
    let mut string = format!("{key}\n").into_bytes();
    for name in listed.into_iter().flat_map(|names| names.split(' ')) {
        if name == "@request-target" {
            string.extend_from_slice(format!("{} {}\n", request.method, request.target).as_bytes());
        } else if let Some(value) = request.headers.get(name) {
            string.extend_from_slice(name.as_bytes());
            string.extend_from_slice(b": ");
            string.extend_from_slice(value.as_bytes());
            string.push(b'\n');
        }
    }
    string
}

/// `None` for an algorithm the plugin does not know.
fn is_signature(algorithm: &str, secret: &[u8], string: &[u8], signature: &str) -> Option<bool> {
    let signature = BASE64.decode(signature).unwrap_or_default();
    let matches = match algorithm {
        "hmac-sha1" => Hmac::<Sha1>::new_from_slice(secret)
            .is_ok_and(|mac| mac.chain_update(string).verify_slice(&signature).is_ok()),
        "hmac-sha256" => Hmac::<Sha256>::new_from_slice(secret)
            .is_ok_and(|mac| mac.chain_update(string).verify_slice(&signature).is_ok()),
        "hmac-sha512" => Hmac::<Sha512>::new_from_slice(secret)
            .is_ok_and(|mac| mac.chain_update(string).verify_slice(&signature).is_ok()),
        _ => return None,
    };
    Some(matches)
}
