//! The JSON of `advanced_options`, checked and typed.

mod fields;

use self::fields::Fields;
use super::errors::refused;
use crate::gateway::TransportOptions;
use crate::gateway::auth::{HmacAlgorithm, HmacDialect, HmacScheme};
use crate::runtime::InvokeError;
use crate::runtime::entities::PriceConfig;
use crate::runtime::output::Merging;
use http::HeaderName;
use rust_decimal::Decimal;
use std::str::FromStr;
use std::time::Duration;

/// The form's variable.
const VARIABLE: &str = "advanced_options";

/// Longest accepted text: a certificate chain fits, a mistake does not.
const MAX_LEN: usize = 128 * 1024;

/// Every key, in the order the documentation lists them.
pub const KEYS: [&str; 29] = [
    "connect_timeout",
    "first_byte_timeout",
    "idle_timeout",
    "total_timeout",
    "retries",
    "tls_verify",
    "ca_pem",
    "proxy",
    "key_header",
    "key_query",
    "hmac_algorithm",
    "hmac_dialect",
    "content_md5",
    "nonce",
    "include_usage",
    "send_user",
    "reasoning_history",
    "guardrail",
    "cache_bypass",
    "llm_model_header",
    "concurrency",
    "encoding_format",
    "image_system_prompt",
    "polling",
    "merge_window_ms",
    "input_price",
    "output_price",
    "price_unit",
    "currency",
];

/// Everything an operator may set beyond the form. Unknown keys are refused, by name. Times are seconds.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent switch of the JSON, under the name a person types"
)]
pub struct AdvancedOptions {
    /// `connect_timeout`, `first_byte_timeout`, `idle_timeout`, `total_timeout`, `retries`, `tls_verify`, `ca_pem`, `proxy`.
    pub transport: TransportOptions,
    /// Whether `retries` was set: an embedding batch answered 429 goes again up to 3 times when it was not.
    pub retries_set: bool,
    /// `key_header`: send the API key in this header instead of `Authorization: Bearer`.
    pub key_header: Option<String>,
    /// `key_query`: send the API key as this query parameter.
    pub key_query: Option<String>,
    /// `hmac_algorithm` (`HmacSHA256`, `HmacSHA1`, `HmacSHA512`), `content_md5`, `hmac_dialect` (`ca`, `apisix`), `nonce`.
    pub hmac: HmacScheme,
    /// `include_usage`: ask for usage in streams.
    pub include_usage: bool,
    /// `send_user`: send Dify's user id as `user`.
    pub send_user: bool,
    /// `reasoning_history`: what happens to thinking in the history.
    pub reasoning_history: ReasoningHistory,
    /// `guardrail`: what a guardrail's answer becomes.
    pub guardrail: Guardrail,
    /// `cache_bypass`: ask the gateway's caches to stay out.
    pub cache_bypass: bool,
    /// `llm_model_header`: send `x-higress-llm-model`.
    pub llm_model_header: bool,
    /// `concurrency`: parallel embedding batches per endpoint.
    pub concurrency: usize,
    /// `encoding_format` of embeddings.
    pub encoding_format: EncodingFormat,
    /// `image_system_prompt`: put the system prompt in front of an image prompt.
    pub image_system_prompt: bool,
    /// `polling`: announce Dify's polling on asynchronous image models.
    pub polling: bool,
    /// `merge_window_ms`: 0 merges what is waiting, −1 merges nothing, more waits that long.
    pub merging: Merging,
    /// `input_price`, `output_price`, `price_unit`, `currency`.
    pub price: Option<PriceConfig>,
}

/// What happens to thinking in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasoningHistory {
    /// `strip`
    Strip,
    /// `reasoning_content`: passed back in the field of that name.
    ReasoningContent,
}

/// What a guardrail's answer becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guardrail {
    /// `text`: a normal answer.
    Text,
    /// `error`: a bad request error.
    Error,
}

/// How vectors travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodingFormat {
    /// `float`
    Float,
    /// `base64`: little-endian f32, decoded here.
    Base64,
    /// `not_set`: the field is not sent.
    NotSet,
}

impl AdvancedOptions {
    /// Reads the field; `None` and blank text give the defaults.
    ///
    /// # Errors
    ///
    /// A bad request that names the key, what it holds and what it may hold: not a JSON object, an unknown key (with
    /// the nearest known one), a wrong type, a value out of range, a proxy URL with a password. Values that may be
    /// secret are not repeated.
    pub fn parse(text: Option<&str>) -> Result<Self, InvokeError> {
        let text = text.map(str::trim).unwrap_or_default();
        if text.len() > MAX_LEN {
            return Err(refused(VARIABLE, format!("is longer than {MAX_LEN} bytes")));
        }
        let fields = Fields::parse(VARIABLE, text, &KEYS)?;
        let (transport, retries_set) = transport(&fields)?;
        let (key_header, key_query) = key_placement(&fields)?;
        Ok(Self {
            transport,
            retries_set,
            key_header,
            key_query,
            hmac: HmacScheme {
                dialect: fields.choice(
                    "hmac_dialect",
                    &[("ca", HmacDialect::XCa), ("apisix", HmacDialect::Apisix)],
                    HmacDialect::XCa,
                )?,
                algorithm: fields.choice(
                    "hmac_algorithm",
                    &[
                        ("HmacSHA256", HmacAlgorithm::Sha256),
                        ("HmacSHA1", HmacAlgorithm::Sha1),
                        ("HmacSHA512", HmacAlgorithm::Sha512),
                    ],
                    HmacAlgorithm::Sha256,
                )?,
                body_digest: fields.flag("content_md5", false)?,
                replay_nonce: fields.flag("nonce", false)?,
            },
            include_usage: fields.flag("include_usage", true)?,
            send_user: fields.flag("send_user", true)?,
            reasoning_history: fields.choice(
                "reasoning_history",
                &[("strip", ReasoningHistory::Strip), ("reasoning_content", ReasoningHistory::ReasoningContent)],
                ReasoningHistory::Strip,
            )?,
            guardrail: fields.choice(
                "guardrail",
                &[("text", Guardrail::Text), ("error", Guardrail::Error)],
                Guardrail::Text,
            )?,
            cache_bypass: fields.flag("cache_bypass", false)?,
            llm_model_header: fields.flag("llm_model_header", false)?,
            concurrency: usize::try_from(
                fields.whole("concurrency", 1..=64, "a number of parallel calls")?.unwrap_or(4),
            )
            .unwrap_or(4),
            encoding_format: fields.choice(
                "encoding_format",
                &[
                    ("float", EncodingFormat::Float),
                    ("base64", EncodingFormat::Base64),
                    ("not_set", EncodingFormat::NotSet),
                ],
                EncodingFormat::Float,
            )?,
            image_system_prompt: fields.flag("image_system_prompt", false)?,
            polling: fields.flag("polling", false)?,
            merging: merging(&fields)?,
            price: price(&fields)?,
        })
    }
}

/// The transport's options, and whether `retries` was among them.
fn transport(fields: &Fields) -> Result<(TransportOptions, bool), InvokeError> {
    let defaults = TransportOptions::default();
    let retries = fields.whole("retries", 0..=10, "a number of retries")?;
    let options = TransportOptions {
        connect_timeout: fields.seconds("connect_timeout", 300)?.unwrap_or(defaults.connect_timeout),
        first_byte_timeout: fields.seconds("first_byte_timeout", 3600)?.unwrap_or(defaults.first_byte_timeout),
        idle_timeout: fields.seconds("idle_timeout", 3600)?.unwrap_or(defaults.idle_timeout),
        total_timeout: fields.seconds("total_timeout", 3600)?.unwrap_or(defaults.total_timeout),
        retries: retries.and_then(|count| u32::try_from(count).ok()).unwrap_or(defaults.retries),
        tls_verify: fields.flag("tls_verify", defaults.tls_verify)?,
        ca_pem: ca_pem(fields)?,
        proxy: proxy(fields)?,
    };
    Ok((options, retries.is_some()))
}

fn ca_pem(fields: &Fields) -> Result<Option<String>, InvokeError> {
    let Some(pem) = fields.text("ca_pem")? else { return Ok(None) };
    if pem.contains("PRIVATE KEY-----") {
        return Err(fields.refuse("ca_pem", "holds a private key: paste only the certificate"));
    }
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        let advice = r"must be a PEM certificate (-----BEGIN CERTIFICATE-----, line breaks written as \n)";
        return Err(fields.refuse("ca_pem", advice));
    }
    Ok(Some(pem.to_owned()))
}

/// The proxy's URL. Dify stores this field in clear text, so a password in it is refused.
fn proxy(fields: &Fields) -> Result<Option<String>, InvokeError> {
    let Some(proxy) = fields.text("proxy")? else { return Ok(None) };
    let url = url::Url::parse(proxy)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") && url.has_host())
        .ok_or_else(|| {
            fields.refuse("proxy", "must be a URL that starts with http://, https://, socks5:// or socks5h://")
        })?;
    if url.password().is_some() {
        let advice = "must not hold a password, for this field is stored in clear text: set HTTPS_PROXY in the \
                      environment of the plugin daemon instead";
        return Err(fields.refuse("proxy", advice));
    }
    Ok(Some(proxy.to_owned()))
}

/// `key_header` and `key_query`: at most one of them.
fn key_placement(fields: &Fields) -> Result<(Option<String>, Option<String>), InvokeError> {
    let header = fields.text("key_header")?;
    let query = fields.text("key_query")?;
    if header.is_some() && query.is_some() {
        return Err(fields.refuse("key_query", "cannot be set together with key_header: the key travels in one place"));
    }
    if let Some(name) = header {
        let name = HeaderName::from_str(name).map_err(|_| fields.refuse("key_header", "is not a header name"))?;
        if name != http::header::AUTHORIZATION && super::headers::is_reserved(&name) {
            return Err(fields.refuse("key_header", format!("cannot be {name}: that header has a meaning of its own")));
        }
    }
    if let Some(name) = query
        && !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    {
        return Err(fields.refuse("key_query", "may hold letters, digits, '-', '.', '_' and '~' only"));
    }
    Ok((header.map(str::to_owned), query.map(str::to_owned)))
}

fn merging(fields: &Fields) -> Result<Merging, InvokeError> {
    let window = fields.whole("merge_window_ms", -1..=1000, "a number of milliseconds")?.unwrap_or(0);
    Ok(match u64::try_from(window) {
        Err(_) => Merging::Off,
        Ok(0) => Merging::Waiting,
        Ok(window) => Merging::Window(Duration::from_millis(window)),
    })
}

/// The price of tokens: `input_price` is what makes the others meaningful.
fn price(fields: &Fields) -> Result<Option<PriceConfig>, InvokeError> {
    let input = fields.amount("input_price")?;
    let output = fields.amount("output_price")?;
    let unit = fields.amount("price_unit")?;
    let currency = fields.text("currency")?;
    let Some(input) = input else {
        let orphan =
            [("output_price", output.is_some()), ("price_unit", unit.is_some()), ("currency", currency.is_some())]
                .into_iter()
                .find_map(|(key, set)| set.then_some(key));
        return orphan.map_or(Ok(None), |key| Err(fields.refuse(key, "needs input_price beside it")));
    };
    let unit = unit.unwrap_or_else(|| Decimal::new(1, 6));
    if unit.is_zero() {
        return Err(
            fields.refuse("price_unit", "must be more than 0, for example 0.000001 for prices per million tokens")
        );
    }
    let currency = currency.unwrap_or("USD");
    if currency.len() > 16 {
        return Err(fields.refuse("currency", "is longer than 16 characters: use a code like USD or RMB"));
    }
    Ok(Some(PriceConfig { input, output, unit, currency: currency.to_owned() }))
}
