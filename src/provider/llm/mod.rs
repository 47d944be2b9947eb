//! Text: Dify's conversations as chat or text completions, and what comes back as Dify's chunks.
//!
//! A call is prepared (`request` and the modules it names), sent (`exchange`) and read (`reading`); [`stream`] holds what an
//! answer is, without any IO. Everything that varies between upstreams is one small module.

mod exchange;
mod guardrail;
mod headers;
mod leading_think;
mod media;
mod messages;
mod parameters;
mod prompt;
mod reading;
mod request;
mod stop;
pub mod stream;
mod structured;
mod thinking;
mod tool_calls;
mod tools;
mod usage;
mod validate;

use self::exchange::Exchange;
use self::parameters::Parameters;
use self::request::{Ingredients, TextRequest};
use self::stream::{Ending, Wishes};
use self::usage::{Counts, Reported};
use super::credentials::{LlmCredentials, TextCredentials, fields};
use super::errors::validation_failed;
use super::image;
use super::schema::given_parameters;
use crate::gateway::Deadline;
use crate::runtime::code_block::CodeBlock;
use crate::runtime::entities::{Credentials, LlmRequest, LlmTokensRequest, ModelRef};
use crate::runtime::{Context, InvokeError, LlmOutput, pricing, tokens};

/// Answers a conversation.
///
/// # Errors
///
/// What the gateway or the upstream says, after the text that came before; a bad request for what cannot be asked.
pub async fn invoke(cx: &Context, request: LlmRequest, out: LlmOutput) -> Result<(), InvokeError> {
    match LlmCredentials::read(cx, &request.model, &request.credentials)? {
        LlmCredentials::Text(credentials) => text(cx, &credentials, request, out).await,
        LlmCredentials::Image(credentials) => image::invoke(cx, &credentials, request, out).await,
    }
}

/// Checks a model before it is saved, and returns its credentials as they are.
///
/// # Errors
///
/// Always under the one name that Dify shows when saving.
pub async fn validate(cx: &Context, model: &ModelRef) -> Result<Credentials, InvokeError> {
    let check = async {
        match LlmCredentials::read(cx, &model.model, &model.credentials)? {
            LlmCredentials::Text(credentials) => validate::text(cx, &credentials).await,
            LlmCredentials::Image(credentials) => image::validate(cx, &credentials).await,
        }
    };
    check.await.map_err(validation_failed)?;
    Ok(model.credentials.clone())
}

/// How many tokens a conversation has, by estimate; a model that draws counts none.
///
/// # Errors
///
/// A scenario that does not exist.
pub async fn count_tokens(_: &Context, request: LlmTokensRequest) -> Result<u64, InvokeError> {
    if fields::makes_pictures(&request.credentials)? {
        return Ok(0);
    }
    Ok(tokens::count_conversation(request.prompt_messages, request.tools).await)
}

async fn text(
    cx: &Context,
    credentials: &TextCredentials,
    mut request: LlmRequest,
    mut out: LlmOutput,
) -> Result<(), InvokeError> {
    let options = &credentials.common.options;
    out.set_merging(options.merging);
    let mut given = given_parameters(&request)?;
    // The stop sequences of a code block are a help for the model only: the fences are taken out here.
    let stop = request.stop.clone();
    let code_block = CodeBlock::take(&mut given);
    if let Some(block) = code_block {
        block.ask(&mut request.prompt_messages, &mut request.stop);
    }
    let ingredients = Ingredients::new(credentials, &request, Parameters::new(given)?)?;
    let exchange = Exchange {
        cx,
        route: &credentials.common.route,
        model: &credentials.upstream_model,
        headers: headers::of(credentials, ingredients.parameters.extra_headers.as_deref())?,
        stream: request.stream,
        deadline: Deadline::total(cx.started, options.transport.total_timeout),
    };
    let wishes = Wishes {
        show_thinking: ingredients.thinking.shown,
        stop: &stop,
        strip_code_block: code_block.is_some(),
        structured: ingredients.structured.wants_object,
        guardrail: options.guardrail,
    };
    let ending = {
        let mut body = TextRequest::new(credentials, &request, &ingredients, cx.user_id.as_deref())?;
        exchange.answer(&mut body, &wishes, &mut out).await?
    };
    let Ending { tool_calls, finish_reason, usage, structured_output, transcript } = ending;
    out.tool_calls(tool_calls).await?;
    let counts = counts(Reported::new(usage), transcript, request).await;
    cx.record(|record| {
        record.prompt_tokens = Some(counts.prompt);
        record.completion_tokens = Some(counts.completion);
        record.tokens_estimated = counts.estimated;
    });
    let mut usage = pricing::llm_usage(counts.prompt, counts.completion, options.price.as_ref(), cx.started.elapsed());
    usage.total_tokens = counts.total;
    out.finish(usage, finish_reason, structured_output).await
}

/// The upstream's counts, with an estimate over the whole conversation for those it does not give.
async fn counts(reported: Reported, transcript: usage::Transcript, request: LlmRequest) -> Counts {
    let prompt = match reported.prompt {
        Some(_) => 0,
        None => tokens::count_conversation(request.prompt_messages, request.tools).await,
    };
    let completion = if reported.completion.is_some() {
        0
    } else {
        let (text, more) = transcript.into_parts();
        tokens::count_texts(vec![text]).await.into_iter().sum::<u64>() + more
    };
    reported.complete(prompt, completion)
}
