//! The output of one session that has not left yet.

use super::outbox::Shared;
use super::output::Merging;
use super::protocol::outbound::{self, TextFrame};
use super::{ErrorKind, InvokeError};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// A session whose output waits with this many bytes or more waits itself.
const ROOM: usize = 16 * 1024;
/// The same while all sessions together hold more than [`PRESSURE`] bytes, so that thousands of sessions in front of
/// a host that does not read stay cheap.
const ROOM_UNDER_PRESSURE: usize = 2 * 1024;
const PRESSURE: usize = 32 * 1024 * 1024;
/// The longest text of one chunk. Escaped it grows at most sixfold, so its line keeps far below the host's limit.
pub(crate) const MAX_CHUNK_TEXT: usize = 256 * 1024;

/// One item; its index was given when it was queued, so merging leaves no gaps.
#[derive(Debug)]
pub(crate) enum Item {
    /// Text that may still grow.
    Text { index: u64, text: String },
    /// A whole line.
    Line(Vec<u8>),
    /// A question to the host whether anybody still listens.
    Probe { number: u64, line: Vec<u8> },
}

impl Item {
    pub(crate) const fn weight(&self) -> usize {
        match self {
            Self::Text { text, .. } => text.len(),
            Self::Line(line) | Self::Probe { line, .. } => line.len(),
        }
    }
}

/// What [`Lane::take`] found, and when the lane wants its next turn.
pub(crate) struct Taken {
    pub(crate) item: Option<Item>,
    pub(crate) again: Option<Instant>,
}

/// The queue of one session between its handler and the writer.
pub(crate) struct Lane {
    shared: Arc<Shared>,
    session_id: String,
    frame: OnceLock<TextFrame>,
    state: Mutex<State>,
    room: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Item>,
    bytes: usize,
    place: Place,
    next_index: u64,
    merging: Merging,
    /// Until when text waits for company.
    held_until: Option<Instant>,
    /// Somebody waits for room.
    waiting: bool,
    ended: bool,
}

/// Where the lane stands in the writer's round.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Idle,
    Ready,
    Delayed(Instant),
}

impl Lane {
    pub(crate) fn new(shared: Arc<Shared>, session_id: &str) -> Arc<Self> {
        Arc::new(Self {
            shared,
            session_id: session_id.to_owned(),
            frame: OnceLock::new(),
            state: Mutex::default(),
            room: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the model of the text chunks; before the first [`text`](Self::text).
    pub(crate) fn set_model(&self, model: &str) -> Result<(), InvokeError> {
        let frame = TextFrame::new(&self.session_id, model)?;
        self.frame.get_or_init(|| frame);
        Ok(())
    }

    pub(crate) fn set_merging(&self, merging: Merging) {
        self.state().merging = merging;
    }

    pub(crate) fn session_id(&self) -> &str {
        &self.session_id
    }

    /// Queues text as a chunk, or behind text that still waits. Waits for room.
    pub(crate) async fn text(self: &Arc<Self>, text: &str) -> Result<(), InvokeError> {
        while !self.with_room(|state| state.append(text))? {
            self.wait_for_room().await?;
        }
        Ok(())
    }

    /// Queues a chunk of another kind; `encode` is given its index. Waits for room.
    pub(crate) async fn chunk(
        self: &Arc<Self>,
        encode: impl Fn(u64) -> Result<Vec<u8>, InvokeError>,
    ) -> Result<(), InvokeError> {
        loop {
            let mut failed = None;
            let queued = self.with_room(|state| match encode(state.next_index) {
                Ok(line) => {
                    state.next_index += 1;
                    state.push(Item::Line(line))
                }
                Err(error) => {
                    failed = Some(error);
                    0
                }
            })?;
            match failed {
                Some(error) => return Err(error),
                None if queued => return Ok(()),
                None => self.wait_for_room().await?,
            }
        }
    }

    /// Queues the one result of an action.
    pub(crate) fn result(self: &Arc<Self>, line: Vec<u8>) {
        self.push_now(Item::Line(line));
    }

    /// Queues a probe.
    pub(crate) fn probe(self: &Arc<Self>, number: u64, line: Vec<u8>) {
        self.push_now(Item::Probe { number, line });
    }

    /// Queues the session's last lines: an error if there is one, and always `end`. Later output of the session,
    /// this included, goes nowhere.
    pub(crate) fn end(self: &Arc<Self>, failure: Option<&InvokeError>) {
        if let Some(error) = failure {
            self.push_now(Item::Line(outbound::error(&self.session_id, error)));
        }
        self.push_now(Item::Line(outbound::end(&self.session_id)));
        let mut state = self.state();
        state.ended = true;
        state.waiting = false;
        drop(state);
        self.room.notify_one();
    }

    /// Drops what has not left: nobody listens.
    pub(crate) fn discard(&self) {
        let mut state = self.state();
        state.queue.clear();
        let bytes = std::mem::take(&mut state.bytes);
        drop(state);
        self.shared.sub_waiting(bytes);
    }

    /// The writer's turn.
    pub(crate) fn take(&self, now: Instant) -> Taken {
        let mut state = self.state();
        let item = state.queue.pop_front();
        let weight = item.as_ref().map_or(0, Item::weight);
        state.bytes -= weight;
        if let (Merging::Window(window), Some(Item::Text { .. })) = (state.merging, &item) {
            state.held_until = Some(now + window);
        }
        let again = if state.queue.is_empty() { None } else { Some(state.held(now).unwrap_or(now)) };
        state.place = match again {
            None => Place::Idle,
            Some(due) if due > now => Place::Delayed(due),
            Some(_) => Place::Ready,
        };
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.shared.sub_waiting(weight);
        if waiting {
            self.room.notify_one();
        }
        Taken { item, again }
    }

    /// Whether a turn that was put off until `due` is still wanted.
    pub(crate) fn promote(&self, due: Instant) -> bool {
        let mut state = self.state();
        let wanted = state.place == Place::Delayed(due);
        if wanted {
            state.place = Place::Ready;
        }
        wanted
    }

    /// Writes an item of this lane as a line.
    pub(crate) fn encode(&self, item: &Item, batch: &mut Vec<u8>) {
        match (item, self.frame.get()) {
            (Item::Text { index, text }, Some(frame)) => frame.write(batch, *index, text),
            (Item::Text { .. }, None) => {}
            (Item::Line(line) | Item::Probe { line, .. }, _) => batch.extend_from_slice(line),
        }
    }

    /// Runs `queue` if there is room. `queue` tells how many bytes it has added.
    fn with_room(self: &Arc<Self>, queue: impl FnOnce(&mut State) -> usize) -> Result<bool, InvokeError> {
        let room = if self.shared.waiting() > PRESSURE { ROOM_UNDER_PRESSURE } else { ROOM };
        let mut state = self.state();
        if state.ended || self.shared.closed().is_cancelled() {
            return Err(InvokeError::new(ErrorKind::Connection, "the session has ended"));
        }
        if state.bytes >= room {
            state.waiting = true;
            return Ok(false);
        }
        let bytes = queue(&mut state);
        self.schedule(state, bytes);
        Ok(true)
    }

    async fn wait_for_room(&self) -> Result<(), InvokeError> {
        tokio::select! {
            () = self.room.notified() => Ok(()),
            () = self.shared.closed().cancelled() => {
                Err(InvokeError::new(ErrorKind::Connection, "the host reads no more"))
            }
        }
    }

    fn push_now(self: &Arc<Self>, item: Item) {
        let mut state = self.state();
        if state.ended {
            return;
        }
        let bytes = state.push(item);
        self.schedule(state, bytes);
    }

    /// Takes a place in the round, if there is something to say and no place yet.
    fn schedule(self: &Arc<Self>, mut state: MutexGuard<'_, State>, bytes: usize) {
        self.shared.add_waiting(bytes);
        if state.queue.is_empty() || state.place == Place::Ready {
            return;
        }
        // The clock is only asked where a window makes it matter.
        let held = match state.held_until {
            Some(_) => state.held(Instant::now()),
            None => None,
        };
        let before = state.place;
        state.place = held.map_or(Place::Ready, Place::Delayed);
        if state.place == before {
            return;
        }
        // The writer locks the round first and a lane second, so a lane is let go before the round is locked.
        drop(state);
        match held {
            Some(due) => self.shared.delay(Arc::clone(self), due),
            None => self.shared.make_ready(Arc::clone(self)),
        }
    }
}

impl State {
    fn append(&mut self, text: &str) -> usize {
        let merge = self.merging != Merging::Off;
        match self.queue.back_mut() {
            Some(Item::Text { text: waiting, .. }) if merge && waiting.len() + text.len() <= MAX_CHUNK_TEXT => {
                waiting.push_str(text);
                self.bytes += text.len();
                text.len()
            }
            _ => {
                let index = self.next_index;
                self.next_index += 1;
                self.push(Item::Text { index, text: text.to_owned() })
            }
        }
    }

    fn push(&mut self, item: Item) -> usize {
        let weight = item.weight();
        self.bytes += weight;
        self.queue.push_back(item);
        weight
    }

    /// Until when the lane should wait for company: only text waits, and only while it is alone and small.
    fn held(&self, now: Instant) -> Option<Instant> {
        let alone = self.queue.len() == 1 && matches!(self.queue.front(), Some(Item::Text { .. }));
        self.held_until.filter(|due| *due > now && alone && self.bytes < ROOM_UNDER_PRESSURE)
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}
