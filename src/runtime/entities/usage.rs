//! What a call cost, in tokens, money and time.

use rust_decimal::Decimal;
use serde::Serialize;

/// Usage of a text call. Prices are decimal strings on the wire, counts are integers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LlmUsage {
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Price per `prompt_price_unit` tokens.
    pub prompt_unit_price: Decimal,
    /// Price unit, for example 0.001 for "per thousand".
    pub prompt_price_unit: Decimal,
    /// `prompt_tokens * prompt_unit_price * prompt_price_unit`, half up to 7 places.
    pub prompt_price: Decimal,
    /// Tokens written.
    pub completion_tokens: u64,
    /// Price per `completion_price_unit` tokens.
    pub completion_unit_price: Decimal,
    /// Price unit.
    pub completion_price_unit: Decimal,
    /// `completion_tokens * completion_unit_price * completion_price_unit`, half up to 7 places.
    pub completion_price: Decimal,
    /// Tokens in all.
    pub total_tokens: u64,
    /// Both prices.
    pub total_price: Decimal,
    /// For example `USD`.
    pub currency: String,
    /// Seconds the call took.
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
    pub unit_price: Decimal,
    /// Price unit.
    pub price_unit: Decimal,
    /// Price in all.
    pub total_price: Decimal,
    /// For example `USD`.
    pub currency: String,
    /// Seconds the call took.
    pub latency: f64,
}
