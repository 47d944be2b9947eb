//! What is signed is what the gateway checks: the built-in gateway's verifier, which shares no line with the signer,
//! accepts every request, and refuses it when anything that is signed is changed.

use higress_dify_plugin::gateway::Endpoint;
use higress_dify_plugin::gateway::auth::{Auth, HmacAlgorithm, HmacDialect, HmacScheme, Stamp, Unsigned};
use higress_dify_plugin::standin::Consumer;
use higress_dify_plugin::standin::auth::{Accepted, Access, Incoming, Rejection, Rules, check};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use secrecy::SecretString;
use std::time::{Duration, SystemTime};
use url::Position;

const EXTRA: HeaderName = HeaderName::from_static("x-extra");

/// Checks one input: four lines and a body. The first names the scheme in words (`apisix`, `sha1`, `sha512`, `digest`,
/// `form`), the second is the route's prefix and query, the third the path of the call, the fourth a signed header.
pub(crate) fn run(data: &[u8]) {
    let mut parts = data.splitn(5, |byte| *byte == b'\n');
    let mut line = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
    let (Some(words), Some(prefix), Some(path), Some(extra)) = (line(), line(), line(), line()) else { return };
    let body = parts.next().unwrap_or_default();
    let Ok(endpoint) = Endpoint::parse(&format!("http://gateway.test/{prefix}")) else { return };
    let Ok(extra) = HeaderValue::from_str(extra.trim()) else { return };
    let url = endpoint.join(&format!("/{path}"));
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let (dialect, access) =
        if words.contains("apisix") { (HmacDialect::Apisix, Access::Apisix) } else { (HmacDialect::XCa, Access::Hmac) };
    let algorithm = match dialect {
        _ if words.contains("sha1") => HmacAlgorithm::Sha1,
        HmacDialect::Apisix if words.contains("sha512") => HmacAlgorithm::Sha512,
        _ => HmacAlgorithm::Sha256,
    };
    let form = words.contains("form");
    // Behind about 1 MB of body the gateway's plugin refuses a digest, whatever it is.
    let body_digest = words.contains("digest") && body.len() < 100_000;
    let content_type = if form { "application/x-www-form-urlencoded" } else { "application/json" };
    let mut headers = HeaderMap::from_iter([
        (http::header::ACCEPT, HeaderValue::from_static("*/*")),
        (http::header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (EXTRA, extra),
    ]);
    let consumer = Consumer::demo();
    let auth = Auth::Hmac {
        access_key: consumer.access_key.clone(),
        secret: SecretString::from(consumer.secret.clone()),
        scheme: HmacScheme { dialect, algorithm, body_digest, replay_nonce: false },
    };
    let stamp = Stamp { unix_millis: 1_767_225_600_000, nonce: "5b8f4f0e-3f0a-4c1e-9d6a-0c6b0f1f2a33".to_owned() };
    let unsigned = Unsigned { method: &Method::POST, target, headers: &headers, body };
    let proof = auth.sign(unsigned, &[EXTRA], &stamp).expect("these credentials can sign");
    headers.extend(proof.headers);
    let verify = |target: &str, headers: &HeaderMap, body: &[u8]| -> Result<Accepted, Rejection> {
        let incoming = Incoming { method: "POST", target, headers, body, headers_only: body.is_empty() };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let consumers = std::slice::from_ref(&consumer);
        check(access, &incoming, &Rules { consumers, date_offset: Some(Duration::from_secs(300)), now })
    };

    let accepted = verify(target, &headers, body).expect("the gateway accepts what was signed");
    if dialect == HmacDialect::XCa && form && body.is_empty() {
        // The plugin waits for a form's body for ever, and checks nothing.
        return;
    }
    assert_eq!(accepted.string_to_sign, proof.string_to_sign);
    let elsewhere = format!("/elsewhere{target}");
    assert!(verify(&elsewhere, &headers, body).is_err(), "another path");
    let mut changed = headers.clone();
    changed.insert(EXTRA, HeaderValue::from_static("changed on the way"));
    if headers[EXTRA] != changed[EXTRA] {
        assert!(verify(target, &changed, body).is_err(), "another header");
    }
    if body_digest && !body.is_empty() {
        assert!(verify(target, &headers, &[body, b"x"].concat()).is_err(), "another body");
    }
}
