//! Requests of one call, in the form the model's protocol wants.

use super::{EmbeddingCredentials, Input};
use crate::gateway::embeddings::{self, Common};
use crate::gateway::{Call, Error};
use crate::provider::credentials::EmbeddingProtocol;
use crate::provider::options::EncodingFormat;
use crate::runtime::Context;

/// Writes the requests of one call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Requests<'a> {
    protocol: EmbeddingProtocol,
    common: Common<'a>,
}

impl<'a> Requests<'a> {
    pub(super) fn new(cx: &'a Context, credentials: &'a EmbeddingCredentials) -> Self {
        let options = &credentials.common.options;
        let common = Common {
            model: &credentials.upstream_model,
            user: cx.user_id.as_deref().filter(|user| options.send_user && !user.is_empty()),
            encoding_format: match options.encoding_format {
                EncodingFormat::Float => Some("float"),
                EncodingFormat::Base64 => Some("base64"),
                EncodingFormat::NotSet => None,
            },
            dimensions: credentials.dimensions,
        };
        Self { protocol: credentials.protocol, common }
    }

    /// How many inputs a request can hold at all: a vLLM conversation is one input.
    pub(super) const fn most_inputs(&self) -> usize {
        match self.protocol {
            EmbeddingProtocol::OpenAi | EmbeddingProtocol::DashScopeMultimodal => usize::MAX,
            EmbeddingProtocol::OpenAiMultimodal => 1,
        }
    }

    /// The request for the vectors of `inputs`: of one where the protocol takes one, see [`Self::most_inputs`].
    pub(super) fn call(&self, inputs: &[Input<'_>]) -> Result<Call, Error> {
        match (self.protocol, inputs) {
            (EmbeddingProtocol::OpenAiMultimodal, [input, ..]) => {
                Ok(Call::post_json(embeddings::OPENAI_PATH, embeddings::message(input, &self.common)?))
            }
            (EmbeddingProtocol::DashScopeMultimodal, inputs) => Ok(Call::post_json(
                embeddings::DASHSCOPE_MULTIMODAL_PATH,
                embeddings::dashscope_contents(inputs, &self.common)?,
            )),
            (EmbeddingProtocol::OpenAi | EmbeddingProtocol::OpenAiMultimodal, inputs) => {
                // Pictures never get here: they are refused where the call is read.
                let texts = inputs.iter().filter_map(|input| match input {
                    Input::Text(text) => Some(text.as_ref()),
                    Input::Picture(_) => None,
                });
                Ok(Call::post_json(embeddings::OPENAI_PATH, embeddings::texts(texts, &self.common)?))
            }
        }
    }

    /// The request that checks a model as it is saved.
    pub(super) fn check(&self, text: &str) -> Result<Call, Error> {
        if self.protocol == EmbeddingProtocol::OpenAi {
            // A text that is not in a list and no default fields, as the Python plugin asks: what passed then passes
            // now. What was set beyond that is checked too.
            let encoding_format = self.common.encoding_format.filter(|format| *format != "float");
            let common = Common { user: None, encoding_format, ..self.common };
            return Ok(Call::post_json(embeddings::OPENAI_PATH, embeddings::single_text(text, &common)?));
        }
        self.call(&[Input::Text(text.into())])
    }
}
