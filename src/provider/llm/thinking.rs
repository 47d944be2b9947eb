//! How thinking is asked for: each provider has fields of its own.

use super::parameters::Parameters;
use crate::provider::credentials::{TextCredentials, ThinkingMode, ThinkingStyle};
use serde_json::{Map, Value, json};

/// Thinking in one call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Thinking {
    /// Whether it is part of the answer.
    pub(super) shown: bool,
    /// The fields that ask for it, or for none.
    pub(super) fields: Map<String, Value>,
}

impl Thinking {
    /// What the model's credentials and the app's parameters say.
    pub(super) fn new(credentials: &TextCredentials, parameters: &Parameters) -> Self {
        let style = credentials.thinking_style;
        let switch = match credentials.thinking {
            ThinkingMode::Only => Some(true),
            ThinkingMode::Supported => parameters.enable_thinking,
            // The Python plugin sent nothing here, and strict providers refuse fields they do not know.
            ThinkingMode::NotSupported if style == ThinkingStyle::Legacy => None,
            ThinkingMode::NotSupported => Some(false),
        };
        let mut fields = Map::new();
        if let Some(on) = switch {
            fields = switch_fields(style, on, &credentials.upstream_model);
        }
        let off = switch == Some(false);
        if let Some(budget) = parameters.thinking_budget.filter(|_| !off) {
            add_budget(&mut fields, style, budget);
        }
        // The Python plugin sent an effort whenever it was set.
        if let Some(effort) = parameters.reasoning_effort.as_ref().filter(|_| !off || style == ThinkingStyle::Legacy) {
            fields.insert("reasoning_effort".to_owned(), Value::String(effort.clone()));
        }
        let shown = match credentials.thinking {
            ThinkingMode::Only => true,
            ThinkingMode::Supported => !off,
            ThinkingMode::NotSupported => false,
        };
        Self { shown, fields }
    }
}

fn switch_fields(style: ThinkingStyle, on: bool, model: &str) -> Map<String, Value> {
    let fields = match style {
        ThinkingStyle::Legacy => {
            json!({"chat_template_kwargs": {"enable_thinking": on, "thinking": on}, "enable_thinking": on})
        }
        ThinkingStyle::EnableThinking => json!({"enable_thinking": on}),
        // Qwen's templates read the first, DeepSeek's the second.
        ThinkingStyle::ChatTemplateKwargs => json!({"chat_template_kwargs": {"enable_thinking": on, "thinking": on}}),
        ThinkingStyle::ThinkingType => json!({"thinking": {"type": if on { "enabled" } else { "disabled" }}}),
        ThinkingStyle::ReasoningEffort => match lowest_effort(model).filter(|_| !on) {
            Some(effort) => json!({"reasoning_effort": effort}),
            None => Value::Null,
        },
        ThinkingStyle::None => Value::Null,
    };
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The effort that is as little as a model takes (OpenAI's API reference, `reasoning_effort`); none for models that
/// refuse every low one.
fn lowest_effort(model: &str) -> Option<&'static str> {
    let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    if ["-chat", "-codex", "-pro"].iter().any(|variant| name.contains(variant)) {
        return None;
    }
    if ["o1", "o3", "o4"].iter().any(|family| name.starts_with(family)) {
        return None;
    }
    let first = name == "gpt-5" || name.starts_with("gpt-5-");
    Some(if first { "minimal" } else { "none" })
}

fn add_budget(fields: &mut Map<String, Value>, style: ThinkingStyle, budget: u64) {
    let nested = match style {
        ThinkingStyle::ThinkingType => Some(("thinking", "budget_tokens")),
        ThinkingStyle::ChatTemplateKwargs => Some(("chat_template_kwargs", "thinking_budget")),
        ThinkingStyle::Legacy | ThinkingStyle::EnableThinking | ThinkingStyle::None => None,
        ThinkingStyle::ReasoningEffort => {
            tracing::debug!("thinking_budget is not sent: the model is steered by reasoning_effort");
            return;
        }
    };
    let Some((object, field)) = nested else {
        fields.insert("thinking_budget".to_owned(), budget.into());
        return;
    };
    let object = fields.entry(object).or_insert_with(|| match style {
        ThinkingStyle::ThinkingType => json!({"type": "enabled"}),
        _ => json!({}),
    });
    if let Value::Object(object) = object {
        object.insert(field.to_owned(), budget.into());
    }
}

#[cfg(test)]
mod tests;
