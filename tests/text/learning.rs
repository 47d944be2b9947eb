//! When a call is sent again, and what calls remember.

use crate::harness::{HELLO, asks, invoke};
use crate::server::{Server, broken_stream, reply, stalled_stream, stream};
use higress_dify_plugin::runtime::ErrorKind;
use serde_json::{Value, json};
use std::time::Duration;

const REFUSED_USAGE: &str =
    r#"{"error":{"message":"Unrecognized request argument supplied: stream_options","type":"invalid_request_error"}}"#;

fn refused(body: &str) -> Vec<u8> {
    reply("400 Bad Request", "application/json", body)
}

/// Which requests asked for usage.
fn asked_for_usage(server: &Server) -> Vec<bool> {
    server.sent().iter().map(|sent| sent.body.get("stream_options").is_some()).collect()
}

#[tokio::test]
async fn what_one_model_taught_is_not_believed_of_another() {
    let server = Server::start(vec![refused(REFUSED_USAGE), stream(HELLO), stream(HELLO), stream(HELLO)]).await;
    for model in ["qwen3-max", "other", "qwen3-max"] {
        let request = asks(&server, json!({"gateway_model_name": model}), json!({}));
        assert_eq!(invoke(request).await.result, Ok(()));
    }
    assert_eq!(asked_for_usage(&server), [true, false, true, false]);
}

#[tokio::test]
async fn a_refusal_that_had_another_reason_teaches_nothing() {
    let both = refused(r#"{"error":{"message":"stream_options: bad key","code":"invalid_value"}}"#);
    let server = Server::start(vec![both.clone(), both, stream(HELLO)]).await;
    let error = invoke(asks(&server, json!({}), json!({}))).await.result.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert_eq!(invoke(asks(&server, json!({}), json!({}))).await.result, Ok(()));
    assert_eq!(asked_for_usage(&server), [true, false, true]);
}

#[tokio::test]
async fn both_lessons_can_be_learned_in_one_call() {
    let name = r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."}}"#;
    let server = Server::start(vec![refused(REFUSED_USAGE), refused(name), stream(HELLO)]).await;
    let outcome = invoke(asks(&server, json!({}), json!({"max_tokens": 9}))).await;
    assert_eq!((outcome.result.clone(), outcome.cx.recorded().retries), (Ok(()), 2));
    let last = &server.sent()[2].body;
    assert_eq!((last.get("stream_options"), &last["max_completion_tokens"]), (None, &json!(9)));
}

#[tokio::test]
async fn a_refusal_inside_a_stream_teaches_as_much_as_one_with_a_status() {
    let inside = stream(&format!("data: {REFUSED_USAGE}\n\n"));
    let server = Server::start(vec![inside, stream(HELLO)]).await;
    assert_eq!(invoke(asks(&server, json!({}), json!({}))).await.text(), "Hello");
    assert_eq!(asked_for_usage(&server), [true, false]);
}

#[tokio::test]
async fn a_chosen_token_parameter_is_never_replaced() {
    let name = r#"{"error":{"message":"Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}}"#;
    let server = Server::start(vec![refused(name), stream(HELLO)]).await;
    let request = asks(&server, json!({"token_param_name": "max_tokens"}), json!({"max_tokens": 9}));
    assert_eq!(invoke(request).await.result.unwrap_err().kind, ErrorKind::BadRequest);
    assert_eq!(server.sent().len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_again_once_an_answer_began() {
    let begun = "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n";
    let refusal = format!("{begun}data: {REFUSED_USAGE}\n\n");
    let limited = format!("{begun}data: {{\"error\":{{\"code\":\"rate_limit_exceeded\",\"message\":\"later\"}}}}\n\n");
    for (answer, kind) in [
        (broken_stream(begun), ErrorKind::Connection),
        (stream(&refusal), ErrorKind::BadRequest),
        (stream(&limited), ErrorKind::RateLimit),
    ] {
        let server = Server::start(vec![answer, stream(HELLO)]).await;
        let retries = json!({"advanced_options": r#"{"retries":3}"#});
        let outcome = invoke(asks(&server, retries, json!({}))).await;
        assert_eq!((outcome.text().as_str(), outcome.result.unwrap_err().kind), ("Hel", kind));
        assert_eq!(server.sent().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_asks_for_it_is_tried_again_only_if_the_model_says_so() {
    let busy =
        b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec();
    for (options, tries, works) in [(Value::Null, 1, false), (json!(r#"{"retries":1}"#), 2, true)] {
        let server = Server::start(vec![busy.clone(), stream(HELLO)]).await;
        let outcome = invoke(asks(&server, json!({"advanced_options": options}), json!({}))).await;
        assert_eq!((outcome.result.is_ok(), server.sent().len()), (works, tries));
        assert_eq!(outcome.cx.recorded().retries, u32::try_from(tries).unwrap() - 1);
    }
}

#[tokio::test]
async fn all_tries_share_the_limit_of_the_call_which_is_told_as_it_was_set() {
    let server = Server::slow(Duration::from_millis(300), vec![refused(REFUSED_USAGE), stalled_stream()]).await;
    let limit = json!({"advanced_options": r#"{"total_timeout":3}"#});
    let error = invoke(asks(&server, limit, json!({}))).await.result.unwrap_err();
    assert!(error.message.contains("not complete after 3 s (total_timeout)"), "{}", error.message);
    assert_eq!(server.sent().len(), 2);
}
