//! Whole calls: Dify's request in, the request that leaves, the chunks that come.

use crate::harness::{HELLO, Outcome, WHOLE, asks, invoke, says};
use crate::server::{Sent, Server, reply, stream};
use higress_dify_plugin::provider::llm;
use higress_dify_plugin::runtime::entities::{
    Content, ContentPart, ImageDetail, Media, MediaKind, Role, ToolDefinition,
};
use higress_dify_plugin::runtime::transport::memory::llm_output;
use higress_dify_plugin::runtime::{Context, ErrorKind};
use serde_json::{Value, json};

async fn hello(more: Value, parameters: Value) -> (Outcome, Sent) {
    let server = Server::start(vec![stream(HELLO)]).await;
    let outcome = invoke(asks(&server, more, parameters)).await;
    assert_eq!(outcome.result, Ok(()));
    (outcome, server.sent().remove(0))
}

#[tokio::test]
async fn a_streamed_answer_arrives_with_the_upstreams_usage() {
    let (outcome, sent) = hello(json!({"consumer_auth_mode": "api_key", "api_key": "sk-test"}), json!({})).await;
    assert_eq!(outcome.text(), "Hello");
    assert_eq!(outcome.last()["finish_reason"], "stop");
    assert_eq!(outcome.last()["usage"]["total_tokens"], 10);
    assert!(sent.head.starts_with("POST /route/v1/chat/completions HTTP/1.1"), "{}", sent.head);
    assert!(sent.head.to_ascii_lowercase().contains("accept: text/event-stream"), "{}", sent.head);
    let expected = json!({
        "model": "qwen3-max", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "Weather in Paris?"}], "user": "u-42",
    });
    assert_eq!(sent.body, expected);
    let record = outcome.cx.recorded();
    assert_eq!((record.status, record.prompt_tokens, record.tokens_estimated), (Some(200), Some(9), false));
    assert_eq!(record.upstream_model.as_deref(), Some("qwen3-max"));
}

#[tokio::test]
async fn a_model_saved_by_the_python_plugin_sends_the_fields_it_always_sent() {
    let server = Server::start(vec![stream(HELLO)]).await;
    let saved = json!({"function_calling_type": "tool_call", "agent_thought_support": "supported"});
    let parameters = json!({"temperature": 0.7, "enable_thinking": true, "enable_web_search": true, "unknown": 1});
    let mut request = asks(&server, saved, parameters);
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    request.tools = vec![ToolDefinition {
        name: "get_weather".to_owned(),
        description: "Current weather".to_owned(),
        parameters: schema.clone(),
    }];
    assert_eq!(invoke(request).await.result, Ok(()));
    let function = json!({"name": "get_weather", "description": "Current weather", "parameters": schema});
    let expected = json!({
        "model": "qwen3-max", "stream": true, "stream_options": {"include_usage": true}, "temperature": 0.7,
        "chat_template_kwargs": {"enable_thinking": true, "thinking": true}, "enable_thinking": true,
        "messages": [{"role": "user", "content": "Weather in Paris?"}],
        "web_search_options": {}, "tool_choice": "auto",
        "tools": [{"type": "function", "function": function}], "user": "u-42",
    });
    assert_eq!(server.sent()[0].body, expected);
}

#[tokio::test]
async fn options_of_the_model_show_in_the_request() {
    let more = json!({
        "structured_output_support": "supported",
        "advanced_options": r#"{"cache_bypass":true,"llm_model_header":true,"send_user":false,"include_usage":false}"#,
        "extra_headers": r#"{"X-Tenant":"blue","X-Kept":"1"}"#,
    });
    let schema = r#"{"schema":{"type":"object"},"name":"n","strict":true}"#;
    let parameters = json!({
        "max_tokens": 50, "enable_web_search": true, "search_context_size": "high", "response_format": "json_schema",
        "json_schema": schema, "extra_headers": r#"{"x-tenant":"green"}"#,
    });
    let (_, sent) = hello(more, parameters).await;
    let expected = json!({
        "model": "qwen3-max", "stream": true, "max_tokens": 50,
        "messages": [{"role": "user", "content": "Weather in Paris?"}],
        "web_search_options": {"search_context_size": "high"},
        "response_format": {"type": "json_schema",
            "json_schema": {"schema": {"type": "object"}, "name": "n", "strict": true}},
    });
    assert_eq!(sent.body, expected);
    let head = sent.head.to_ascii_lowercase();
    for header in [
        "x-higress-skip-ai-cache: on",
        "x-higress-skip-response-cache: on",
        "x-higress-llm-model: qwen3-max",
        "x-tenant: green",
        "x-kept: 1",
    ] {
        assert!(head.contains(header), "{header} in {head}");
    }
    assert!(!head.contains("blue"));
}

#[tokio::test]
async fn a_whole_answer_arrives_as_one_chunk_with_thinking_and_reason() {
    for content_type in ["application/json", "text/event-stream", "text/plain"] {
        let server = Server::start(vec![reply("200 OK", content_type, WHOLE)]).await;
        let mut request = asks(&server, json!({"agent_thought_support": "only_thinking_supported"}), json!({}));
        request.stream = false;
        let outcome = invoke(request).await;
        assert_eq!(outcome.result, Ok(()), "{content_type}");
        assert_eq!(outcome.deltas.len(), 1);
        assert_eq!(outcome.text(), "<think>\nHm.\n</think>\n\nHello");
        assert_eq!(outcome.last()["finish_reason"], "length");
        assert_eq!(server.sent()[0].body["stream"], false);
        assert_eq!(server.sent()[0].body.get("stream_options"), None);
    }
}

#[tokio::test]
async fn a_reply_is_read_by_its_own_kind_whatever_was_asked() {
    for (streaming, answer) in [
        (true, reply("200 OK", "application/json", WHOLE)),
        (false, stream(HELLO)),
        (true, reply("200 OK", "application/json", HELLO)),
        (true, reply("200 OK", "application/json", &format!("\u{feff}\n{WHOLE}"))),
    ] {
        let server = Server::start(vec![answer]).await;
        let mut request = asks(&server, json!({}), json!({}));
        request.stream = streaming;
        let outcome = invoke(request).await;
        assert_eq!(outcome.result, Ok(()));
        assert_eq!(outcome.text(), "Hello");
    }
}

#[tokio::test]
async fn a_reply_that_is_no_answer_is_an_error_that_shows_it() {
    for (answer, kind, shown) in [
        (reply("200 OK", "text/html", "<html><title>Login</title></html>"), ErrorKind::ServerUnavailable, "Login"),
        (reply("200 OK", "application/json", "{}"), ErrorKind::ServerUnavailable, "no answer"),
        (reply("200 OK", "application/json", ""), ErrorKind::ServerUnavailable, "empty"),
        (reply("200 OK", "text/plain", "Too many requests"), ErrorKind::RateLimit, "Too many requests"),
        (stream(""), ErrorKind::ServerUnavailable, "empty"),
        (stream("data: [DONE]\n\n"), ErrorKind::ServerUnavailable, "no answer"),
        (
            reply("200 OK", "application/json", r#"{"error":{"message":"bad key","code":"invalid_api_key"}}"#),
            ErrorKind::Authorization,
            "bad key",
        ),
        (reply("401 Unauthorized", "text/plain", "no"), ErrorKind::Authorization, "401"),
    ] {
        let server = Server::start(vec![answer]).await;
        let error = invoke(asks(&server, json!({}), json!({}))).await.result.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.starts_with("[higress] ") && error.message.contains(shown), "{error}");
    }
}

#[tokio::test]
async fn without_the_upstreams_usage_the_whole_conversation_is_estimated() {
    let masked = "data:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}],\"usage\":{}}\n\n";
    let server = Server::start(vec![stream(masked)]).await;
    let mut request = asks(&server, json!({}), json!({}));
    request.prompt_messages.insert(0, says(Role::System, "Be brief, please, and say nothing else."));
    let outcome = invoke(request).await;
    let usage = &outcome.last()["usage"];
    assert!(usage["prompt_tokens"].as_u64().unwrap() > 18, "{usage}");
    assert_eq!(usage["completion_tokens"], 1);
    assert_eq!(outcome.last()["finish_reason"], Value::Null);
    assert!(outcome.cx.recorded().tokens_estimated);
}

#[tokio::test]
async fn a_refused_usage_request_is_left_out_and_remembered() {
    let refused = reply(
        "400 Bad Request",
        "application/json",
        r#"{"error":{"message":"Unrecognized request argument supplied: stream_options","type":"invalid_request_error"}}"#,
    );
    let server = Server::start(vec![refused, stream(HELLO), stream(HELLO)]).await;
    let outcome = invoke(asks(&server, json!({}), json!({}))).await;
    assert_eq!((outcome.result.clone(), outcome.cx.recorded().retries), (Ok(()), 1));
    assert_eq!(invoke(asks(&server, json!({}), json!({}))).await.result, Ok(()));
    let asked: Vec<bool> = server.sent().iter().map(|sent| sent.body.get("stream_options").is_some()).collect();
    assert_eq!(asked, [true, false, false]);
}

#[tokio::test]
async fn the_token_parameter_that_the_upstream_names_is_used_and_remembered() {
    let refused = reply(
        "400 Bad Request",
        "application/json",
        r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","code":"unsupported_parameter"}}"#,
    );
    let server = Server::start(vec![refused, stream(HELLO), stream(HELLO)]).await;
    for _ in 0..2 {
        assert_eq!(invoke(asks(&server, json!({}), json!({"max_tokens": 7}))).await.result, Ok(()));
    }
    let names = server.sent();
    let names: Vec<_> =
        names.iter().map(|sent| (sent.body.get("max_tokens"), sent.body.get("max_completion_tokens"))).collect();
    let seven = json!(7);
    assert_eq!(names, [(Some(&seven), None), (None, Some(&seven)), (None, Some(&seven))]);
}

#[tokio::test]
async fn other_refusals_are_not_tried_again() {
    let refused = reply(
        "400 Bad Request",
        "application/json",
        r#"{"error":{"message":"max_tokens is too large: 9. This model supports at most 8.","code":"invalid_value"}}"#,
    );
    let server = Server::start(vec![refused, stream(HELLO)]).await;
    let error = invoke(asks(&server, json!({}), json!({"max_tokens": 9}))).await.result.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert_eq!(server.sent().len(), 1);
}

#[tokio::test]
async fn a_stop_sequence_ends_the_answer_and_its_usage_is_still_read() {
    let body = concat!(
        "data: {\"choices\":[{\"delta\":{\"content\":\"one EN\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"D two\"}}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":7}}\n\n",
        "data: [DONE]\n\n"
    );
    let server = Server::start(vec![stream(body)]).await;
    let mut request = asks(&server, json!({}), json!({}));
    request.stop = vec!["END".to_owned()];
    let outcome = invoke(request).await;
    assert_eq!(outcome.text(), "one ");
    assert_eq!(outcome.last()["finish_reason"], "stop");
    assert_eq!(outcome.last()["usage"]["completion_tokens"], 7);
    assert_eq!(server.sent()[0].body["stop"], json!(["END"]));
}

#[tokio::test]
async fn a_bad_schema_is_refused_before_anything_is_sent() {
    let server = Server::start(vec![stream(HELLO)]).await;
    let parameters = json!({"response_format": "json_schema", "json_schema": "{"});
    let request = asks(&server, json!({"structured_output_support": "supported"}), parameters);
    let error = invoke(request).await.result.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert!(server.sent().is_empty());
}

#[tokio::test]
async fn an_object_that_was_asked_for_comes_beside_its_text() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"{\\\"a\\\":1}\"},\"finish_reason\":\"stop\"}]}\n\n";
    let server = Server::start(vec![stream(body)]).await;
    let mut request = asks(&server, json!({"structured_output_support": "supported"}), json!({}));
    request.json_schema = Some(json!({"type": "object"}));
    let cx = Context::new("S1", "invoke_llm");
    let (out, mut host) = llm_output(&cx, "my-qwen", true).unwrap();
    llm::invoke(&cx, request, out).await.unwrap();
    host.event().await.unwrap();
    let last = host.event().await.unwrap();
    assert_eq!(last["data"]["data"]["structured_output"], json!({"a": 1}));
}

#[tokio::test]
async fn a_code_block_is_asked_for_and_its_fences_are_taken_out() {
    let whole = r#"{"choices":[{"message":{"content":"```json\n{\"a\":1}\n```"},"finish_reason":"stop"}]}"#;
    let pieces = [
        r#"data: {"choices":[{"delta":{"content":"```js"}}]}"#,
        r#"data: {"choices":[{"delta":{"content":"on\n{\"a\":1}\n``"}}]}"#,
        r#"data: {"choices":[{"delta":{"content":"`"},"finish_reason":"stop"}]}"#,
        "",
    ]
    .join("\n\n");
    for (streaming, answer) in [(true, stream(&pieces)), (false, reply("200 OK", "application/json", whole))] {
        let server = Server::start(vec![answer]).await;
        let more = json!({"structured_output_support": "supported"});
        let mut request = asks(&server, more, json!({"response_format": "JSON"}));
        request.stream = streaming;
        assert_eq!(invoke(request).await.text().trim(), "{\"a\":1}", "{streaming}");
        let sent = &server.sent()[0].body;
        assert_eq!(sent["stop"], json!(["\n```", "```\n"]));
        assert_eq!(sent.get("response_format"), None);
        assert!(sent["messages"][1]["content"].as_str().unwrap().ends_with("```JSON\n"));
    }
}

#[tokio::test]
async fn a_completion_model_gets_the_whole_conversation_as_its_prompt() {
    let body = "data: {\"choices\":[{\"text\":\"Hi\",\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let server = Server::start(vec![stream(body)]).await;
    let more = json!({"text_model_protocol": "openai_completions", "gateway_model_name": "gpt-5-base"});
    let mut request = asks(&server, more, json!({"max_tokens": 5}));
    request.prompt_messages.insert(0, says(Role::System, "Be brief."));
    assert_eq!(invoke(request).await.text(), "Hi");
    let sent = server.sent().remove(0);
    assert!(sent.head.starts_with("POST /route/v1/completions "), "{}", sent.head);
    let expected = json!({
        "model": "gpt-5-base", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 5,
        "prompt": "Be brief.\n\nUser: Weather in Paris?\n\nAssistant:", "user": "u-42",
    });
    assert_eq!(sent.body, expected);
}

#[tokio::test]
async fn pictures_of_an_answer_are_parts_of_a_chunk() {
    let body = "data: {\"choices\":[{\"delta\":{\"images\":[{\"image_url\":{\"url\":\"data:image/png;base64,QUJD\"}}]},\"finish_reason\":\"stop\"}]}\n\n";
    let server = Server::start(vec![stream(body)]).await;
    let outcome = invoke(asks(&server, json!({}), json!({}))).await;
    let part = &outcome.deltas[0]["message"]["content"][0];
    assert_eq!(
        (&part["type"], &part["base64_data"], &part["detail"]),
        (&json!("image"), &json!("QUJD"), &json!("low"))
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_sent_is_refused_before_anything_is_sent() {
    let server = Server::start(vec![stream(HELLO)]).await;
    let mut request = asks(&server, json!({"multimodal_format": "openai"}), json!({}));
    let sound = Media {
        kind: MediaKind::Audio,
        format: "mp3".to_owned(),
        mime_type: "audio/mpeg".to_owned(),
        url: "http://x/s.mp3".to_owned(),
        base64_data: String::new(),
        filename: "s.mp3".to_owned(),
        detail: ImageDetail::default(),
    };
    request.prompt_messages[0].content = Content::Parts(vec![ContentPart::Media(sound)]);
    assert_eq!(invoke(request).await.result.unwrap_err().kind, ErrorKind::BadRequest);
    assert!(server.sent().is_empty());
}

#[tokio::test]
async fn every_chunk_carries_difys_name_of_the_model() {
    for (streaming, answer) in [(true, stream(HELLO)), (false, reply("200 OK", "application/json", WHOLE))] {
        let server = Server::start(vec![answer]).await;
        let mut request = asks(&server, json!({}), json!({}));
        request.stream = streaming;
        let outcome = invoke(request).await;
        assert!(!outcome.models.is_empty() && outcome.models.iter().all(|model| model == "my-qwen"));
    }
}

#[tokio::test]
async fn a_whole_answer_may_lack_content_and_parts_of_its_usage() {
    let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    for message in [json!({"content": null, "tool_calls": [call]}), json!({"role": "assistant", "tool_calls": [call]})]
    {
        let body =
            json!({"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 9}});
        let server = Server::start(vec![reply("200 OK", "application/json", &body.to_string())]).await;
        let mut request = asks(&server, json!({"function_calling_type": "tool_call"}), json!({}));
        request.stream = false;
        let outcome = invoke(request).await;
        assert_eq!((outcome.result.clone(), outcome.text()), (Ok(()), String::new()));
        assert!(outcome.deltas.iter().all(|delta| delta["message"]["content"] == ""));
        assert_eq!(outcome.deltas[0]["message"]["tool_calls"][0]["id"], "c1");
        assert_eq!(outcome.last()["usage"]["prompt_tokens"], 9);
    }
}

#[tokio::test]
async fn one_and_one_point_zero_are_sent_as_the_same_number_and_fractions_are_rounded() {
    let (_, sent) = hello(json!({}), json!({"max_tokens": 50.0, "temperature": 1, "top_p": 0.125, "seed": 7.0})).await;
    assert_eq!((&sent.body["max_tokens"], &sent.body["seed"]), (&json!(50), &json!(7)));
    assert_eq!(sent.body["temperature"].as_f64(), Some(1.0));
    assert!((sent.body["top_p"].as_f64().unwrap() - 0.12).abs() < 0.011);
}

#[tokio::test]
async fn a_message_of_a_role_that_is_new_to_dify_is_sent() {
    let server = Server::start(vec![stream(HELLO)]).await;
    let mut request = asks(&server, json!({}), json!({}));
    request.prompt_messages.insert(0, says(Role::Developer, "Be brief."));
    assert_eq!(invoke(request).await.result, Ok(()));
    assert_eq!(server.sent()[0].body["messages"][0], json!({"role": "developer", "content": "Be brief."}));
}

#[tokio::test]
async fn prices_of_the_options_are_those_of_the_answer() {
    let more = json!({"advanced_options": r#"{"input_price":"2","output_price":"8","currency":"RMB"}"#});
    let (outcome, _) = hello(more, json!({})).await;
    let usage = &outcome.last()["usage"];
    // Nine tokens in and one out, per million.
    assert_eq!(usage["total_price"].as_str().unwrap().trim_end_matches('0'), "0.000026");
    assert_eq!((&usage["currency"], &usage["prompt_unit_price"]), (&json!("RMB"), &json!("2")));
}
