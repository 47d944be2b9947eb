//! `extra_headers` and `enable_request_metadata`.

use super::rows::saved;
use higress_dify_plugin::gateway::Auth;
use higress_dify_plugin::gateway::auth::KeyPlacement;
use higress_dify_plugin::provider::credentials::{Common, RerankCredentials};
use higress_dify_plugin::provider::headers::parse_extra_headers;
use higress_dify_plugin::runtime::Context;
use http::HeaderMap;
use serde_json::{Value, json};

fn key(placement: KeyPlacement) -> Auth {
    Auth::ApiKey { key: "k".into(), placement }
}

fn refusal(text: &str, auth: &Auth) -> String {
    let error = parse_extra_headers(text, auth).expect_err(text);
    error.message.strip_prefix("[higress] extra_headers ").expect("the field comes first").to_owned()
}

fn from(app: Option<&str>, user: Option<&str>) -> Context {
    let mut cx = Context::new("session", "invoke_rerank");
    (cx.app_id, cx.user_id) = (app.map(str::to_owned), user.map(str::to_owned));
    cx
}

fn common(cx: &Context, fields: Value) -> Common {
    RerankCredentials::read(cx, "m", &saved(fields)).expect("readable").common
}

fn listed(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let mut listed: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    listed.sort_unstable();
    listed
}

#[test]
fn an_object_of_texts_becomes_headers() {
    let headers = parse_extra_headers(r#"{"X-Tenant": "blue", "x-try": 1, "X-Beta": true}"#, &Auth::Disabled).unwrap();
    assert_eq!(listed(&headers), [("x-beta", "true"), ("x-tenant", "blue"), ("x-try", "1")]);
    assert!(parse_extra_headers("  ", &Auth::Disabled).unwrap().is_empty());
}

#[test]
fn a_variable_of_dify_may_be_empty() {
    assert!(parse_extra_headers(r#"{"X-Session": ""}"#, &Auth::Disabled).unwrap().is_empty());
}

#[test]
fn a_value_cannot_end_the_header_and_is_not_shown() {
    for value in ["a\r\nX-Evil: 1", "a\nb", "a\u{0}b", "ключ"] {
        let message = refusal(&json!({"X-Tenant": value}).to_string(), &Auth::Disabled);
        assert!(message.starts_with("gives x-tenant a value with characters"), "{message}");
        assert!(!message.contains("Evil") && !message.contains("ключ"));
    }
}

#[test]
fn a_name_must_be_a_token() {
    for name in ["X Tenant", "X-Tenant:", "X-Tenant\r\n", "", "название"] {
        assert!(
            refusal(&json!({name: "a"}).to_string(), &Auth::Disabled).starts_with("has a name that is no header name")
        );
    }
}

#[test]
fn names_with_a_meaning_of_their_own_are_refused() {
    for name in [
        "Connection",
        "Keep-Alive",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Host",
        "Accept",
        "Accept-Encoding",
        "Date",
        "Content-Type",
        "Content-Length",
        "Content-MD5",
        "Digest",
        "X-Ca-Key",
        "x-ca-anything",
        "X-Higress-Nonce",
        "X-Mse-Consumer",
    ] {
        let message = refusal(&json!({name: "a"}).to_string(), &Auth::Disabled);
        assert_eq!(
            message,
            format!("cannot set {}: that header belongs to the plugin or to the connection", name.to_lowercase())
        );
    }
}

#[test]
fn authorization_is_free_only_while_there_is_no_other() {
    let text = r#"{"Authorization": "Basic abc"}"#;
    assert_eq!(parse_extra_headers(text, &Auth::Disabled).unwrap().len(), 1);
    assert!(refusal(text, &key(KeyPlacement::Bearer)).starts_with("cannot set authorization"));
    let own = key(KeyPlacement::Header("x-api-key".parse().unwrap()));
    assert!(refusal(r#"{"X-Api-Key": "other"}"#, &own).starts_with("cannot set x-api-key"));
    assert!(refusal(text, &own).starts_with("cannot set authorization"));
}

#[test]
fn a_name_in_two_spellings_is_refused() {
    assert_eq!(refusal(r#"{"X-A": "1", "x-a": "2"}"#, &Auth::Disabled), "names x-a twice");
}

#[test]
fn anything_but_an_object_of_texts_is_refused_without_showing_it() {
    for text in ["X-Tenant: blue", r#"["secret"]"#, r#""secret""#, r#"{"X-A": "b""#] {
        let message = refusal(text, &Auth::Disabled);
        assert!(message.starts_with("is not a JSON object like") && !message.contains("secret"), "{message}");
    }
    assert_eq!(refusal(r#"{"X-A": ["b"]}"#, &Auth::Disabled), "gives x-a a value that is no text");
    let many: Value = (0..33).map(|n| (format!("x-{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    assert_eq!(refusal(&many.to_string(), &Auth::Disabled), "has 33 headers, 32 are allowed");
}

#[test]
fn nobody_is_told_who_calls_unless_asked() {
    let common = common(&from(Some("app-1"), Some("user-1")), json!({}));
    assert!(common.route.headers.is_empty() && common.route.signed_headers.is_empty());
}

#[test]
fn the_app_and_if_wanted_the_user_are_told_and_signed() {
    let cx = from(Some("app-1"), Some("user-1"));
    let app = common(&cx, json!({"enable_request_metadata": "enabled"})).route;
    assert_eq!(listed(&app.headers), [("x-dify-app-id", "app-1"), ("x-dify-source", "dify")]);
    assert_eq!(app.signed_headers, ["x-dify-app-id", "x-dify-source"]);
    let both = common(&cx, json!({"enable_request_metadata": "app_and_user"})).route;
    assert_eq!(
        listed(&both.headers),
        [("x-dify-app-id", "app-1"), ("x-dify-source", "dify"), ("x-dify-user-id", "user-1")]
    );
    assert_eq!(both.signed_headers.len(), 3);
}

#[test]
fn what_is_not_known_or_does_not_fit_is_left_out() {
    let fields = json!({"enable_request_metadata": "app_and_user"});
    for user in [None, Some(""), Some("two words"), Some("张三"), Some("a\r\nb"), Some("u".repeat(257).as_str())] {
        let route = common(&from(None, user), fields.clone()).route;
        assert_eq!(listed(&route.headers), [("x-dify-source", "dify")], "{user:?}");
        assert_eq!(route.signed_headers, ["x-dify-source"]);
    }
    let longest = "u".repeat(256);
    assert_eq!(common(&from(None, Some(&longest)), fields).route.headers["x-dify-user-id"], longest);
}

#[test]
fn nobody_passes_for_another_app() {
    let forged =
        r#"{"X-Dify-App-Id": "other", "X-Dify-User-Id": "other", "X-Dify-Source": "other", "X-Tenant": "blue"}"#;
    let fields = json!({"enable_request_metadata": "enabled", "extra_headers": forged});
    let known = common(&from(Some("app-1"), Some("user-1")), fields.clone());
    assert_eq!(
        listed(&known.route.headers),
        [("x-dify-app-id", "app-1"), ("x-dify-source", "dify"), ("x-tenant", "blue")]
    );
    let unknown = common(&from(None, None), fields);
    assert_eq!(listed(&unknown.route.headers), [("x-dify-source", "dify"), ("x-tenant", "blue")]);
    // Nor by the parameter of one call.
    assert_eq!(listed(&known.call_headers(forged).unwrap()), [("x-tenant", "blue")]);
}
