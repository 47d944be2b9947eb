//! The request of one call, put together from what Dify asks for and what the model's form says.

use super::messages::{self, Dialect};
use super::parameters::Parameters;
use super::prompt;
use super::structured::Structured;
use super::thinking::Thinking;
use super::tools::Offer;
use crate::gateway::chat::request::StreamOptions;
use crate::gateway::chat::{self, ChatRequest};
use crate::gateway::completions::{self, CompletionRequest};
use crate::gateway::learned::Learned;
use crate::provider::credentials::{TextCredentials, TextProtocol, TokenParam};
use crate::provider::errors::TAG;
use crate::runtime::InvokeError;
use crate::runtime::entities::LlmRequest;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

/// The two names of the parameter that limits the length.
pub(super) const MAX_TOKENS: &str = "max_tokens";
pub(super) const MAX_COMPLETION_TOKENS: &str = "max_completion_tokens";

/// Families of models that take the newer name only.
const NEWER_NAME: [&str; 4] = ["gpt-5", "o1", "o3", "o4"];

/// One request, but for what is found out by trying.
#[derive(Debug)]
pub(super) struct TextRequest<'a> {
    body: Body<'a>,
    /// The longest answer, in tokens.
    max_tokens: Option<u64>,
    /// Whether usage in the stream is wanted.
    pub(super) include_usage: bool,
    token_param: TokenParam,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "there is one of them in a call, and it is not moved about")]
enum Body<'a> {
    Chat(ChatRequest<'a>),
    Completion(CompletionRequest<'a>),
}

/// What a request is made of beside the conversation.
#[derive(Debug)]
pub(super) struct Ingredients {
    pub(super) parameters: Parameters,
    pub(super) thinking: Thinking,
    pub(super) structured: Structured,
    /// The conversation as one text, for models that only continue one.
    pub(super) prompt: Option<String>,
}

impl Ingredients {
    /// Reads the parameters, checked by the model's rules.
    pub(super) fn new(
        credentials: &TextCredentials,
        request: &LlmRequest,
        parameters: Parameters,
    ) -> Result<Self, InvokeError> {
        let prompt = match credentials.protocol {
            TextProtocol::Chat => None,
            TextProtocol::Completions => Some(prompt::prompt(&request.prompt_messages)?),
        };
        Ok(Self {
            thinking: Thinking::new(credentials, &parameters),
            structured: Structured::new(&parameters, request.json_schema.as_ref(), credentials.structured_output)?,
            parameters,
            prompt,
        })
    }
}

impl<'a> TextRequest<'a> {
    /// The request for `user`.
    ///
    /// # Errors
    ///
    /// A bad request for what cannot be sent: see the parts.
    pub(super) fn new(
        credentials: &'a TextCredentials,
        request: &'a LlmRequest,
        ingredients: &'a Ingredients,
        user: Option<&'a str>,
    ) -> Result<Self, InvokeError> {
        let options = &credentials.common.options;
        let parameters = &ingredients.parameters;
        let user = user.filter(|user| options.send_user && !user.is_empty());
        let body = if let Some(prompt) = &ingredients.prompt {
            Body::Completion(CompletionRequest {
                model: &credentials.upstream_model,
                prompt,
                stream: request.stream,
                stream_options: None,
                max_tokens: None,
                stop: &request.stop,
                response_format: ingredients.structured.response_format.clone(),
                user,
                parameters: parameters.sampling.clone(),
            })
        } else {
            let offer = Offer::new(credentials.tools, &request.tools, request.tool_choice.as_ref())?;
            let dialect = Dialect {
                tools: credentials.tools,
                format: credentials.multimodal_format,
                history: options.reasoning_history,
            };
            let mut fields = parameters.sampling.clone();
            fields.extend(ingredients.thinking.fields.clone());
            Body::Chat(ChatRequest {
                model: &credentials.upstream_model,
                messages: messages::convert(&request.prompt_messages, dialect)?,
                stream: request.stream,
                stream_options: None,
                max_tokens: None,
                max_completion_tokens: None,
                stop: &request.stop,
                tools: offer.tools,
                tool_choice: offer.tool_choice,
                functions: offer.functions,
                function_call: offer.function_call,
                response_format: ingredients.structured.response_format.clone(),
                web_search_options: web_search(parameters),
                user,
                parameters: fields,
            })
        };
        Ok(Self {
            body,
            max_tokens: parameters.max_tokens,
            include_usage: request.stream && options.include_usage,
            token_param: credentials.token_param,
        })
    }

    /// Where the request goes, below the route's base.
    pub(super) fn path(&self) -> &'static str {
        match self.body {
            Body::Chat(_) => chat::PATH,
            Body::Completion(_) => completions::PATH,
        }
    }

    /// The body's bytes, with what has been learned of the model.
    pub(super) fn bytes(&mut self, learned: Learned) -> Result<Bytes, InvokeError> {
        let usage = (self.include_usage && !learned.usage_refused).then_some(StreamOptions { include_usage: true });
        let newer = self.token_param(learned) == Some(MAX_COMPLETION_TOKENS);
        match &mut self.body {
            Body::Chat(chat) => {
                chat.stream_options = usage;
                chat.max_tokens = self.max_tokens.filter(|_| !newer);
                chat.max_completion_tokens = self.max_tokens.filter(|_| newer);
            }
            Body::Completion(completion) => {
                completion.stream_options = usage;
                completion.max_tokens = self.max_tokens;
            }
        }
        let bytes = serde_json::to_vec(&self.body);
        bytes
            .map(Bytes::from)
            .map_err(|error| InvokeError::bad_request(format!("{TAG}the request cannot be written: {error}")))
    }

    /// The name of the parameter that limits the length; none when nothing is to be limited.
    pub(super) fn token_param(&self, learned: Learned) -> Option<&'static str> {
        self.max_tokens?;
        let Body::Chat(chat) = &self.body else { return Some(MAX_TOKENS) };
        Some(match self.token_param {
            TokenParam::MaxTokens => MAX_TOKENS,
            TokenParam::MaxCompletionTokens => MAX_COMPLETION_TOKENS,
            TokenParam::Auto => learned.token_param.unwrap_or_else(|| by_name(chat.model)),
        })
    }

    /// Raises the limit to `least`; `false` when that is no raise, so that nothing is tried twice.
    pub(super) fn raise_max_tokens(&mut self, least: u64) -> bool {
        let raised = self.max_tokens.is_some_and(|limit| limit < least);
        if raised {
            self.max_tokens = Some(least);
        }
        raised
    }

    /// Whether the other name may be tried when the upstream asks for it.
    pub(super) fn token_param_is_open(&self) -> bool {
        self.token_param == TokenParam::Auto && matches!(self.body, Body::Chat(_))
    }
}

fn by_name(model: &str) -> &'static str {
    let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    if NEWER_NAME.iter().any(|family| name.starts_with(family)) { MAX_COMPLETION_TOKENS } else { MAX_TOKENS }
}

/// The field that the gateway's search plugin and OpenAI's search models look for.
fn web_search(parameters: &Parameters) -> Option<Value> {
    parameters.web_search.then(|| match &parameters.search_context_size {
        Some(size) => json!({"search_context_size": size}),
        None => json!({}),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_models_of_openai_take_the_newer_name() {
        for (model, name) in [
            ("o3-mini", MAX_COMPLETION_TOKENS),
            ("openai/GPT-5.1", MAX_COMPLETION_TOKENS),
            ("gpt-4o", MAX_TOKENS),
            ("qwen3-max", MAX_TOKENS),
        ] {
            assert_eq!(by_name(model), name, "{model}");
        }
    }
}
