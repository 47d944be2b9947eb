//! Parameters of text models: the rules that say what an app may set, and the check of what it did set.

mod rules;
mod templates;

pub(in crate::runtime) use rules::{RawRule, resolve};
pub use rules::{RuleError, parse_rules};
pub use templates::template;

use super::InvokeError;
use super::entities::{ParameterRule, ParameterType};
use serde_json::{Map, Number, Value};

/// The parameters of one call that its model knows, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filtered {
    /// By the rules' names.
    pub values: Map<String, Value>,
    /// What was changed, for the log.
    pub rounded: Vec<Rounded>,
}

/// A number that had more digits than its rule allows.
#[derive(Debug, Clone, PartialEq)]
pub struct Rounded {
    /// The parameter.
    pub name: String,
    /// As the app set it.
    pub from: f64,
    /// As it is sent.
    pub to: f64,
}

/// Keeps the parameters that `rules` know, and checks them.
///
/// A value may come under its rule's name or its template's name; null means "not set". Unknown names are dropped.
/// A parameter that is not set is left out: the default shown to people is sent only for `required` ones. 1 and 1.0
/// are the same number, for whole numbers and for fractions. A number with more digits than `precision` is rounded
/// first and then compared with the range.
///
/// # Errors
///
/// [`InvokeBadRequestError`](crate::runtime::ErrorKind::BadRequest) with the `dify_plugin` SDK's text for a value of
/// the wrong type, out of range, not among the options, or missing though required.
pub fn validate(rules: &[ParameterRule], given: &Map<String, Value>) -> Result<Filtered, InvokeError> {
    let mut filtered = Filtered::default();
    for rule in rules {
        let set = |name: &str| given.get(name).filter(|value| !value.is_null());
        let value = match set(&rule.name).or_else(|| set(rule.use_template.as_deref()?)) {
            Some(value) => check(rule, value, &mut filtered.rounded)?,
            None if !rule.required => continue,
            None => rule.default.clone().ok_or_else(|| refusal(rule, "is required."))?,
        };
        filtered.values.insert(rule.name.clone(), value);
    }
    Ok(filtered)
}

fn refusal(rule: &ParameterRule, complaint: &str) -> InvokeError {
    InvokeError::bad_request(format!("Model Parameter {} {complaint}", rule.name))
}

fn check(rule: &ParameterRule, value: &Value, rounded: &mut Vec<Rounded>) -> Result<Value, InvokeError> {
    match (rule.kind, value) {
        (ParameterType::Int, Value::Number(number)) => {
            let whole = whole(number).ok_or_else(|| refusal(rule, "should be int."))?;
            check_range(rule, &whole)?;
            Ok(Value::Number(whole))
        }
        (ParameterType::Int, _) => Err(refusal(rule, "should be int.")),
        (ParameterType::Float, Value::Number(number)) => {
            let number = round(rule, number, rounded);
            check_range(rule, &number)?;
            Ok(Value::Number(number))
        }
        (ParameterType::Float, _) => Err(refusal(rule, "should be float.")),
        (ParameterType::Boolean, Value::Bool(_)) | (ParameterType::Text, Value::String(_)) => Ok(value.clone()),
        (ParameterType::Boolean, _) => Err(refusal(rule, "should be bool.")),
        (ParameterType::String, Value::String(text)) => {
            if rule.options.is_empty() || rule.options.contains(text) {
                return Ok(value.clone());
            }
            let options: Vec<_> = rule.options.iter().map(|option| format!("'{option}'")).collect();
            Err(refusal(rule, &format!("should be one of [{}].", options.join(", "))))
        }
        (ParameterType::String | ParameterType::Text, _) => Err(refusal(rule, "should be string.")),
    }
}

/// The number as an integer, when it is one: the host's JSON turns 1.0 into 1 and the reverse.
fn whole(number: &Number) -> Option<Number> {
    /// Up to here a 64-bit float holds every integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.is_i64() || number.is_u64() {
        return Some(number.clone());
    }
    let float = number.as_f64()?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    (float.fract() == 0.0 && float.abs() <= EXACT).then(|| Number::from(float as i64))
}

/// The number with at most as many digits after the point as the rule allows; unchanged when it has no more.
fn round(rule: &ParameterRule, number: &Number, rounded: &mut Vec<Rounded>) -> Number {
    let Some((precision, from)) = rule.precision.zip(number.as_f64()) else { return number.clone() };
    // Formatting rounds the exact decimal value, as Python's `round` does; 0.125 becomes 0.12 in both.
    let Ok(to) = format!("{from:.*}", usize::try_from(precision).unwrap_or(usize::MAX)).parse::<f64>() else {
        return number.clone();
    };
    #[expect(clippy::float_cmp, reason = "any difference at all is a rounding")]
    if to == from {
        return number.clone();
    }
    let to = if to == 0.0 { 0.0 } else { to }; // no "-0.0"
    rounded.push(Rounded { name: rule.name.clone(), from, to });
    Number::from_f64(to).unwrap_or_else(|| number.clone())
}

fn check_range(rule: &ParameterRule, number: &Number) -> Result<(), InvokeError> {
    let Some(number) = number.as_f64() else { return Ok(()) };
    match (rule.min, rule.max) {
        (Some(min), _) if number < min => Err(refusal(rule, &format!("should be greater than or equal to {min:?}."))),
        (_, Some(max)) if number > max => Err(refusal(rule, &format!("should be less than or equal to {max:?}."))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
