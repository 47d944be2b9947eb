//! A call of a model, from Dify's request to the chunks that Dify gets.

use crate::server::Server;
use higress_dify_plugin::provider::llm;
use higress_dify_plugin::runtime::entities::{
    Content, Credentials, LlmRequest, ModelRef, ModelType, PromptMessage, Role,
};
use higress_dify_plugin::runtime::transport::memory::llm_output;
use higress_dify_plugin::runtime::{Context, InvokeError};
use serde_json::{Map, Value, json};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

pub(crate) fn credentials(url: &str, more: Value) -> Credentials {
    let mut values = object(json!({"endpoint_url": url, "gateway_model_name": "qwen3-max"}));
    values.extend(object(more));
    Credentials(values)
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("an object") };
    map
}

pub(crate) fn says(role: Role, text: &str) -> PromptMessage {
    let content = Content::Text(text.to_owned());
    PromptMessage { role, content, name: None, tool_calls: Vec::new(), tool_call_id: None, opaque_body: None }
}

pub(crate) fn asks(server: &Server, more: Value, parameters: Value) -> LlmRequest {
    LlmRequest {
        model: "my-qwen".to_owned(),
        credentials: credentials(&server.url, more),
        prompt_messages: vec![says(Role::User, "Weather in Paris?")],
        model_parameters: object(parameters),
        tools: Vec::new(),
        tool_choice: None,
        stop: Vec::new(),
        json_schema: None,
        stream: true,
    }
}

/// The outcome of a call and the chunks' deltas.
pub(crate) struct Outcome {
    pub(crate) result: Result<(), InvokeError>,
    pub(crate) deltas: Vec<Value>,
    /// What came as `structured_output`.
    pub(crate) objects: Vec<Map<String, Value>>,
    /// The names of the model on the chunks.
    pub(crate) models: Vec<Value>,
    pub(crate) cx: Context,
}

impl Outcome {
    pub(crate) fn text(&self) -> String {
        self.deltas.iter().filter_map(|delta| delta["message"]["content"].as_str()).collect()
    }

    pub(crate) fn last(&self) -> &Value {
        self.deltas.last().unwrap()
    }
}

/// Calls the model, the host reading along, as it does in life.
pub(crate) async fn invoke(request: LlmRequest) -> Outcome {
    let mut cx = Context::new("S1", "invoke_llm");
    cx.user_id = Some("u-42".to_owned());
    let (out, mut host) = llm_output(&cx, &request.model, request.stream).unwrap();
    host.close_input();
    let (mut deltas, mut objects, mut models) = (Vec::new(), Vec::new(), Vec::new());
    let result = {
        let call = llm::invoke(&cx, request, out);
        tokio::pin!(call);
        let mut result = None;
        loop {
            tokio::select! {
                ended = &mut call, if result.is_none() => {
                    result = Some(ended);
                    host.finish_output();
                }
                event = host.event() => match event {
                    Some(mut event) => {
                        let chunk = &mut event["data"]["data"];
                        objects.extend(chunk["structured_output"].as_object().cloned());
                        models.push(chunk["model"].take());
                        deltas.push(chunk["delta"].take());
                    }
                    None => break,
                },
            }
        }
        result.unwrap()
    };
    Outcome { result, deltas, objects, models, cx }
}

pub(crate) const HELLO: &str = concat!(
    "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],",
    "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1,\"total_tokens\":10}}\n\n",
    "data: [DONE]\n\n"
);

/// What ends an answer.
pub(crate) const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

/// One event of a stream.
pub(crate) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

pub(crate) const WHOLE: &str = r#"{"id":"c1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello","reasoning_content":"Hm."},"finish_reason":"length"}],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}"#;

/// Saves the model, as its form does.
pub(crate) async fn save(server: &Server, more: Value) -> Result<Credentials, InvokeError> {
    let model = ModelRef {
        model_type: ModelType::Llm,
        model: "my-qwen".to_owned(),
        credentials: credentials(&server.url, more),
    };
    llm::validate(&Context::new("S1", "validate_model_credentials"), &model).await
}

/// The plugin's own program, given these requests: every line that it writes.
pub(crate) async fn program(requests: &[Value]) -> Vec<Value> {
    let mut plugin = Command::new(env!("CARGO_BIN_EXE_higress-dify-plugin"))
        .env("INSTALL_METHOD", "local")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    plugin.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
    let output = timeout(Duration::from_secs(60), plugin.wait_with_output()).await.unwrap().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    output.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}
