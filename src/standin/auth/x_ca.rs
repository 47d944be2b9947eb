//! `hmac-auth`: `x-ca-*` headers, as the C++ plugin of Higress checks them.

use super::{Accepted, Incoming, Rejection, Rules, date, first, is_form, percent_decode};
use crate::standin::config::Consumer;
use axum::http::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;
use std::collections::BTreeMap;

const CONTENT_MD5: &str = "content-md5";
const SIGNATURE: &str = "x-ca-signature";
const SIGNED_HEADERS: &str = "x-ca-signature-headers";

/// Headers that are never taken from the list of signed headers: they have lines of their own, or are the signature.
const UNLISTED: [&str; 7] = [SIGNATURE, SIGNED_HEADERS, ":method", "accept", CONTENT_MD5, "content-type", "date"];

/// The plugin buffers a body piece by piece and adds up what is buffered at each piece, not what is new.
const PIECE: usize = 16 * 1024;
const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// In the plugin's order: key, consumer, then signature, date and digest; a form is hashed first.
pub(super) fn check(request: &Incoming<'_>, rules: &Rules<'_>) -> Result<Accepted, Rejection> {
    let consumer = consumer(request.headers, rules)?;
    let name = Some(consumer.name.clone());
    if !is_form(request.headers) {
        let string = check_signature(request, rules, consumer)?;
        if !request.headers_only {
            check_digest(request)?;
        }
        return Ok(Accepted { consumer: name, string_to_sign: Some(string) });
    }
    if request.headers_only {
        // The plugin waits for the form's body, which never comes, so it never gets to the signature.
        return Ok(Accepted { consumer: name, string_to_sign: None });
    }
    check_size(request.body)?;
    check_digest(request)?;
    Ok(Accepted { consumer: name, string_to_sign: Some(check_signature(request, rules, consumer)?) })
}

fn consumer<'a>(headers: &HeaderMap, rules: &Rules<'a>) -> Result<&'a Consumer, Rejection> {
    let key = first(headers, "x-ca-key");
    let consumer = rules
        .consumers
        .iter()
        .find(|consumer| !key.is_empty() && consumer.access_key.as_bytes() == key)
        .ok_or_else(|| Rejection::text(StatusCode::UNAUTHORIZED, "Invalid Key"))?;
    if consumer.allowed { Ok(consumer) } else { Err(Rejection::text(StatusCode::FORBIDDEN, "Unauthorized Consumer")) }
}

fn check_signature(request: &Incoming<'_>, rules: &Rules<'_>, consumer: &Consumer) -> Result<Vec<u8>, Rejection> {
    let signature = first(request.headers, SIGNATURE);
    if signature.is_empty() {
        return Err(Rejection::text(StatusCode::UNAUTHORIZED, "Empty Signature"));
    }
    check_date(request.headers, rules)?;
    let string = string_to_sign(request);
    let method = first(request.headers, "x-ca-signature-method");
    if is_signature(method, consumer.secret.as_bytes(), &string, signature) {
        return Ok(string);
    }
    let mut rejection = Rejection::text(StatusCode::BAD_REQUEST, "Invalid Signature");
    let shown: Vec<u8> = string.iter().map(|&byte| if byte == b'\n' { b'#' } else { byte }).collect();
    let message = [b"Server StringToSign:`".as_slice(), &shown, b"`"].concat();
    if let Ok(value) = HeaderValue::from_bytes(&message) {
        rejection.headers.push((HeaderName::from_static("x-ca-error-message"), value));
    }
    rejection.string_to_sign = Some(string);
    Err(rejection)
}

/// A `Date` decides alone; without one the timestamp does.
fn check_date(headers: &HeaderMap, rules: &Rules<'_>) -> Result<(), Rejection> {
    let Some(offset) = rules.date_offset else { return Ok(()) };
    let text = |name| std::str::from_utf8(first(headers, name)).unwrap_or_default();
    let time = match text(DATE.as_str()) {
        "" => date::parse_timestamp(text("x-ca-timestamp")),
        date => date::parse_x_ca(date),
    };
    match time {
        Some(time) if date::apart(time, rules.now) <= offset => Ok(()),
        _ => Err(Rejection::text(StatusCode::BAD_REQUEST, "Invalid Date")),
    }
}

fn check_digest(request: &Incoming<'_>) -> Result<(), Rejection> {
    let digest = first(request.headers, CONTENT_MD5);
    if digest.is_empty() {
        return Ok(());
    }
    check_size(request.body)?;
    let is = BASE64.encode(Md5::digest(request.body));
    if request.body.is_empty() || is.as_bytes() != digest {
        return Err(Rejection::text(StatusCode::BAD_REQUEST, "Invalid Content-MD5"));
    }
    Ok(())
}

fn check_size(body: &[u8]) -> Result<(), Rejection> {
    let pieces = body.len().div_ceil(PIECE);
    let whole: usize = (1..=pieces).map(|piece| (piece * PIECE).min(body.len())).sum();
    if whole + body.len() > BODY_LIMIT {
        return Err(Rejection::text(StatusCode::PAYLOAD_TOO_LARGE, "Request Body Too Large"));
    }
    Ok(())
}

/// The bytes the signature covers: five lines, the signed headers, and the path with its sorted parameters.
pub fn string_to_sign(request: &Incoming<'_>) -> Vec<u8> {
    let headers = request.headers;
    // Envoy joins a repeated `accept`; of other repeated headers the plugin sees the first.
    let accept: Vec<&[u8]> = headers.get_all(ACCEPT).iter().map(HeaderValue::as_bytes).collect();
    let lines = [
        request.method.as_bytes(),
        &accept.join(&b","[..]),
        first(headers, CONTENT_MD5),
        first(headers, CONTENT_TYPE.as_str()),
        first(headers, DATE.as_str()),
    ];
    let mut string = Vec::new();
    for line in lines {
        string.extend_from_slice(line);
        string.push(b'\n');
    }
    for name in listed_headers(headers) {
        string.extend_from_slice(&name);
        string.push(b':');
        string.extend_from_slice(std::str::from_utf8(&name).map_or(&[], |name| first(headers, name)));
        string.push(b'\n');
    }
    append_path(&mut string, request);
    string
}

/// The list split at commas, nothing trimmed, lower case, sorted by bytes; repeated names stay repeated.
fn listed_headers(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = first(headers, SIGNED_HEADERS)
        .split(|&byte| byte == b',')
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_ascii_lowercase)
        .filter(|name| !UNLISTED.iter().any(|unlisted| unlisted.as_bytes() == name.as_slice()))
        .collect();
    names.sort_unstable();
    names
}

/// The raw path, then `?` and the parameters of query and form: decoded, sorted by name, the first of each name.
fn append_path(string: &mut Vec<u8>, request: &Incoming<'_>) {
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    string.extend_from_slice(path.as_bytes());
    let mut parameters = BTreeMap::new();
    collect_parameters(&mut parameters, query.as_bytes());
    if is_form(request.headers) {
        collect_parameters(&mut parameters, request.body);
    }
    for (position, (name, value)) in parameters.iter().enumerate() {
        string.push(if position == 0 { b'?' } else { b'&' });
        string.extend_from_slice(name);
        string.push(b'=');
        string.extend_from_slice(value);
    }
}

fn collect_parameters(parameters: &mut BTreeMap<Vec<u8>, Vec<u8>>, text: &[u8]) {
    if text.is_empty() {
        return;
    }
    for pair in text.split(|&byte| byte == b'&') {
        let equals = pair.iter().position(|&byte| byte == b'=').and_then(|at| pair.split_at_checked(at));
        let (name, value) = match equals {
            Some((name, value)) => (percent_decode(name), percent_decode(value.get(1..).unwrap_or_default())),
            None => (pair.to_vec(), Vec::new()),
        };
        parameters.entry(name).or_insert(value);
    }
}

/// `HmacSHA1` is SHA-1; any other method, and none, is SHA-256.
fn is_signature(method: &[u8], secret: &[u8], string: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = BASE64.decode(signature) else { return false };
    if method == b"HmacSHA1" {
        Hmac::<Sha1>::new_from_slice(secret).is_ok_and(|mac| mac.chain_update(string).verify_slice(&signature).is_ok())
    } else {
        Hmac::<Sha256>::new_from_slice(secret)
            .is_ok_and(|mac| mac.chain_update(string).verify_slice(&signature).is_ok())
    }
}
