//! Pictures at their boundary: what Dify asks, what a gateway is sent, what Dify gets.

#[path = "image/calls.rs"]
mod calls;
#[path = "image/polling.rs"]
mod polling;
#[path = "image/processes.rs"]
mod processes;
#[path = "image/saving.rs"]
mod saving;
#[path = "retrieval/scripted.rs"]
mod scripted;
#[path = "image/signed.rs"]
mod signed;
#[path = "image/tasks.rs"]
mod tasks;

use higress_dify_plugin::provider::credentials::{ImageCredentials, LlmCredentials};
use higress_dify_plugin::provider::image;
use higress_dify_plugin::runtime::entities::{
    Content, ContentPart, Credentials, ImageDetail, LlmRequest, Media, MediaKind, PromptMessage, Role,
};
use higress_dify_plugin::runtime::transport::memory;
use higress_dify_plugin::runtime::{Context, InvokeError};
use serde_json::{Map, Value, json};

fn context() -> Context {
    Context::new("s-1", "invoke_llm")
}

fn fields(protocol: &str) -> Value {
    json!({"llm_usage_scenario": "image_generation", "image_model_protocol": protocol, "gateway_model_name": "painter"})
}

fn message(role: Role, content: Content) -> PromptMessage {
    PromptMessage { role, content, name: None, tool_calls: Vec::new(), tool_call_id: None, opaque_body: None }
}

fn says(role: Role, text: &str) -> PromptMessage {
    message(role, Content::Text(text.to_owned()))
}

fn picture(base64_data: &str, url: &str) -> ContentPart {
    ContentPart::Media(Media {
        kind: MediaKind::Image,
        format: "png".to_owned(),
        mime_type: "image/png".to_owned(),
        url: url.to_owned(),
        base64_data: base64_data.to_owned(),
        filename: String::new(),
        detail: ImageDetail::Low,
    })
}

fn request(credentials: Credentials, messages: Vec<PromptMessage>, parameters: Value) -> LlmRequest {
    let Value::Object(model_parameters) = parameters else { panic!("parameters are an object") };
    LlmRequest {
        model: "my-image".to_owned(),
        credentials,
        prompt_messages: messages,
        model_parameters,
        tools: Vec::new(),
        tool_choice: None,
        stop: Vec::new(),
        json_schema: None,
        stream: true,
    }
}

fn fox(credentials: Credentials, parameters: Value) -> LlmRequest {
    request(credentials, vec![says(Role::User, "A red fox")], parameters)
}

fn typed(cx: &Context, credentials: &Credentials) -> Result<ImageCredentials, InvokeError> {
    match LlmCredentials::read(cx, "my-image", credentials)? {
        LlmCredentials::Image(image) => Ok(*image),
        LlmCredentials::Text(_) => panic!("these are the credentials of a text model"),
    }
}

/// The deltas of the chunks that Dify gets, in order.
async fn draw(cx: &Context, request: LlmRequest) -> Result<Vec<Map<String, Value>>, InvokeError> {
    let credentials = typed(cx, &request.credentials)?;
    let (out, mut host) = memory::llm_output(cx, &request.model, request.stream)?;
    image::invoke(cx, &credentials, request, out).await?;
    let mut deltas = Vec::new();
    loop {
        let event = host.event().await.expect("the answer has no last chunk");
        let delta = event["data"]["data"]["delta"].as_object().expect("a chunk has a delta").clone();
        let last = !delta["finish_reason"].is_null();
        deltas.push(delta);
        if last {
            return Ok(deltas);
        }
    }
}

/// The text of an answer, and its other parts.
fn content(deltas: &[Map<String, Value>]) -> (String, Vec<Value>) {
    let mut text = String::new();
    let mut files = Vec::new();
    for delta in deltas {
        match &delta["message"]["content"] {
            Value::String(piece) => text.push_str(piece),
            Value::Array(parts) => files.extend(parts.clone()),
            other => panic!("content is {other}"),
        }
    }
    (text, files)
}
