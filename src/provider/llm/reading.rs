//! Reads one reply: event by event or whole, by what it turns out to be.

use super::exchange::{Failure, Unread};
use super::media;
use super::stream::{Ending, Flow, Output, StreamState, Wishes};
use crate::gateway::chat::surrogates::repair;
use crate::gateway::sse::Framer;
use crate::gateway::{Content, Error, ErrorKind, Event, Events, Reply, ReplyMeta};
use crate::runtime::entities::ContentPart;
use crate::runtime::{InvokeError, LlmOutput};
use serde::de::IgnoredAny;
use std::slice::Chunks;
use std::time::Duration;
use tokio::task::coop::consume_budget;
use tokio::time::timeout;

/// How long the rest of an answer is read for its usage, when a stop sequence was met and the upstream goes on.
const USAGE_WAIT: Duration = Duration::from_secs(1);

/// How much of a whole body is looked through for events at a time.
const PIECE: usize = 64 << 10;

/// Reads `reply` and hands its pieces to `out` as they come. What is left to send is in the ending.
pub(super) async fn read(reply: Reply, wishes: &Wishes<'_>, out: &mut LlmOutput) -> Result<Ending, Unread> {
    let mut state = StreamState::new(wishes);
    let meta = reply.meta.clone();
    let read = match reply.content().await? {
        Content::Events(events) => read_events(*events, &mut state, &meta, out).await,
        Content::Whole(body) => read_whole(&body, &mut state, &meta, out).await,
    };
    let began = state.is_answer();
    let mut pieces = Vec::new();
    let ending = match read {
        Ok(()) => state.finish(&mut pieces).map_err(|error| meta.cleaned(error).into()),
        Err(failure) => {
            state.abort(&mut pieces);
            Err(failure)
        }
    };
    deliver(pieces, out).await.map_err(Failure::from).and(ending).map_err(|failure| Unread { failure, began })
}

async fn read_events(
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
                let answered = answered(state, meta, events.excerpt());
                events.finish().await;
                return answered;
            }
            Flow::Cut => {
                // Ends in time or not: the answer is there.
                let _ = timeout(USAGE_WAIT, read_usage(&mut events, state, meta)).await;
                return Ok(());
            }
        }
    }
    answered(state, meta, events.excerpt())?;
    if events.end_by_close() && !state.is_finished() {
        let message = "The answer broke off before its end: the connection was closed before it was finished";
        let advice = "Try again; if it happens again, look at the gateway's log and its time-outs";
        return Err(meta.error(ErrorKind::Interrupted, message).advise(advice).into());
    }
    Ok(())
}

/// Whether the transfer ended before its time.
fn is_break(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Interrupted | ErrorKind::Timeout)
}

/// Reads on, for the usage only.
async fn read_usage(events: &mut Events, state: &mut StreamState, meta: &ReplyMeta) {
    while let Ok(Some(event)) = events.next().await {
        let data = repair(&event.data);
        match state.event(&event, &data, meta, &mut Vec::new()) {
            Ok(Flow::Done) | Err(_) => return,
            Ok(Flow::Continue | Flow::Cut) => {}
        }
    }
}

async fn read_whole(
    body: &[u8],
    state: &mut StreamState,
    meta: &ReplyMeta,
    out: &mut LlmOutput,
) -> Result<(), Failure> {
    let mut events = WholeEvents::new(body);
    while let Some(event) = events.next().await? {
        if take(&event, state, meta, out).await? == Flow::Done {
            break;
        }
    }
    answered(state, meta, body)
}

/// The events of a whole body: one answer, or what is left of a stream that ended at once. One at a time: a body of
/// millions of small events is far smaller than they are.
pub(super) struct WholeEvents<'a> {
    body: &'a [u8],
    unread: Chunks<'a, u8>,
    framer: Framer,
    at_end: bool,
    found: bool,
}

impl<'a> WholeEvents<'a> {
    /// The events of `body`.
    pub(super) fn new(body: &'a [u8]) -> Self {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii();
        let is_one = serde_json::from_slice::<IgnoredAny>(body).is_ok();
        let unread = if is_one { &[] } else { body };
        Self { body, unread: unread.chunks(PIECE), framer: Framer::default(), at_end: false, found: false }
    }

    /// The next event.
    ///
    /// # Errors
    ///
    /// For one that is too large.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Error> {
        // Nothing else here waits, and there are others to be served.
        consume_budget().await;
        loop {
            if let Some(event) = self.framer.pop() {
                self.found = true;
                return Ok(Some(event));
            }
            if self.at_end {
                // What holds no events is one itself.
                let one = || Event { data: String::from_utf8_lossy(self.body).into_owned(), ..Event::default() };
                return Ok((!std::mem::replace(&mut self.found, true)).then(one));
            }
            match self.unread.next() {
                Some(piece) => self.framer.push(piece)?,
                None => {
                    self.framer.finish()?;
                    self.at_end = true;
                }
            }
        }
    }
}

/// One event: what it adds to the answer leaves at once.
async fn take(event: &Event, state: &mut StreamState, meta: &ReplyMeta, out: &mut LlmOutput) -> Result<Flow, Failure> {
    let data = repair(&event.data);
    let mut pieces = Vec::with_capacity(1); // nearly every event has one
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
