//! Signatures against vectors: what the gateway's own plugins accept, and what this client sends.

use higress_dify_plugin::gateway::auth::{
    Auth, HmacAlgorithm, HmacDialect, HmacScheme, KeyPlacement, Proof, Stamp, Unsigned, apisix, hmac_base64, x_ca,
};
use higress_dify_plugin::gateway::{ErrorKind, auth};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use secrecy::SecretString;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct HmacVector {
    name: String,
    secret: SecretString,
    algorithm: String,
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: String,
    string_to_sign: Option<String>,
    signature: String,
}

#[derive(Deserialize)]
struct ApisixVector {
    name: String,
    key_id: String,
    secret: SecretString,
    algorithm: String,
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    names: Vec<String>,
    string_to_sign: String,
    signature: String,
}

#[derive(Deserialize)]
struct ClientVectors {
    key: String,
    secret: SecretString,
    unix_millis: i64,
    nonce: String,
    date: String,
    requests: Vec<ClientRequest>,
}

#[derive(Deserialize)]
struct ClientRequest {
    target: String,
    #[serde(default)]
    body: String,
    content_md5: Option<String>,
    #[serde(rename = "HmacSHA256")]
    sha256: String,
    #[serde(rename = "HmacSHA1")]
    sha1: String,
}

fn algorithm(name: &str) -> HmacAlgorithm {
    match name {
        "HmacSHA256" | "hmac-sha256" => HmacAlgorithm::Sha256,
        "HmacSHA1" | "hmac-sha1" => HmacAlgorithm::Sha1,
        "hmac-sha512" => HmacAlgorithm::Sha512,
        other => panic!("no algorithm {other}"),
    }
}

fn header_map<'a>(headers: impl IntoIterator<Item = (&'a String, &'a String)>) -> HeaderMap {
    headers
        .into_iter()
        .map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        })
        .collect()
}

fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([
        (http::header::ACCEPT, HeaderValue::from_static("*/*")),
        (http::header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ])
}

fn hmac(dialect: HmacDialect, algorithm: HmacAlgorithm, body_digest: bool) -> Auth {
    Auth::Hmac {
        access_key: "demo-key-0001".into(),
        secret: SecretString::from("demo-secret-0001"),
        scheme: HmacScheme { dialect, algorithm, body_digest, replay_nonce: false },
    }
}

fn stamp() -> Stamp {
    Stamp { unix_millis: 1_767_225_600_000, nonce: "5b8f4f0e-3f0a-4c1e-9d6a-0c6b0f1f2a33".into() }
}

fn sign(auth: &Auth, headers: &HeaderMap, body: &str, signed: &[HeaderName]) -> HeaderMap {
    let request =
        Unsigned { method: &Method::POST, target: "/demo/v1/chat/completions", headers, body: body.as_bytes() };
    proof_headers(auth.sign(request, signed, &stamp()).unwrap())
}

fn proof_headers(proof: Proof) -> HeaderMap {
    proof.headers.into_iter().collect()
}

#[test]
fn the_string_to_sign_and_signature_equal_those_of_the_hmac_auth_plugin() {
    let vectors: Vec<HmacVector> = serde_json::from_str(include_str!("vectors/hmac_auth.json")).unwrap();
    assert!(vectors.len() >= 22);
    for vector in vectors {
        let method: Method = vector.method.parse().unwrap();
        let headers = header_map(&vector.headers);
        let string = x_ca::string_to_sign(&method, &vector.target, &headers, vector.body.as_bytes());
        if let Some(expected) = vector.string_to_sign {
            assert_eq!(String::from_utf8_lossy(&string), expected, "{}", vector.name);
        }
        let signature = hmac_base64(algorithm(&vector.algorithm), &vector.secret, &string);
        assert_eq!(signature, vector.signature, "{}", vector.name);
    }
}

#[test]
fn the_string_to_sign_and_signature_equal_those_of_the_apisix_plugin() {
    let vectors: Vec<ApisixVector> = serde_json::from_str(include_str!("vectors/hmac_auth_apisix.json")).unwrap();
    for vector in vectors {
        let method: Method = vector.method.parse().unwrap();
        let names: Vec<&str> = vector.names.iter().map(String::as_str).collect();
        let string =
            apisix::string_to_sign(&vector.key_id, &method, &vector.target, &header_map(&vector.headers), &names);
        assert_eq!(String::from_utf8_lossy(&string), vector.string_to_sign, "{}", vector.name);
        let signature = hmac_base64(algorithm(&vector.algorithm), &vector.secret, &string);
        assert_eq!(signature, vector.signature, "{}", vector.name);
    }
}

#[test]
fn a_client_request_carries_the_headers_that_the_gateway_wants() {
    let vectors: ClientVectors = serde_json::from_str(include_str!("vectors/client.json")).unwrap();
    let stamp = Stamp { unix_millis: vectors.unix_millis, nonce: vectors.nonce.clone() };
    for request in &vectors.requests {
        for (algorithm, name, signature) in
            [(HmacAlgorithm::Sha256, "HmacSHA256", &request.sha256), (HmacAlgorithm::Sha1, "HmacSHA1", &request.sha1)]
        {
            let scheme = HmacScheme {
                dialect: HmacDialect::XCa,
                algorithm,
                body_digest: request.content_md5.is_some(),
                replay_nonce: false,
            };
            let auth = Auth::Hmac { access_key: vectors.key.clone(), secret: vectors.secret.clone(), scheme };
            let headers = json_headers();
            let unsigned = Unsigned {
                method: &Method::POST,
                target: &request.target,
                headers: &headers,
                body: request.body.as_bytes(),
            };
            let sent = proof_headers(auth.sign(unsigned, &[], &stamp).unwrap());
            let mut expected = vec![
                ("date", vectors.date.as_str()),
                ("x-ca-key", &vectors.key),
                ("x-ca-nonce", &vectors.nonce),
                ("x-ca-signature", signature),
                ("x-ca-signature-headers", "x-ca-key,x-ca-nonce,x-ca-signature-method,x-ca-timestamp"),
                ("x-ca-signature-method", name),
                ("x-ca-timestamp", "1767225600000"),
            ];
            expected.extend(request.content_md5.as_deref().map(|digest| ("content-md5", digest)));
            expected.sort_unstable();
            let mut sent: Vec<_> = sent.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
            sent.sort_unstable();
            assert_eq!(sent, expected, "{} {name}", request.target);
        }
    }
}

#[test]
fn the_apisix_dialect_signs_target_and_date() {
    let auth = Auth::Hmac {
        access_key: "consumer1-key".into(),
        secret: SecretString::from("2bda943c-ba2b-11ec-ba07-00163e1250b5"),
        scheme: HmacScheme {
            dialect: HmacDialect::Apisix,
            algorithm: HmacAlgorithm::Sha256,
            body_digest: false,
            replay_nonce: false,
        },
    };
    let sent = sign(&auth, &json_headers(), "{}", &[]);
    assert_eq!(
        sent["authorization"],
        concat!(
            r#"Signature keyId="consumer1-key",algorithm="hmac-sha256",headers="@request-target date","#,
            r#"signature="nkD9QMa97U39Ssh2kq08wWC18j4A0gJ1a1TasyTGBzI=""#
        )
    );
    assert_eq!(sent["date"], "Thu, 01 Jan 2026 00:00:00 GMT");
}

#[test]
fn a_body_digest_covers_the_bytes_and_an_empty_body_has_none() {
    let md5 = |body: &str| {
        sign(&hmac(HmacDialect::XCa, HmacAlgorithm::Sha256, true), &json_headers(), body, &[])
            .get("content-md5")
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(md5(r#"{"model":"qwen-max"}"#).as_deref(), Some("03MGXROVd4UZsSOdpwv1tw=="));
    assert_eq!(md5(""), None);
    let apisix = hmac(HmacDialect::Apisix, HmacAlgorithm::Sha256, true);
    let sent = sign(&apisix, &json_headers(), "{}", &[]);
    assert_eq!(sent["digest"], "SHA-256=RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=");
    assert!(sent["authorization"].to_str().unwrap().contains(r#"headers="@request-target date digest""#));
    assert!(!sign(&apisix, &json_headers(), "", &[]).contains_key("digest"));
}

#[test]
fn metadata_headers_are_signed_in_order_and_only_if_they_are_sent() {
    let mut headers = json_headers();
    headers.insert("x-dify-source", HeaderValue::from_static("dify"));
    headers.insert("x-app-id", HeaderValue::from_static("app"));
    headers.insert("user-agent", HeaderValue::from_static("changed on the way"));
    let wanted = ["x-dify-source", "x-app-id", "x-absent", "user-agent", "x-app-id"].map(HeaderName::from_static);
    let sent = sign(&hmac(HmacDialect::XCa, HmacAlgorithm::Sha256, false), &headers, "{}", &wanted);
    assert_eq!(
        sent["x-ca-signature-headers"],
        "x-app-id,x-ca-key,x-ca-nonce,x-ca-signature-method,x-ca-timestamp,x-dify-source"
    );
    let all: HeaderMap = headers.clone().into_iter().chain(sent.clone()).filter_map(|(n, v)| Some((n?, v))).collect();
    let string = x_ca::string_to_sign(&Method::POST, "/demo/v1/chat/completions", &all, b"{}");
    let expected = hmac_base64(HmacAlgorithm::Sha256, &SecretString::from("demo-secret-0001"), &string);
    assert_eq!(sent["x-ca-signature"], expected);
    let sent = sign(&hmac(HmacDialect::Apisix, HmacAlgorithm::Sha256, false), &headers, "{}", &wanted);
    assert!(
        sent["authorization"].to_str().unwrap().contains(r#"headers="@request-target date x-app-id x-dify-source""#)
    );
}

#[test]
fn the_replay_nonce_is_sent_when_it_is_wanted() {
    let Auth::Hmac { access_key, secret, scheme } = hmac(HmacDialect::XCa, HmacAlgorithm::Sha256, false) else {
        unreachable!()
    };
    let auth = Auth::Hmac { access_key, secret, scheme: HmacScheme { replay_nonce: true, ..scheme } };
    assert_eq!(sign(&auth, &json_headers(), "{}", &[])["x-higress-nonce"], stamp().nonce.as_str());
}

#[test]
fn an_api_key_goes_where_it_is_wanted() {
    let auth = |placement| Auth::ApiKey { key: SecretString::from("sk-1"), placement };
    let sent = sign(&auth(KeyPlacement::Bearer), &json_headers(), "{}", &[]);
    assert_eq!(sent["authorization"], "Bearer sk-1");
    assert!(sent["authorization"].is_sensitive());
    let header = KeyPlacement::Header(HeaderName::from_static("x-api-key"));
    assert_eq!(sign(&auth(header), &json_headers(), "{}", &[])["x-api-key"], "sk-1");
    assert!(sign(&auth(KeyPlacement::Query("apikey".into())), &json_headers(), "{}", &[]).is_empty());
    assert!(sign(&Auth::Disabled, &json_headers(), "{}", &[]).is_empty());
}

#[test]
fn a_credential_that_would_send_an_unsigned_request_is_refused() {
    let key = |key: &str, placement| Auth::ApiKey { key: SecretString::from(key), placement };
    let pair = |access_key: &str, secret: &str, algorithm| Auth::Hmac {
        access_key: access_key.into(),
        secret: SecretString::from(secret),
        scheme: HmacScheme { dialect: HmacDialect::XCa, algorithm, body_digest: false, replay_nonce: false },
    };
    for auth in [
        key("", KeyPlacement::Bearer),
        key("sk\n1", KeyPlacement::Bearer),
        key(" sk", KeyPlacement::Bearer),
        key("sk", KeyPlacement::Query(String::new())),
        pair("", "secret", HmacAlgorithm::Sha256),
        pair("key", "", HmacAlgorithm::Sha256),
        pair("k\"ey", "secret", HmacAlgorithm::Sha256),
        pair("key", "secret", HmacAlgorithm::Sha512),
    ] {
        assert_eq!(auth.check().unwrap_err().kind, ErrorKind::Config, "{auth:?}");
    }
}

#[test]
fn debug_shows_no_secret_and_a_shortened_access_key() {
    let shown = format!(
        "{:?} {:?}",
        hmac(HmacDialect::XCa, HmacAlgorithm::Sha256, false),
        Auth::ApiKey { key: SecretString::from("sk-hidden"), placement: KeyPlacement::Bearer }
    );
    assert!(!shown.contains("demo-key-0001") && !shown.contains("demo-secret") && !shown.contains("sk-hidden"));
    assert!(shown.contains("demo…"), "{shown}");
}

#[test]
fn dates_are_written_and_read_as_http_has_them() {
    assert_eq!(auth::http_date(1_700_000_000_000), "Tue, 14 Nov 2023 22:13:20 GMT");
    assert_eq!(auth::parse_http_date("Tue, 14 Nov 2023 22:13:20 GMT"), Some(1_700_000_000));
    assert_eq!(auth::parse_http_date("2023-11-14 22:13:20"), None);
    let now = Stamp::now();
    assert_eq!(now.unix_millis.to_string().len(), 13);
    assert_ne!(now.nonce, Stamp::now().nonce);
}
