//! Saving a model: the cheapest request that proves that its calls will work.

use super::exchange::{Exchange, Failure, Unread};
use super::headers;
use super::parameters::Parameters;
use super::reading::{WholeEvents, answered};
use super::request::{Ingredients, TextRequest};
use super::stream::{Flow, Output, StreamState, Wishes};
use crate::gateway::chat::surrogates::repair;
use crate::gateway::{Content as Body, Deadline, ErrorKind, Event, Reply, ReplyMeta};
use crate::provider::credentials::TextCredentials;
use crate::provider::exchange::VALIDATION_TIMEOUT;
use crate::provider::options::Guardrail;
use crate::runtime::entities::{Content, Credentials, LlmRequest, PromptMessage, Role};
use crate::runtime::{Context, InvokeError};
use serde_json::Map;

/// The longest answer, in tokens: the least that OpenAI's newer models take.
const MAX_TOKENS: u64 = 16;

/// The largest limit that is sent when an upstream says that [`MAX_TOKENS`] is too small: saving a model is to be cheap.
const MOST_TOKENS: u64 = 1024;

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
        deadline: Deadline::fixed(cx.started, VALIDATION_TIMEOUT),
    };
    let mut tries = exchange.tries();
    loop {
        let checked = match exchange.send(&mut body, &tries).await {
            Ok(reply) => first_piece(reply).await,
            Err(unread) => Err(unread),
        };
        match checked {
            Ok(()) => {
                exchange.remember(&tries);
                return Ok(());
            }
            Err(unread) => match least_tokens(&unread).filter(|least| body.raise_max_tokens(*least)) {
                Some(least) => tracing::info!(least, "the model is checked with the least token limit that it takes"),
                None => exchange.learn(&mut tries, &body, unread)?,
            },
        }
    }
}

/// The least token limit that a refusal names: `must be at least 32`, `value >= 32`, `should be [32, 8192]`.
fn least_tokens(unread: &Unread) -> Option<u64> {
    let Failure::Upstream(error) = &unread.failure else { return None };
    let words = error.message.to_ascii_lowercase();
    if error.kind != ErrorKind::BadRequest || !words.contains("tokens") {
        return None;
    }
    let (_, behind) =
        ["at least ", ">= ", ">=", "greater than or equal to ", "minimum value of ", "["].iter().find_map(|mark| {
            words.split_once(mark).filter(|(_, behind)| behind.starts_with(|c: char| c.is_ascii_digit()))
        })?;
    let digits = behind.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|least| (MAX_TOKENS + 1..=MOST_TOKENS).contains(least))
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
    let mut events = match reply.content().await? {
        Body::Events(events) => events,
        Body::Whole(body) => {
            let mut events = WholeEvents::new(&body);
            while let Some(event) = events.next().await? {
                step(&mut state, &event, &meta)?;
            }
            return answered(&state, &meta, &body).map_err(Unread::from);
        }
    };
    while let Some(event) = events.next().await? {
        let done = step(&mut state, &event, &meta)? == Flow::Done;
        if state.is_answer() || state.has_choices() {
            return Ok(());
        }
        if done {
            break;
        }
    }
    answered(&state, &meta, events.excerpt()).map_err(Unread::from)
}

fn step(state: &mut StreamState, event: &Event, meta: &ReplyMeta) -> Result<Flow, Failure> {
    let data = repair(&event.data);
    let mut pieces: Vec<Output<'_>> = Vec::new();
    Ok(state.event(event, &data, meta, &mut pieces)?)
}
