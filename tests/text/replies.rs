//! Every kind of reply: what a body is called and what it is, how it is packed, where it is cut, what fails in it.

use crate::harness::{HELLO, Outcome, STOP, WHOLE, asks, event, invoke, object};
use crate::server::{Server, broken_stream, packed, reply, stream};
use higress_dify_plugin::runtime::ErrorKind;
use serde_json::{Value, json};

async fn outcome_of(answer: Vec<u8>) -> Outcome {
    let server = Server::start(vec![answer]).await;
    invoke(asks(&server, json!({}), json!({}))).await
}

fn says(text: &str) -> String {
    event(&json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
}

/// One answer of more than a KiB, in one line or in many.
fn long_whole(indented: bool) -> (String, String) {
    let text = "long ".repeat(2_000);
    let mut whole: Value = serde_json::from_str(WHOLE).unwrap();
    whole["choices"][0]["message"]["content"] = json!(text);
    (if indented { format!("{whole:#}") } else { whole.to_string() }, text)
}

#[tokio::test]
async fn a_whole_answer_that_is_called_a_stream_is_read_whatever_its_length_and_layout() {
    for indented in [false, true] {
        for content_type in ["text/event-stream", "text/event-stream;charset=UTF-8", "application/json", "text/plain"] {
            let (body, text) = long_whole(indented);
            let outcome = outcome_of(reply("200 OK", content_type, &body)).await;
            assert_eq!((outcome.result.clone(), outcome.text()), (Ok(()), text), "{content_type} {indented}");
            assert_eq!(outcome.last()["usage"]["total_tokens"], 10);
        }
    }
}

#[tokio::test]
async fn an_error_that_is_called_a_stream_is_told_whatever_its_length_and_layout() {
    let error = json!({"error": {"message": "m".repeat(3_000), "code": "invalid_api_key"}});
    for body in [error.to_string(), format!("{error:#}")] {
        let error = outcome_of(stream(&body)).await.result.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Authorization, "{error}");
    }
}

#[tokio::test]
async fn a_stream_that_is_called_json_or_text_comes_in_pieces_like_any_other() {
    for content_type in ["application/json", "text/plain; charset=utf-8", "application/octet-stream"] {
        for start in ["", "\u{feff}", ": busy\n\n", "\n\n", "event: message\nid: 1\n"] {
            let body = format!("{start}{HELLO}");
            let outcome = outcome_of(reply("200 OK", content_type, &body)).await;
            assert_eq!(outcome.text(), "Hello", "{content_type} {start:?} {:?}", outcome.result);
            assert_eq!(outcome.last()["finish_reason"], "stop");
        }
    }
    // The text that came before a break is there: it did not wait for the end.
    let broken = String::from_utf8(broken_stream(&says("Hello"))).unwrap();
    let outcome = outcome_of(broken.replace("text/event-stream", "application/json").into_bytes()).await;
    assert_eq!((outcome.text().as_str(), outcome.result.unwrap_err().kind), ("Hello", ErrorKind::Connection));
}

#[tokio::test]
async fn packed_answers_are_unpacked_whatever_they_are() {
    for (content_type, body) in
        [("text/event-stream", HELLO), ("application/json", WHOLE), ("text/event-stream", WHOLE)]
    {
        let outcome = outcome_of(packed("200 OK", content_type, body)).await;
        assert_eq!((outcome.result.clone(), outcome.text()), (Ok(()), "Hello".to_owned()), "{content_type}");
    }
    let error =
        outcome_of(packed("429 Too Many Requests", "text/plain", "Too many requests")).await.result.unwrap_err();
    assert_eq!(error.kind, ErrorKind::RateLimit);
    assert!(error.message.contains("Too many requests"), "{error}");
}

#[tokio::test]
async fn a_stream_that_ends_without_an_answer_shows_what_came() {
    for (body, shown) in [("data: [DONE]\n\n", "data: [DONE]"), ("data: {\"a\":1}\n\ndata: [DONE]\n\n", "\"a\":1")] {
        let error = outcome_of(stream(body)).await.result.unwrap_err();
        assert!(error.message.contains("no answer") && error.message.contains(shown), "{error}");
    }
}

#[tokio::test]
async fn a_transfer_broken_off_before_its_reason_is_an_error_behind_the_text_that_came() {
    let outcome = outcome_of(broken_stream(&says("Hello"))).await;
    assert_eq!(outcome.text(), "Hello");
    let error = outcome.result.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Connection, "{error}");
}

#[tokio::test]
async fn a_transfer_broken_off_behind_its_reason_is_an_answer() {
    let (behind, _) = HELLO.split_once("data: [DONE]").unwrap();
    let outcome = outcome_of(broken_stream(behind)).await;
    assert_eq!((outcome.result.clone(), outcome.text()), (Ok(()), "Hello".to_owned()));
    assert_eq!(outcome.last()["usage"]["total_tokens"], 10);
}

#[tokio::test]
async fn a_clean_end_without_reason_and_mark_is_an_answer_if_anything_came() {
    let outcome = outcome_of(stream(&says("Hello"))).await;
    assert_eq!((outcome.result.clone(), outcome.text()), (Ok(()), "Hello".to_owned()));
    let nothing = event(&json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}));
    assert_eq!(outcome_of(stream(&nothing)).await.result.unwrap_err().kind, ErrorKind::ServerUnavailable);
}

#[tokio::test]
async fn an_error_in_mid_stream_has_the_kind_of_one_at_the_start_and_stands_behind_the_text() {
    for (spoiled, kind, shown) in [
        (
            event(&json!({"error": {"message": "slow down", "code": "rate_limit_exceeded"}})),
            ErrorKind::RateLimit,
            "slow",
        ),
        (
            event(&json!({"code": "InvalidApiKey", "message": "No such key", "request_id": "r-1"})),
            ErrorKind::Authorization,
            "request_id=r-1",
        ),
        (
            "id:2\nevent:error\n:HTTP_STATUS/429\ndata:{\"code\":\"Throttling\",\"message\":\"later\"}\n\n".to_owned(),
            ErrorKind::RateLimit,
            "429",
        ),
        (
            "event:error\n:HTTP_STATUS/400\ndata:{\"code\":\"DataInspectionFailed\",\"message\":\"no\"}\n\n".to_owned(),
            ErrorKind::BadRequest,
            "400",
        ),
        ("event: error\ndata: upstream died\n\n".to_owned(), ErrorKind::ServerUnavailable, "upstream died"),
        (
            event(&json!({"choices": [{"delta": {"content": ""}}], "error": {"message": "x", "type": "server_error"}})),
            ErrorKind::ServerUnavailable,
            "server_error",
        ),
        // Without `data:`, as a server does that fails outside of its stream.
        (
            "{\"error\":{\"message\":\"engine dead\",\"type\":\"invalid_request_error\"}}\n".to_owned(),
            ErrorKind::BadRequest,
            "engine dead",
        ),
        ("data: <html>502</html>\n\n".to_owned(), ErrorKind::ServerUnavailable, "502"),
    ] {
        let outcome = outcome_of(stream(&format!("{}{spoiled}{STOP}", says("Hello")))).await;
        assert_eq!(outcome.text(), "Hello");
        let error = outcome.result.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.starts_with("[higress] ") && error.message.contains(shown), "{error}");
    }
}

#[tokio::test]
async fn an_error_page_in_mid_stream_is_an_error_and_behind_the_reason_nothing_that_counts() {
    let page = "<html><title>502 Bad Gateway</title></html>\n\n";
    let outcome = outcome_of(stream(&format!("{}{page}", says("Hello")))).await;
    assert_eq!(outcome.text(), "Hello");
    assert_eq!(outcome.result.unwrap_err().kind, ErrorKind::ServerUnavailable);
    let finished = event(&json!({"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}));
    for rest in [page, "data: <html>502</html>\n\n", "data: {\"choices\":[],\"usa"] {
        let outcome = outcome_of(stream(&format!("{finished}{rest}"))).await;
        assert_eq!((outcome.result.clone(), outcome.text()), (Ok(()), "Hello".to_owned()), "{rest}");
        assert_eq!(outcome.last()["finish_reason"], "stop");
    }
}

#[tokio::test]
async fn an_error_field_that_says_nothing_is_no_error() {
    for nothing in [json!(null), json!({}), json!(""), json!({"message": "", "type": "", "param": null, "code": 0})] {
        let chunk = json!({"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}], "error": nothing});
        let outcome = outcome_of(stream(&event(&chunk))).await;
        assert_eq!((outcome.result.clone(), outcome.text()), (Ok(()), "Hello".to_owned()), "{nothing}");
    }
}

#[tokio::test]
async fn of_several_answers_at_once_the_first_is_the_answer() {
    let whole = |first: &str, second: &str| {
        json!({"choices": [{"index": 0, "message": {"content": first}, "finish_reason": "stop"},
            {"index": 1, "message": {"content": second}, "finish_reason": "length"}]})
    };
    let pieces = json!({"choices": [{"index": 0, "delta": {"content": "one"}, "finish_reason": "stop"},
        {"index": 1, "delta": {"content": "two"}, "finish_reason": "length"}]});
    for answer in [stream(&event(&pieces)), reply("200 OK", "application/json", &whole("one", "two").to_string())] {
        let outcome = outcome_of(answer).await;
        assert_eq!((outcome.result.clone(), outcome.text()), (Ok(()), "one".to_owned()));
        assert_eq!(outcome.last()["finish_reason"], "stop");
    }
}

#[tokio::test]
async fn an_answer_in_an_encoding_that_nobody_asked_for_is_named() {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: br\r\ncontent-length: 4\r\n\r\n";
    let outcome = outcome_of([head.as_bytes(), b"\x0b\x02\x80\x03"].concat()).await;
    let error = outcome.result.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ServerUnavailable);
    assert!(error.message.contains("`br`"), "{error}");
}

#[tokio::test]
async fn an_error_after_thinking_closes_the_thinking_first() {
    let body = format!(
        "{}{}",
        event(&json!({"choices": [{"delta": {"reasoning_content": "Hm"}}]})),
        event(&json!({"error": {"message": "x"}}))
    );
    let server = Server::start(vec![stream(&body)]).await;
    let outcome = invoke(asks(&server, json!({"agent_thought_support": "supported"}), json!({}))).await;
    assert_eq!(outcome.text(), "<think>\nHm\n</think>\n\n");
    assert!(outcome.result.is_err());
}

#[tokio::test]
async fn a_character_cut_between_two_events_is_whole_and_a_lone_half_does_no_harm() {
    let body = concat!(
        r#"data: {"choices":[{"delta":{"reasoning_content":"think \ud83e"}}]}"#,
        "\n\n",
        r#"data: {"choices":[{"delta":{"reasoning_content":"\udd14"}}]}"#,
        "\n\n",
        r#"data: {"choices":[{"delta":{"content":"a\ud83d"}}]}"#,
        "\n\n: busy\n\n",
        r#"data: {"choices":[{"delta":{"content":"\ude00b \ud83d c \ud83d"},"finish_reason":"stop"}]}"#,
        "\n\ndata: [DONE]\n\n"
    );
    let server = Server::start(vec![stream(body)]).await;
    let outcome = invoke(asks(&server, json!({"agent_thought_support": "supported"}), json!({}))).await;
    assert_eq!(outcome.text(), "<think>\nthink 🤔\n</think>\n\na😀b \u{fffd} c \u{fffd}");
}

#[tokio::test]
async fn a_guards_answer_is_text_or_an_error_as_the_options_say() {
    let said = r#"{"code":200,"denyMessage":"Not here.","blockedDetails":[{"type":"promptAttack","level":"high"}]}"#;
    let chunk = |delta: Value, reason: Value| {
        let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "from-security-guard",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}});
        format!("data:{chunk}\n\n")
    };
    let injected = format!("{}{}", chunk(json!({"content": said}), Value::Null), chunk(json!({}), json!("stop")));
    for before in ["", &says("Half an answer")] {
        let body = format!("{before}{injected}data: [DONE]");
        let server = Server::start(vec![stream(&body), stream(&body)]).await;
        let outcome = invoke(asks(&server, json!({}), json!({}))).await;
        assert_eq!(outcome.result, Ok(()));
        assert!(outcome.text().ends_with("Not here."), "{}", outcome.text());
        let strict = json!({"advanced_options": r#"{"guardrail":"error"}"#});
        let error = invoke(asks(&server, strict, json!({}))).await.result.unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadRequest);
        assert!(error.message.contains("Not here") && error.message.contains("promptAttack"), "{error}");
    }
}

#[tokio::test]
async fn a_cached_answer_in_one_event_is_an_answer_like_any_other() {
    let body = concat!(
        r#"data:{"id":"from-cache","model":"from-cache","object":"chat.completion","choices":[{"index":0,"#,
        r#""delta":{"role":"assistant","content":"Paris\nis sunny"},"finish_reason":"stop"}],"#,
        r#""usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#,
        "\n\ndata:[DONE]\n\n"
    );
    let outcome = outcome_of(stream(body)).await;
    assert_eq!((outcome.result.clone(), outcome.text()), (Ok(()), "Paris\nis sunny".to_owned()));
    assert_eq!(
        (&outcome.last()["finish_reason"], &outcome.last()["usage"]["total_tokens"]),
        (&json!("stop"), &json!(0))
    );
}

#[tokio::test]
async fn the_last_usage_and_the_last_real_reason_come_once_and_on_the_last_chunk() {
    let body = [
        json!({"choices": [{"delta": {"content": "a"}, "finish_reason": null}], "usage": null}),
        json!({"choices": [{"delta": {"content": "b"}, "finish_reason": ""}], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}),
        json!({"choices": [{"delta": {}, "finish_reason": "length"}], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}),
        json!({"choices": [{"delta": {}, "finish_reason": null}], "usage": {}}),
        json!({"choices": [{"delta": {}, "finish_reason": ""}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 10}}),
    ];
    let body: String = body.iter().map(event).collect();
    let outcome = outcome_of(stream(&body)).await;
    assert_eq!((outcome.result.clone(), outcome.text()), (Ok(()), "ab".to_owned()));
    let ends: Vec<_> = outcome.deltas.iter().filter(|delta| !delta["usage"].is_null()).collect();
    assert_eq!(ends.len(), 1);
    assert_eq!((&ends[0]["finish_reason"], &ends[0]["usage"]["total_tokens"]), (&json!("length"), &json!(10)));
    assert_eq!(ends[0], outcome.last());
}

#[tokio::test]
async fn usage_counts_where_it_stands_and_as_far_as_it_goes() {
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11});
    let in_choice = json!({"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop", "usage": usage}]});
    let outcome = outcome_of(stream(&event(&in_choice))).await;
    assert_eq!(outcome.last()["usage"]["prompt_tokens"], 9);
    assert!(!outcome.cx.recorded().tokens_estimated);
    let only_total = json!({"choices": [{"delta": {"content": "Hello"}}], "usage": {"total_tokens": 500}});
    let outcome = outcome_of(stream(&event(&only_total))).await;
    let usage = &outcome.last()["usage"];
    assert_eq!((&usage["total_tokens"], &usage["completion_tokens"]), (&json!(500), &json!(1)));
    assert_eq!(usage["prompt_tokens"], 499);
    assert!(outcome.cx.recorded().tokens_estimated);
}

#[tokio::test]
async fn the_tag_of_thinking_may_be_cut_at_every_byte() {
    let text = "\n<think>\nsecret </thin</think>\n\nanswer";
    for cut in 1..text.len() {
        let (first, second) = text.split_at(cut);
        let body = format!("{}{}{STOP}", says(first), says(second));
        let server = Server::start(vec![stream(&body), stream(&body)]).await;
        let hidden = invoke(asks(&server, json!({}), json!({}))).await;
        assert_eq!(hidden.text(), "answer", "cut at {cut}");
        let shown = invoke(asks(&server, json!({"agent_thought_support": "supported"}), json!({}))).await;
        assert_eq!(shown.text(), text, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_structured_answer_behind_written_thinking_is_still_an_object() {
    let body = format!("{}{STOP}", says("<think>\nHm\n</think>\n\n{\"a\": 1}"));
    let server = Server::start(vec![stream(&body)]).await;
    let more = json!({"agent_thought_support": "supported", "structured_output_support": "supported"});
    let schema = json!({"response_format": "json_schema", "json_schema": r#"{"type":"object"}"#});
    let outcome = invoke(asks(&server, more, schema)).await;
    assert_eq!(outcome.objects, [object(json!({"a": 1}))]);
}

#[tokio::test]
async fn an_answer_that_only_the_connection_ends_has_to_say_that_it_is_finished() {
    let piece = "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n";
    let last = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let unframed =
        |head: &str, body: &str| format!("{head}\r\ncontent-type: text/event-stream\r\n\r\n{body}").into_bytes();
    for head in ["HTTP/1.0 200 OK", "HTTP/1.1 200 OK\r\nconnection: close"] {
        for end in [last, "data: [DONE]\n\n"] {
            let server = Server::start(vec![unframed(head, &format!("{piece}{end}"))]).await;
            assert_eq!(invoke(asks(&server, json!({}), json!({}))).await.result, Ok(()), "{head} {end}");
        }
        let server = Server::start(vec![unframed(head, piece)]).await;
        let outcome = invoke(asks(&server, json!({}), json!({}))).await;
        assert_eq!(outcome.text(), "Hel");
        let error = outcome.result.unwrap_err();
        assert!(error.message.contains("broke off before its end"), "{}", error.message);
    }
    // Where the transfer itself says that it is whole, it is believed.
    let server = Server::start(vec![stream(piece)]).await;
    assert_eq!(invoke(asks(&server, json!({}), json!({}))).await.result, Ok(()));
}

#[tokio::test]
async fn an_error_in_a_stream_is_one_however_long_it_is() {
    let piece = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let long = "x".repeat(70_000);
    let body =
        format!("{piece}data: {{\"error\":{{\"code\":\"rate_limit\",\"message\":\"{long}\"}}}}\n\ndata: [DONE]\n\n");
    let server = Server::start(vec![stream(&body)]).await;
    let error = invoke(asks(&server, json!({}), json!({}))).await.result.unwrap_err();
    assert_eq!(error.kind, ErrorKind::RateLimit);
    assert!(error.message.contains("xxx") && error.message.len() < 2000, "{}", error.message.len());
}
