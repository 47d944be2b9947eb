//! Saving a model: the cheapest request that proves that its calls will work.

use super::exchange::{Exchange, Failure, Unread};
use super::headers;
use super::parameters::Parameters;
use super::request::{Ingredients, TextRequest};
use super::stream::{Flow, Output, StreamState, Wishes};
use crate::gateway::chat::json::repair_surrogates;
use crate::gateway::{Event, Reply};
use crate::provider::credentials::TextCredentials;
use crate::provider::options::Guardrail;
use crate::runtime::entities::{Content, Credentials, LlmRequest, PromptMessage, Role};
use crate::runtime::{Context, InvokeError};
use serde_json::Map;
use std::time::Duration;

/// How long the check may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The longest answer, in tokens: the least that every provider takes.
const MAX_TOKENS: u64 = 16;

/// Calls the model as apps do, with a small limit, and closes the connection behind the first piece of an answer.
///
/// What the call learns about the route serves later calls.
pub(super) async fn text(cx: &Context, credentials: &TextCredentials) -> Result<(), InvokeError> {
    let request = ping();
    let parameters = Parameters { max_tokens: Some(MAX_TOKENS), ..Parameters::default() };
    let ingredients = Ingredients::new(credentials, &request, parameters)?;
    let mut body = TextRequest::new(credentials, &request, &ingredients, cx.user_id.as_deref())?;
    let exchange = Exchange {
        cx,
        route: &credentials.common.route,
        model: &credentials.upstream_model,
        headers: headers::of(credentials, None)?,
        stream: true,
        total_timeout: Some(LIMIT),
    };
    let mut tries = exchange.tries();
    loop {
        let checked = match exchange.send(&mut body, &tries).await {
            Ok(reply) => first_piece(reply).await,
            Err(unread) => Err(unread),
        };
        match checked {
            Ok(()) => return Ok(()),
            Err(unread) => exchange.learn(&mut tries, &body, unread)?,
        }
    }
}

fn ping() -> LlmRequest {
    let message = PromptMessage {
        role: Role::User,
        content: Content::Text("ping".to_owned()),
        name: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
        opaque_body: None,
    };
    LlmRequest {
        model: String::new(),
        credentials: Credentials::default(),
        prompt_messages: vec![message],
        model_parameters: Map::new(),
        tools: Vec::new(),
        tool_choice: None,
        stop: Vec::new(),
        json_schema: None,
        stream: true,
    }
}

/// Reads until something of an answer came; an answer that is an error, or none at all, is a failure.
async fn first_piece(reply: Reply) -> Result<(), Unread> {
    let meta = reply.meta.clone();
    let wishes = Wishes {
        show_thinking: true,
        stop: &[],
        strip_code_block: false,
        structured: false,
        guardrail: Guardrail::Text,
    };
    let mut state = StreamState::new(&wishes);
    if !reply.is_event_stream() {
        let body = reply.bytes().await?;
        for event in super::exchange::events_of(&body)? {
            step(&mut state, &event, &meta)?;
        }
        return super::exchange::answered(&state, &meta, &body).map_err(Unread::from);
    }
    let mut events = reply.events();
    while let Some(event) = events.next().await? {
        let done = step(&mut state, &event, &meta)? == Flow::Done;
        if state.is_answer() || state.has_choices() {
            return Ok(());
        }
        if done {
            break;
        }
    }
    super::exchange::answered(&state, &meta, events.excerpt()).map_err(Unread::from)
}

fn step(state: &mut StreamState, event: &Event, meta: &crate::gateway::ReplyMeta) -> Result<Flow, Failure> {
    let data = repair_surrogates(&event.data);
    let mut pieces: Vec<Output<'_>> = Vec::new();
    Ok(state.event(event, &data, meta, &mut pieces)?)
}
