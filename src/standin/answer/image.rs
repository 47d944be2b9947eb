//! Pictures: DashScope at once and as a task, OpenAI's generations and edits, and the files themselves.

use super::{Ask, png, question, words};
use crate::standin::reply::{Reply, request_id};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// More pictures at once are refused.
const MOST: u64 = 10;

/// DashScope's multimodal generation, at once.
pub(super) fn dashscope(ask: &Ask<'_>, body: &Value) -> Reply {
    let prompt = question::text(&body["input"]["messages"][0]["content"]);
    if prompt.trim().is_empty() {
        return refuse(ask, "InvalidParameter", "input.messages[0].content must contain a text");
    }
    let image = url(ask, &prompt, 0);
    Reply::ok(&json!({
        "output": {
            "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": [{"image": image}]}}],
            "task_metric": {"TOTAL": 1, "FAILED": 0, "SUCCEEDED": 1},
        },
        "usage": {"width": png::SIDE, "height": png::SIDE, "image_count": 1},
        "request_id": request_id(ask.number),
    }))
}

/// DashScope's image synthesis: a task, to be asked for.
pub(super) fn start_task(ask: &Ask<'_>, body: &Value) -> Reply {
    if ask.header("x-dashscope-async") != Some("enable") {
        let message = "current user api does not support synchronous calls.";
        return Reply::dashscope_error(StatusCode::FORBIDDEN, "AccessDenied", message, ask.number);
    }
    let nested = question::text(&body["input"]["messages"][0]["content"]);
    let prompt = body["input"]["prompt"].as_str().unwrap_or(&nested);
    if prompt.trim().is_empty() {
        return refuse(ask, "InvalidParameter", "input.prompt is missing or empty");
    }
    let fails = body["model"] == "fault-task-failed";
    let count = body["parameters"]["n"].as_u64().unwrap_or(1).clamp(1, MOST);
    let urls = (0..count).map(|index| url(ask, prompt, index)).collect();
    let id = ask.tasks.start(ask.number, urls, fails);
    Reply::ok(&json!({"output": {"task_status": "PENDING", "task_id": id}, "request_id": request_id(ask.number)}))
}

/// `/v1/images/generations`
pub(super) fn openai(ask: &Ask<'_>, body: &Value) -> Reply {
    let prompt = body["prompt"].as_str().unwrap_or_default();
    let model = body["model"].as_str().unwrap_or_default();
    let base64 = body["response_format"] == "b64_json" || model.starts_with("gpt-image");
    pictures(ask, prompt, body["n"].as_u64().unwrap_or(1), base64)
}

/// `/v1/images/edits`, a multipart form with a prompt and a picture.
pub(super) fn edit(ask: &Ask<'_>) -> Reply {
    let form = String::from_utf8_lossy(ask.body);
    let is_multipart = ask.header("content-type").is_some_and(|kind| kind.starts_with("multipart/form-data"));
    let Some(prompt) = form_field(&form, "prompt").filter(|_| is_multipart) else {
        return Reply::openai_error(StatusCode::BAD_REQUEST, "invalid_request", "the form has no field prompt");
    };
    if !form.contains("name=\"image\"") && !form.contains("name=\"image[]\"") {
        return Reply::openai_error(StatusCode::BAD_REQUEST, "invalid_request", "the form has no field image");
    }
    let count = form_field(&form, "n").and_then(|count| count.parse().ok()).unwrap_or(1);
    pictures(ask, prompt, count, true)
}

fn pictures(ask: &Ask<'_>, prompt: &str, count: u64, base64: bool) -> Reply {
    if prompt.trim().is_empty() || !(1..=MOST).contains(&count) {
        return Reply::openai_error(StatusCode::BAD_REQUEST, "invalid_request", "prompt is empty or n is out of range");
    }
    let data: Vec<Value> = (0..count)
        .map(|index| {
            if base64 {
                json!({"b64_json": BASE64.encode(png::picture(seed(prompt, index)))})
            } else {
                json!({"url": url(ask, prompt, index)})
            }
        })
        .collect();
    Reply::ok(&json!({"created": 0, "data": data}))
}

/// The value of a field of a multipart form that is text.
fn form_field<'a>(form: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = form.split_once(&format!("name=\"{name}\""))?;
    let (_, value) = after.split_once("\r\n\r\n")?;
    Some(value.split_once("\r\n--")?.0)
}

/// Where this gateway serves the picture for a prompt.
fn url(ask: &Ask<'_>, prompt: &str, index: u64) -> String {
    format!("http://{}/standin/images/{:016x}.png", ask.host(), seed(prompt, index))
}

fn seed(prompt: &str, index: u64) -> u64 {
    words::hash(prompt).wrapping_add(index)
}

/// The file behind such an address.
pub(in crate::standin) fn file(name: &str) -> Option<Vec<u8>> {
    let seed = u64::from_str_radix(name.strip_suffix(".png")?, 16).ok()?;
    Some(png::picture(seed))
}

fn refuse(ask: &Ask<'_>, code: &str, message: &str) -> Reply {
    Reply::dashscope_error(StatusCode::BAD_REQUEST, code, message, ask.number)
}
