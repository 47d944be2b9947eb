//! Pictures: a prompt in, pictures out, as URLs in the text or as files.

mod answer;
mod parameters;
mod polling;
mod prompt;
mod task;
mod validation;

pub use polling::{check_polling, start_polling};
pub use validation::validate;

use self::answer::Answer;
use self::parameters::ImageParameters;
use self::prompt::ImagePrompt;
use super::credentials::{ImageCredentials, ImageProtocol};
use super::exchange::exchange;
use crate::gateway::images::{self, Edit, Picture};
use crate::gateway::{Call, dashscope};
use crate::runtime::entities::{LlmRequest, LlmUsage};
use crate::runtime::pricing::llm_usage;
use crate::runtime::{Context, InvokeError, LlmOutput};

/// Makes or changes pictures. The last turn of the user is the prompt, its pictures are what to change.
///
/// # Errors
///
/// A bad request for a setting or parameter that cannot be used, when the user's last message is missing, has no words
/// or holds a file that is no picture, and for a picture that is larger than Dify takes in one message. A failure of
/// the gateway, under Dify's name for it; of a task also that it failed, was cancelled, or was not done in time. As
/// [`LlmOutput::parts`] when the answer cannot be sent.
pub async fn invoke(
    cx: &Context,
    credentials: &ImageCredentials,
    request: LlmRequest,
    out: LlmOutput,
) -> Result<(), InvokeError> {
    let parameters = ImageParameters::read(&request)?;
    let prompt = ImagePrompt::read(&request.prompt_messages, credentials.common.options.image_system_prompt)?;
    let made = match credentials.protocol {
        ImageProtocol::DashScope => dashscope(cx, credentials, &prompt, &parameters).await?,
        ImageProtocol::DashScopeAsync => task::run(cx, credentials, &prompt, &parameters).await?,
        ImageProtocol::OpenAiImages => openai(cx, credentials, &prompt, &parameters).await?,
    };
    made.deliver(parameters.output, usage(cx, credentials, &made), out).await
}

async fn dashscope(
    cx: &Context,
    credentials: &ImageCredentials,
    prompt: &ImagePrompt<'_>,
    parameters: &ImageParameters,
) -> Result<Answer, InvokeError> {
    let pictures = prompt.pictures();
    let editing = !pictures.is_empty();
    let prompt = dashscope::Prompt { text: &prompt.text, pictures: &pictures };
    let model = &credentials.upstream_model;
    let call = dashscope::generation(model, Some(&prompt), Some(&parameters.for_dashscope(model, editing)))?;
    let body = exchange(cx, &credentials.common, &credentials.upstream_model, call).await?;
    Ok(Answer::of(dashscope::decode(&body)?))
}

async fn openai(
    cx: &Context,
    credentials: &ImageCredentials,
    prompt: &ImagePrompt<'_>,
    parameters: &ImageParameters,
) -> Result<Answer, InvokeError> {
    let call = openai_call(&credentials.upstream_model, prompt, parameters)?;
    let body = exchange(cx, &credentials.common, &credentials.upstream_model, call).await?;
    let reply = images::decode(&body)?;
    cx.record(|record| {
        record.prompt_tokens = Some(reply.input_tokens);
        record.completion_tokens = Some(reply.output_tokens);
    });
    Ok(Answer { pictures: reply.pictures, input_tokens: reply.input_tokens, output_tokens: reply.output_tokens })
}

fn openai_call(
    model: &str,
    prompt: &ImagePrompt<'_>,
    parameters: &ImageParameters,
) -> Result<Call, crate::gateway::Error> {
    let generation = parameters.for_openai(model, &prompt.text);
    let pictures: Vec<Picture<'_>> = prompt.pictures();
    if pictures.is_empty() {
        return images::generation(&generation);
    }
    let boundary = format!("higress-{}", uuid::Uuid::new_v4().simple());
    images::edit(&Edit { generation, pictures: &pictures }, &boundary)
}

fn usage(cx: &Context, credentials: &ImageCredentials, answer: &Answer) -> LlmUsage {
    let price = credentials.common.options.price.as_ref();
    llm_usage(answer.input_tokens, answer.output_tokens, price, cx.started.elapsed())
}
