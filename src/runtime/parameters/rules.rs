//! Parameter rules from YAML, as Dify's model files write them.

use super::super::entities::{I18n, ParameterRule, ParameterType};
use super::templates::template;
use serde::Deserialize;
use serde_json::Value;

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// The text is not YAML, or has unknown keys or values of the wrong kind.
    #[error("parameter rules cannot be read: {0}")]
    Yaml(#[from] serde_norway::Error),
    /// A rule is incomplete, contradicts itself, or breaks a limit of the host.
    #[error("parameter rule {name:?} {problem}")]
    Rule {
        /// The rule.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    parameter_rules: Vec<RawRule>,
}

/// A rule as written; what is missing comes from its template.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::runtime) struct RawRule {
    name: String,
    use_template: Option<String>,
    label: Option<I18n>,
    #[serde(rename = "type")]
    kind: Option<ParameterType>,
    help: Option<I18n>,
    required: Option<bool>,
    default: Option<Value>,
    min: Option<f64>,
    max: Option<f64>,
    precision: Option<u32>,
    options: Option<Vec<String>>,
}

/// The rules of a YAML document with the key `parameter_rules`, in its order.
///
/// A rule with `use_template` starts from the template and its own keys win. The result is complete: nobody after
/// this has to know templates. (The Dify plugin daemon fills what is missing from templates of its own.)
///
/// # Errors
///
/// [`RuleError::Yaml`] when `yaml` cannot be read as rules. [`RuleError::Rule`] for a rule that names no known
/// template, has neither a type nor a template, contradicts itself, refuses its own default, has the name of an earlier
/// one, or breaks a limit of the host: 128 rules, names of 1 to 255 bytes, options of at most 255.
pub fn parse_rules(yaml: &str) -> Result<Vec<ParameterRule>, RuleError> {
    let file: File = serde_norway::from_str(yaml)?;
    resolve(file.parameter_rules)
}

/// Resolves rules that were read as a part of another document.
pub(in crate::runtime) fn resolve(raw: Vec<RawRule>) -> Result<Vec<ParameterRule>, RuleError> {
    const MAX_RULES: usize = 128;
    let rules = raw.into_iter().map(resolve_one).collect::<Result<Vec<_>, _>>()?;
    for (index, rule) in rules.iter().enumerate() {
        if index >= MAX_RULES {
            return Err(problem(&rule.name, "is one too many: the host takes 128"));
        }
        if rules.iter().take(index).any(|earlier| earlier.name == rule.name) {
            return Err(problem(&rule.name, "is there twice"));
        }
    }
    Ok(rules)
}

fn problem(name: &str, problem: impl Into<String>) -> RuleError {
    RuleError::Rule { name: name.to_owned(), problem: problem.into() }
}

fn resolve_one(raw: RawRule) -> Result<ParameterRule, RuleError> {
    let base = match &raw.use_template {
        Some(name) => {
            Some(template(name).ok_or_else(|| problem(&raw.name, format!("uses no known template: {name:?}")))?)
        }
        None => None,
    };
    let kind = raw.kind.or_else(|| Some(base.as_ref()?.kind));
    let kind = kind.ok_or_else(|| problem(&raw.name, "has neither a type nor a template"))?;
    let base = base.unwrap_or_else(|| ParameterRule {
        name: raw.name.clone(),
        use_template: None,
        label: I18n::everywhere(&raw.name),
        kind,
        help: None,
        required: false,
        default: None,
        min: None,
        max: None,
        precision: None,
        options: Vec::new(),
    });
    let rule = ParameterRule {
        name: raw.name,
        use_template: raw.use_template,
        label: raw.label.unwrap_or(base.label),
        kind,
        help: raw.help.or(base.help),
        required: raw.required.unwrap_or(base.required),
        default: raw.default.or(base.default),
        min: raw.min.or(base.min),
        max: raw.max.or(base.max),
        precision: raw.precision.or(base.precision),
        options: raw.options.unwrap_or(base.options),
    };
    check(&rule)?;
    Ok(rule)
}

/// What the host refuses, and what cannot be meant.
fn check(rule: &ParameterRule) -> Result<(), RuleError> {
    const LONGEST: usize = 255;
    let fail = |text: &str| Err(problem(&rule.name, text));
    let number = matches!(rule.kind, ParameterType::Int | ParameterType::Float);
    if rule.name.is_empty() || rule.name.len() > LONGEST {
        return fail("must have a name of 1 to 255 bytes");
    }
    if rule.options.iter().any(|option| option.len() > LONGEST) {
        return fail("has an option of more than 255 bytes");
    }
    if !number && (rule.min.is_some() || rule.max.is_some() || rule.precision.is_some()) {
        return fail("has a range or precision but is no number");
    }
    if rule.kind != ParameterType::String && !rule.options.is_empty() {
        return fail("has options but is no string");
    }
    if rule.min.zip(rule.max).is_some_and(|(min, max)| min > max) {
        return fail("has a min above its max");
    }
    let Some(default) = &rule.default else { return Ok(()) };
    let given = serde_json::Map::from_iter([(rule.name.clone(), default.clone())]);
    match super::validate(std::slice::from_ref(rule), &given) {
        Ok(filtered) if filtered.rounded.is_empty() => Ok(()),
        Ok(_) => fail("has a default with more digits than its precision"),
        Err(error) => fail(&format!("has a default that it refuses: {}", error.message)),
    }
}
