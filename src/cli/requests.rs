//! What Dify sends: the `data` of each invocation, with every key its daemon fills in.

use serde_json::{Value, json};

/// A model as Dify knows it.
#[derive(Debug, Clone)]
pub struct Model {
    /// `llm`, `text-embedding` or `rerank`.
    pub kind: &'static str,
    /// Its name in Dify.
    pub name: String,
    /// The form's values, secrets included.
    pub credentials: Value,
}

impl Model {
    /// "Save" in the form: `validate_model_credentials`.
    pub fn validate(&self) -> Value {
        self.request("validate_model_credentials", json!({}))
    }

    /// What the model can do: `get_ai_model_schemas`.
    pub fn schema(&self) -> Value {
        self.request("get_ai_model_schemas", json!({}))
    }

    /// `invoke_llm` with the app's parameters and tools.
    pub fn llm(&self, messages: &[Value], parameters: &Value, tools: &Value, stream: bool) -> Value {
        let more = json!({
            "prompt_messages": messages, "model_parameters": parameters, "tools": tools, "stop": null,
            "stream": stream, "json_schema": null,
        });
        self.request("invoke_llm", more)
    }

    /// `invoke_text_embedding` of documents.
    pub fn embedding(&self, texts: &[String]) -> Value {
        self.request("invoke_text_embedding", json!({"texts": texts, "input_type": "document"}))
    }

    /// `invoke_rerank`; the daemon writes 0 for limits that are not set.
    pub fn rerank(&self, query: &str, docs: &[String], top_n: u64) -> Value {
        self.request("invoke_rerank", json!({"query": query, "docs": docs, "score_threshold": 0, "top_n": top_n}))
    }

    fn request(&self, action: &str, more: Value) -> Value {
        let mut data = json!({
            "type": "model", "action": action, "user_id": USER, "provider": "higress", "model_type": self.kind,
            "model": self.name, "credentials": self.credentials,
        });
        if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
            data.extend(more);
        }
        data
    }
}

const USER: &str = "demo-user";

/// A message of the conversation as the daemon passes it on.
pub fn message(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content, "name": "", "tool_calls": null, "tool_call_id": ""})
}

/// The line that carries `data` as session `session_id`, without its newline.
pub fn line(session_id: &str, data: &Value) -> String {
    json!({
        "session_id": session_id, "conversation_id": null, "message_id": null, "app_id": null, "endpoint_id": null,
        "context": null, "event": "request", "data": data,
    })
    .to_string()
}
