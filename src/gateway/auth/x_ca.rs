//! The `x-ca-*` signature that Higress's hmac-auth plugin checks (`plugins/wasm-cpp/extensions/hmac_auth/plugin.cc`).

use super::{HmacAlgorithm, HmacScheme, Proof, Stamp, Unsigned, hmac_base64, sensitive, value};
use crate::gateway::{Error, escape};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use md5::{Digest, Md5};
use secrecy::SecretString;
use std::collections::BTreeMap;

const KEY: HeaderName = HeaderName::from_static("x-ca-key");
const NONCE: HeaderName = HeaderName::from_static("x-ca-nonce");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-ca-timestamp");
const METHOD: HeaderName = HeaderName::from_static("x-ca-signature-method");
const SIGNATURE: HeaderName = HeaderName::from_static("x-ca-signature");
const SIGNED: HeaderName = HeaderName::from_static("x-ca-signature-headers");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Headers that have a line of their own in the string, or cannot be signed: the plugin drops them from the list.
const NEVER_LISTED: &[&str] =
    &["x-ca-signature", "x-ca-signature-headers", ":method", "accept", "content-md5", "content-type", "date"];

/// The headers of a signed request: the plugin's own, `Date`, and `Content-MD5` if wanted and there is a body.
pub(super) fn sign(
    request: Unsigned<'_>,
    access_key: &str,
    secret: &SecretString,
    scheme: HmacScheme,
    covered: &[HeaderName],
    stamp: &Stamp,
) -> Result<Proof, Error> {
    let method_name = match scheme.algorithm {
        HmacAlgorithm::Sha1 => "HmacSHA1",
        HmacAlgorithm::Sha256 | HmacAlgorithm::Sha512 => "HmacSHA256",
    };
    let own = [KEY, NONCE, METHOD, TIMESTAMP];
    let mut names: Vec<&str> = own.iter().chain(covered).map(HeaderName::as_str).collect();
    names.sort_unstable();
    let mut headers = vec![
        (KEY, sensitive(access_key)?),
        (NONCE, value(&stamp.nonce)?),
        (TIMESTAMP, value(&stamp.unix_millis.to_string())?),
        (METHOD, HeaderValue::from_static(method_name)),
        (SIGNED, value(&names.join(","))?),
        (header::DATE, value(&stamp.date())?),
    ];
    if scheme.body_digest && !request.body.is_empty() {
        headers.push((CONTENT_MD5, value(&STANDARD.encode(Md5::digest(request.body)))?));
    }
    let mut sent = request.headers.clone();
    sent.extend(headers.iter().cloned());
    let string = string_to_sign(request.method, request.target, &sent, request.body);
    headers.push((SIGNATURE, sensitive(&hmac_base64(scheme.algorithm, secret, &string))?));
    Ok(Proof { headers, string_to_sign: Some(string) })
}

/// What is signed, as the plugin builds it from the request it receives.
///
/// Five lines that are always there (method, `Accept`, `Content-MD5`, `Content-Type`, `Date`), one line for each header
/// that `x-ca-signature-headers` lists, and the path with its parameters: decoded, sorted by bytes, the first of equal
/// names, always with `=`. A form body's fields count as parameters after those of the query. Bytes and not text,
/// because what a parameter decodes to need not be UTF-8.
pub fn string_to_sign(method: &Method, target: &str, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b'\n');
    for name in [header::ACCEPT, CONTENT_MD5, header::CONTENT_TYPE, header::DATE] {
        out.extend_from_slice(first_value(headers, name.as_str()));
        out.push(b'\n');
    }
    for name in listed(headers) {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(first_value(headers, &name));
        out.push(b'\n');
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    out.extend_from_slice(path.as_bytes());
    let form = if is_form(headers) { body } else { b"" };
    let mut separator = b'?';
    for (name, value) in parameters(query.as_bytes(), form) {
        out.push(separator);
        out.extend_from_slice(&name);
        out.push(b'=');
        out.extend_from_slice(&value);
        separator = b'&';
    }
    out
}

/// The names of `x-ca-signature-headers` as the plugin reads them: lower case, sorted, not made unique, not trimmed.
fn listed(headers: &HeaderMap) -> Vec<String> {
    let list = String::from_utf8_lossy(first_value(headers, SIGNED.as_str())).to_ascii_lowercase();
    let mut names: Vec<String> =
        list.split(',').filter(|name| !name.is_empty() && !NEVER_LISTED.contains(name)).map(str::to_owned).collect();
    names.sort_unstable();
    names
}

/// A header's first value without blanks around it, as Envoy holds it; empty when there is none.
fn first_value<'a>(headers: &'a HeaderMap, name: &str) -> &'a [u8] {
    headers.get(name).map(|value| value.as_bytes().trim_ascii()).unwrap_or_default()
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = first_value(headers, header::CONTENT_TYPE.as_str()).to_ascii_lowercase();
    memchr::memmem::find(&content_type, b"application/x-www-form-urlencoded").is_some()
}

/// Parameters in the order in which they are signed. `a=1&&b=2` has an empty one, as it has for the plugin.
fn parameters(query: &[u8], form: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut parameters = BTreeMap::new();
    for source in [query, form].into_iter().filter(|source| !source.is_empty()) {
        for pair in source.split(|byte| *byte == b'&') {
            let (name, value) = match memchr::memchr(b'=', pair).and_then(|at| pair.split_at_checked(at)) {
                Some((name, value)) => (escape::decode(name), escape::decode(value.get(1..).unwrap_or_default())),
                None => (pair.to_vec(), Vec::new()),
            };
            parameters.entry(name).or_insert(value);
        }
    }
    parameters
}
