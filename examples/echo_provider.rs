//! A complete model provider in one file: it says what it is told, word by word.
//!
//! ```sh
//! echo '{"session_id":"1","event":"request","data":{"type":"model","action":"invoke_llm","model":"echo","model_type":"llm","credentials":{},"model_parameters":{},"prompt_messages":[{"role":"user","content":"Hello from the echo"}],"stream":true}}' \
//!   | cargo run --quiet --example echo_provider
//! ```

use higress_dify_plugin::runtime::declaration::{Declaration, Sources};
use higress_dify_plugin::runtime::entities::{
    Content, ContentPart, Credentials, I18n, LlmRequest, LlmTokensRequest, ModelRef, ModelSchema, PromptMessage,
};
use higress_dify_plugin::runtime::pricing::llm_usage;
use higress_dify_plugin::runtime::{Context, InvokeError, LlmOutput, Provider, Settings, run};
use serde_json::{Map, json};
use std::error::Error;

struct Echo;

impl Provider for Echo {
    async fn validate_provider_credentials(
        &self,
        _: &Context,
        credentials: Credentials,
    ) -> Result<Credentials, InvokeError> {
        Ok(credentials)
    }

    async fn validate_model_credentials(&self, _: &Context, model: ModelRef) -> Result<Credentials, InvokeError> {
        Ok(model.credentials)
    }

    async fn model_schema(&self, _: &Context, model: ModelRef) -> Result<ModelSchema, InvokeError> {
        let label = I18n { en_us: model.model.clone(), zh_hans: None, ja_jp: None, pt_br: None };
        let mut model_properties = Map::new();
        model_properties.insert("mode".to_owned(), json!("chat"));
        model_properties.insert("context_size".to_owned(), json!(4096));
        Ok(ModelSchema {
            model: model.model,
            label,
            model_type: model.model_type,
            features: Vec::new(),
            model_properties,
            parameter_rules: Vec::new(),
            pricing: None,
        })
    }

    async fn invoke_llm(&self, cx: &Context, request: LlmRequest, mut out: LlmOutput) -> Result<(), InvokeError> {
        let said = last_text(&request.prompt_messages);
        for word in said.split_inclusive(' ') {
            out.text(word).await?;
        }
        let words = count(&said);
        let usage = llm_usage(words, words, None, cx.started.elapsed());
        out.finish(usage, Some("stop".to_owned()), None).await
    }

    async fn count_llm_tokens(&self, _: &Context, request: LlmTokensRequest) -> Result<u64, InvokeError> {
        Ok(count(&last_text(&request.prompt_messages)))
    }
}

fn last_text(messages: &[PromptMessage]) -> String {
    match messages.last().map(|message| &message.content) {
        Some(Content::Text(text)) => text.clone(),
        Some(Content::Parts(parts)) => parts.iter().filter_map(text).collect(),
        None => String::new(),
    }
}

fn text(part: &ContentPart) -> Option<&str> {
    match part {
        ContentPart::Text(text) => Some(text),
        ContentPart::Media(_) => None,
    }
}

fn count(text: &str) -> u64 {
    text.split_whitespace().map(|_| 1).sum()
}

fn main() -> Result<(), Box<dyn Error>> {
    // A plugin that is also debugged remotely embeds its manifest and its provider's YAML here.
    let declaration = || Declaration::new(Sources::default());
    run(Echo, declaration, &Settings::load("ECHO")?)?;
    Ok(())
}
