//! Predefined models: the files that the provider's YAML names.

use super::super::entities::{I18n, ModelType, ParameterRule, PriceConfig};
use super::super::parameters::{self, RawRule};
use super::provider::ConfigurateMethod;
use super::{DeclarationError, ProviderForm};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The kinds of models under the YAML's key `models`, in the order they are merged.
const KINDS: [&str; 3] = ["llm", "text_embedding", "rerank"];

/// Which files hold the predefined models of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelFiles {
    /// Patterns of paths: `*` and `?` stand for anything but `/`.
    pub predefined: Vec<String>,
    /// The file with the order of the models, for the daemon's own reading of packages.
    pub position: Option<String>,
}

/// A predefined model on the wire.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PredefinedModel {
    /// Its name.
    pub model: String,
    /// What is shown.
    pub label: I18n,
    /// Its kind.
    pub model_type: ModelType,
    /// What it can do.
    pub features: Option<Vec<String>>,
    /// That the plugin lists it.
    pub fetch_from: ConfigurateMethod,
    /// For example `mode`, `context_size`.
    pub model_properties: Map<String, Value>,
    /// Whether people should move away from it.
    pub deprecated: bool,
    /// What an app author may set.
    pub parameter_rules: Vec<ParameterRule>,
    /// What tokens cost.
    pub pricing: Option<PriceConfig>,
}

/// The order of models by kind; the kinds this runtime does not serve are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Position {
    llm: Vec<String>,
    text_embedding: Vec<String>,
    rerank: Vec<String>,
    tts: [String; 0],
    speech2text: [String; 0],
    moderation: [String; 0],
}

/// What the files hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Merged {
    pub(super) models: Vec<PredefinedModel>,
    pub(super) position: Option<Position>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    model: String,
    label: Option<I18n>,
    model_type: ModelType,
    features: Option<Vec<String>>,
    fetch_from: Option<ConfigurateMethod>,
    model_properties: Map<String, Value>,
    #[serde(default)]
    deprecated: bool,
    #[serde(default)]
    parameter_rules: Vec<RawRule>,
    pricing: Option<RawPrice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrice {
    input: Decimal,
    output: Option<Decimal>,
    unit: Decimal,
    currency: String,
}

/// Reads the files that `form` names among `files` (path, content), in the order of kinds and of paths.
pub(super) fn merge(form: &ProviderForm, files: &[(&str, &str)]) -> Result<Merged, DeclarationError> {
    let mut merged = Merged::default();
    let mut sorted = files.to_vec();
    sorted.sort_unstable();
    for kind in KINDS {
        let Some(patterns) = form.models.get(kind).map(|files| &files.predefined) else { continue };
        let named = sorted.iter().filter(|(path, _)| patterns.iter().any(|pattern| matches(pattern, path)));
        for (path, content) in named {
            let unreadable = |error: serde_norway::Error| DeclarationError::unreadable(path, &error);
            if path.ends_with("_position.yaml") {
                let order: Vec<String> = serde_norway::from_str(content).map_err(unreadable)?;
                let position = merged.position.get_or_insert_default();
                match kind {
                    "llm" => position.llm = order,
                    "text_embedding" => position.text_embedding = order,
                    _ => position.rerank = order,
                }
            } else {
                let raw: RawModel = serde_norway::from_str(content).map_err(unreadable)?;
                merged.models.push(model(raw).map_err(|error| DeclarationError::unreadable(path, &error))?);
            }
        }
    }
    Ok(merged)
}

fn model(raw: RawModel) -> Result<PredefinedModel, parameters::RuleError> {
    Ok(PredefinedModel {
        label: raw.label.unwrap_or_else(|| I18n::everywhere(&raw.model)),
        model: raw.model,
        model_type: raw.model_type,
        features: raw.features,
        fetch_from: raw.fetch_from.unwrap_or(ConfigurateMethod::PredefinedModel),
        model_properties: raw.model_properties,
        deprecated: raw.deprecated,
        parameter_rules: parameters::resolve(raw.parameter_rules)?,
        pricing: raw.pricing.map(|raw| PriceConfig {
            input: raw.input,
            output: raw.output,
            unit: raw.unit,
            currency: raw.currency,
        }),
    })
}

/// Whether `path` fits `pattern`, in which `*` and `?` stand for anything but `/`.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    match (pattern.chars().next(), path.chars().next()) {
        (None, None) => true,
        (Some('*'), next) => {
            matches(tail(pattern), path) || next.is_some_and(|next| next != '/' && matches(pattern, tail(path)))
        }
        (Some('?'), Some(next)) if next != '/' => matches(tail(pattern), tail(path)),
        (Some(expected), Some(next)) if expected == next => matches(tail(pattern), tail(path)),
        _ => false,
    }
}

fn tail(text: &str) -> &str {
    let mut characters = text.chars();
    characters.next();
    characters.as_str()
}
