//! Answers, byte for byte.

use higress_dify_plugin::runtime::entities::{
    ContentPart, Credentials, EmbeddingResult, I18n, ImageDetail, LlmUsage, Media, MediaKind, ModelSchema, ModelType,
    PollingAnswer, PriceConfig, RerankDocument, RerankResult, ToolCall,
};
use higress_dify_plugin::runtime::parameters::parse_rules;
use higress_dify_plugin::runtime::pricing::{embedding_usage, llm_usage};
use higress_dify_plugin::runtime::protocol::response::{
    ChunkContent, LlmChunk, NumTokens, Polling, SchemaAnswer, Validated,
};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::time::Duration;

fn wire(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).unwrap()
}

const ZERO_USAGE: &str = r#"{"prompt_tokens":0,"prompt_unit_price":"0","prompt_price_unit":"0","prompt_price":"0","completion_tokens":0,"completion_unit_price":"0","completion_price_unit":"0","completion_price":"0","total_tokens":0,"total_price":"0","currency":"USD","latency":5.1}"#;

fn zero_usage() -> LlmUsage {
    llm_usage(0, 0, None, Duration::from_millis(5100))
}

fn chunk(content: ChunkContent<'_>) -> LlmChunk<'_> {
    LlmChunk {
        model: "my-model",
        index: 0,
        content,
        tool_calls: &[],
        usage: None,
        finish_reason: None,
        structured_output: None,
    }
}

fn fox() -> ContentPart {
    ContentPart::Media(Media {
        kind: MediaKind::Image,
        format: "png".to_owned(),
        mime_type: "image/png".to_owned(),
        url: "https://dashscope-result.example/x.png?Expires=1".to_owned(),
        base64_data: String::new(),
        filename: "x.png".to_owned(),
        detail: ImageDetail::Low,
    })
}

#[test]
fn a_text_chunk_has_every_key() {
    assert_eq!(
        wire(&chunk(ChunkContent::Text("He"))),
        r#"{"model":"my-model","prompt_messages":[],"system_fingerprint":null,"delta":{"index":0,"message":{"role":"assistant","content":"He","name":null,"tool_calls":[],"opaque_body":null},"usage":null,"finish_reason":null}}"#
    );
}

#[test]
fn a_tool_call_chunk_has_empty_text_and_arguments_as_text() {
    let calls = [ToolCall { id: "call_1".to_owned(), name: "f".to_owned(), arguments: "{\"a\":1}".to_owned() }];
    assert_eq!(
        wire(&LlmChunk { index: 2, tool_calls: &calls, ..chunk(ChunkContent::Text("")) }),
        r#"{"model":"my-model","prompt_messages":[],"system_fingerprint":null,"delta":{"index":2,"message":{"role":"assistant","content":"","name":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}],"opaque_body":null},"usage":null,"finish_reason":null}}"#
    );
}

#[test]
fn the_last_chunk_has_usage_finish_reason_and_the_parsed_object() {
    let usage = zero_usage();
    let object = json!({"answer": 42});
    let last = LlmChunk {
        index: 3,
        usage: Some(&usage),
        finish_reason: Some("stop"),
        structured_output: Some(&object),
        ..chunk(ChunkContent::Text(""))
    };
    assert_eq!(
        wire(&last),
        format!(
            r#"{{"model":"my-model","prompt_messages":[],"system_fingerprint":null,"delta":{{"index":3,"message":{{"role":"assistant","content":"","name":null,"tool_calls":[],"opaque_body":null}},"usage":{ZERO_USAGE},"finish_reason":"stop"}},"structured_output":{{"answer":42}}}}"#
        )
    );
}

#[test]
fn a_picture_has_every_key_and_always_a_detail() {
    let mut clip = fox();
    if let ContentPart::Media(media) = &mut clip {
        media.kind = MediaKind::Video;
    }
    let parts = [ContentPart::Text("A red fox".to_owned()), fox(), clip];
    assert_eq!(
        wire(&ChunkContent::Parts(&parts)),
        concat!(
            r#"[{"type":"text","data":"A red fox"},"#,
            r#"{"format":"png","base64_data":"","url":"https://dashscope-result.example/x.png?Expires=1","mime_type":"image/png","filename":"x.png","type":"image","detail":"low"},"#,
            r#"{"format":"png","base64_data":"","url":"https://dashscope-result.example/x.png?Expires=1","mime_type":"image/png","filename":"x.png","type":"video"}]"#
        )
    );
    assert_eq!(wire(&ChunkContent::Parts(&[])), "[]");
}

#[test]
fn polling_answers_have_every_key() {
    let state = json!({"id": "j1"}).as_object().unwrap().clone();
    let running = PollingAnswer::Running { plugin_state: state, next_check_after_seconds: 0 };
    assert_eq!(
        wire(&Polling { model: "m", answer: &running }),
        r#"{"status":"running","plugin_state":{"id":"j1"},"result":null,"error":null,"next_check_after_seconds":1,"expires_after_seconds":null,"max_attempts":null}"#
    );
    let failed = PollingAnswer::Failed(" ".to_owned());
    assert_eq!(
        wire(&Polling { model: "m", answer: &failed }),
        r#"{"status":"failed","plugin_state":null,"result":null,"error":"the upstream gave no reason","next_check_after_seconds":null,"expires_after_seconds":null,"max_attempts":null}"#
    );
}

#[test]
fn a_polling_result_of_texts_is_one_text_and_of_pictures_a_list() {
    let result = |content: Vec<ContentPart>, structured_output| {
        let answer = PollingAnswer::Succeeded { content, usage: zero_usage(), structured_output };
        wire(&Polling { model: "m", answer: &answer })
    };
    let texts = vec![ContentPart::Text("do".to_owned()), ContentPart::Text("ne".to_owned())];
    assert_eq!(
        result(texts, Some(json!({"a": 1}))),
        format!(
            r#"{{"status":"succeeded","plugin_state":null,"result":{{"model":"m","prompt_messages":[],"message":{{"role":"assistant","content":"done","name":null,"tool_calls":[],"opaque_body":null}},"usage":{ZERO_USAGE},"system_fingerprint":null,"structured_output":{{"a":1}}}},"error":null,"next_check_after_seconds":null,"expires_after_seconds":null,"max_attempts":null}}"#
        )
    );
    let pictures = result(vec![fox()], None);
    assert!(pictures.contains(r#""content":[{"format":"png","#), "{pictures}");
    assert!(!pictures.contains("structured_output"), "{pictures}");
}

#[test]
fn a_model_schema_has_every_key_and_four_languages() {
    let rules = "parameter_rules:
      - {name: top_k, type: int, label: {en_US: Top K}, default: 50, min: 1, max: 99, use_template: top_k, help: {en_US: How many, zh_Hans: 数量}}
      - {name: effort, type: string, label: {en_US: Effort}, options: [low, high], required: true}";
    let schema = ModelSchema {
        model: "m".to_owned(),
        label: I18n { zh_hans: Some("模型".to_owned()), ja_jp: Some(String::new()), ..I18n::everywhere("Model") },
        model_type: ModelType::Llm,
        features: vec!["tool-call".to_owned()],
        model_properties: json!({"mode": "chat"}).as_object().unwrap().clone(),
        parameter_rules: parse_rules(rules).unwrap(),
        pricing: None,
    };
    assert_eq!(
        wire(&SchemaAnswer(&schema)),
        concat!(
            r#"{"model_schema":{"model":"m","label":{"zh_Hans":"模型","pt_BR":"Model","ja_JP":"Model","en_US":"Model"},"model_type":"llm","features":["tool-call"],"fetch_from":"customizable-model","model_properties":{"mode":"chat"},"deprecated":false,"parameter_rules":["#,
            r#"{"name":"top_k","use_template":"top_k","label":{"zh_Hans":"Top K","pt_BR":"Top K","ja_JP":"Top K","en_US":"Top K"},"type":"int","help":{"zh_Hans":"数量","pt_BR":"How many","ja_JP":"How many","en_US":"How many"},"required":false,"default":50,"min":1.0,"max":99.0,"precision":0,"options":[]},"#,
            r#"{"name":"effort","use_template":null,"label":{"zh_Hans":"Effort","pt_BR":"Effort","ja_JP":"Effort","en_US":"Effort"},"type":"string","help":null,"required":true,"default":null,"min":null,"max":null,"precision":null,"options":["low","high"]}"#,
            r#"],"pricing":null}}"#
        )
    );
    let pricing = PriceConfig {
        input: "0.001".parse().unwrap(),
        output: None,
        unit: "0.001".parse().unwrap(),
        currency: "USD".to_owned(),
    };
    let priced = ModelSchema { pricing: Some(pricing), parameter_rules: vec![], ..schema };
    let priced = wire(&SchemaAnswer(&priced));
    assert!(
        priced.ends_with(
            r#""parameter_rules":[],"pricing":{"input":"0.001","output":null,"unit":"0.001","currency":"USD"}}}"#
        ),
        "{priced}"
    );
}

#[test]
fn embeddings_keep_every_digit() {
    let vectors = ["[0.10000000000000001,1.0,-2e-10]", "[1]"];
    let result = EmbeddingResult {
        model: "my-emb".to_owned(),
        embeddings: vectors.iter().map(|text| RawValue::from_string((*text).to_owned()).unwrap()).collect(),
        usage: embedding_usage(4, None, Duration::from_millis(120)),
    };
    assert_eq!(
        wire(&result),
        r#"{"model":"my-emb","embeddings":[[0.10000000000000001,1.0,-2e-10],[1]],"usage":{"tokens":4,"total_tokens":4,"unit_price":"0","price_unit":"0","total_price":"0","currency":"USD","latency":0.12}}"#
    );
}

#[test]
fn the_short_answers() {
    let docs = vec![RerankDocument { index: 2, text: "c".to_owned(), score: 0.91 }];
    let rerank = RerankResult { model: "my-rr".to_owned(), docs };
    assert_eq!(wire(&rerank), r#"{"model":"my-rr","docs":[{"index":2,"text":"c","score":0.91}]}"#);
    assert_eq!(wire(&NumTokens { num_tokens: 7_u64 }), r#"{"num_tokens":7}"#);
    assert_eq!(wire(&NumTokens { num_tokens: vec![1_u64, 2] }), r#"{"num_tokens":[1,2]}"#);
    let credentials = Credentials(json!({"api_key": "k", "base_url": null}).as_object().unwrap().clone());
    assert_eq!(wire(&Validated::new(&credentials)), r#"{"result":true,"credentials":{"api_key":"k","base_url":null}}"#);
}
