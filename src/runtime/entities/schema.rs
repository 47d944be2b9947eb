//! What a model can do and which parameters it takes.

use super::Credentials;
use super::usage::decimal;
use rust_decimal::Decimal;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
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
#[serde(deny_unknown_fields)]
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

impl I18n {
    /// The same text in every language.
    pub fn everywhere(text: impl Into<String>) -> Self {
        Self { en_us: text.into(), zh_hans: None, ja_jp: None, pt_br: None }
    }

    /// English and Simplified Chinese; the other languages repeat English.
    pub fn new(en_us: impl Into<String>, zh_hans: impl Into<String>) -> Self {
        Self { zh_hans: Some(zh_hans.into()), ..Self::everywhere(en_us) }
    }

    /// The four texts by language code, in the order of the wire.
    pub fn languages(&self) -> [(&'static str, &str); 4] {
        [
            ("zh_Hans", self.or_english(self.zh_hans.as_deref())),
            ("pt_BR", self.or_english(self.pt_br.as_deref())),
            ("ja_JP", self.or_english(self.ja_jp.as_deref())),
            ("en_US", &self.en_us),
        ]
    }

    fn or_english<'a>(&'a self, text: Option<&'a str>) -> &'a str {
        text.filter(|text| !text.is_empty()).unwrap_or(&self.en_us)
    }
}

impl Serialize for I18n {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("I18n", 4)?;
        for (language, text) in self.languages() {
            object.serialize_field(language, text)?;
        }
        object.end()
    }
}

/// A condition of another field: it is shown while `variable` has `value`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowOn {
    /// A field of the form, or `__model_type`.
    pub variable: String,
    /// The value it must have.
    pub value: String,
}

/// An option of a select field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormOption {
    /// What is shown.
    pub label: I18n,
    /// What is stored.
    pub value: String,
    /// All must hold.
    #[serde(default)]
    pub show_on: Vec<ShowOn>,
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
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParameterRule {
    /// Its name.
    pub name: String,
    /// The SDK's template it is based on; also an alias of its name.
    pub use_template: Option<String>,
    /// What is shown.
    pub label: I18n,
    /// Its type.
    #[serde(rename = "type")]
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
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PriceConfig {
    /// Price of tokens read.
    #[serde(serialize_with = "decimal")]
    pub input: Decimal,
    /// Price of tokens written.
    #[serde(serialize_with = "optional_decimal")]
    pub output: Option<Decimal>,
    /// Price unit: `0.000001` for "per million".
    #[serde(serialize_with = "decimal")]
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

#[expect(clippy::ref_option, reason = "serde's serialize_with passes a reference to the field")]
fn optional_decimal<S: Serializer>(value: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => decimal(value, serializer),
        None => serializer.serialize_none(),
    }
}
