//! From the `data` of a request line to a typed request.
//!
//! The Dify plugin daemon decodes what Dify sends into Go structs and encodes it again, so optional keys arrive as
//! null, empty or zero; one-shot hosts pass the caller's JSON through, so keys may be missing. Both mean "not set".

mod fields;
mod limited;
mod lossy;
mod messages;

use super::super::InvokeError;
use super::super::entities::{
    CheckPollingRequest, Credentials, InputType, LlmRequest, LlmTokensRequest, ModelRef, ModelType, MultimodalContent,
    MultimodalEmbeddingRequest, MultimodalRerankRequest, RerankRequest, TextEmbeddingRequest, TextTokensRequest,
};
use fields::{Fields, at, quoted};
use serde_json::Value;
use serde_json::value::RawValue;

/// A request, typed by its action.
#[derive(Debug, Clone)]
pub enum Request {
    /// `validate_provider_credentials`
    ValidateProviderCredentials(Credentials),
    /// `validate_model_credentials`
    ValidateModelCredentials(ModelRef),
    /// `get_ai_model_schemas`
    GetAiModelSchemas(ModelRef),
    /// `invoke_llm`
    InvokeLlm(Box<LlmRequest>),
    /// `get_llm_num_tokens`
    GetLlmNumTokens(LlmTokensRequest),
    /// `start_polling`
    StartPolling(Box<LlmRequest>),
    /// `check_polling`
    CheckPolling(CheckPollingRequest),
    /// `invoke_text_embedding`
    InvokeTextEmbedding(TextEmbeddingRequest),
    /// `get_text_embedding_num_tokens`
    GetTextEmbeddingNumTokens(TextTokensRequest),
    /// `invoke_multimodal_embedding`
    InvokeMultimodalEmbedding(MultimodalEmbeddingRequest),
    /// `invoke_rerank`
    InvokeRerank(RerankRequest),
    /// `invoke_multimodal_rerank`
    InvokeMultimodalRerank(MultimodalRerankRequest),
}

/// Reads the request of `action`. Unknown keys are ignored, and an unset optional field may be missing, null or empty.
///
/// # Errors
///
/// [`InvokeBadRequestError`](crate::runtime::ErrorKind::BadRequest) whose text names the field: for an action that is
/// not served, JSON that cannot be read, a conversation the host cut short, or a field of the wrong kind.
pub fn decode(action: &str, data: &RawValue) -> Result<Request, InvokeError> {
    let mut fields = Fields::root(lossy::parse(data.get())?)?;
    match action {
        "validate_provider_credentials" => Ok(Request::ValidateProviderCredentials(credentials(&mut fields)?)),
        "validate_model_credentials" => Ok(Request::ValidateModelCredentials(model_ref(&mut fields)?)),
        "get_ai_model_schemas" => Ok(Request::GetAiModelSchemas(model_ref(&mut fields)?)),
        "invoke_llm" => Ok(Request::InvokeLlm(Box::new(llm(&mut fields)?))),
        "start_polling" => Ok(Request::StartPolling(Box::new(llm(&mut fields)?))),
        "get_llm_num_tokens" => Ok(Request::GetLlmNumTokens(LlmTokensRequest {
            model: model(&mut fields)?,
            credentials: credentials(&mut fields)?,
            prompt_messages: messages::prompt_messages(&mut fields)?,
            tools: messages::tools(&mut fields)?,
        })),
        "check_polling" => Ok(Request::CheckPolling(CheckPollingRequest {
            model: model(&mut fields)?,
            credentials: credentials(&mut fields)?,
            plugin_state: fields.map("plugin_state")?,
        })),
        "invoke_text_embedding" => Ok(Request::InvokeTextEmbedding(TextEmbeddingRequest {
            model: model(&mut fields)?,
            credentials: credentials(&mut fields)?,
            texts: fields.texts("texts")?,
            input_type: input_type(&mut fields)?,
        })),
        "get_text_embedding_num_tokens" => Ok(Request::GetTextEmbeddingNumTokens(TextTokensRequest {
            model: model(&mut fields)?,
            credentials: credentials(&mut fields)?,
            texts: fields.texts("texts")?,
        })),
        "invoke_multimodal_embedding" => Ok(Request::InvokeMultimodalEmbedding(MultimodalEmbeddingRequest {
            model: model(&mut fields)?,
            credentials: credentials(&mut fields)?,
            documents: multimodal_list(&mut fields, "documents")?,
            input_type: input_type(&mut fields)?,
        })),
        "invoke_rerank" => Ok(Request::InvokeRerank(RerankRequest {
            model: model(&mut fields)?,
            credentials: credentials(&mut fields)?,
            query: fields.text("query")?,
            docs: fields.texts("docs")?,
            score_threshold: score_threshold(&mut fields)?,
            top_n: top_n(&mut fields)?,
        })),
        "invoke_multimodal_rerank" => Ok(Request::InvokeMultimodalRerank(MultimodalRerankRequest {
            model: model(&mut fields)?,
            credentials: credentials(&mut fields)?,
            query: multimodal(fields.take("query"), "query")?,
            docs: multimodal_list(&mut fields, "docs")?,
            score_threshold: score_threshold(&mut fields)?,
            top_n: top_n(&mut fields)?,
        })),
        other => Err(InvokeError::bad_request(format!("this plugin does not support the action {}", quoted(other)))),
    }
}

fn llm(fields: &mut Fields) -> Result<LlmRequest, InvokeError> {
    Ok(LlmRequest {
        model: model(fields)?,
        credentials: credentials(fields)?,
        // First of the rest: a host that could not read the conversation leaves all later fields at their defaults.
        prompt_messages: messages::prompt_messages(fields)?,
        model_parameters: fields.map("model_parameters")?,
        tools: messages::tools(fields)?,
        tool_choice: messages::tool_choice(fields)?,
        stop: stop(fields)?,
        json_schema: match fields.take("json_schema") {
            Value::Null => None,
            Value::String(text) if text.trim().is_empty() => None,
            schema => Some(schema),
        },
        stream: fields.flag("stream", true)?,
    })
}

fn stop(fields: &mut Fields) -> Result<Vec<String>, InvokeError> {
    let mut stop = fields.texts("stop")?;
    // An empty text would end every answer at once, and upstreams refuse it.
    stop.retain(|text| !text.is_empty());
    Ok(stop)
}

fn model(fields: &mut Fields) -> Result<String, InvokeError> {
    let model = fields.text("model")?;
    if model.is_empty() {
        return Err(InvokeError::bad_request("the request names no model: the field `model` is missing or empty"));
    }
    Ok(model)
}

fn credentials(fields: &mut Fields) -> Result<Credentials, InvokeError> {
    fields.map("credentials").map(Credentials)
}

fn model_ref(fields: &mut Fields) -> Result<ModelRef, InvokeError> {
    let name = fields.text("model_type")?;
    let model_type = match name.as_str() {
        "llm" => ModelType::Llm,
        "text-embedding" => ModelType::TextEmbedding,
        "rerank" => ModelType::Rerank,
        "" => return Err(InvokeError::bad_request("the request names no model type: the field `model_type` is empty")),
        other => {
            return Err(InvokeError::bad_request(format!(
                "this plugin has no models of the type {}: it serves llm, text-embedding and rerank",
                quoted(other)
            )));
        }
    };
    Ok(ModelRef { model_type, model: model(fields)?, credentials: credentials(fields)? })
}

fn input_type(fields: &mut Fields) -> Result<InputType, InvokeError> {
    match fields.text("input_type")?.as_str() {
        "" | "document" => Ok(InputType::Document),
        "query" => Ok(InputType::Query),
        other => Err(at("input_type", &format!("must be \"document\" or \"query\", not {}", quoted(other)))),
    }
}

/// The host writes 0 for "not set".
fn score_threshold(fields: &mut Fields) -> Result<Option<f64>, InvokeError> {
    Ok(fields.number("score_threshold")?.filter(|threshold| *threshold != 0.0))
}

/// The host writes 0 for "not set"; a negative limit limits nothing either.
fn top_n(fields: &mut Fields) -> Result<Option<u64>, InvokeError> {
    let Some(number) = fields.number("top_n")? else { return Ok(None) };
    if number.fract() != 0.0 {
        return Err(at("top_n", &format!("must be a whole number, not {number}")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and whole; `as` saturates")]
    Ok((number > 0.0).then_some(number as u64))
}

fn multimodal_list(fields: &mut Fields, key: &str) -> Result<Vec<MultimodalContent>, InvokeError> {
    let items = fields.list(key)?;
    items.into_iter().enumerate().map(|(index, item)| multimodal(item, &format!("{key}[{index}]"))).collect()
}

fn multimodal(value: Value, path: &str) -> Result<MultimodalContent, InvokeError> {
    if let Value::String(text) = value {
        return Ok(MultimodalContent::Text(text));
    }
    let mut fields = Fields::new(value, path)?;
    let content = fields.text("content")?;
    match fields.text("content_type")?.as_str() {
        "" | "text" => Ok(MultimodalContent::Text(content)),
        "image" => Ok(MultimodalContent::Image(content)),
        other => {
            Err(at(&format!("{path}.content_type"), &format!("must be \"text\" or \"image\", not {}", quoted(other))))
        }
    }
}
