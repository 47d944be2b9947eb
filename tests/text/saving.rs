//! Saving a model.

use crate::harness::{HELLO, asks, credentials, invoke, save};
use crate::server::{Server, broken_stream, reply, stalled_stream, stream};
use higress_dify_plugin::provider::llm;
use higress_dify_plugin::runtime::entities::{ModelRef, ModelType};
use higress_dify_plugin::runtime::{Context, ErrorKind};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test]
async fn saving_sends_the_cheapest_request_and_returns_the_credentials_unchanged() {
    let first = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    let server = Server::start(vec![broken_stream(first)]).await;
    assert_eq!(save(&server, json!({"x": 1})).await.unwrap(), credentials(&server.url, json!({"x": 1})));
    let expected = json!({
        "model": "qwen3-max", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 16,
        "messages": [{"role": "user", "content": "ping"}],
    });
    assert_eq!(server.sent()[0].body, expected);
}

#[tokio::test]
async fn saving_closes_the_connection_behind_the_first_piece_of_an_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gateway = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.windows(6).any(|window| window == b"\"ping\"") {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request is whole");
        }
        let first = "data: {\"choices\":[{\"delta\":{\"content\":\"Once\"}}]}\n\n";
        stream.write_all(&broken_stream(first)).await.unwrap();
        // The model would write on for as long as anybody reads.
        while stream.read_buf(&mut request).await.is_ok_and(|count| count > 0) {}
    });
    let model =
        ModelRef { model_type: ModelType::Llm, model: "my-qwen".to_owned(), credentials: credentials(&url, json!({})) };
    llm::validate(&Context::new("S1", "validate_model_credentials"), &model).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), gateway).await.unwrap().unwrap();
}

#[tokio::test]
async fn saving_takes_the_road_that_calls_take() {
    let server = Server::start(vec![stream(HELLO)]).await;
    let more = json!({
        "extra_headers": r#"{"X-Tenant":"blue"}"#, "consumer_auth_mode": "api_key", "api_key": "sk-test",
        "advanced_options": r#"{"cache_bypass":true,"llm_model_header":true,"key_header":"x-api-key"}"#,
        "thinking_param_style": "enable_thinking",
    });
    save(&server, more).await.unwrap();
    let sent = server.sent().remove(0);
    let head = sent.head.to_ascii_lowercase();
    for header in
        ["x-tenant: blue", "x-api-key: sk-test", "x-higress-llm-model: qwen3-max", "x-higress-skip-ai-cache: on"]
    {
        assert!(head.contains(header), "{header} in {head}");
    }
    assert_eq!(sent.body["enable_thinking"], false);
}

#[tokio::test]
async fn saving_fails_under_the_name_that_dify_shows() {
    for answer in [
        reply("401 Unauthorized", "text/plain", "no"),
        reply("200 OK", "application/json", r#"{"error":{"message":"bad"}}"#),
        stream("data: {\"error\":{\"message\":\"bad\"}}\n\n"),
        stream(""),
        reply("200 OK", "text/html", "<html></html>"),
    ] {
        let server = Server::start(vec![answer]).await;
        let error = save(&server, json!({})).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::CredentialsValidateFailed, "{error}");
    }
}

#[tokio::test]
async fn saving_raises_the_token_limit_once_to_the_least_that_the_upstream_names() {
    for words in [
        "Invalid 'max_tokens': integer below minimum value. Expected a value >= 32, but got 16 instead.",
        "max_tokens must be at least 32",
        "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [32, 8192]",
    ] {
        let refused = reply("400 Bad Request", "application/json", &json!({"error": {"message": words}}).to_string());
        let server = Server::start(vec![refused.clone(), stream(HELLO)]).await;
        save(&server, json!({})).await.unwrap();
        assert_eq!(server.sent()[1].body["max_tokens"], 32, "{words}");
        let server = Server::start(vec![refused.clone(), refused, stream(HELLO)]).await;
        assert!(save(&server, json!({})).await.is_err());
        assert_eq!(server.sent().len(), 2);
    }
}

#[tokio::test]
async fn a_token_limit_that_is_not_cheap_is_not_tried() {
    let words = r#"{"error":{"message":"max_tokens must be at least 4096"}}"#;
    let server = Server::start(vec![reply("400 Bad Request", "application/json", words), stream(HELLO)]).await;
    assert!(save(&server, json!({})).await.unwrap_err().message.contains("4096"));
    assert_eq!(server.sent().len(), 1);
}

#[tokio::test]
async fn what_saving_learns_serves_the_first_call() {
    let refused = r#"{"error":{"message":"stream_options is not supported"}}"#;
    let replies = vec![reply("400 Bad Request", "application/json", refused), stream(HELLO), stream(HELLO)];
    let server = Server::start(replies).await;
    save(&server, json!({})).await.unwrap();
    assert_eq!(invoke(asks(&server, json!({}), json!({}))).await.text(), "Hello");
    assert_eq!(server.sent().len(), 3);
    assert_eq!(server.sent()[2].body.get("stream_options"), None);
}

#[tokio::test]
async fn saving_is_over_after_thirty_seconds() {
    let server = Server::start(vec![stalled_stream()]).await;
    let saving = save(&server, json!({}));
    tokio::pin!(saving);
    // The clock stands still, and so jumps to the next deadline, only once the connection stands.
    while server.sent().is_empty() {
        tokio::select! {
            ended = &mut saving => panic!("{ended:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let error = saving.await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::CredentialsValidateFailed);
    assert!(error.message.contains("not complete after 30 s."), "{error}");
    assert!(!error.message.contains("advanced_options"), "no option makes it longer: {error}");
    assert!(started.elapsed() <= Duration::from_secs(31));
}
