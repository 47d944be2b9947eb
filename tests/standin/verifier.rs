//! The verifier against published and recorded signatures, and its refusals word for word.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use higress_dify_plugin::standin::Consumer;
use higress_dify_plugin::standin::auth::{Accepted, Access, Incoming, Rejection, Rules, apisix, check, x_ca};
use serde::Deserialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Deserialize)]
struct Vector {
    name: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    key: String,
    secret: String,
    string: String,
    signature: String,
    algorithm: Option<String>,
    listed: Option<String>,
}

fn vectors(text: &str) -> Vec<Vector> {
    serde_json::from_str(text).unwrap()
}

fn consumer(key: &str, secret: &str) -> Consumer {
    Consumer { access_key: key.to_owned(), secret: secret.to_owned(), ..Consumer::demo() }
}

fn headers<T: AsRef<str>>(pairs: &[(T, T)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(name.as_ref().parse::<HeaderName>().unwrap(), HeaderValue::from_str(value.as_ref()).unwrap());
    }
    map
}

fn set(map: &mut HeaderMap, name: &str, value: &str) {
    map.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
}

const NOW: SystemTime = UNIX_EPOCH;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn every_x_ca_signature_of_the_plugin_is_accepted() {
    for vector in vectors(include_str!("../vectors/verifier-x-ca.json")) {
        let mut map = headers(&vector.headers);
        set(&mut map, "x-ca-signature", &vector.signature);
        let request = Incoming {
            method: &vector.method,
            target: &vector.target,
            headers: &map,
            body: vector.body.as_bytes(),
            headers_only: vector.body.is_empty(),
        };
        assert_eq!(String::from_utf8(x_ca::string_to_sign(&request)).unwrap(), vector.string, "{}", vector.name);
        let consumers = [consumer(&vector.key, &vector.secret)];
        let rules = Rules { consumers: &consumers, date_offset: None, now: NOW };
        let accepted =
            check(Access::Hmac, &request, &rules).unwrap_or_else(|refused| panic!("{}: {refused:?}", vector.name));
        assert_eq!(accepted.string_to_sign.unwrap(), vector.string.as_bytes());
        let consumers = [consumer(&vector.key, "another secret")];
        let rules = Rules { consumers: &consumers, ..rules };
        assert_eq!(check(Access::Hmac, &request, &rules).unwrap_err().body, "Invalid Signature", "{}", vector.name);
    }
}

#[test]
fn every_apisix_signature_of_the_plugin_is_accepted() {
    for vector in vectors(include_str!("../vectors/verifier-apisix.json")) {
        let mut map = headers(&vector.headers);
        let (algorithm, listed) = (vector.algorithm.unwrap(), vector.listed.unwrap());
        let authorization = format!(
            r#"Signature keyId="{}",algorithm="{algorithm}",headers="{listed}",signature="{}""#,
            vector.key, vector.signature
        );
        map.insert("authorization", HeaderValue::from_str(&authorization).unwrap());
        let request =
            Incoming { method: &vector.method, target: &vector.target, headers: &map, body: b"", headers_only: true };
        let string = apisix::string_to_sign(&request, &vector.key, Some(&listed));
        assert_eq!(String::from_utf8(string).unwrap(), vector.string, "{}", vector.name);
        let consumers = [consumer(&vector.key, &vector.secret)];
        let rules = Rules { consumers: &consumers, date_offset: None, now: NOW };
        check(Access::Apisix, &request, &rules).unwrap_or_else(|refused| panic!("{}: {refused:?}", vector.name));
        let consumers = [consumer(&vector.key, "another secret")];
        let refused = check(Access::Apisix, &request, &Rules { consumers: &consumers, ..rules }).unwrap_err();
        assert_eq!(refused.body, r#"{"message":"client request can't be validated: Invalid signature"}"#);
    }
}

/// A request as the demo's consumer signs it, at 2026-01-01T00:00:00Z, and that moment.
fn signed() -> (HeaderMap, SystemTime) {
    let map = headers(&[
        ("accept", "*/*"),
        ("content-type", "application/json"),
        ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("x-ca-key", "demo-key-0001"),
        ("x-ca-nonce", "5b8f4f0e-3f0a-4c1e-9d6a-0c6b0f1f2a33"),
        ("x-ca-signature-method", "HmacSHA256"),
        ("x-ca-timestamp", "1767225600000"),
        ("x-ca-signature-headers", "x-ca-key,x-ca-nonce,x-ca-signature-method,x-ca-timestamp"),
        ("x-ca-signature", "in+B4mBbdH4nyKN7QgqXRcCm0OHm8Ovu51awhKPdlXA="),
    ]);
    (map, at(1_767_225_600))
}

fn check_x_ca(map: &HeaderMap, body: &[u8], now: SystemTime) -> Result<Accepted, Rejection> {
    let consumers = [Consumer::demo(), Consumer::guest()];
    let rules = Rules { consumers: &consumers, date_offset: Some(Duration::from_secs(300)), now };
    let request =
        Incoming { method: "POST", target: "/demo/v1/embeddings", headers: map, body, headers_only: body.is_empty() };
    check(Access::Hmac, &request, &rules)
}

fn refusal(map: &HeaderMap, body: &[u8], now: SystemTime) -> (u16, String) {
    let refused = check_x_ca(map, body, now).unwrap_err();
    (refused.status.as_u16(), refused.body)
}

#[test]
fn a_signed_request_is_let_in_as_its_consumer() {
    let (map, now) = signed();
    assert_eq!(check_x_ca(&map, b"{}", now).unwrap().consumer.as_deref(), Some("demo"));
}

#[test]
fn refusals_of_hmac_auth_come_in_the_order_and_the_words_of_the_plugin() {
    let (map, now) = signed();
    let with = |name: &str, value: &str| {
        let mut changed = map.clone();
        set(&mut changed, name, value);
        changed
    };
    let without = |name: &str| {
        let mut changed = map.clone();
        changed.remove(name);
        changed
    };
    let says = |status: u16, text: &str| (status, text.to_owned());
    assert_eq!(refusal(&without("x-ca-key"), b"", now), says(401, "Invalid Key"));
    assert_eq!(refusal(&with("x-ca-key", "nobody"), b"", now), says(401, "Invalid Key"));
    assert_eq!(refusal(&with("x-ca-key", "guest-key-0001"), b"", now), says(403, "Unauthorized Consumer"));
    assert_eq!(refusal(&without("x-ca-signature"), b"", now), says(401, "Empty Signature"));
    assert_eq!(refusal(&with("date", "2026-01-01 00:00:00"), b"", now), says(400, "Invalid Date"));
    assert_eq!(refusal(&with("date", "Thu, 01 Jan 2026 00:00:00 +0000"), b"", now), says(400, "Invalid Date"));
    assert_eq!(refusal(&with("date", "Thu, 01 Jan 2026 00:00:00 gmt"), b"", now), says(400, "Invalid Date"));
    assert_eq!(refusal(&with("x-ca-nonce", "other"), b"", now), says(400, "Invalid Signature"));
    assert_eq!(refusal(&with("x-ca-signature", "bm9uc2Vuc2U="), b"", now), says(400, "Invalid Signature"));
}

#[test]
fn a_wrong_signature_is_told_what_the_gateway_signed() {
    let (mut map, now) = signed();
    set(&mut map, "x-ca-nonce", "other");
    let refused = check_x_ca(&map, b"", now).unwrap_err();
    let (name, value) = &refused.headers[0];
    assert_eq!(name, "x-ca-error-message");
    assert_eq!(
        value.to_str().unwrap(),
        "Server StringToSign:`POST#*/*##application/json#Thu, 01 Jan 2026 00:00:00 GMT#x-ca-key:demo-key-0001#\
         x-ca-nonce:other#x-ca-signature-method:HmacSHA256#x-ca-timestamp:1767225600000#/demo/v1/embeddings`"
    );
}

#[test]
fn a_date_may_be_off_by_the_offset_and_no_second_more() {
    let (map, _) = signed();
    let date = 1_767_225_600;
    assert!(check_x_ca(&map, b"", at(date + 300)).is_ok());
    assert!(check_x_ca(&map, b"", at(date - 300)).is_ok());
    assert_eq!(refusal(&map, b"", at(date + 301)).1, "Invalid Date");
    assert_eq!(refusal(&map, b"", at(date - 301)).1, "Invalid Date");
}

#[test]
fn a_timestamp_counts_only_without_a_date_and_has_13_digits_for_milliseconds() {
    let (mut map, now) = signed();
    map.remove("date");
    assert_eq!(refusal(&map, b"", now).1, "Invalid Signature", "the timestamp is fine, the string is another");
    set(&mut map, "x-ca-timestamp", "1767225600");
    assert_eq!(refusal(&map, b"", now).1, "Invalid Signature", "seconds are fine too");
    set(&mut map, "x-ca-timestamp", "176722560000");
    assert_eq!(refusal(&map, b"", now).1, "Invalid Date", "12 digits are seconds");
    map.remove("x-ca-timestamp");
    assert_eq!(refusal(&map, b"", now).1, "Invalid Date");
}

/// A request with a digest, its date unchecked, signed over the digest.
fn digested(digest: &str, signature: &str) -> HeaderMap {
    let (mut map, _) = signed();
    set(&mut map, "content-md5", digest);
    set(&mut map, "x-ca-signature", signature);
    map
}

fn check_digest(map: &HeaderMap, body: &[u8]) -> Result<Accepted, Rejection> {
    let consumers = [Consumer::demo()];
    let rules = Rules { consumers: &consumers, date_offset: None, now: NOW };
    let request =
        Incoming { method: "POST", target: "/demo/v1/chat/completions", headers: map, body, headers_only: false };
    check(Access::Hmac, &request, &rules)
}

#[test]
fn a_body_must_be_what_its_digest_says() {
    let map = digested("03MGXROVd4UZsSOdpwv1tw==", "s3EWffzEGOWnReRAiWuqeqsD0m7PH8lrIvHCeLw5vYE=");
    assert!(check_digest(&map, br#"{"model":"qwen-max"}"#).is_ok());
    assert_eq!(check_digest(&map, br#"{"model":"qwen-max" }"#).unwrap_err().body, "Invalid Content-MD5");
    assert_eq!(check_digest(&map, b"").unwrap_err().body, "Invalid Content-MD5", "an empty body that is one");
}

#[test]
fn a_digest_over_about_a_megabyte_is_too_large_for_the_plugin() {
    let map = digested("03MGXROVd4UZsSOdpwv1tw==", "s3EWffzEGOWnReRAiWuqeqsD0m7PH8lrIvHCeLw5vYE=");
    assert_eq!(check_digest(&map, &vec![b' '; 1_015_808]).unwrap_err().body, "Invalid Content-MD5");
    let refused = check_digest(&map, &vec![b' '; 1_032_192]).unwrap_err();
    assert_eq!((refused.status, refused.body.as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "Request Body Too Large"));
}

fn check_key(pairs: &[(&str, &str)], target: &str) -> Result<Accepted, Rejection> {
    let map = headers(pairs);
    let consumers = [Consumer::demo(), Consumer::guest()];
    let rules = Rules { consumers: &consumers, date_offset: None, now: NOW };
    check(Access::Key, &Incoming { method: "POST", target, headers: &map, body: b"", headers_only: true }, &rules)
}

#[test]
fn an_api_key_is_compared_letter_by_letter_in_every_place_it_may_stand() {
    let demo = Some("demo".to_owned());
    assert_eq!(check_key(&[("authorization", "Bearer sk-demo-0001")], "/").unwrap().consumer, demo);
    assert_eq!(check_key(&[("x-api-key", "sk-demo-0001")], "/").unwrap().consumer, demo);
    assert_eq!(check_key(&[], "/v1?apikey=sk%2Ddemo-0001").unwrap().consumer, demo);
    assert_eq!(check_key(&[("authorization", "Bearer x"), ("x-api-key", "sk-demo-0001")], "/").unwrap().consumer, demo);
    for wrong in ["bearer sk-demo-0001", "Bearer  sk-demo-0001", "sk-demo-0001", "Bearer sk-demo-0002"] {
        let refused = check_key(&[("authorization", wrong)], "/").unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.body.as_str()), (401, ""), "{wrong}");
        assert_eq!(refused.headers[0].1, "Key realm=MSE Gateway");
    }
    let refused = check_key(&[("authorization", "Bearer sk-guest-0001")], "/").unwrap_err();
    assert_eq!((refused.status.as_u16(), refused.body.as_str()), (403, ""));
    assert_eq!(refused.headers[0].1, "Basic realm=MSE Gateway");
}

fn apisix_reason(authorization: Option<&str>, date: Option<&str>, digest: Option<&str>) -> String {
    let mut map = HeaderMap::new();
    for (name, value) in [("authorization", authorization), ("date", date), ("digest", digest)] {
        if let Some(value) = value {
            set(&mut map, name, value);
        }
    }
    let consumers = [consumer("ak1", "sk1"), Consumer::guest()];
    let rules = Rules { consumers: &consumers, date_offset: Some(Duration::from_secs(300)), now: at(1_525_872_629) };
    let request =
        Incoming { method: "POST", target: "/v1/embeddings", headers: &map, body: b"{}", headers_only: false };
    match check(Access::Apisix, &request, &rules) {
        Ok(_) => "let in".to_owned(),
        Err(refused) => {
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
            let reason = refused.body.strip_prefix(r#"{"message":"client request can't be validated: "#).unwrap();
            reason.strip_suffix(r#""}"#).unwrap().to_owned()
        }
    }
}

#[test]
fn refusals_of_hmac_auth_apisix_have_the_reasons_of_the_plugin() {
    let date = Some("Wed, 09 May 2018 13:30:29 GMT");
    let good = r#"Signature keyId="ak1",algorithm="hmac-sha256",headers="date",signature="UifdJlykiiWyHss+WG6EvqgVmvILZkYScaWhR6TzRcg=""#;
    let reason = |authorization: &str| apisix_reason(Some(authorization), date, None);
    assert_eq!(reason(good), "let in");
    assert_eq!(apisix_reason(None, date, None), "missing Authorization header");
    assert_eq!(reason("Bearer x"), "Authorization header does not start with 'Signature '");
    assert_eq!(reason(r#"Signature keyId="ak1""#), "keyId or signature missing");
    assert_eq!(reason(r#"Signature keyId="ak1",signature="x""#), "algorithm missing");
    assert_eq!(reason(&good.replace("ak1", "nobody")), "Invalid keyId");
    assert_eq!(reason(&good.replace("ak1", "guest-key-0001")), "consumer 'guest' is not allowed");
    assert_eq!(apisix_reason(Some(good), None, None), "Date header missing. failed to validate clock skew");
    assert_eq!(apisix_reason(Some(good), Some("2018-05-09T13:30:29Z"), None), "Invalid GMT format time");
    assert_eq!(apisix_reason(Some(good), Some("Wed, 09 May 2018 14:30:29 GMT"), None), "Clock skew exceeded");
    assert_eq!(reason(&good.replace("sha256", "md5")), "Invalid algorithm");
    assert_eq!(reason(&good.replace("Uifd", "Xifd")), "Invalid signature");
    assert_eq!(apisix_reason(Some(good), date, Some("SHA-256=x")), "Invalid digest");
    assert_eq!(apisix_reason(Some(good), date, Some("SHA-256=RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=")), "let in");
}
