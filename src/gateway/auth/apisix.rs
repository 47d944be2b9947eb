//! The `Authorization: Signature …` that Higress's hmac-auth-apisix plugin checks
//! (`plugins/wasm-go/extensions/hmac-auth-apisix`).

use super::{HmacAlgorithm, HmacScheme, Proof, Stamp, Unsigned, hmac_base64, sensitive, value};
use crate::gateway::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, Method, header};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

/// The pseudo header that stands for method, path and query.
const REQUEST_TARGET: &str = "@request-target";
const DATE: &str = "date";
const DIGEST: &str = "digest";

/// The headers of a signed request: `Authorization`, `Date`, and `Digest` if wanted and there is a body.
pub(super) fn sign(
    request: Unsigned<'_>,
    key_id: &str,
    secret: &SecretString,
    scheme: HmacScheme,
    covered: &[HeaderName],
    stamp: &Stamp,
) -> Result<Proof, Error> {
    let mut headers = vec![(header::DATE, value(&stamp.date())?)];
    let mut names = vec![REQUEST_TARGET, DATE];
    if scheme.body_digest && !request.body.is_empty() {
        headers.push((
            HeaderName::from_static(DIGEST),
            value(&format!("SHA-256={}", STANDARD.encode(Sha256::digest(request.body))))?,
        ));
        names.push(DIGEST);
    }
    names.extend(covered.iter().map(HeaderName::as_str).filter(|name| *name != DIGEST));
    let mut sent = request.headers.clone();
    sent.extend(headers.iter().cloned());
    let string = string_to_sign(key_id, request.method, request.target, &sent, &names);
    let algorithm = match scheme.algorithm {
        HmacAlgorithm::Sha256 => "hmac-sha256",
        HmacAlgorithm::Sha1 => "hmac-sha1",
        HmacAlgorithm::Sha512 => "hmac-sha512",
    };
    let authorization = format!(
        r#"Signature keyId="{key_id}",algorithm="{algorithm}",headers="{}",signature="{}""#,
        names.join(" "),
        hmac_base64(scheme.algorithm, secret, &string)
    );
    headers.push((header::AUTHORIZATION, sensitive(&authorization)?));
    Ok(Proof { headers, string_to_sign: Some(string) })
}

/// What is signed: the key's id, then a line for each of `names`, in their order. Path and query stand as they are
/// sent, names as they are listed; a listed header that the request lacks has no line.
pub fn string_to_sign(key_id: &str, method: &Method, target: &str, headers: &HeaderMap, names: &[&str]) -> Vec<u8> {
    let mut out = format!("{key_id}\n").into_bytes();
    for name in names {
        if *name == REQUEST_TARGET {
            out.extend_from_slice(format!("{method} {target}\n").as_bytes());
        } else if let Some(value) = headers.get(*name) {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes().trim_ascii());
            out.push(b'\n');
        }
    }
    out
}
