//! A vector on its way through: checked, not reprinted.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;

/// No decimal number without an exponent overflows an `f64` with fewer characters than this.
const SURELY_FINITE: usize = 300;

/// A vector that can be passed on.
#[derive(Debug, Clone)]
pub struct Vector {
    /// A JSON list of finite numbers, on one line.
    pub json: Box<RawValue>,
    /// How many numbers there are, at least one.
    pub length: usize,
}

/// The vector in `raw` as it can be passed on: digit for digit when it is a list of numbers, decoded when it is text
/// (base64 of little-endian 32-bit floats, as `OpenAI` writes it). The error says what is wrong with it.
///
/// A decoded number is printed as the shortest decimal that reads back as exactly that float, in 64 bits as in 32.
pub fn read(raw: &RawValue) -> Result<Vector, Cow<'static, str>> {
    let text = raw.get();
    if text.starts_with('"') {
        return decode(text);
    }
    let length = check(text)?;
    if has_blanks(text) {
        // The host's protocol puts one message on one line: an indented answer must lose its line breaks.
        let compact = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        let json = RawValue::from_string(compact).map_err(|error| error.to_string())?;
        return Ok(Vector { json, length });
    }
    Ok(Vector { json: raw.to_owned(), length })
}

fn has_blanks(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_whitespace())
}

/// How many numbers `json`, any well-formed JSON, lists: at least one, all of them finite.
fn check(json: &str) -> Result<usize, Cow<'static, str>> {
    let numbers = json
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or("it is neither a list of numbers nor base64 text")?;
    if numbers.trim().is_empty() {
        return Err("it is empty".into());
    }
    let mut length = 0;
    for number in numbers.split(',') {
        length += 1;
        let number = number.trim_ascii();
        let mut may_overflow = number.len() >= SURELY_FINITE;
        for byte in number.bytes() {
            match byte {
                b'0'..=b'9' | b'-' | b'.' => {}
                b'e' | b'E' | b'+' => may_overflow = true,
                _ => return Err("it holds something that is not a number".into()),
            }
        }
        if may_overflow && !number.parse::<f64>().is_ok_and(f64::is_finite) {
            return Err("it holds a number that is not finite".into());
        }
    }
    Ok(length)
}

fn decode(json: &str) -> Result<Vector, Cow<'static, str>> {
    let not_base64 = || Cow::from("its text is not base64");
    let text: Cow<'_, str> = serde_json::from_str(json).map_err(|_| not_base64())?;
    let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| not_base64())?;
    let (floats, rest) = bytes.as_chunks::<4>();
    if floats.is_empty() || !rest.is_empty() {
        return Err("its base64 does not hold whole 32-bit floats".into());
    }
    let floats: Vec<f64> = floats.iter().map(|float| f64::from(f32::from_le_bytes(*float))).collect();
    if !floats.iter().all(|float| float.is_finite()) {
        return Err("it holds a number that is not finite".into());
    }
    let json = to_raw_value(&floats).map_err(|error| error.to_string())?;
    Ok(Vector { json, length: floats.len() })
}
