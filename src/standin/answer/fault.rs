//! What goes wrong behind a gateway, on demand: by the name of the model.

use super::Ask;
use super::chat::{DONE, event, sample_events};
use crate::standin::reply::{Origin, Payload, Reply};
use crate::standin::script::{Ending, Piece, Script};
use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Value, json};

/// The answer to a model called `fault-…`; `None` for other names, and for those that another module serves.
pub(super) fn reply(model: &str, stream: bool, ask: &Ask<'_>) -> Option<Reply> {
    let name = model.strip_prefix("fault-")?;
    if name == "task-failed" {
        return None;
    }
    let reply = match name {
        "guard" => guard(stream),
        "masked" => masked(stream),
        "cache" => cache(stream),
        _ => whole(name).or_else(|| stream.then(|| streamed(name, ask)).flatten()).unwrap_or_else(|| unknown(model)),
    };
    Some(reply)
}

/// Answers that are the same for a stream and for a whole answer.
fn whole(name: &str) -> Option<Reply> {
    let provider = |status: u16, code: &str, message: &str| Reply::openai_error(status_code(status), code, message);
    Some(match name {
        "401" => provider(401, "invalid_api_key", "Incorrect API key provided."),
        "400" => provider(400, "invalid_parameter_error", "The parameter temperature is out of range."),
        "context-length" => Reply::new(status_code(400), Origin::Gateway, Payload::Whole(Bytes::from_static(TOO_LONG)))
            .with("content-type", "application/json"),
        "403-quota" => gateway(403, "Request denied by ai quota check, No quota left"),
        "404-model" => provider(404, "model_not_found", "The model does not exist or you do not have access to it."),
        "404-empty" => Reply::empty(StatusCode::NOT_FOUND),
        "413" => gateway(413, "Payload Too Large"),
        "429" => provider(429, "rate_limit_exceeded", "Rate limit reached for requests.").with("retry-after", "7"),
        "429-tokens" => gateway(429, "Too many requests").with("x-tokenratelimit-reset", "11"),
        "500" => provider(500, "internal_error", "The server had an error while processing your request."),
        "500-api" => gateway(500, "failed to process request body: unsupported API name"),
        "500-html" => Reply::provider(status_code(500), "text/html", HTML),
        "503" => gateway(503, "no healthy upstream"),
        "504" => gateway(504, "upstream request timeout"),
        "empty" => Reply::provider(StatusCode::OK, "application/json", ""),
        "not-json" => Reply::provider(StatusCode::OK, "text/html", HTML),
        "bad-json" => Reply::provider(StatusCode::OK, "application/json", r#"{"id":"x","choices":[{"index":0,"#),
        "200-error" => Reply::ok(&json!({"error": {"message": "The model is overloaded.", "code": "overloaded"}})),
        "stall" => Reply::never(),
        _ => return None,
    })
}

/// Streams that go wrong on their way.
fn streamed(name: &str, ask: &Ask<'_>) -> Option<Reply> {
    let body: Value = serde_json::from_slice(ask.body).ok()?;
    let whole = sample_events(ask, &body);
    let half: Vec<String> = whole.iter().take(whole.len() / 2).cloned().collect();
    let with = |mut events: Vec<String>, more: String| {
        events.push(more);
        events
    };
    let (events, ending) = match name {
        "stall-stream" => (half, Ending::Stall),
        "cut" => (half, Ending::Cut),
        "cut-first" => (Vec::new(), Ending::Cut),
        "stream-error" => {
            let error = json!({"error": {"message": "The model is overloaded.", "type": "server_error", "code": 503}});
            (with(half, event(&error)), Ending::Clean)
        }
        "stream-dashscope" => (with(half, DASHSCOPE_ERROR.to_owned()), Ending::Clean),
        "no-done" => (whole.into_iter().filter(|event| event != DONE).collect(), Ending::Clean),
        "no-finish" => (half, Ending::Clean),
        "crlf" => (whole.iter().map(|event| dressed(event)).collect(), Ending::Clean),
        _ => return None,
    };
    Some(Reply::events(Script::events(events, ask.piece_delay, ending)))
}

/// As the security guard of the gateway answers: status 200, no space after `data:`, no newline at the end.
fn guard(stream: bool) -> Reply {
    let content = json!({"code": 200, "denyMessage": "I cannot talk about this.", "blockedDetails": [{"type": "contentModeration", "level": "high"}]}).to_string();
    let usage = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
    let envelope = |object: &str, choice: Value| json!({"id": "chatcmpl-standin", "object": object, "model": "from-security-guard", "choices": [choice], "usage": usage});
    if !stream {
        let choice = json!({"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"});
        return own(&Bytes::from(envelope("chat.completion", choice).to_string()), "application/json");
    }
    let text = json!({"index": 0, "delta": {"role": "assistant", "content": content}, "finish_reason": null});
    let end = json!({"index": 0, "delta": {"role": "assistant"}, "finish_reason": "stop"});
    let mut chunk = envelope("chat.completion.chunk", text);
    chunk["usage"] = Value::Null;
    let body = format!("data:{chunk}\n\ndata:{}\n\ndata: [DONE]", envelope("chat.completion.chunk", end));
    own(&Bytes::from(body), "text/event-stream;charset=UTF-8")
}

/// As the data masking plugin answers: no id, no model, no reason, no `[DONE]`.
fn masked(stream: bool) -> Reply {
    let content = json!({"role": "assistant", "content": "提问或回答中包含敏感词，已被屏蔽"});
    if stream {
        let body = json!({"choices": [{"index": 0, "delta": content}], "usage": {}});
        return own(&Bytes::from(format!("data:{body}\n\n")), "text/event-stream");
    }
    let body = json!({"choices": [{"index": 0, "message": content}], "usage": {}});
    own(&Bytes::from(body.to_string()), "application/json")
}

/// As the cache plugin answers: everything in one event.
fn cache(stream: bool) -> Reply {
    let message = json!({"role": "assistant", "content": "This answer is from the cache."});
    let usage = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
    let answer = |name: &str| {
        json!({
            "id": "from-cache", "object": "chat.completion", "model": "from-cache",
            "choices": [{"index": 0, name: message, "finish_reason": "stop"}], "usage": usage,
        })
    };
    if stream {
        let body = format!("data:{}\n\ndata:[DONE]\n\n", answer("delta"));
        return own(&Bytes::from(body), "text/event-stream;charset=utf-8");
    }
    own(&Bytes::from(answer("message").to_string()), "application/json")
}

/// A 200 that a plugin of the gateway made.
fn own(body: &Bytes, content_type: &'static str) -> Reply {
    let piece = Piece { bytes: body.clone(), events: 1 };
    let script = Script::new([piece], std::time::Duration::ZERO, Ending::Clean);
    Reply::new(StatusCode::OK, Origin::Gateway, Payload::Script(script)).with("content-type", content_type)
}

/// The same event with everything that the format allows around it.
fn dressed(event: &str) -> String {
    let data = event.trim_end();
    format!(": keep-alive\r\nid: 7\r\nevent: message\r\n{data}\r\n\r\n")
}

fn gateway(status: u16, text: &str) -> Reply {
    Reply::gateway_text(status_code(status), text)
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn unknown(model: &str) -> Reply {
    let message = format!("The stand-in has no fault called {model} for this kind of request.");
    Reply::openai_error(StatusCode::NOT_FOUND, "model_not_found", &message)
}

const HTML: &str = "<html><head><title>500 Internal Server Error</title></head><body><center><h1>500 Internal Server Error</h1></center><hr><center>nginx</center></body></html>";
const TOO_LONG: &[u8] = br#"{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.","type":"invalid_request_error","code":"context_length_exceeded"}}"#;
const DASHSCOPE_ERROR: &str = "id:1\nevent:error\n:HTTP_STATUS/400\ndata:{\"code\":\"InvalidParameter\",\"message\":\"Range of input length should be [1, 6000]\",\"request_id\":\"standin\"}\n\n";
