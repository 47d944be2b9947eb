//! What a call cost, in tokens, money and time.

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

/// Usage of a text call. Prices are decimal strings on the wire, counts are integers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LlmUsage {
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Price per `prompt_price_unit` tokens.
    #[serde(serialize_with = "decimal")]
    pub prompt_unit_price: Decimal,
    /// Price unit, for example 0.001 for "per thousand".
    #[serde(serialize_with = "decimal")]
    pub prompt_price_unit: Decimal,
    /// `prompt_tokens * prompt_unit_price * prompt_price_unit`, half up to 7 places.
    #[serde(serialize_with = "decimal")]
    pub prompt_price: Decimal,
    /// Tokens written.
    pub completion_tokens: u64,
    /// Price per `completion_price_unit` tokens.
    #[serde(serialize_with = "decimal")]
    pub completion_unit_price: Decimal,
    /// Price unit.
    #[serde(serialize_with = "decimal")]
    pub completion_price_unit: Decimal,
    /// `completion_tokens * completion_unit_price * completion_price_unit`, half up to 7 places.
    #[serde(serialize_with = "decimal")]
    pub completion_price: Decimal,
    /// Tokens in all.
    pub total_tokens: u64,
    /// Both prices.
    #[serde(serialize_with = "decimal")]
    pub total_price: Decimal,
    /// For example `USD`.
    pub currency: String,
    /// Seconds the call took.
    #[serde(serialize_with = "seconds")]
    pub latency: f64,
}

/// Usage of an embedding call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EmbeddingUsage {
    /// Tokens read.
    pub tokens: u64,
    /// Tokens in all.
    pub total_tokens: u64,
    /// Price per `price_unit` tokens.
    #[serde(serialize_with = "decimal")]
    pub unit_price: Decimal,
    /// Price unit.
    #[serde(serialize_with = "decimal")]
    pub price_unit: Decimal,
    /// Price in all.
    #[serde(serialize_with = "decimal")]
    pub total_price: Decimal,
    /// For example `USD`.
    pub currency: String,
    /// Seconds the call took.
    #[serde(serialize_with = "seconds")]
    pub latency: f64,
}

/// A decimal as the host wants it: a string, and a plain `"0"` for zero of any scale.
pub(crate) fn decimal<S: Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_zero() { serializer.serialize_str("0") } else { serializer.collect_str(value) }
}

/// The host requires a number here, and JSON has none for infinity or "not a number".
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's serialize_with passes a reference")]
fn seconds<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(if value.is_finite() { *value } else { 0.0 })
}
