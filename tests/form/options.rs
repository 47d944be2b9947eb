//! `advanced_options`.

use higress_dify_plugin::gateway::TransportOptions;
use higress_dify_plugin::gateway::auth::{HmacAlgorithm, HmacDialect, HmacScheme};
use higress_dify_plugin::provider::options::{AdvancedOptions, EncodingFormat, Guardrail, KEYS, ReasoningHistory};
use higress_dify_plugin::runtime::ErrorKind;
use higress_dify_plugin::runtime::output::Merging;
use serde_json::json;
use std::time::Duration;

fn parse(text: &str) -> AdvancedOptions {
    AdvancedOptions::parse(Some(text)).expect(text)
}

fn refusal(text: &str) -> String {
    let error = AdvancedOptions::parse(Some(text)).expect_err(text);
    assert_eq!(error.kind, ErrorKind::BadRequest);
    error.message.strip_prefix("[higress] advanced_options ").expect("the field comes first").to_owned()
}

#[test]
fn no_text_and_an_empty_object_are_the_defaults() {
    let defaults = AdvancedOptions {
        transport: TransportOptions::default(),
        retries_set: false,
        key_header: None,
        key_query: None,
        hmac: HmacScheme {
            dialect: HmacDialect::XCa,
            algorithm: HmacAlgorithm::Sha256,
            body_digest: false,
            replay_nonce: false,
        },
        include_usage: true,
        send_user: true,
        reasoning_history: ReasoningHistory::Strip,
        guardrail: Guardrail::Text,
        cache_bypass: false,
        llm_model_header: false,
        concurrency: 4,
        encoding_format: EncodingFormat::Float,
        image_system_prompt: false,
        polling: false,
        merging: Merging::Waiting,
        price: None,
    };
    assert_eq!(AdvancedOptions::parse(None).unwrap(), defaults);
    for text in ["", "  ", "{}", r#"{"total_timeout": null, "proxy": " "}"#] {
        assert_eq!(parse(text), defaults, "{text}");
    }
}

#[test]
fn every_key_is_read() {
    let all = json!({
        "connect_timeout": 2.5, "first_byte_timeout": 60, "idle_timeout": 61, "total_timeout": 62, "retries": 2,
        "tls_verify": false, "ca_pem": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        "proxy": "http://proxy.example.com:3128", "key_header": "x-api-key", "hmac_algorithm": "HmacSHA1",
        "hmac_dialect": "apisix", "content_md5": true, "nonce": true, "include_usage": false, "send_user": false,
        "reasoning_history": "reasoning_content", "guardrail": "error", "cache_bypass": true, "llm_model_header": true,
        "concurrency": 8, "encoding_format": "base64", "image_system_prompt": true, "polling": true,
        "merge_window_ms": 20, "input_price": "2.4", "output_price": 9.6, "price_unit": "0.001", "currency": "RMB"
    });
    let options = parse(&all.to_string());
    assert_eq!(
        options.transport,
        TransportOptions {
            connect_timeout: Duration::from_millis(2500),
            first_byte_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(61),
            total_timeout: Duration::from_secs(62),
            retries: 2,
            tls_verify: false,
            ca_pem: Some("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----".to_owned()),
            proxy: Some("http://proxy.example.com:3128".to_owned()),
        }
    );
    assert!(options.retries_set);
    assert_eq!((options.key_header.as_deref(), options.key_query.as_deref()), (Some("x-api-key"), None));
    let scheme = HmacScheme {
        dialect: HmacDialect::Apisix,
        algorithm: HmacAlgorithm::Sha1,
        body_digest: true,
        replay_nonce: true,
    };
    assert_eq!(options.hmac, scheme);
    assert!(!options.include_usage && !options.send_user);
    assert_eq!(options.reasoning_history, ReasoningHistory::ReasoningContent);
    assert_eq!(options.guardrail, Guardrail::Error);
    assert!(options.cache_bypass && options.llm_model_header && options.image_system_prompt && options.polling);
    assert_eq!((options.concurrency, options.encoding_format), (8, EncodingFormat::Base64));
    assert_eq!(options.merging, Merging::Window(Duration::from_millis(20)));
    let price = options.price.expect("a price");
    assert_eq!(price.input.to_string(), "2.4");
    assert_eq!(price.output.expect("a price").to_string(), "9.6");
    assert_eq!((price.unit.to_string().as_str(), price.currency.as_str()), ("0.001", "RMB"));

    let read: Vec<_> = all.as_object().unwrap().keys().map(String::as_str).chain(["key_query"]).collect();
    assert!(KEYS.iter().all(|key| read.contains(key)), "this test must set every key");
    assert_eq!(parse(r#"{"key_query": "api_key"}"#).key_query.as_deref(), Some("api_key"));
}

#[test]
fn retries_that_are_set_to_none_are_told_from_retries_that_are_not_set() {
    assert!(parse(r#"{"retries": 0}"#).retries_set);
    assert!(!parse("{}").retries_set);
}

#[test]
fn merging_is_off_waiting_or_a_window() {
    assert_eq!(parse(r#"{"merge_window_ms": -1}"#).merging, Merging::Off);
    assert_eq!(parse(r#"{"merge_window_ms": 0}"#).merging, Merging::Waiting);
    assert_eq!(parse("{}").merging, Merging::Waiting);
}

#[test]
fn a_price_alone_is_per_million_tokens_in_dollars() {
    let price = parse(r#"{"input_price": 1}"#).price.expect("a price");
    assert_eq!((price.unit.to_string().as_str(), price.currency.as_str(), price.output), ("0.000001", "USD", None));
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_known_one() {
    for (text, message) in [
        (r#"{"total_timout": 5}"#, r#"does not know the key "total_timout"; did you mean total_timeout?"#),
        (r#"{"Retries": 5}"#, r#"does not know the key "Retries"; did you mean retries?"#),
        (r#"{"tls-verify": true}"#, r#"does not know the key "tls-verify"; did you mean tls_verify?"#),
    ] {
        assert_eq!(refusal(text), message);
    }
    let message = refusal(r#"{"zzz": 1}"#);
    assert!(message.starts_with(r#"does not know the key "zzz"; known are: connect_timeout, "#), "{message}");
}

#[test]
fn a_wrong_value_is_refused_with_what_it_may_be() {
    for (text, message) in [
        (r#"{"total_timeout": 0}"#, "total_timeout must be a number of seconds from 0.1 to 3600, not 0"),
        (r#"{"total_timeout": "60"}"#, r#"total_timeout must be a number of seconds from 0.1 to 3600, not "60""#),
        (r#"{"connect_timeout": 100000}"#, "connect_timeout must be a number of seconds from 0.1 to 300, not 100000"),
        (r#"{"retries": -1}"#, "retries must be a number of retries, whole, from 0 to 10, not -1"),
        (r#"{"retries": 1.5}"#, "retries must be a number of retries, whole, from 0 to 10, not 1.5"),
        (r#"{"concurrency": 0}"#, "concurrency must be a number of parallel calls, whole, from 1 to 64, not 0"),
        (
            r#"{"merge_window_ms": 5000}"#,
            "merge_window_ms must be a number of milliseconds, whole, from -1 to 1000, not 5000",
        ),
        (r#"{"tls_verify": "no"}"#, r#"tls_verify must be true or false, not "no""#),
        (r#"{"guardrail": "drop"}"#, r#"guardrail must be "text" or "error", not "drop""#),
        (
            r#"{"hmac_algorithm": "HmacMD5"}"#,
            r#"hmac_algorithm must be "HmacSHA256" or "HmacSHA1" or "HmacSHA512", not "HmacMD5""#,
        ),
        (r#"{"input_price": "cheap"}"#, r#"input_price must be a number of at least 0, not "cheap""#),
        (r#"{"input_price": -1}"#, r#"input_price must be a number of at least 0, not "-1""#),
        (r#"{"currency": "RMB"}"#, "currency needs input_price beside it"),
        (r#"{"key_header": "x key"}"#, "key_header is not a header name"),
        (r#"{"key_header": "Host"}"#, "key_header cannot be host: that header has a meaning of its own"),
        (
            r#"{"key_header": "a", "key_query": "b"}"#,
            "key_query cannot be set together with key_header: the key travels in one place",
        ),
        (r#"{"key_query": "a&b"}"#, "key_query may hold letters, digits, '-', '.', '_' and '~' only"),
        (
            r#"{"proxy": "proxy:3128"}"#,
            "proxy must be a URL that starts with http://, https://, socks5:// or socks5h://",
        ),
    ] {
        assert_eq!(refusal(text), message);
    }
}

#[test]
fn text_that_is_no_json_object_is_refused() {
    assert!(refusal("{total_timeout: 5}").starts_with("is not valid JSON"));
    assert!(refusal("[1]").starts_with("must be a JSON object"));
}

#[test]
fn a_proxy_with_a_password_is_refused_without_showing_it() {
    let message = refusal(r#"{"proxy": "http://me:hunter2@proxy.example.com:3128"}"#);
    assert!(message.starts_with("proxy must not hold a password") && !message.contains("hunter2"), "{message}");
}

#[test]
fn a_private_key_in_place_of_a_certificate_is_refused_without_showing_it() {
    let message = refusal(r#"{"ca_pem": "-----BEGIN PRIVATE KEY-----\nMIIEv\n-----END PRIVATE KEY-----"}"#);
    assert!(message.starts_with("ca_pem holds a private key") && !message.contains("MIIEv"), "{message}");
    assert!(refusal(r#"{"ca_pem": "/etc/ca.pem"}"#).starts_with("ca_pem must be a PEM certificate"));
}
