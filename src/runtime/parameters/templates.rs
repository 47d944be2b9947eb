//! The eight parameter templates that Dify's SDK and plugin daemon share: names and numbers are theirs.

use super::super::entities::{I18n, ParameterRule, ParameterType};
use serde_json::{Value, json};

/// The rule that `use_template: name` starts from; `None` for an unknown name.
pub fn template(name: &str) -> Option<ParameterRule> {
    let rule = match name {
        "temperature" => fraction(
            name,
            I18n::new("Temperature", "温度"),
            I18n::new(
                "How freely words are chosen: near 0 answers are steady and alike, higher values make them varied.",
                "控制用词的随机程度：接近 0 时回答稳定一致，数值越高越多样。",
            ),
            0.0,
        ),
        "top_p" => fraction(
            name,
            I18n::new("Top P", "Top P"),
            I18n::new(
                "Words are chosen among the most likely ones that together have this probability.",
                "仅在累计概率达到该值的最可能词中选择。",
            ),
            1.0,
        ),
        "top_k" => count(
            name,
            I18n::new("Top K", "Top K"),
            I18n::new("Words are chosen among this many most likely ones.", "仅在该数量的最可能词中选择。"),
            50,
            100.0,
        ),
        "presence_penalty" => fraction(
            name,
            I18n::new("Presence Penalty", "存在惩罚"),
            I18n::new(
                "Makes words that were already used less likely, however often they were used.",
                "降低已出现过的词再次出现的概率，与出现次数无关。",
            ),
            0.0,
        ),
        "frequency_penalty" => fraction(
            name,
            I18n::new("Frequency Penalty", "频率惩罚"),
            I18n::new("Makes words less likely the more often they were used.", "词出现得越多，再次出现的概率越低。"),
            0.0,
        ),
        "max_tokens" => count(
            name,
            I18n::new("Max Tokens", "最大标记"),
            I18n::new(
                "The longest answer, in tokens. Raise it when answers are cut off.",
                "回答的最大长度（标记数）。回答被截断时可调大。",
            ),
            64,
            2048.0,
        ),
        "response_format" => ParameterRule {
            options: vec!["JSON".to_owned(), "XML".to_owned()],
            ..base(
                name,
                ParameterType::String,
                I18n::new("Response Format", "回复格式"),
                I18n::new(
                    "Asks for an answer that is one block of JSON or XML.",
                    "要求回答为一个 JSON 或 XML 代码块。",
                ),
            )
        },
        "json_schema" => base(
            name,
            ParameterType::Text,
            I18n::new("JSON Schema", "JSON Schema"),
            I18n::new("The JSON Schema that the answer follows.", "回答所遵循的 JSON Schema。"),
        ),
        _ => return None,
    };
    Some(rule)
}

fn base(name: &str, kind: ParameterType, label: I18n, help: I18n) -> ParameterRule {
    ParameterRule {
        name: name.to_owned(),
        use_template: Some(name.to_owned()),
        label,
        kind,
        help: Some(help),
        required: false,
        default: None,
        min: None,
        max: None,
        precision: None,
        options: Vec::new(),
    }
}

/// From 0 to 1 with two digits.
fn fraction(name: &str, label: I18n, help: I18n, default: f64) -> ParameterRule {
    let rule = base(name, ParameterType::Float, label, help);
    ParameterRule { default: Some(json!(default)), min: Some(0.0), max: Some(1.0), precision: Some(2), ..rule }
}

/// From 1 to `max`.
fn count(name: &str, label: I18n, help: I18n, default: u64, max: f64) -> ParameterRule {
    let rule = base(name, ParameterType::Int, label, help);
    ParameterRule { default: Some(Value::from(default)), min: Some(1.0), max: Some(max), precision: Some(0), ..rule }
}
