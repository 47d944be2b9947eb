//! One call and its answer: sends, reads, and tries once more without what the upstream refuses.

use super::media;
use super::request::{MAX_COMPLETION_TOKENS, MAX_TOKENS, TextRequest};
use super::stream::{Ending, Flow, Output, StreamState, Wishes};
use crate::gateway::chat::json::repair_surrogates;
use crate::gateway::learned::{self, Learned};
use crate::gateway::sse::Framer;
use crate::gateway::{Accept, Call, Error, ErrorKind, Event, Events, Origin, Reply, ReplyMeta, Route, send};
use crate::runtime::entities::ContentPart;
use crate::runtime::{Context, InvokeError, LlmOutput};
use http::HeaderMap;
use std::time::Duration;
use tokio::time::timeout;

/// How long the rest of an answer is read for its usage, when a stop sequence was met and the upstream goes on.
const USAGE_WAIT: Duration = Duration::from_secs(1);

/// Why there is no answer.
pub(super) enum Failure {
    /// The gateway or the upstream failed.
    Upstream(Error),
    /// The request cannot be sent, or nobody reads the answer any more.
    Host(InvokeError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Upstream(error)
    }
}

impl From<InvokeError> for Failure {
    fn from(error: InvokeError) -> Self {
        Self::Host(error)
    }
}

impl From<Failure> for InvokeError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Upstream(error) => error.into(),
            Failure::Host(error) => error,
        }
    }
}

/// What a call goes with.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub(super) cx: &'a Context,
    pub(super) route: &'a Route,
    pub(super) model: &'a str,
    pub(super) headers: HeaderMap,
    pub(super) stream: bool,
    /// A shorter limit for the whole call than the route's.
    pub(super) total_timeout: Option<Duration>,
}

impl Exchange<'_> {
    /// Sends `request` and hands the answer's pieces to `out` as they come. What is left to send is in the ending.
    pub(super) async fn answer(
        &self,
        request: &mut TextRequest<'_>,
        wishes: &Wishes<'_>,
        out: &mut LlmOutput,
    ) -> Result<Ending, Failure> {
        let mut tries = self.tries();
        loop {
            let answer = match self.send(request, &tries).await {
                Ok(reply) => self.read(reply, wishes, out).await,
                Err(unread) => Err(unread),
            };
            match answer {
                Ok(ending) => return Ok(ending),
                Err(unread) => self.learn(&mut tries, request, unread)?,
            }
        }
    }

    /// The tries of one call, with what is known of the model on this route.
    pub(super) fn tries(&self) -> Tries {
        self.cx.record(|record| {
            record.endpoint = Some(self.route.endpoint.to_string());
            record.upstream_model = Some(self.model.to_owned());
        });
        Tries { learned: learned::get(&self.route.endpoint, self.model), left: 2 }
    }

    /// Sends `request` once.
    pub(super) async fn send(&self, request: &mut TextRequest<'_>, tries: &Tries) -> Result<Reply, Unread> {
        let bytes = request.bytes(tries.learned)?;
        let mut call = Call::post_json(request.path(), bytes);
        call.headers.clone_from(&self.headers);
        call.accept = if self.stream { Accept::EventStream } else { Accept::Any };
        call.total_timeout = self.total_timeout;
        let reply = send(self.route, &call).await?;
        self.cx.record(|record| {
            record.status = Some(reply.status.as_u16());
            record.origin = reply.meta.origin.map(origin);
            record.request_id.clone_from(&reply.meta.request_id);
            record.retries += reply.retries;
        });
        Ok(reply)
    }

    /// Decides what follows a failure: another try, when nothing of an answer came and the upstream refused a field
    /// that can be left out or named otherwise. That is remembered for the model on this route.
    ///
    /// # Errors
    ///
    /// The failure, when there is nothing to be learned from it.
    pub(super) fn learn(&self, tries: &mut Tries, request: &TextRequest<'_>, unread: Unread) -> Result<(), Failure> {
        let error = match unread.failure {
            Failure::Upstream(error) => error,
            host @ Failure::Host(_) => return Err(host),
        };
        self.cx.record(|record| {
            record.status = error.status.or(record.status);
            record.origin = error.origin.map(origin).or(record.origin);
            record.request_id = error.request_id.clone().or(record.request_id.take());
        });
        let better = if unread.began || tries.left == 0 { None } else { lesson(request, tries.learned, &error) };
        let Some(better) = better else { return Err(error.into()) };
        tries.learned = better;
        tries.left -= 1;
        learned::note(&self.route.endpoint, self.model, |fact| {
            fact.usage_refused = better.usage_refused;
            fact.token_param = better.token_param;
        });
        self.cx.record(|record| record.retries += 1);
        Ok(())
    }

    /// Reads a reply by its own content type, whatever was asked for.
    async fn read(&self, reply: Reply, wishes: &Wishes<'_>, out: &mut LlmOutput) -> Result<Ending, Unread> {
        let mut state = StreamState::new(wishes);
        let meta = reply.meta.clone();
        let read = if reply.is_event_stream() {
            read_stream(reply.events(), &mut state, &meta, out).await
        } else {
            read_whole(reply, &mut state, &meta, out).await
        };
        let began = state.is_answer();
        let finished = match read {
            Ok(()) => {
                let mut pieces = Vec::new();
                let ending = state.finish(&mut pieces);
                deliver(pieces, out).await.map_err(Failure::from).and_then(|()| ending.map_err(Failure::from))
            }
            Err(failure) => {
                let mut pieces = Vec::new();
                state.abort(&mut pieces);
                deliver(pieces, out).await?;
                Err(failure)
            }
        };
        finished.map_err(|failure| Unread { failure, began })
    }
}

/// The tries of one call: each of two facts can be learned once.
#[derive(Debug)]
pub(super) struct Tries {
    learned: Learned,
    left: u8,
}

/// A failure, and whether anything of an answer had come by then.
pub(super) struct Unread {
    pub(super) failure: Failure,
    pub(super) began: bool,
}

impl<F: Into<Failure>> From<F> for Unread {
    fn from(failure: F) -> Self {
        Self { failure: failure.into(), began: false }
    }
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Gateway => "gateway",
        Origin::Provider => "provider",
    }
}

/// What a refusal teaches about a model; none when it teaches nothing new.
fn lesson(request: &TextRequest<'_>, learned: Learned, error: &Error) -> Option<Learned> {
    if error.kind != ErrorKind::BadRequest {
        return None;
    }
    let words = error.message.to_ascii_lowercase();
    let names = |field: &str| words.contains(field);
    if request.include_usage && !learned.usage_refused && (names("stream_options") || names("include_usage")) {
        return Some(Learned { usage_refused: true, ..learned });
    }
    if !request.token_param_is_open() {
        return None;
    }
    let unknown =
        ["unsupported", "not supported", "unknown", "unrecognized", "not permitted", "unexpected", "extra", "use "]
            .iter()
            .any(|word| names(word));
    let better = match request.token_param(learned)? {
        MAX_TOKENS if names(MAX_COMPLETION_TOKENS) => MAX_COMPLETION_TOKENS,
        MAX_COMPLETION_TOKENS if unknown && names(MAX_COMPLETION_TOKENS) => MAX_TOKENS,
        _ => return None,
    };
    Some(Learned { token_param: Some(better), ..learned })
}

async fn read_stream(
    mut events: Events,
    state: &mut StreamState,
    meta: &ReplyMeta,
    out: &mut LlmOutput,
) -> Result<(), Failure> {
    loop {
        let event = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(error) if state.is_finished() && is_break(&error) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match take(&event, state, meta, out).await? {
            Flow::Continue => {}
            Flow::Done => {
                events.finish().await;
                return answered(state, meta, b"");
            }
            Flow::Cut => {
                // Ends in time or not: the answer is there.
                let _ = timeout(USAGE_WAIT, read_usage(&mut events, state, meta)).await;
                return Ok(());
            }
        }
    }
    if !state.is_answer() {
        // A body that says it is a stream, and is one JSON text.
        let body = String::from_utf8_lossy(events.excerpt()).into_owned();
        if serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok() {
            take(&Event { data: body, ..Event::default() }, state, meta, out).await?;
        }
    }
    answered(state, meta, events.excerpt())
}

/// Whether the transfer ended before its time.
fn is_break(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Interrupted | ErrorKind::Timeout)
}

/// Reads on, for the usage only.
async fn read_usage(events: &mut Events, state: &mut StreamState, meta: &ReplyMeta) {
    while let Ok(Some(event)) = events.next().await {
        let data = repair_surrogates(&event.data);
        match state.event(&event, &data, meta, &mut Vec::new()) {
            Ok(Flow::Done) | Err(_) => return,
            Ok(Flow::Continue | Flow::Cut) => {}
        }
    }
}

async fn read_whole(
    reply: Reply,
    state: &mut StreamState,
    meta: &ReplyMeta,
    out: &mut LlmOutput,
) -> Result<(), Failure> {
    let body = reply.bytes().await?;
    for event in events_of(&body)? {
        if take(&event, state, meta, out).await? == Flow::Done {
            break;
        }
    }
    answered(state, meta, &body)
}

/// A whole body: one answer, or a stream of events that does not say so.
pub(super) fn events_of(body: &[u8]) -> Result<Vec<Event>, Error> {
    let text = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii_start();
    if ![&b"data:"[..], b"event:", b"id:", b":"].iter().any(|field| text.starts_with(field)) {
        let data = String::from_utf8_lossy(text).into_owned();
        return Ok(vec![Event { data, ..Event::default() }]);
    }
    let mut framer = Framer::default();
    framer.push(body)?;
    framer.finish()?;
    Ok(std::iter::from_fn(|| framer.pop()).collect())
}

/// One event: what it adds to the answer leaves at once.
async fn take(event: &Event, state: &mut StreamState, meta: &ReplyMeta, out: &mut LlmOutput) -> Result<Flow, Failure> {
    let data = repair_surrogates(&event.data);
    let mut pieces = Vec::new();
    let flow = state.event(event, &data, meta, &mut pieces);
    deliver(pieces, out).await?;
    Ok(flow?)
}

async fn deliver(pieces: Vec<Output<'_>>, out: &mut LlmOutput) -> Result<(), InvokeError> {
    for piece in pieces {
        match piece {
            Output::Text(text) => out.text(&text).await?,
            Output::Image(address) => out.parts(vec![ContentPart::Media(media::picture(address))]).await?,
        }
    }
    Ok(())
}

/// A clean end is an answer if anything was delivered: a masking plugin of the gateway strips reason and mark.
pub(super) fn answered(state: &StreamState, meta: &ReplyMeta, body: &[u8]) -> Result<(), Failure> {
    if state.is_answer() { Ok(()) } else { Err(meta.undecodable("there is no answer in the reply", body).into()) }
}

#[cfg(test)]
mod tests;
