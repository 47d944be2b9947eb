//! What a workspace saved: whatever the values are, they are read or refused by name, and a secret is never shown.

use higress_dify_plugin::provider::credentials::{EmbeddingCredentials, LlmCredentials, RerankCredentials};
use higress_dify_plugin::provider::schema::model_schema;
use higress_dify_plugin::runtime::entities::{Credentials, ModelRef, ModelType};
use higress_dify_plugin::runtime::{Context, InvokeError};
use serde_json::Value;
use std::fmt::Debug;

const SECRET: &str = "sk-marked-5e1f0b7a";

/// Checks one input: a JSON object, as Dify stores it. Its secrets are replaced by one that can be recognised.
pub(crate) fn run(data: &[u8]) {
    let Ok(mut values) = serde_json::from_slice::<serde_json::Map<String, Value>>(data) else { return };
    for name in ["api_key", "hmac_secret"] {
        if let Some(value) = values.get_mut(name).filter(|value| value.is_string()) {
            *value = SECRET.into();
        }
    }
    let credentials = Credentials(values);
    let cx = Context::new("session", "invoke_llm");
    let llm = LlmCredentials::read(&cx, "m", &credentials);
    if let Ok(read) = &llm {
        let extra = credentials.text("extra_headers").unwrap_or_default();
        shown(&read.common().call_headers(&extra).map(|headers| headers.len()));
        // A key that cannot stand in a header is refused before anything is sent.
        assert!(!format!("{:?}", read.common().route.auth.check()).contains(SECRET), "a secret is shown");
    }
    shown(&llm);
    shown(&EmbeddingCredentials::read(&cx, "m", &credentials));
    shown(&RerankCredentials::read(&cx, "m", &credentials));
    for model_type in [ModelType::Llm, ModelType::TextEmbedding, ModelType::Rerank] {
        let model = ModelRef { model_type, model: "m".to_owned(), credentials: credentials.clone() };
        shown(&model_schema(&model));
    }
}

fn shown<T: Debug>(result: &Result<T, InvokeError>) {
    let text = format!("{result:?}");
    assert!(!text.contains(SECRET), "a secret is shown: {text}");
    if let Err(error) = result {
        assert!(error.message.starts_with("[higress] "), "{error}");
    }
}
