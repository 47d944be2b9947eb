//! What models announce.

use super::rows::{credentials, saved};
use higress_dify_plugin::provider::schema::model_schema;
use higress_dify_plugin::runtime::entities::{ModelRef, ModelSchema, ModelType};
use higress_dify_plugin::runtime::protocol::response::SchemaAnswer;
use serde_json::{Value, json};

fn schema(model_type: ModelType, model: &str, fields: Value) -> ModelSchema {
    model_schema(&ModelRef { model_type, model: model.to_owned(), credentials: saved(fields) }).expect("a schema")
}

fn llm(fields: Value) -> ModelSchema {
    schema(ModelType::Llm, "my-model", fields)
}

fn rules(schema: &ModelSchema) -> Vec<&str> {
    schema.parameter_rules.iter().map(|rule| rule.name.as_str()).collect()
}

/// What a text model offers whatever else it can do; the first seven are those of the Python plugin, in its order.
const TEXT_RULES: [&str; 10] = [
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "enable_web_search",
    "search_context_size",
    "max_tokens",
    "extra_headers",
];

#[test]
fn a_plain_text_model_on_the_wire() {
    insta::assert_json_snapshot!("text", SchemaAnswer(&llm(json!({}))));
}

#[test]
fn a_text_model_with_everything_on_the_wire() {
    let fields = json!({
        "function_calling_type": "tool_call", "agent_thought_support": "supported", "thinking_param_style": "enable_thinking",
        "multimodal_support": "support", "structured_output_support": "supported", "context_size": "131072",
        "max_tokens_to_sample": "8192", "display_name": "Qwen3 Max",
        "advanced_options": r#"{"input_price": "2.4", "output_price": "9.6", "currency": "RMB"}"#
    });
    insta::assert_json_snapshot!("text_everything", SchemaAnswer(&llm(fields)));
}

#[test]
fn an_image_model_on_the_wire() {
    insta::assert_json_snapshot!("image", SchemaAnswer(&llm(json!({"llm_usage_scenario": "image_generation"}))));
}

#[test]
fn an_embedding_model_on_the_wire() {
    insta::assert_json_snapshot!("embedding", SchemaAnswer(&schema(ModelType::TextEmbedding, "my-emb", json!({}))));
}

#[test]
fn a_rerank_model_on_the_wire() {
    insta::assert_json_snapshot!("rerank", SchemaAnswer(&schema(ModelType::Rerank, "my-rr", json!({}))));
}

#[test]
fn a_plain_text_model_announces_nothing_it_cannot_do() {
    let schema = llm(json!({}));
    assert_eq!(schema.features, [""; 0]);
    assert_eq!(rules(&schema), TEXT_RULES);
    assert_eq!(Value::Object(schema.model_properties), json!({"mode": "chat"}));
    assert_eq!(schema.pricing, None);
}

#[test]
fn tools_are_announced_only_when_they_are_on() {
    assert_eq!(llm(json!({"function_calling_type": "no_call"})).features, [""; 0]);
    assert_eq!(llm(json!({"function_calling_type": "function_call"})).features, ["tool-call", "stream-tool-call"]);
    assert_eq!(llm(json!({"function_calling_type": "tool_call"})).features, ["multi-tool-call", "stream-tool-call"]);
}

#[test]
fn files_are_announced_when_they_are_sent() {
    let files = ["vision", "video", "audio", "document"];
    assert_eq!(llm(json!({"multimodal_support": "support"})).features, files);
    assert_eq!(llm(json!({"vision_support": "support"})).features, files);
}

#[test]
fn thinking_adds_its_parameters() {
    let added = |fields: Value| {
        let schema = llm(fields);
        let thinks = schema.features == ["agent-thought"];
        let names = rules(&schema).into_iter().filter(|name| !TEXT_RULES.contains(name)).map(str::to_owned);
        (thinks, names.collect::<Vec<_>>())
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let all = names(&["enable_thinking", "thinking_budget", "reasoning_effort"]);
    assert_eq!(added(json!({"agent_thought_support": "supported"})), (true, all.clone()));
    assert_eq!(added(json!({"agent_thought_support": "only_thinking_supported"})), (true, all[1..].to_vec()));
    assert_eq!(added(json!({"agent_thought_support": "not_supported"})), (false, Vec::new()));
    let no_budget = json!({"agent_thought_support": "supported", "thinking_param_style": "reasoning_effort"});
    assert_eq!(added(no_budget), (true, names(&["enable_thinking", "reasoning_effort"])));
}

#[test]
fn structured_output_adds_its_flag_and_parameters() {
    let schema = llm(json!({"structured_output_support": "supported"}));
    assert_eq!(schema.features, ["structured-output"]);
    let format = schema.parameter_rules.iter().find(|rule| rule.name == "response_format").expect("a rule");
    assert_eq!(format.options, ["text", "json_object", "json_schema", "JSON", "XML"]);
    assert!(rules(&schema).contains(&"json_schema"));
}

#[test]
fn completions_offer_what_they_have() {
    let schema = llm(json!({
        "text_model_protocol": "openai_completions", "function_calling_type": "tool_call", "agent_thought_support": "supported",
        "multimodal_support": "support", "structured_output_support": "supported"
    }));
    assert_eq!(schema.features, [""; 0]);
    assert_eq!(Value::Object(schema.model_properties.clone()), json!({"mode": "completion"}));
    assert!(rules(&schema).iter().all(|name| TEXT_RULES.contains(name) && !name.contains("search")));
}

#[test]
fn ranges_are_those_that_apps_have_stored_values_for() {
    let schema = llm(json!({}));
    let range = |name: &str| {
        let rule = schema.parameter_rules.iter().find(|rule| rule.name == name).expect(name);
        (rule.min, rule.max, rule.default.clone(), rule.precision)
    };
    assert_eq!(range("temperature"), (Some(0.0), Some(2.0), Some(json!(0.7)), Some(2)));
    assert_eq!(range("top_p"), (Some(0.0), Some(1.0), Some(json!(0.8)), Some(2)));
    assert_eq!(range("top_k").0.zip(range("top_k").1), Some((1.0, 99.0)));
    assert_eq!(range("frequency_penalty"), (Some(-2.0), Some(2.0), Some(json!(0)), None));
    assert_eq!(range("presence_penalty"), (Some(-2.0), Some(2.0), Some(json!(0)), None));
    assert_eq!(range("seed"), (None, None, Some(json!(1234)), None));
}

#[test]
fn the_length_limit_follows_the_form() {
    let limit = |fields: Value| {
        let schema = llm(fields);
        let rule = schema.parameter_rules.into_iter().find(|rule| rule.name == "max_tokens").expect("a rule");
        (rule.max, rule.default)
    };
    assert_eq!(limit(json!({})), (Some(131_072.0), Some(json!(4096))));
    assert_eq!(limit(json!({"max_tokens_to_sample": "8192"})), (Some(8192.0), Some(json!(4096))));
    assert_eq!(limit(json!({"max_tokens_to_sample": "1024"})), (Some(1024.0), Some(json!(1024))));
}

#[test]
fn an_image_model_has_parameters_of_its_own() {
    for protocol in ["dashscope_image_generation", "dashscope_async", "openai_images"] {
        let schema = llm(json!({"llm_usage_scenario": "image_generation", "image_model_protocol": protocol}));
        assert_eq!(schema.features, ["vision"]);
        let names = ["size", "n", "negative_prompt", "prompt_extend", "watermark", "seed", "output_format"];
        assert_eq!(rules(&schema), names);
    }
}

#[test]
fn polling_is_announced_only_for_tasks_and_only_when_asked_for() {
    let polls = |protocol: &str, options: &str| {
        let fields = json!({"llm_usage_scenario": "image_generation", "image_model_protocol": protocol, "advanced_options": options});
        llm(fields).features.contains(&"polling".to_owned())
    };
    assert!(polls("dashscope_async", r#"{"polling": true}"#));
    assert!(!polls("dashscope_async", ""));
    assert!(!polls("dashscope_image_generation", r#"{"polling": true}"#));
    assert!(!polls("openai_images", r#"{"polling": true}"#));
}

#[test]
fn only_multimodal_embedding_and_rerank_models_announce_pictures() {
    let embedding =
        |protocol: &str| schema(ModelType::TextEmbedding, "m", json!({"embedding_model_protocol": protocol}));
    assert_eq!(embedding("openai_compatible").features, [""; 0]);
    assert_eq!(embedding("openai_multimodal").features, ["vision"]);
    assert_eq!(embedding("dashscope_multimodal").features, ["vision"]);
    assert_eq!(schema(ModelType::Rerank, "qwen3-vl-rerank", json!({})).features, ["vision"]);
    assert_eq!(schema(ModelType::Rerank, "qwen3-rerank", json!({})).features, [""; 0]);
    let jina = json!({"rerank_model_protocol": "openai_rerank", "gateway_model_name": "jina-reranker-m0"});
    assert_eq!(schema(ModelType::Rerank, "m", jina).features, ["vision"]);
}

#[test]
fn embedding_properties_follow_the_form() {
    let properties = |fields: Value| Value::Object(schema(ModelType::TextEmbedding, "m", fields).model_properties);
    assert_eq!(properties(json!({})), json!({"context_size": 8192, "max_chunks": 10}));
    let fields = json!({"context_size": "32768", "max_chunks": "25"});
    assert_eq!(properties(fields), json!({"context_size": 32768, "max_chunks": 25}));
}

#[test]
fn a_schema_is_there_without_address_and_secrets() {
    // The host asks for the schema of every saved model when it lists them.
    let model = ModelRef {
        model_type: ModelType::Llm,
        model: "my-model".to_owned(),
        credentials: credentials(json!({"consumer_auth_mode": "hmac"})),
    };
    assert_eq!(model_schema(&model).expect("a schema").model, "my-model");
}

#[test]
fn equal_questions_get_equal_answers() {
    let fields = json!({"agent_thought_support": "supported", "structured_output_support": "supported"});
    let answer = || serde_json::to_string(&SchemaAnswer(&llm(fields.clone()))).unwrap();
    assert_eq!(answer(), answer());
}
