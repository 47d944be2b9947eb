//! Models that the Python plugin's forms saved, called as they are: checked as on *Save*, and used.

use super::rows::credentials;
use higress_dify_plugin::provider::Higress;
use higress_dify_plugin::runtime::entities::{
    Content, ContentPart, Credentials, ImageDetail, InputType, LlmRequest, Media, MediaKind, ModelRef, ModelType,
    PromptMessage, RerankRequest, Role, TextEmbeddingRequest, ToolDefinition,
};
use higress_dify_plugin::runtime::transport::memory::llm_output;
use higress_dify_plugin::runtime::{Context, Provider};
use higress_dify_plugin::standin::auth::Access;
use higress_dify_plugin::standin::{Config, Recorded, Standin, spawn};
use serde_json::{Value, json};

/// The selects of the first form with their defaults: with address, authorisation and the gateway's name for the model
/// (seven more) the 13 variables of its rows.
const SELECTS_OF_13: [(&str, &str); 7] = [
    ("llm_usage_scenario", "text_generation"),
    ("text_model_protocol", "openai_compatible"),
    ("image_model_protocol", "dashscope_image_generation"),
    ("embedding_usage_scenario", "embedding"),
    ("embedding_model_protocol", "openai_compatible"),
    ("rerank_usage_scenario", "rerank"),
    ("rerank_model_protocol", "dashscope_rerank"),
];

/// What the later form had beside them.
const SELECTS_OF_16: [(&str, &str); 3] =
    [("function_calling_type", "tool_call"), ("agent_thought_support", "supported"), ("multimodal_support", "support")];

/// The three ways to prove who calls, as those forms had them.
const MODES: [(&str, Access); 3] = [("disabled", Access::Open), ("api_key", Access::Key), ("hmac", Access::Hmac)];

fn gateway() -> Standin {
    spawn(Config::default()).expect("a free port")
}

/// A row of the first form. What its mode does not show is stored blank.
fn row_of_13(gateway: &Standin, (mode, access): (&str, Access)) -> Credentials {
    let of = |wanted: &str, value: &'static str| if mode == wanted { value } else { "" };
    let mut row = credentials(json!({
        "endpoint_url": gateway.url(access), "consumer_auth_mode": mode, "gateway_model_name": "",
        "api_key": of("api_key", "sk-demo-0001"),
        "hmac_key": of("hmac", "demo-key-0001"), "hmac_secret": of("hmac", "demo-secret-0001"),
    }));
    row.0.extend(SELECTS_OF_13.map(|(name, value)| (name.to_owned(), value.into())));
    assert_eq!(row.0.len(), 13);
    row
}

fn row_of_16(gateway: &Standin, access: (&str, Access)) -> Credentials {
    let mut row = row_of_13(gateway, access);
    row.0.extend(SELECTS_OF_16.map(|(name, value)| (name.to_owned(), value.into())));
    assert_eq!(row.0.len(), 16);
    row
}

/// The row of a version between the two, which called one of its fields otherwise.
fn row_with_vision_support(gateway: &Standin, access: (&str, Access), value: &str) -> Credentials {
    let mut row = row_of_16(gateway, access);
    row.0.remove("multimodal_support");
    row.0.insert("vision_support".to_owned(), value.into());
    row
}

/// Only what the form shows for a model of one kind: Dify versions differ in whether they store the rest.
fn shown(row: &Credentials, names: &[&str]) -> Credentials {
    let mut row = row.clone();
    row.0.retain(|name, value| {
        let of_all = ["endpoint_url", "consumer_auth_mode", "gateway_model_name", "api_key", "hmac_key", "hmac_secret"];
        names.contains(&name.as_str()) || (of_all.contains(&name.as_str()) && value != "")
    });
    row
}

async fn save(model_type: ModelType, row: &Credentials) {
    let model = ModelRef { model_type, model: "my-model".to_owned(), credentials: row.clone() };
    let saved = Higress.validate_model_credentials(&Context::new("s", "validate_model_credentials"), model).await;
    assert_eq!(&saved.expect("saved again"), row, "a row comes back as it was");
}

fn message(parts: Vec<ContentPart>) -> PromptMessage {
    let content = Content::Parts(parts);
    PromptMessage {
        role: Role::User,
        content,
        name: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
        opaque_body: None,
    }
}

fn question() -> ContentPart {
    ContentPart::Text("A red fox".to_owned())
}

fn picture() -> ContentPart {
    ContentPart::Media(Media {
        kind: MediaKind::Image,
        format: "png".to_owned(),
        mime_type: "image/png".to_owned(),
        url: String::new(),
        base64_data: "iVBORw0KGgo=".to_owned(),
        filename: "fox.png".to_owned(),
        detail: ImageDetail::Low,
    })
}

/// Calls the model; gives the answer's text.
async fn ask(row: &Credentials, parts: Vec<ContentPart>, parameters: Value, tools: Vec<ToolDefinition>) -> String {
    let Value::Object(model_parameters) = parameters else { panic!("an object") };
    let request = LlmRequest {
        model: "my-model".to_owned(),
        credentials: row.clone(),
        prompt_messages: vec![message(parts)],
        model_parameters,
        tools,
        tool_choice: None,
        stop: Vec::new(),
        json_schema: None,
        stream: true,
    };
    let cx = Context::new("s", "invoke_llm");
    let (out, mut host) = llm_output(&cx, &request.model, request.stream).expect("an output");
    Higress.invoke_llm(&cx, request, out).await.expect("answered");
    let mut text = String::new();
    loop {
        let event = host.event().await.expect("a last chunk");
        let delta = &event["data"]["data"]["delta"];
        text.push_str(delta["message"]["content"].as_str().unwrap_or_default());
        if !delta["finish_reason"].is_null() {
            return text;
        }
    }
}

/// What the gateway was sent, in order; each was let in.
fn sent(gateway: &Standin) -> Vec<Recorded> {
    let requests = gateway.requests();
    assert!(requests.iter().all(|request| request.status == Some(200)), "{requests:?}");
    requests
}

/// Path below the route's prefix, and body.
fn read(request: &Recorded) -> (&str, Value) {
    let path = request.target.splitn(3, '/').nth(2).unwrap_or_default();
    (path, request.json().expect("JSON"))
}

const TEXT_FIELDS: [&str; 5] = [
    "llm_usage_scenario",
    "text_model_protocol",
    "function_calling_type",
    "agent_thought_support",
    "multimodal_support",
];

#[tokio::test]
async fn a_text_model_of_every_form_is_saved_again_and_answers() {
    for access in MODES {
        let gateway = gateway();
        let rows = [
            row_of_13(&gateway, access),
            shown(&row_of_13(&gateway, access), &TEXT_FIELDS),
            row_of_16(&gateway, access),
            shown(&row_of_16(&gateway, access), &TEXT_FIELDS),
            row_with_vision_support(&gateway, access, "support"),
            row_with_vision_support(&gateway, access, "not_support"),
        ];
        for row in &rows {
            save(ModelType::Llm, row).await;
            let answer = ask(row, vec![question()], json!({"temperature": 0.5}), Vec::new()).await;
            assert!(answer.contains("A red fox"), "{answer}");
        }
        let requests = sent(&gateway);
        assert_eq!(requests.len(), 2 * rows.len());
        for request in &requests {
            let (path, body) = read(request);
            assert_eq!((path, &body["model"]), ("v1/chat/completions", &"my-model".into()));
            assert_eq!(request.consumer.is_some(), access.1 != Access::Open);
            assert_eq!(request.headers.contains_key("x-ca-signature"), access.1 == Access::Hmac);
        }
    }
}

fn weather() -> ToolDefinition {
    ToolDefinition {
        name: "get_weather".to_owned(),
        description: "Current weather".to_owned(),
        parameters: json!({"type": "object", "properties": {"city": {"type": "string"}}}),
    }
}

#[tokio::test]
async fn what_the_first_form_did_not_ask_is_off() {
    let gateway = gateway();
    let row = row_of_13(&gateway, MODES[2]);
    ask(&row, vec![question()], json!({"enable_thinking": true}), vec![weather()]).await;
    let (_, body) = read(&sent(&gateway)[0]);
    for field in ["tools", "functions", "enable_thinking", "chat_template_kwargs", "thinking", "reasoning_effort"] {
        assert!(body.get(field).is_none(), "{field} is sent: {body}");
    }
}

#[tokio::test]
async fn what_the_later_form_switched_on_is_on() {
    let gateway = gateway();
    let row = row_of_16(&gateway, MODES[2]);
    ask(&row, vec![question(), picture()], json!({"enable_thinking": true}), vec![weather()]).await;
    let (_, body) = read(&sent(&gateway)[0]);
    assert_eq!(body["tools"][0]["function"]["name"], "get_weather");
    assert_eq!(body["enable_thinking"], true, "as the Python plugin switched it");
    assert_eq!(body["chat_template_kwargs"]["enable_thinking"], true, "as the Python plugin switched it");
    assert!(body.to_string().contains("iVBORw0KGgo="), "{body}");
}

async fn announced(row: &Credentials) -> Vec<String> {
    let model = ModelRef { model_type: ModelType::Llm, model: "my-model".to_owned(), credentials: row.clone() };
    let schema = Higress.model_schema(&Context::new("s", "get_ai_model_schemas"), model).await.expect("a schema");
    serde_json::from_value(serde_json::to_value(schema.features).expect("JSON")).expect("names")
}

/// Dify sends a model the files that it announces.
#[tokio::test]
async fn files_are_announced_by_the_old_name_of_the_field_too() {
    let gateway = gateway();
    let announces = async |row| announced(&row).await.contains(&"vision".to_owned());
    assert!(announces(row_with_vision_support(&gateway, MODES[2], "support")).await);
    assert!(!announces(row_with_vision_support(&gateway, MODES[2], "not_support")).await);
    assert!(announces(row_of_16(&gateway, MODES[2])).await);
    assert_eq!(announced(&row_of_13(&gateway, MODES[2])).await, Vec::<String>::new());
    for value in ["support", "not_support"] {
        let row = row_with_vision_support(&gateway, MODES[2], value);
        ask(&row, vec![question(), picture()], json!({}), Vec::new()).await;
    }
    for request in sent(&gateway) {
        let (_, body) = read(&request);
        assert!(body.to_string().contains("iVBORw0KGgo="), "what Dify does send reaches the model: {body}");
    }
}

#[tokio::test]
async fn an_image_model_of_every_form_draws_with_the_constants_of_the_python_plugin() {
    for access in MODES {
        let gateway = gateway();
        for row in [row_of_13(&gateway, access), row_of_16(&gateway, access)] {
            let mut all = row;
            all.0.insert("llm_usage_scenario".to_owned(), "image_generation".into());
            for row in [shown(&all, &["llm_usage_scenario", "image_model_protocol"]), all] {
                let answer = ask(&row, vec![question()], json!({"temperature": 0.5}), Vec::new()).await;
                assert!(answer.starts_with("http://"), "{answer}");
            }
        }
        for request in sent(&gateway) {
            let (path, body) = read(&request);
            assert_eq!(path, "api/v1/services/aigc/multimodal-generation/generation");
            assert_eq!(
                (&body["model"], &body["parameters"]),
                (
                    &"qwen-image-plus".into(),
                    &json!({"negative_prompt": "", "prompt_extend": true, "watermark": false, "size": "1328*1328"})
                )
            );
        }
    }
}

/// The gateway refuses the request without a prompt, in the provider's words: everything else about the row is right.
#[tokio::test]
async fn an_image_model_is_saved_again_without_a_picture() {
    for access in MODES {
        let gateway = gateway();
        let mut row = row_of_13(&gateway, access);
        row.0.insert("llm_usage_scenario".to_owned(), "image_generation".into());
        save(ModelType::Llm, &row).await;
        let requests = gateway.requests();
        assert_eq!(requests.iter().map(|request| request.status).collect::<Vec<_>>(), [Some(400)]);
    }
}

#[tokio::test]
async fn an_embedding_model_of_every_form_is_saved_again_and_answers() {
    for access in MODES {
        let gateway = gateway();
        let fields = ["embedding_usage_scenario", "embedding_model_protocol"];
        for row in [row_of_13(&gateway, access), row_of_16(&gateway, access)] {
            for row in [shown(&row, &fields), row] {
                save(ModelType::TextEmbedding, &row).await;
                let request = TextEmbeddingRequest {
                    model: "my-model".to_owned(),
                    credentials: row,
                    texts: ["alpha", "beta"].map(str::to_owned).into(),
                    input_type: InputType::Document,
                };
                let cx = Context::new("s", "invoke_text_embedding");
                let result = Higress.invoke_text_embedding(&cx, request).await.expect("vectors");
                assert_eq!(result.embeddings.len(), 2);
            }
        }
        for pair in sent(&gateway).chunks(2) {
            let [saved, called] = pair else { panic!("one check, one call") };
            assert_eq!(read(saved), ("v1/embeddings", json!({"input": "ping", "model": "my-model"})));
            let asked = json!({"input": ["alpha", "beta"], "model": "my-model", "encoding_format": "float"});
            assert_eq!(read(called), ("v1/embeddings", asked));
        }
    }
}

#[tokio::test]
async fn a_rerank_model_of_every_form_is_saved_again_and_answers() {
    for access in MODES {
        let gateway = gateway();
        let fields = ["rerank_usage_scenario", "rerank_model_protocol"];
        for row in [row_of_13(&gateway, access), row_of_16(&gateway, access)] {
            for row in [shown(&row, &fields), row] {
                save(ModelType::Rerank, &row).await;
                let request = RerankRequest {
                    model: "my-model".to_owned(),
                    credentials: row,
                    query: "fox".to_owned(),
                    docs: ["blue sky", "a red fox"].map(str::to_owned).into(),
                    score_threshold: Some(0.0),
                    top_n: Some(0),
                };
                let result =
                    Higress.invoke_rerank(&Context::new("s", "invoke_rerank"), request).await.expect("an order");
                assert_eq!((result.docs[0].index, result.docs[0].text.as_str()), (1, "a red fox"));
            }
        }
        for request in sent(&gateway) {
            let (path, body) = read(&request);
            assert_eq!(path, "api/v1/services/rerank/text-rerank/text-rerank");
            assert_eq!(body["model"], "gte-rerank-v2");
            assert!(body["parameters"].get("top_n").is_none(), "{body}");
        }
    }
}
