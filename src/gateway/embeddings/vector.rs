//! A vector on its way through: checked, not reprinted.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;

/// No decimal number without an exponent overflows an `f64` with fewer characters than this.
const SURELY_FINITE: usize = 300;

/// The vector in `raw` as it can be passed on: digit for digit when it is a list of numbers, decoded when it is text
/// (base64 of little-endian 32-bit floats, as `OpenAI` writes it). The error says what is wrong with it.
///
/// A decoded number is printed as the shortest decimal that reads back as exactly that float, in 64 bits as in 32.
pub fn read(raw: &RawValue) -> Result<Box<RawValue>, Cow<'static, str>> {
    let text = raw.get();
    if text.starts_with('"') {
        return decode(text);
    }
    if has_blanks(text) {
        // The host's protocol puts one message on one line: an indented answer must lose its line breaks.
        check(text)?;
        let compact = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        return RawValue::from_string(compact).map_err(|error| error.to_string().into());
    }
    check(text)?;
    Ok(raw.to_owned())
}

fn has_blanks(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_whitespace())
}

/// Whether `json`, any well-formed JSON, is a list of at least one number, all of them finite.
fn check(json: &str) -> Result<(), Cow<'static, str>> {
    let numbers = json
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or("it is neither a list of numbers nor base64 text")?;
    if numbers.trim().is_empty() {
        return Err("it is empty".into());
    }
    for number in numbers.split(',') {
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
    Ok(())
}

fn decode(json: &str) -> Result<Box<RawValue>, Cow<'static, str>> {
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
    to_raw_value(&floats).map_err(|error| error.to_string().into())
}
