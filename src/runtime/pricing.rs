//! What tokens cost.

use super::entities::{EmbeddingUsage, LlmUsage, PriceConfig};
use rust_decimal::{Decimal, RoundingStrategy};
use std::time::Duration;

/// Decimal places of an amount, as in the `dify_plugin` SDK.
const PLACES: u32 = 7;

/// The currency when there is no price.
const DEFAULT_CURRENCY: &str = "USD";

/// `tokens * price * unit`, rounded half up to 7 places. An amount beyond what a decimal holds is the largest one.
pub fn amount(tokens: u64, price: Decimal, unit: Decimal) -> Decimal {
    let exact = Decimal::from(tokens).checked_mul(price).and_then(|product| product.checked_mul(unit));
    let mut amount =
        exact.unwrap_or(Decimal::MAX).round_dp_with_strategy(PLACES, RoundingStrategy::MidpointAwayFromZero);
    amount.rescale(PLACES);
    amount
}

/// Usage of a text call. Without `pricing` everything costs 0 USD; without an output price, output costs nothing.
pub fn llm_usage(
    prompt_tokens: u64,
    completion_tokens: u64,
    pricing: Option<&PriceConfig>,
    latency: Duration,
) -> LlmUsage {
    let input = Rate::input(pricing);
    let output = Rate::output(pricing);
    let prompt_price = input.of(prompt_tokens);
    let completion_price = output.of(completion_tokens);
    LlmUsage {
        prompt_tokens,
        prompt_unit_price: input.price,
        prompt_price_unit: input.unit,
        prompt_price,
        completion_tokens,
        completion_unit_price: output.price,
        completion_price_unit: output.unit,
        completion_price,
        total_tokens: prompt_tokens.saturating_add(completion_tokens),
        total_price: prompt_price.saturating_add(completion_price),
        currency: currency(pricing),
        latency: latency.as_secs_f64(),
    }
}

/// Usage of an embedding call; see [`llm_usage`].
pub fn embedding_usage(tokens: u64, pricing: Option<&PriceConfig>, latency: Duration) -> EmbeddingUsage {
    let input = Rate::input(pricing);
    EmbeddingUsage {
        tokens,
        total_tokens: tokens,
        unit_price: input.price,
        price_unit: input.unit,
        total_price: input.of(tokens),
        currency: currency(pricing),
        latency: latency.as_secs_f64(),
    }
}

fn currency(pricing: Option<&PriceConfig>) -> String {
    pricing.map_or_else(|| DEFAULT_CURRENCY.to_owned(), |pricing| pricing.currency.clone())
}

/// A price per unit of tokens.
struct Rate {
    price: Decimal,
    unit: Decimal,
}

impl Rate {
    const FREE: Self = Self { price: Decimal::ZERO, unit: Decimal::ZERO };

    fn input(pricing: Option<&PriceConfig>) -> Self {
        pricing.map_or(Self::FREE, |pricing| Self { price: pricing.input, unit: pricing.unit })
    }

    fn output(pricing: Option<&PriceConfig>) -> Self {
        let price = pricing.and_then(|pricing| pricing.output.map(|price| Self { price, unit: pricing.unit }));
        price.unwrap_or(Self::FREE)
    }

    fn of(&self, tokens: u64) -> Decimal {
        amount(tokens, self.price, self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn prices(input: &str, output: Option<&str>, unit: &str) -> PriceConfig {
        let output = output.map(decimal);
        PriceConfig { input: decimal(input), output, unit: decimal(unit), currency: "CNY".to_owned() }
    }

    #[test]
    fn an_amount_is_rounded_half_up_to_seven_places() {
        assert_eq!(amount(1, decimal("0.5"), decimal("0.0000001")).to_string(), "0.0000001");
        assert_eq!(amount(1, decimal("0.4999"), decimal("0.0000001")).to_string(), "0.0000000");
        assert_eq!(amount(10, decimal("0.001"), decimal("0.001")).to_string(), "0.0000100");
    }

    #[test]
    fn an_amount_beyond_all_decimals_does_not_panic() {
        assert_eq!(amount(u64::MAX, Decimal::MAX, Decimal::ONE), Decimal::MAX);
    }

    #[test]
    fn usage_adds_both_prices() {
        let usage = llm_usage(10, 5, Some(&prices("0.001", Some("0.002"), "0.001")), Duration::from_millis(250));
        assert_eq!(
            serde_json::to_string(&usage).unwrap(),
            r#"{"prompt_tokens":10,"prompt_unit_price":"0.001","prompt_price_unit":"0.001","prompt_price":"0.0000100","completion_tokens":5,"completion_unit_price":"0.002","completion_price_unit":"0.001","completion_price":"0.0000100","total_tokens":15,"total_price":"0.0000200","currency":"CNY","latency":0.25}"#
        );
    }

    #[test]
    fn without_prices_a_call_costs_a_plain_zero_in_dollars() {
        let usage = llm_usage(180, 31, None, Duration::from_millis(420));
        assert_eq!(
            serde_json::to_string(&usage).unwrap(),
            r#"{"prompt_tokens":180,"prompt_unit_price":"0","prompt_price_unit":"0","prompt_price":"0","completion_tokens":31,"completion_unit_price":"0","completion_price_unit":"0","completion_price":"0","total_tokens":211,"total_price":"0","currency":"USD","latency":0.42}"#
        );
        let usage = embedding_usage(4, None, Duration::from_millis(120));
        assert_eq!(
            serde_json::to_string(&usage).unwrap(),
            r#"{"tokens":4,"total_tokens":4,"unit_price":"0","price_unit":"0","total_price":"0","currency":"USD","latency":0.12}"#
        );
    }

    #[test]
    fn without_an_output_price_output_is_free() {
        let usage = llm_usage(1000, 1000, Some(&prices("2", None, "0.001")), Duration::ZERO);
        assert_eq!(usage.total_price, decimal("2"));
        assert_eq!(usage.completion_unit_price, Decimal::ZERO);
    }

    #[test]
    fn a_latency_json_cannot_hold_becomes_zero() {
        let mut usage = embedding_usage(0, None, Duration::ZERO);
        usage.latency = f64::INFINITY;
        assert!(serde_json::to_string(&usage).unwrap().ends_with(r#""latency":0.0}"#));
    }

    proptest! {
        /// Integer arithmetic as the oracle: price in 1/1000, unit 10^-scale.
        #[test]
        fn an_amount_equals_integer_arithmetic(tokens in 0..10_000_000_u64, mills in 0..1_000_000_u64, scale in 0..10_u32) {
            let ours = amount(tokens, Decimal::new(i64::try_from(mills).unwrap(), 3), Decimal::new(1, scale));
            let product = u128::from(tokens) * u128::from(mills) * 10_u128.pow(PLACES);
            let divisor = 10_u128.pow(scale + 3);
            let expected = (product + divisor / 2) / divisor;
            prop_assert_eq!(ours.mantissa(), i128::try_from(expected).unwrap());
        }
    }
}
