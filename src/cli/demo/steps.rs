//! What the demo asks, in Dify's words.

use crate::cli::requests::{Model, message};
use crate::standin::auth::Access;
use crate::standin::{Consumer, Standin};
use serde_json::{Value, json};

/// A part of the demo: all invocations as one kind of caller.
#[derive(Debug)]
pub(super) struct Chapter {
    pub(super) title: &'static str,
    pub(super) endpoint: String,
    /// Who the gateway should say is calling.
    pub(super) consumer: Option<&'static str>,
    pub(super) steps: Vec<Step>,
}

/// One invocation.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) title: &'static str,
    /// What a person asked, in one line.
    pub(super) asked: String,
    pub(super) data: Value,
    pub(super) expected: Expected,
}

/// What should come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Saved,
    Schema,
    /// Text that holds this.
    Text(&'static str),
    ToolCall,
    Picture,
    Vectors(usize),
    Documents(usize),
    Error(&'static str),
}

const QUESTION: &str = "Why is the sky blue?";
const WEATHER: &str = "What is the weather in Paris?";
const PICTURE: &str = "A red fox in the snow";
const TEXTS: [&str; 3] = ["The red fox runs.", "A red fox is running.", "Quarterly tax report"];
const QUERY: &str = "Where does the fox live?";
const DOCUMENTS: [&str; 3] = ["A fox does live in a den.", "The tax report is late.", "Snow falls in winter."];

/// The whole demo against `standin`.
pub(super) fn chapters(standin: &Standin, consumer: &Consumer) -> Vec<Chapter> {
    let open = Caller { endpoint: standin.url(Access::Open), auth: json!({"consumer_auth_mode": "disabled"}) };
    let key = Caller {
        endpoint: standin.url(Access::Key),
        auth: json!({"consumer_auth_mode": "api_key", "api_key": consumer.api_key}),
    };
    let hmac = |secret: &str| Caller {
        endpoint: standin.url(Access::Hmac),
        auth: json!({"consumer_auth_mode": "hmac", "hmac_key": consumer.access_key, "hmac_secret": secret}),
    };
    let signed = hmac(&consumer.secret);
    let wrong = hmac("not-the-secret");
    vec![
        open.chapter(
            "No authentication",
            None,
            vec![
                open.save(),
                open.schema(),
                open.think(),
                open.picture(),
                open.vectors(),
                open.documents("gte-rerank-v2"),
            ],
        ),
        key.chapter(
            "API key",
            Some("demo"),
            vec![
                key.save(),
                key.call_tool(),
                key.tool_result(),
                key.picture(),
                key.vectors(),
                key.documents("qwen3-rerank"),
            ],
        ),
        signed.chapter(
            "HMAC signature",
            Some("demo"),
            vec![signed.save(), signed.think(), signed.picture(), signed.vectors(), signed.documents("gte-rerank-v2")],
        ),
        wrong.chapter("HMAC signature with a wrong secret", None, wrong.refused()),
    ]
}

/// Who calls, and where.
struct Caller {
    endpoint: String,
    auth: Value,
}

impl Caller {
    fn chapter(&self, title: &'static str, consumer: Option<&'static str>, steps: Vec<Step>) -> Chapter {
        Chapter { title, endpoint: self.endpoint.clone(), consumer, steps }
    }

    fn model(&self, kind: &'static str, name: &str, upstream: &str, form: Value) -> Model {
        let mut credentials = json!({"endpoint_url": self.endpoint, "gateway_model_name": upstream});
        for part in [self.auth.clone(), form] {
            if let (Value::Object(credentials), Value::Object(part)) = (&mut credentials, part) {
                credentials.extend(part);
            }
        }
        Model { kind, name: name.to_owned(), credentials }
    }

    fn text(&self) -> Model {
        let form = json!({
            "llm_usage_scenario": "text_generation", "text_model_protocol": "openai_compatible",
            "function_calling_type": "tool_call", "agent_thought_support": "supported",
            "multimodal_support": "not_support",
        });
        self.model("llm", "my-text-model", "qwen3-max", form)
    }

    fn save(&self) -> Step {
        Step {
            title: "Save the text model",
            asked: "the form's values".to_owned(),
            data: self.text().validate(),
            expected: Expected::Saved,
        }
    }

    fn schema(&self) -> Step {
        Step {
            title: "What can the text model do?",
            asked: "its features and parameters".to_owned(),
            data: self.text().schema(),
            expected: Expected::Schema,
        }
    }

    fn think(&self) -> Step {
        let parameters = json!({"temperature": 0.7, "enable_thinking": true});
        Step {
            title: "Text generation, streamed, with thinking",
            asked: QUESTION.to_owned(),
            data: self.text().llm(&[message("user", QUESTION)], &parameters, &Value::Null, true),
            expected: Expected::Text(QUESTION),
        }
    }

    fn call_tool(&self) -> Step {
        Step {
            title: "Text generation, streamed, with a tool",
            asked: format!("{WEATHER} (tool get_weather)"),
            data: self.text().llm(&[message("user", WEATHER)], &json!({"temperature": 0.2}), &tools(), true),
            expected: Expected::ToolCall,
        }
    }

    fn tool_result(&self) -> Step {
        let arguments = r#"{"city":"Paris"}"#;
        let mut called = message("assistant", "");
        called["tool_calls"] =
            json!([{"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}]);
        let mut result = message("tool", "18°C and sunny");
        result["tool_call_id"] = json!("call_1");
        Step {
            title: "… and the tool's result",
            asked: "get_weather says: 18°C and sunny".to_owned(),
            data: self.text().llm(&[message("user", WEATHER), called, result], &json!({}), &tools(), true),
            expected: Expected::Text("18°C and sunny"),
        }
    }

    fn picture(&self) -> Step {
        let form = json!({
            "llm_usage_scenario": "image_generation", "image_model_protocol": "dashscope_image_generation",
        });
        let model = self.model("llm", "my-image-model", "qwen-image-plus", form);
        Step {
            title: "Image generation",
            asked: PICTURE.to_owned(),
            data: model.llm(&[message("user", PICTURE)], &json!({"size": "1328*1328"}), &Value::Null, true),
            expected: Expected::Picture,
        }
    }

    fn vectors(&self) -> Step {
        let form = json!({"embedding_usage_scenario": "embedding", "embedding_model_protocol": "openai_compatible"});
        let model = self.model("text-embedding", "my-embedding-model", "text-embedding-v4", form);
        Step {
            title: "Embedding",
            asked: TEXTS.join(" | "),
            data: model.embedding(&TEXTS.map(str::to_owned)),
            expected: Expected::Vectors(TEXTS.len()),
        }
    }

    fn documents(&self, upstream: &str) -> Step {
        let form = json!({"rerank_usage_scenario": "rerank", "rerank_model_protocol": "dashscope_rerank"});
        let model = self.model("rerank", "my-rerank-model", upstream, form);
        Step {
            title: "Rerank",
            asked: format!("{QUERY} in: {}", DOCUMENTS.join(" | ")),
            data: model.rerank(QUERY, &DOCUMENTS.map(str::to_owned), 2),
            expected: Expected::Documents(2),
        }
    }

    /// Saving and calling, where both must fail, each with the name Dify acts on.
    fn refused(&self) -> Vec<Step> {
        let save = Step { expected: Expected::Error("CredentialsValidateFailedError"), ..self.save() };
        let call = Step { expected: Expected::Error("InvokeAuthorizationError"), ..self.think() };
        vec![save, call]
    }
}

fn tools() -> Value {
    json!([{
        "name": "get_weather", "description": "Current weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }])
}
