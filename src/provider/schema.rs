//! What a model offers to apps: features, properties and parameters, from its credentials and the YAML under `models/`.
//!
//! The host caches the answer by its input, so everything here is a pure function, and only the fields that matter
//! are read: a wrong address or a missing key shows when the model is called, not by a model that is gone.

use super::credentials::{EmbeddingProtocol, ImageProtocol, TextProtocol, ThinkingMode, ThinkingStyle, ToolMode};
use super::credentials::{fields, names};
use super::errors::TAG;
use super::options::AdvancedOptions;
use crate::runtime::entities::{Credentials, I18n, LlmRequest, ModelRef, ModelSchema, ModelType, ParameterRule};
use crate::runtime::parameters::{self, RuleError, parse_rules};
use crate::runtime::{ErrorKind, InvokeError};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// A rule file, parsed once. A test parses it, so the error never reaches anybody.
type RuleFile = LazyLock<Result<Vec<ParameterRule>, RuleError>>;

static TEXT_RULES: RuleFile = LazyLock::new(|| parse_rules(include_str!("../../models/llm/text.yaml")));
static IMAGE_RULES: RuleFile = LazyLock::new(|| parse_rules(include_str!("../../models/llm/image.yaml")));

/// What the Python plugin announced for embedding models; nothing is cut at it.
const EMBEDDING_CONTEXT: u64 = 8192;

/// The part of a schema that depends on the kind of model.
#[derive(Default)]
struct Offer {
    features: Vec<&'static str>,
    properties: Map<String, Value>,
    rules: Vec<ParameterRule>,
}

/// The schema of a model.
///
/// # Errors
///
/// A bad request that names the field of the credentials that cannot be understood.
pub fn model_schema(model: &ModelRef) -> Result<ModelSchema, InvokeError> {
    let credentials = &model.credentials;
    let options = AdvancedOptions::parse(credentials.text("advanced_options").as_deref())?;
    let mut offer = match model.model_type {
        ModelType::Llm if fields::makes_pictures(credentials)? => image(credentials, &options)?,
        ModelType::Llm => text(credentials, &model.model)?,
        ModelType::TextEmbedding => embedding(credentials)?,
        ModelType::Rerank => rerank(credentials, &model.model)?,
    };
    if let Some(size) = fields::context_size(credentials)? {
        offer.properties.insert("context_size".to_owned(), size.into());
    }
    let label = credentials.text("display_name");
    Ok(ModelSchema {
        model: model.model.clone(),
        label: I18n::everywhere(label.as_deref().unwrap_or(&model.model)),
        model_type: model.model_type,
        features: offer.features.into_iter().map(str::to_owned).collect(),
        model_properties: offer.properties,
        parameter_rules: offer.rules,
        pricing: options.price,
    })
}

/// The parameters that the model offers, as the app set them. What it does not offer is left out: apps made with the
/// Python plugin hold the parameters of text models for image models too.
///
/// # Errors
///
/// A bad request that names the parameter, or as [`model_schema`].
pub fn given_parameters(request: &LlmRequest) -> Result<Map<String, Value>, InvokeError> {
    let model =
        ModelRef { model_type: ModelType::Llm, model: request.model.clone(), credentials: request.credentials.clone() };
    let filtered = parameters::validate(&model_schema(&model)?.parameter_rules, &request.model_parameters)
        .map_err(|error| InvokeError::new(error.kind, format!("{TAG}{}", error.message)))?;
    for rounded in filtered.rounded {
        tracing::info!(parameter = rounded.name, from = rounded.from, to = rounded.to, "a parameter was rounded");
    }
    Ok(filtered.values)
}

fn text(credentials: &Credentials, model: &str) -> Result<Offer, InvokeError> {
    let thinking = fields::thinking(credentials)?;
    let upstream_model = fields::gateway_model_name(credentials).unwrap_or_else(|| model.to_owned());
    let chat = fields::text_protocol(credentials)? == TextProtocol::Chat;
    let offered = Offered {
        chat,
        thinks: chat && thinking != ThinkingMode::NotSupported,
        thinking_can_be_switched: chat && thinking == ThinkingMode::Supported,
        thinking_has_a_budget: takes_budget(fields::thinking_style(credentials, &upstream_model)?),
        structured_output: fields::structured_output(credentials)?,
    };
    let longest = fields::max_tokens_to_sample(credentials)?;

    let mut features = Vec::new();
    if offered.thinks {
        features.push("agent-thought");
    }
    match fields::tools(credentials)? {
        ToolMode::None => {}
        ToolMode::Functions => features.extend(["tool-call", "stream-tool-call"]),
        ToolMode::Tools => features.extend(["multi-tool-call", "stream-tool-call"]),
    }
    if fields::multimodal(credentials)? {
        features.extend(["vision", "video", "audio", "document"]);
    }
    if offered.structured_output {
        features.push("structured-output");
    }

    let rules = rules(&TEXT_RULES)?.iter().filter(|rule| offered.offers(&rule.name)).cloned();
    let rules = rules.map(|rule| match (rule.name.as_str(), longest) {
        ("max_tokens", Some(longest)) => limit(rule, longest),
        _ => rule,
    });
    let mode = if chat { "chat" } else { "completion" };
    Ok(Offer { features, properties: properties([("mode", json!(mode))]), rules: rules.collect() })
}

/// What decides which parameters a text model has.
#[expect(clippy::struct_excessive_bools, reason = "answers to independent questions about one form")]
struct Offered {
    chat: bool,
    thinks: bool,
    thinking_can_be_switched: bool,
    thinking_has_a_budget: bool,
    structured_output: bool,
}

impl Offered {
    /// Whether an app may set the parameter of this name.
    fn offers(&self, name: &str) -> bool {
        match name {
            "enable_web_search" | "search_context_size" => self.chat,
            "enable_thinking" => self.thinking_can_be_switched,
            "thinking_budget" => self.thinks && self.thinking_has_a_budget,
            "reasoning_effort" => self.thinks,
            "response_format" | "json_schema" => self.structured_output,
            _ => true,
        }
    }
}

/// Whether this way to switch thinking has room for a budget in tokens.
fn takes_budget(style: ThinkingStyle) -> bool {
    match style {
        ThinkingStyle::Legacy
        | ThinkingStyle::EnableThinking
        | ThinkingStyle::ChatTemplateKwargs
        | ThinkingStyle::ThinkingType => true,
        ThinkingStyle::ReasoningEffort | ThinkingStyle::None => false,
    }
}

/// The rule with `longest` as its largest value; its default gives way.
fn limit(mut rule: ParameterRule, longest: u64) -> ParameterRule {
    rule.max = u32::try_from(longest).ok().map(f64::from).or(rule.max);
    rule.default = rule.default.map(|default| match default.as_u64() {
        Some(default) => json!(default.min(longest)),
        None => default,
    });
    rule
}

/// Pictures are given as well as taken: a picture in the prompt is edited.
fn image(credentials: &Credentials, options: &AdvancedOptions) -> Result<Offer, InvokeError> {
    let mut features = vec!["vision"];
    if fields::image_protocol(credentials)? == ImageProtocol::DashScopeAsync && options.polling {
        features.push("polling");
    }
    let properties = properties([("mode", json!("chat"))]);
    Ok(Offer { features, properties, rules: rules(&IMAGE_RULES)?.to_vec() })
}

fn embedding(credentials: &Credentials) -> Result<Offer, InvokeError> {
    let features = match fields::embedding_protocol(credentials)? {
        EmbeddingProtocol::OpenAi => Vec::new(),
        EmbeddingProtocol::OpenAiMultimodal | EmbeddingProtocol::DashScopeMultimodal => vec!["vision"],
    };
    let chunks = fields::max_chunks(credentials)?;
    let properties = properties([("context_size", json!(EMBEDDING_CONTEXT)), ("max_chunks", json!(chunks))]);
    Ok(Offer { features, properties, rules: Vec::new() })
}

fn rerank(credentials: &Credentials, model: &str) -> Result<Offer, InvokeError> {
    let (upstream_model, _) = fields::rerank(credentials, model)?;
    let features = if names::rerank_takes_pictures(&upstream_model) { vec!["vision"] } else { Vec::new() };
    Ok(Offer { features, ..Offer::default() })
}

fn properties<const N: usize>(properties: [(&str, Value); N]) -> Map<String, Value> {
    properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn rules(file: &'static RuleFile) -> Result<&'static [ParameterRule], InvokeError> {
    match &**file {
        Ok(rules) => Ok(rules),
        Err(error) => Err(InvokeError::new(ErrorKind::ServerUnavailable, format!("{TAG}{error}"))),
    }
}
