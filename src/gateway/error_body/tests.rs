use super::*;
use crate::gateway::auth::{HmacAlgorithm, HmacDialect, HmacScheme, KeyPlacement};
use crate::gateway::{Auth, Endpoint};
use ErrorKind::{Authorization, BadRequest, Decode, RateLimited, ServerUnavailable};
use http::HeaderValue;
use secrecy::SecretString;
use serde_json::json;
use std::time::Duration;

const NOW: i64 = 1_767_225_600;

fn refused_with(
    status: u16,
    headers: &[(&'static str, &str)],
    body: &str,
    redactor: &Redactor,
    signed: &[u8],
) -> Error {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    Refusal {
        status: StatusCode::from_u16(status).unwrap(),
        headers: &map,
        body: body.as_bytes(),
        string_to_sign: Some(signed),
        redactor,
        unix_seconds: NOW,
    }
    .error()
}

fn refused(status: u16, headers: &[(&'static str, &str)], body: &str) -> Error {
    refused_with(status, headers, body, &Redactor::default(), b"")
}

const UPSTREAM: (&str, &str) = ("x-envoy-upstream-service-time", "12");

#[test]
fn an_empty_refusal_of_the_provider_is_not_told_as_the_gateways() {
    for (status, told) in [
        (401, "401 credential refused by the provider: Unauthorized."),
        (403, "403 credential refused by the provider: Forbidden."),
        (404, "404 request refused by the provider: Not Found."),
        (503, "503 server error of the provider: Service Unavailable."),
        (504, "504 server error of the provider: Gateway Timeout."),
    ] {
        let error = refused(status, &[UPSTREAM], "").to_string();
        assert!(error.starts_with(told), "{error}");
    }
    let error = refused(404, &[], "").to_string();
    assert!(error.starts_with("404 request refused by the gateway: No route of the gateway"), "{error}");
}

#[test]
fn gateway_answers_have_the_kind_and_origin_of_the_table() {
    for (status, body, kind) in [
        (401, "Invalid Key", Authorization),
        (403, "Unauthorized Consumer", Authorization),
        (401, "Empty Signature", Authorization),
        (400, "Invalid Date", Authorization),
        (400, "Invalid Signature", Authorization),
        (400, "Invalid Content-MD5", Authorization),
        (413, "Request Body Too Large", BadRequest),
        (413, "Payload Too Large", BadRequest),
        (401, r#"{"message":"client request can't be validated: Invalid signature"}"#, Authorization),
        (
            401,
            r#"{"message":"client request can't be validated: expected header "x-a" missing in signing"}"#,
            Authorization,
        ),
        (401, "Request denied by JWT Auth check. JWT is expired.", Authorization),
        (401, "Jwt is missing", Authorization),
        (403, "Request denied by Key Auth check. Unauthorized consumer.", Authorization),
        (401, "", Authorization),
        (403, "", Authorization),
        (400, "Missing Required Header", Authorization),
        (429, "Replay Attack Detected", RateLimited),
        (404, "", BadRequest),
        (503, "", ServerUnavailable),
        (503, "no healthy upstream", ServerUnavailable),
        (
            503,
            "upstream connect error or disconnect/reset before headers. reset reason: connection failure",
            ServerUnavailable,
        ),
        (504, "upstream request timeout", ServerUnavailable),
        (504, "stream timeout", ServerUnavailable),
        (503, "envoy overloaded", ServerUnavailable),
        (500, "failed to process request body: unsupported API name", ServerUnavailable),
        (429, "Too many requests", RateLimited),
        (429, "Exceeded maximum request limit from ai-load-balancer.", RateLimited),
        (403, "Request denied by ai quota check, No quota left", BadRequest),
        (403, "Request denied by ai quota check, Unauthorized consumer.", Authorization),
        (401, "Request denied by ai quota check. No Key Authentication information found.", Authorization),
    ] {
        let error = refused(status, &[], body);
        assert_eq!(
            (error.kind, error.origin, error.status),
            (kind, Some(Origin::Gateway), Some(status)),
            "{status} {body}"
        );
        assert!(error.advice.is_some() && !error.message.is_empty(), "{status} {body}: {error}");
    }
}

#[test]
fn other_answers_go_by_their_status() {
    for (status, kind) in [
        (302, BadRequest),
        (400, BadRequest),
        (401, Authorization),
        (403, Authorization),
        (404, BadRequest),
        (413, BadRequest),
        (422, BadRequest),
        (429, RateLimited),
        (431, BadRequest),
        (500, ServerUnavailable),
        (502, ServerUnavailable),
        (503, ServerUnavailable),
        (504, ServerUnavailable),
        (529, ServerUnavailable),
    ] {
        assert_eq!(refused(status, &[UPSTREAM], "anything").kind, kind, "{status}");
    }
}

#[test]
fn bodies_of_every_provider_are_read() {
    let openai =
        json!({"error": {"message": "Too long", "type": "invalid_request_error", "code": "context_length_exceeded"}});
    let error = refused(400, &[UPSTREAM, ("x-request-id", "r-1")], &openai.to_string());
    assert_eq!(
        error.to_string(),
        "400 request refused by the provider: Too long (code=context_length_exceeded, request_id=r-1). \
         Shorten the conversation, or set context_size so that Dify does."
    );
    let dashscope = json!({"code": "InvalidParameter", "message": "Bad size", "request_id": "d-1"});
    let error = refused(400, &[UPSTREAM], &dashscope.to_string());
    assert_eq!(
        error.to_string(),
        "400 request refused by the provider: Bad size (code=InvalidParameter, request_id=d-1). Compare \
         the parameters of the app and the model's settings with what the provider accepts."
    );
    for (body, message, code) in [
        (
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            "Overloaded",
            Some("overloaded_error"),
        ),
        (
            json!({"object": "error", "message": "No model", "type": "NotFoundError", "code": 404}),
            "No model",
            Some("NotFoundError"),
        ),
        (json!({"error": "model not loaded"}), "model not loaded", None),
        (json!({"message": "nope"}), "nope", None),
        (json!({"detail": [{"msg": "field required"}]}), r#"[{"msg":"field required"}]"#, None),
    ] {
        let error = refused(500, &[UPSTREAM], &body.to_string());
        assert_eq!((error.message.as_str(), error.code.as_deref()), (message, code), "{body}");
    }
}

#[test]
fn bodies_that_are_no_json_are_told_in_short() {
    let html = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>x</body></html>";
    assert_eq!(refused(502, &[], html).message, "an HTML page titled \"502 Bad Gateway\"");
    assert_eq!(refused(502, &[], "<html></html>").message, "an HTML page");
    assert_eq!(refused(500, &[], "line one\r\n\tline two").message, "line one line two");
    assert_eq!(refused(500, &[], "").message, "Internal Server Error");
    let long = refused(500, &[], &"汉".repeat(30_000)).message;
    assert!(long.len() <= MAX_SHOWN + 3 && long.ends_with('…'), "{}", long.len());
    assert!(refused(500, &[], "{\"error\":").message.contains("error"));
}

#[test]
fn a_prompt_is_not_repeated() {
    let body = r#"failed to process request body: no message found in the request body: {"messages":[],"prompt":"my secret plan"}"#;
    let error = refused(500, &[], body);
    assert!(!error.to_string().contains("secret plan"), "{error}");
    assert_eq!(error.kind, ServerUnavailable);
}

#[test]
fn an_empty_refusal_shows_the_challenge() {
    let error = refused(401, &[("www-authenticate", "Key realm=MSE Gateway")], "");
    assert!(error.message.contains("Key realm=MSE Gateway"), "{error}");
}

#[test]
fn a_redirect_names_its_target_without_secrets() {
    let error = refused(301, &[("location", "https://u:p@g.example/pre?token=1")], "");
    assert_eq!(error.message, "redirected to g.example/pre");
    assert!(error.advice.unwrap().contains("endpoint URL"));
}

#[test]
fn the_time_to_wait_is_read_from_every_header_that_tells_it() {
    let wait = |status, name, value: &str| refused(status, &[(name, value)], "Too many requests").retry_after;
    assert_eq!(wait(429, "retry-after", "12"), Some(Duration::from_secs(12)));
    assert_eq!(wait(503, "retry-after", "1.5"), Some(Duration::from_millis(1500)));
    assert_eq!(wait(429, "retry-after", "Thu, 01 Jan 2026 00:00:30 GMT"), Some(Duration::from_secs(30)));
    assert_eq!(wait(429, "retry-after", "Wed, 31 Dec 2025 23:59:30 GMT"), Some(Duration::ZERO));
    assert_eq!(wait(429, "retry-after", "soon"), None);
    assert_eq!(wait(429, "x-tokenratelimit-reset", "7"), Some(Duration::from_secs(7)));
    assert_eq!(wait(429, "x-ratelimit-reset", "9"), Some(Duration::from_secs(9)));
    assert_eq!(wait(429, "x-ratelimit-reset", "1767225605"), Some(Duration::from_secs(5)));
    assert_eq!(wait(429, "x-tokenratelimit-reset", "-1"), None);
    assert_eq!(wait(400, "x-ratelimit-reset", "9"), None);
    assert_eq!(wait(429, "retry-after", "Fri, 31 Dec 9999 23:59:59 GMT"), None);
    let now = refused(429, &[("retry-after", "0")], "Too many requests");
    assert!(!now.to_string().contains("in 0 s"), "{now}");
    let error = refused(429, &[("retry-after", "12"), ("x-request-id", "abc")], "Too many requests");
    assert_eq!(
        error.to_string(),
        "429 rate limited by the gateway: Too many requests (request_id=abc). Try again later, or raise the limit in the \
         gateway. Try again in 12 s."
    );
}

fn hmac_redactor() -> Redactor {
    let scheme = HmacScheme {
        dialect: HmacDialect::XCa,
        algorithm: HmacAlgorithm::Sha256,
        body_digest: false,
        replay_nonce: false,
    };
    let auth = Auth::Hmac { access_key: "access-key-0001".into(), secret: SecretString::from("very-secret"), scheme };
    Redactor::new(
        &auth,
        &Endpoint::parse("http://g/pre?token=query-secret").unwrap(),
        &HeaderMap::new(),
        ["the-signature"],
    )
}

#[test]
fn a_refused_signature_shows_the_first_difference() {
    let ours = b"POST\n*/*\n\napplication/json\n\nx-ca-key:access-key-0001\n/pre?token=query-secret";
    let refused = |header: &str| {
        refused_with(400, &[("x-ca-error-message", header)], "Invalid Signature", &hmac_redactor(), ours).to_string()
    };
    let shown = refused(
        "Server StringToSign:`POST#text/html##application/json##x-ca-key:access-key-0001#/pre?token=query-secret`",
    );
    assert!(shown.contains("line 2 (accept): sent `*/*`, the gateway saw `text/html`"), "{shown}");
    let shown = refused("Server StringToSign:`POST#*/*##application/json##x-ca-key:access-key-0001#/other`");
    assert!(shown.contains("line 7 (path): sent `/pre?token=[redacted]`, the gateway saw `/other`"), "{shown}");
    let shown = refused("Server StringToSign:`POST#*/*##application/json##x-ca-key:#/pre`");
    assert!(shown.contains("line 6 (x-ca-key): sent `x-ca-key:acce…`, the gateway saw `x-ca-key:`"), "{shown}");
    let same = "Server StringToSign:`POST#*/*##application/json##x-ca-key:access-key-0001#/pre?token=query-secret`";
    assert!(refused(same).contains("the secret is wrong"), "{}", refused(same));
    for odd in ["", "`", "Server StringToSign:``", "Server StringToSign:`你好#`"] {
        assert!(refused(odd).contains("Invalid Signature"));
    }
}

#[test]
fn a_refused_date_shows_the_skew() {
    let advice = |date: &str| refused(400, &[("date", date)], "Invalid Date").advice.unwrap();
    assert!(advice("Thu, 01 Jan 2026 00:05:00 GMT").contains("300 s behind"));
    assert!(advice("Wed, 31 Dec 2025 23:55:00 GMT").contains("300 s ahead"));
    assert!(advice("Thu, 01 Jan 2026 00:00:01 GMT").contains("agree"));
}

#[test]
fn secrets_that_are_echoed_are_not_shown() {
    let body = json!({"error": {"message": "bad very-secret access-key-0001 the-signature query-secret", "code": "very-secret"}});
    let shown = refused_with(401, &[("www-authenticate", "very-secret")], &body.to_string(), &hmac_redactor(), b"");
    let shown = format!("{shown} {shown:?}");
    for secret in ["very-secret", "access-key-0001", "the-signature", "query-secret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    for (headers, body) in [
        (&[("x-request-id", "very-secret")][..], "{}"),
        (&[("x-dashscope-request-id", "id-very-secret")], "{}"),
        (&[], r#"{"error":{"message":"m"},"request_id":"very-secret"}"#),
    ] {
        let shown = refused_with(400, headers, body, &hmac_redactor(), b"").to_string();
        assert!(shown.contains("[redacted]") && !shown.contains("very-secret"), "{shown}");
    }
    let meta = ReplyMeta { redactor: hmac_redactor(), ..ReplyMeta::default() };
    let shown = Error::in_answer(&json!({"error": {"message": "m"}, "id": "very-secret"}), None, &meta).unwrap();
    assert!(shown.to_string().contains("request_id=[redacted]"), "{shown}");
    let auth = Auth::ApiKey { key: SecretString::from("sk a/b+c"), placement: KeyPlacement::Query("k".into()) };
    let redactor = Redactor::new(&auth, &Endpoint::parse("http://g").unwrap(), &HeaderMap::new(), []);
    assert_eq!(redactor.clean("sk a/b+c and sk%20a%2Fb%2Bc"), "[redacted] and [redacted]");
}

fn in_answer(value: &Value, status: Option<u16>) -> Option<Error> {
    Error::in_answer(value, status, &ReplyMeta::default())
}

#[test]
fn an_error_inside_an_answer_goes_by_status_code_or_words() {
    for (value, status, kind) in [
        (json!({"error": {"message": "m", "code": "rate_limit_exceeded"}}), None, RateLimited),
        (json!({"error": {"message": "m", "code": "insufficient_quota"}}), None, RateLimited),
        (json!({"code": "Throttling.RateQuota", "message": "m", "request_id": "r"}), None, RateLimited),
        (json!({"error": {"message": "m", "type": "invalid_request_error"}}), None, BadRequest),
        (json!({"error": {"message": "m", "code": "invalid_api_key"}}), None, Authorization),
        (json!({"code": "InvalidApiKey", "message": "m"}), None, Authorization),
        (json!({"code": "AccessDenied.Unpurchased", "message": "m"}), None, Authorization),
        (json!({"code": "DataInspectionFailed", "message": "m"}), None, BadRequest),
        (json!({"code": "InvalidParameter", "message": "m"}), None, BadRequest),
        (json!({"code": "Anything", "message": "m"}), Some(400), BadRequest),
        (json!({"error": {"message": "m", "code": 429}}), None, RateLimited),
        (json!({"object": "error", "message": "m", "code": 400}), None, BadRequest),
        (json!({"error": "Rate limit reached"}), None, RateLimited),
        (json!({"error": {"message": "m"}, "choices": [{"delta": {}}]}), None, ServerUnavailable),
        (json!({"errmsg": "denied"}), None, ServerUnavailable),
        (json!({"code": "InternalError", "message": "m"}), None, ServerUnavailable),
    ] {
        let error = in_answer(&value, status).unwrap_or_else(|| panic!("{value}"));
        assert_eq!(error.kind, kind, "{value}");
    }
}

#[test]
fn answers_that_are_no_errors_are_left_alone() {
    for value in [
        json!({"choices": [], "error": null}),
        json!({"output": {"results": []}, "code": "", "message": "", "request_id": "r"}),
        json!({"data": [], "code": 200}),
        json!({"code": 0, "message": "ok"}),
        json!({"code": "Success", "message": ""}),
        json!({"id": "x", "object": "chat.completion.chunk"}),
        json!({"type": "message_start", "message": {"id": "m"}}),
        json!({}),
        json!([]),
        json!("text"),
    ] {
        assert!(in_answer(&value, None).is_none(), "{value}");
    }
}

#[test]
fn an_answer_that_cannot_be_read_is_told_with_its_beginning() {
    let meta = ReplyMeta { request_id: Some("r".into()), ..ReplyMeta::default() };
    let error = meta.undecodable("no JSON", b"<html><title>Login</title>");
    assert_eq!((error.kind, error.message.as_str()), (Decode, "no JSON: an HTML page titled \"Login\""));
    assert_eq!(error.request_id.as_deref(), Some("r"));
    assert_eq!(meta.undecodable("no JSON", b" \n").message, "no JSON: the body is empty");
    assert_eq!(meta.undecodable("no JSON", b"\0\0").message, "no JSON: nothing in the body can be read");
    assert_eq!(meta.undecodable("no JSON", b"Too many requests").kind, RateLimited);
}

#[test]
fn every_row_of_the_table_says_what_to_do() {
    for rule in error_table::RULES {
        assert!(rule.advice.is_some() || rule.status == (0, u16::MAX), "{rule:?}");
    }
}

#[test]
fn every_row_with_words_is_reached_by_them() {
    for rule in error_table::RULES {
        let text = match rule.text {
            error_table::Text::Starts(words) => format!("{words} and more"),
            error_table::Text::Has(words) => format!("{{{words}}}"),
            error_table::Text::Empty => String::new(),
            error_table::Text::Any => continue,
        };
        let found = error_table::rule(rule.status.0, &text, None).unwrap();
        assert_eq!((found.status, found.text, found.advice), (rule.status, rule.text, rule.advice), "{text:?}");
    }
}

#[test]
fn a_code_that_is_known_has_advice_of_its_own_also_inside_an_answer() {
    for (code, advice) in [
        ("context_length_exceeded", "Shorten"),
        ("insufficient_quota", "Top up"),
        ("DataInspectionFailed", "content check"),
    ] {
        let body = json!({"error": {"message": "no", "code": code}});
        let inside = Error::in_answer(&body, None, &ReplyMeta::default()).unwrap();
        let refused = refused(400, &[UPSTREAM], &body.to_string());
        for error in [inside, refused] {
            assert!(error.advice.as_deref().is_some_and(|told| told.contains(advice)), "{code}: {error}");
        }
    }
}
