//! What a model can do and which parameters it takes.

use super::Credentials;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The kinds of models this runtime serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelType {
    /// Text (and pictures, by scenario).
    Llm,
    /// Vectors.
    TextEmbedding,
    /// Ordering.
    Rerank,
}

/// A model and its credentials: the request of `validate_model_credentials` and `get_ai_model_schemas`.
#[derive(Debug, Clone)]
pub struct ModelRef {
    /// Its kind.
    pub model_type: ModelType,
    /// Its name in Dify.
    pub model: String,
    /// The form's values.
    pub credentials: Credentials,
}

/// A text in the languages Dify shows. On the wire always four, missing ones repeated from English.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct I18n {
    /// English; required.
    #[serde(rename = "en_US")]
    pub en_us: String,
    /// Simplified Chinese.
    #[serde(rename = "zh_Hans", default)]
    pub zh_hans: Option<String>,
    /// Japanese.
    #[serde(rename = "ja_JP", default)]
    pub ja_jp: Option<String>,
    /// Brazilian Portuguese.
    #[serde(rename = "pt_BR", default)]
    pub pt_br: Option<String>,
}

/// An option of a select field.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FormOption {
    /// What is stored.
    pub value: String,
    /// What is shown.
    pub label: I18n,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    /// A number with `precision` digits after the point.
    Float,
    /// A whole number.
    Int,
    /// A short text, or one of `options`.
    String,
    /// Yes or no.
    Boolean,
    /// A long text.
    Text,
}

/// A parameter an app author may set. Templates are resolved before a rule is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterRule {
    /// Its name.
    pub name: String,
    /// The SDK's template it is based on; also an alias of its name.
    pub use_template: Option<String>,
    /// What is shown.
    pub label: I18n,
    /// Its type.
    pub kind: ParameterType,
    /// What a person should know.
    pub help: Option<I18n>,
    /// Whether a call without it fails (or takes the default).
    pub required: bool,
    /// Shown as default; sent only when `required`.
    pub default: Option<Value>,
    /// Lowest value.
    pub min: Option<f64>,
    /// Highest value.
    pub max: Option<f64>,
    /// Digits after the point.
    pub precision: Option<u32>,
    /// Allowed values of a string.
    pub options: Vec<String>,
}

/// What tokens cost.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceConfig {
    /// Price of tokens read.
    pub input: Decimal,
    /// Price of tokens written.
    pub output: Option<Decimal>,
    /// Price unit: `0.000001` for "per million".
    pub unit: Decimal,
    /// For example `USD`.
    pub currency: String,
}

/// The answer to `get_ai_model_schemas`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSchema {
    /// The model's name in Dify.
    pub model: String,
    /// What is shown.
    pub label: I18n,
    /// Its kind.
    pub model_type: ModelType,
    /// For example `tool-call`, `vision`; Dify refuses names it does not know.
    pub features: Vec<String>,
    /// For example `mode`, `context_size`, `max_chunks`.
    pub model_properties: Map<String, Value>,
    /// In the order they are shown.
    pub parameter_rules: Vec<ParameterRule>,
    /// What tokens cost.
    pub pricing: Option<PriceConfig>,
}
