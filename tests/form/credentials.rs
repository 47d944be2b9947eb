//! Saved credentials, old and new, and what they mean.

use super::rows::{credentials, saved};
use higress_dify_plugin::gateway::Auth;
use higress_dify_plugin::gateway::auth::{HmacAlgorithm, HmacDialect, KeyPlacement};
use higress_dify_plugin::provider::credentials::{
    EmbeddingCredentials, EmbeddingProtocol, ImageCredentials, ImageProtocol, LlmCredentials, MultimodalFormat,
    RerankCredentials, RerankProtocol, TextCredentials, TextProtocol, ThinkingMode, ThinkingStyle, TokenParam,
    ToolMode,
};
use higress_dify_plugin::runtime::entities::Credentials;
use higress_dify_plugin::runtime::{Context, ErrorKind, InvokeError};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

fn cx() -> Context {
    Context::new("session", "invoke_llm")
}

fn text(model: &str, credentials: &Credentials) -> TextCredentials {
    match LlmCredentials::read(&cx(), model, credentials).expect("readable") {
        LlmCredentials::Text(text) => *text,
        LlmCredentials::Image(_) => panic!("not a text model"),
    }
}

fn image(model: &str, fields: Value) -> ImageCredentials {
    let mut credentials = saved(json!({"llm_usage_scenario": "image_generation"}));
    credentials.0.extend(saved(fields).0);
    match LlmCredentials::read(&cx(), model, &credentials).expect("readable") {
        LlmCredentials::Image(image) => *image,
        LlmCredentials::Text(_) => panic!("not an image model"),
    }
}

fn rerank(model: &str, fields: Value) -> RerankCredentials {
    RerankCredentials::read(&cx(), model, &saved(fields)).expect("readable")
}

fn refusal(fields: Value) -> InvokeError {
    let error = LlmCredentials::read(&cx(), "my-model", &saved(fields)).expect_err("refused");
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert!(error.message.starts_with("[higress] "), "{}", error.message);
    error
}

/// What Dify stores of the first form of the Python plugin for a text model: of its 13 variables those that show.
#[test]
fn a_model_of_the_form_with_13_fields_means_what_it_meant() {
    let model = text(
        "my-qwen",
        &credentials(json!({
            "llm_usage_scenario": "text_generation", "text_model_protocol": "openai_compatible",
            "endpoint_url": "http://gw.example.com/demo", "consumer_auth_mode": "hmac",
            "hmac_key": "demo-key-0001", "hmac_secret": "demo-secret-0001", "gateway_model_name": ""
        })),
    );
    assert_eq!(model.upstream_model, "my-qwen");
    assert_eq!(model.protocol, TextProtocol::Chat);
    assert_eq!(model.tools, ToolMode::None);
    assert_eq!(model.thinking, ThinkingMode::NotSupported);
    assert_eq!(model.thinking_style, ThinkingStyle::Legacy);
    assert!(!model.multimodal && !model.structured_output);
    assert_eq!(model.multimodal_format, MultimodalFormat::OpenAi);
    assert_eq!((model.max_tokens_to_sample, model.common.context_size), (None, None));
    assert_eq!(model.token_param, TokenParam::Auto);
    assert!(model.common.route.headers.is_empty() && model.common.route.signed_headers.is_empty());
    let Auth::Hmac { access_key, secret, scheme } = &model.common.route.auth else { panic!("not signed") };
    assert_eq!((access_key.as_str(), secret.expose_secret()), ("demo-key-0001", "demo-secret-0001"));
    assert_eq!((scheme.dialect, scheme.algorithm), (HmacDialect::XCa, HmacAlgorithm::Sha256));
    assert!(!scheme.body_digest && !scheme.replay_nonce);
}

#[test]
fn a_model_of_the_form_with_16_fields_means_what_it_meant() {
    let model = text(
        "my-qwen",
        &credentials(json!({
            "llm_usage_scenario": "text_generation", "text_model_protocol": "openai_compatible",
            "function_calling_type": "tool_call", "agent_thought_support": "supported", "multimodal_support": "support",
            "endpoint_url": "http://gw.example.com/demo", "consumer_auth_mode": "api_key", "api_key": "sk-test",
            "gateway_model_name": "qwen3-max"
        })),
    );
    assert_eq!(model.upstream_model, "qwen3-max");
    assert_eq!(model.tools, ToolMode::Tools);
    assert_eq!(model.thinking, ThinkingMode::Supported);
    assert_eq!(model.thinking_style, ThinkingStyle::Legacy, "a missing key is not `auto`");
    assert!(model.multimodal);
    assert_eq!(model.multimodal_format, MultimodalFormat::DashScope);
    let Auth::ApiKey { key, placement } = &model.common.route.auth else { panic!("no key") };
    assert_eq!((key.expose_secret(), placement), ("sk-test", &KeyPlacement::Bearer));
}

#[test]
fn the_old_spelling_of_multimodal_support_is_understood_and_the_new_one_wins() {
    assert!(text("m", &saved(json!({"vision_support": "support"}))).multimodal);
    assert!(!text("m", &saved(json!({"vision_support": "not_support"}))).multimodal);
    assert!(!text("m", &saved(json!({"vision_support": "support", "multimodal_support": "not_support"}))).multimodal);
    assert!(text("m", &saved(json!({"vision_support": "", "multimodal_support": "support"}))).multimodal);
}

#[test]
fn saved_models_of_the_other_types_mean_what_they_meant() {
    let embedding = EmbeddingCredentials::read(
        &cx(),
        "my-emb",
        &saved(json!({"embedding_usage_scenario": "embedding", "embedding_model_protocol": "openai_compatible",
                      "consumer_auth_mode": "disabled", "gateway_model_name": "text-embedding-v4"})),
    )
    .expect("readable");
    assert_eq!(embedding.upstream_model, "text-embedding-v4");
    assert_eq!(embedding.protocol, EmbeddingProtocol::OpenAi);
    assert_eq!((embedding.max_chunks, embedding.dimensions), (10, None));
    assert_eq!((embedding.document_prefix, embedding.query_prefix), (None, None));
    assert!(matches!(embedding.common.route.auth, Auth::Disabled));

    let rerank =
        rerank("my-rr", json!({"rerank_usage_scenario": "rerank", "rerank_model_protocol": "dashscope_rerank"}));
    assert_eq!((rerank.upstream_model.as_str(), rerank.protocol), ("gte-rerank-v2", RerankProtocol::DashScopeNested));

    let image = image("my-image", json!({"image_model_protocol": "dashscope_image_generation"}));
    assert_eq!((image.upstream_model.as_str(), image.protocol), ("qwen-image-plus", ImageProtocol::DashScope));
}

#[test]
fn a_blank_optional_field_is_a_missing_one() {
    let blank = text(
        "my-model",
        &saved(
            json!({"gateway_model_name": "  ", "display_name": "", "context_size": " ", "max_tokens_to_sample": null,
                      "thinking_param_style": "", "extra_headers": " ", "advanced_options": ""}),
        ),
    );
    assert_eq!(blank.upstream_model, "my-model");
    assert_eq!(blank.thinking_style, ThinkingStyle::Legacy);
    assert_eq!((blank.common.display_name, blank.common.context_size), (None, None));
    assert!(!blank.common.options.retries_set);
}

#[test]
fn blanks_around_values_are_taken_off() {
    let model = text(
        "m",
        &saved(json!({"gateway_model_name": " qwen3-max\n", "context_size": " 32768 ",
        "consumer_auth_mode": "api_key", "api_key": " sk-test\n"})),
    );
    assert_eq!((model.upstream_model.as_str(), model.common.context_size), ("qwen3-max", Some(32768)));
    let Auth::ApiKey { key, .. } = &model.common.route.auth else { panic!("no key") };
    assert_eq!(key.expose_secret(), "sk-test");
}

#[test]
fn a_prefix_keeps_the_blank_it_ends_in() {
    let fields = json!({"document_prefix": "passage: ", "query_prefix": "  "});
    let embedding = EmbeddingCredentials::read(&cx(), "m", &saved(fields)).expect("readable");
    assert_eq!((embedding.document_prefix.as_deref(), embedding.query_prefix), (Some("passage: "), None));
}

#[test]
fn an_authorisation_without_its_secret_is_refused_by_name() {
    for (fields, field) in [
        (json!({"consumer_auth_mode": "api_key"}), "api_key"),
        (json!({"consumer_auth_mode": "api_key", "api_key": "  "}), "api_key"),
        (json!({"consumer_auth_mode": "hmac", "hmac_secret": "s"}), "hmac_key"),
        (json!({"consumer_auth_mode": "hmac", "hmac_key": "k"}), "hmac_secret"),
        (json!({"consumer_auth_mode": "hmac", "hmac_key": "k", "hmac_secret": null}), "hmac_secret"),
    ] {
        let message = refusal(fields).message;
        assert!(message.starts_with(&format!("[higress] {field} is empty")), "{message}");
    }
}

#[test]
fn an_unknown_authorisation_is_refused_and_never_taken_for_none() {
    let message = refusal(json!({"consumer_auth_mode": "jwt", "api_key": "sk-test"})).message;
    assert_eq!(message, r#"[higress] consumer_auth_mode is "jwt"; it can be disabled, api_key, hmac"#);
}

#[test]
fn a_secret_that_would_break_a_header_is_refused_without_being_shown() {
    let message = refusal(json!({"consumer_auth_mode": "api_key", "api_key": "sk-one\r\nX-Evil: 1"})).message;
    assert!(message.contains("api_key") && !message.contains("sk-one") && !message.contains("Evil"), "{message}");
}

#[test]
fn an_unknown_option_is_refused_with_the_known_ones() {
    for (field, value, known) in [
        ("llm_usage_scenario", "video", "text_generation, image_generation"),
        ("text_model_protocol", "anthropic_messages", "openai_compatible, openai_completions"),
        ("function_calling_type", "tools", "no_call, function_call, tool_call"),
        ("multimodal_support", "supported", "support, not_support"),
        ("agent_thought_support", "support", "not_supported, only_thinking_supported, supported"),
        ("enable_request_metadata", "yes", "disabled, enabled, app_and_user"),
    ] {
        let message = refusal(json!({field: value})).message;
        assert_eq!(message, format!("[higress] {field} is {value:?}; it can be {known}"));
    }
}

#[test]
fn a_number_that_is_none_is_refused_with_its_range() {
    let message = refusal(json!({"context_size": "128k"})).message;
    assert_eq!(message, r#"[higress] context_size must be a whole number from 1 to 2147483647, not "128k""#);
    assert!(refusal(json!({"max_tokens_to_sample": "0"})).message.contains("max_tokens_to_sample"));
    let error = EmbeddingCredentials::read(&cx(), "m", &saved(json!({"max_chunks": "4096"}))).expect_err("refused");
    assert_eq!(error.message, r#"[higress] max_chunks must be a whole number from 1 to 2048, not "4096""#);
}

#[test]
fn numbers_may_be_stored_as_numbers() {
    assert_eq!(text("m", &saved(json!({"context_size": 8192}))).common.context_size, Some(8192));
}

#[test]
fn an_endpoint_that_is_missing_or_no_address_is_refused_by_name() {
    let error = LlmCredentials::read(&cx(), "m", &credentials(json!({}))).expect_err("refused");
    assert_eq!(error.message, "[higress] endpoint_url is empty");
    let message = refusal(json!({"endpoint_url": "gw.example.com/demo"})).message;
    assert!(message.starts_with("[higress] endpoint_url: ") && message.contains("http"), "{message}");
}

#[test]
fn the_key_goes_where_the_options_say() {
    let with = |options: &str| {
        let fields = json!({"consumer_auth_mode": "api_key", "api_key": "k", "advanced_options": options});
        match text("m", &saved(fields)).common.route.auth {
            Auth::ApiKey { placement, .. } => placement,
            _ => panic!("no key"),
        }
    };
    assert_eq!(with(r#"{"key_header": "X-Api-Key"}"#), KeyPlacement::Header("x-api-key".parse().unwrap()));
    assert_eq!(with(r#"{"key_query": "apikey"}"#), KeyPlacement::Query("apikey".to_owned()));
}

#[test]
fn automatic_thinking_goes_by_the_name_that_is_sent() {
    use ThinkingStyle::{EnableThinking, None, ReasoningEffort, ThinkingType};
    for (name, style) in [
        ("qwen3-max", EnableThinking),
        ("QwQ-32B", EnableThinking),
        ("qvq-max", EnableThinking),
        ("Qwen/Qwen3-32B", EnableThinking),
        ("deepseek-v3.2", ThinkingType),
        ("glm-4.6", ThinkingType),
        ("kimi-k2", ThinkingType),
        ("doubao-seed-1.6", ThinkingType),
        ("gpt-5.1", ReasoningEffort),
        ("o1", ReasoningEffort),
        ("o3-mini", ReasoningEffort),
        ("o4-mini", ReasoningEffort),
        ("gpt-4o", None),
        ("llama-3", None),
    ] {
        let fields = json!({"thinking_param_style": "auto", "gateway_model_name": name});
        assert_eq!(text("qwen-in-dify", &saved(fields)).thinking_style, style, "{name}");
    }
    assert_eq!(text("qwen3-max", &saved(json!({"thinking_param_style": "auto"}))).thinking_style, EnableThinking);
}

#[test]
fn files_go_by_the_name_that_is_sent_unless_the_form_says_how() {
    for (fields, format) in [
        (json!({"gateway_model_name": "qwen-vl-max"}), MultimodalFormat::DashScope),
        (json!({"gateway_model_name": "QVQ-max"}), MultimodalFormat::DashScope),
        (json!({"gateway_model_name": "gpt-4o"}), MultimodalFormat::OpenAi),
        (json!({"gateway_model_name": "qwen-vl-max", "multimodal_format": "openai"}), MultimodalFormat::OpenAi),
        (json!({"gateway_model_name": "gpt-4o", "multimodal_format": "dashscope"}), MultimodalFormat::DashScope),
    ] {
        assert_eq!(text("m", &saved(fields.clone())).multimodal_format, format, "{fields}");
    }
    assert_eq!(text("qwen-omni", &saved(json!({}))).multimodal_format, MultimodalFormat::DashScope);
}

#[test]
fn completions_have_neither_tools_nor_files_nor_schemas() {
    let model = text(
        "m",
        &saved(json!({"text_model_protocol": "openai_completions", "function_calling_type": "tool_call",
                      "multimodal_support": "support", "structured_output_support": "supported"})),
    );
    assert_eq!((model.protocol, model.tools), (TextProtocol::Completions, ToolMode::None));
    assert!(!model.multimodal && !model.structured_output);
}

#[test]
fn the_name_of_an_image_model_keeps_old_routes_working() {
    for (dify, configured, sent) in [
        ("my-image", "", "qwen-image-plus"),
        ("my-image", "wan2.6-t2i", "wan2.6-t2i"),
        ("qwen-image-edit", "", "qwen-image-edit"),
        ("z-image-turbo", "", "z-image-turbo"),
        ("wan2.7-image", "", "wan2.7-image"),
        ("wanx2.1-t2i-turbo", "", "qwen-image-plus"),
    ] {
        assert_eq!(image(dify, json!({"gateway_model_name": configured})).upstream_model, sent, "{dify} {configured}");
    }
    for protocol in ["dashscope_async", "openai_images"] {
        assert_eq!(image("my-image", json!({"image_model_protocol": protocol})).upstream_model, "my-image");
    }
}

#[test]
fn the_name_of_a_rerank_model_decides_its_path_and_keeps_old_routes_working() {
    use RerankProtocol::{DashScopeFlat, DashScopeNested};
    for (dify, configured, sent, protocol) in [
        ("my-rerank", "", "gte-rerank-v2", DashScopeNested),
        ("gte-rerank", "", "gte-rerank-v2", DashScopeNested),
        ("qwen3-rerank", "", "qwen3-rerank", DashScopeFlat),
        ("qwen3-rerank-2026-01-01", "", "qwen3-rerank-2026-01-01", DashScopeFlat),
        ("qwen3-vl-rerank", "", "qwen3-vl-rerank", DashScopeNested),
        ("my-rerank", "qwen3-rerank", "qwen3-rerank", DashScopeFlat),
        ("qwen3-rerank", "gte-rerank-v2", "gte-rerank-v2", DashScopeNested),
    ] {
        let model = rerank(dify, json!({"gateway_model_name": configured}));
        assert_eq!((model.upstream_model.as_str(), model.protocol), (sent, protocol), "{dify} {configured}");
    }
    let model = rerank("bge-reranker", json!({"rerank_model_protocol": "openai_rerank"}));
    assert_eq!((model.upstream_model.as_str(), model.protocol), ("bge-reranker", RerankProtocol::OpenAi));
}

#[test]
fn debug_output_shows_no_secret() {
    let model = text(
        "m",
        &saved(json!({"consumer_auth_mode": "hmac", "hmac_key": "the-access-key", "hmac_secret": "the-secret-key"})),
    );
    assert!(!format!("{model:?}").contains("the-secret-key"));
}
