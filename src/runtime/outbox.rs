//! Everything that leaves the process, in the order in which it leaves.
//!
//! Sessions put their output into [`Lane`]s, one each. One writer empties the [`Drain`]: first the heartbeat when it
//! is due, then notices (log and error events), then one item of each lane that has some, in turn. So a loud
//! session delays a quiet one by one item, and a writer that is held up by a slow host finds text that has been
//! merged meanwhile.

use super::lane::{Item, Lane, Taken};
use super::protocol::outbound;
use std::cmp::{Ordering as Order, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// About how much one batch holds. Half a pipe: enough to make a write cheap, and little enough that what follows can
/// still be merged or overtaken.
const BATCH_BYTES: usize = 32 * 1024;
/// How many notices may wait, and how many bytes of them. More are dropped and counted.
const MAX_NOTICES: usize = 256;
const MAX_NOTICE_BYTES: usize = 256 * 1024;

/// The writing end: cheap to clone, shared by all sessions of a connection.
#[derive(Clone)]
pub struct Outbox(Arc<Shared>);

/// The reading end, for exactly one writer. Dropping it closes the outbox: nothing can leave any more.
pub struct Drain {
    shared: Arc<Shared>,
    heartbeat: Option<(Duration, Instant)>,
    picked: Vec<(Arc<Lane>, Item)>,
    sessions: usize,
    written: u64,
    batch_end: u64,
    probes: Vec<WrittenProbe>,
}

/// A probe that has been written, and where in the stream it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrittenProbe {
    pub(crate) number: u64,
    pub(crate) position: u64,
}

pub(crate) struct Shared {
    queues: Mutex<Queues>,
    wake: Notify,
    closed: CancellationToken,
    flushed: CancellationToken,
    waiting_bytes: AtomicUsize,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Queues {
    ready: VecDeque<Arc<Lane>>,
    delayed: BinaryHeap<Reverse<Delayed>>,
    notices: VecDeque<Vec<u8>>,
    notice_bytes: usize,
    dropped_notices: u64,
    finishing: bool,
}

#[derive(Default)]
struct Progress {
    written: u64,
    probes: Vec<WrittenProbe>,
}

struct Delayed {
    due: Instant,
    lane: Arc<Lane>,
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Delayed {}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> Order {
        self.due.cmp(&other.due)
    }
}

impl Outbox {
    /// An outbox and its reading end. With `heartbeat`, the first beat leaves at once and then one every period,
    /// ahead of everything else.
    pub fn new(heartbeat: Option<Duration>) -> (Self, Drain) {
        let shared = Arc::new(Shared {
            queues: Mutex::default(),
            wake: Notify::new(),
            closed: CancellationToken::new(),
            flushed: CancellationToken::new(),
            waiting_bytes: AtomicUsize::new(0),
            progress: Mutex::default(),
        });
        let drain = Drain {
            shared: Arc::clone(&shared),
            heartbeat: heartbeat.map(|period| (period, Instant::now())),
            picked: Vec::new(),
            sessions: 0,
            written: 0,
            batch_end: 0,
            probes: Vec::new(),
        };
        (Self(shared), drain)
    }

    /// The queue of one session.
    pub(crate) fn lane(&self, session_id: &str) -> Arc<Lane> {
        Lane::new(Arc::clone(&self.0), session_id)
    }

    /// A line that belongs to no session. It goes ahead of session output, and is dropped, and counted, when too
    /// many wait.
    pub(crate) fn notice(&self, line: Vec<u8>) {
        let mut queues = self.0.queues();
        if queues.notices.len() >= MAX_NOTICES || queues.notice_bytes + line.len() > MAX_NOTICE_BYTES {
            queues.dropped_notices += 1;
            return;
        }
        queues.notice_bytes += line.len();
        queues.notices.push_back(line);
        drop(queues);
        self.0.wake.notify_one();
    }

    /// Lets the writer end when everything has left.
    pub fn finish(&self) {
        self.0.queues().finishing = true;
        self.0.wake.notify_one();
    }

    /// Waits until everything has been written behind [`finish`](Self::finish); `false` when nothing can leave any
    /// more before that.
    pub async fn flushed(&self) -> bool {
        tokio::select! {
            biased;
            () = self.0.flushed.cancelled() => true,
            // Both may have happened since the line above looked.
            () = self.0.closed.cancelled() => self.0.flushed.is_cancelled(),
        }
    }

    /// Resolves when nothing can leave any more: the host is gone.
    pub async fn closed(&self) {
        self.0.closed.cancelled().await;
    }

    /// Bytes written so far.
    pub(crate) fn written(&self) -> u64 {
        self.0.progress().written
    }

    /// Probes that have been written since the last call.
    pub(crate) fn take_written_probes(&self) -> Vec<WrittenProbe> {
        std::mem::take(&mut self.0.progress().probes)
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("waiting_bytes", &self.0.waiting_bytes).finish_non_exhaustive()
    }
}

impl Shared {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives `lane` its place in the round.
    pub(crate) fn make_ready(&self, lane: Arc<Lane>) {
        self.queues().ready.push_back(lane);
        self.wake.notify_one();
    }

    /// Gives `lane` its place in the round at `due`.
    pub(crate) fn delay(&self, lane: Arc<Lane>, due: Instant) {
        self.queues().delayed.push(Reverse(Delayed { due, lane }));
        self.wake.notify_one();
    }

    /// Counts bytes that wait in lanes.
    pub(crate) fn add_waiting(&self, bytes: usize) {
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that wait no longer.
    pub(crate) fn sub_waiting(&self, bytes: usize) {
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that wait in all lanes.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    pub(crate) const fn closed(&self) -> &CancellationToken {
        &self.closed
    }
}

impl Drain {
    /// Waits for output and replaces the content of `batch` with whole lines, each with its newline. `false` when
    /// the outbox is finished and everything has left. After the batch has been written, call
    /// [`written`](Self::written).
    pub async fn next(&mut self, batch: &mut Vec<u8>) -> bool {
        batch.clear();
        loop {
            let now = Instant::now();
            self.beat(now, batch);
            let Round { wake_at, finished } = self.round(now, batch);
            if !batch.is_empty() {
                self.batch_end = self.written + batch.len() as u64;
                return true;
            }
            if finished {
                self.shared.flushed.cancel();
                return false;
            }
            match earliest(wake_at, self.heartbeat.map(|(_, due)| due)) {
                // The timer only ends the wait; what to do is found out above either way.
                Some(due) => drop(tokio::time::timeout_at(due, self.shared.wake.notified()).await),
                None => self.shared.wake.notified().await,
            }
        }
    }

    /// The last batch is in the stream.
    pub fn written(&mut self) {
        self.written = self.batch_end;
        let mut progress = self.shared.progress();
        progress.written = self.written;
        progress.probes.append(&mut self.probes);
    }

    /// How many sessions had output when the last batch was made.
    pub(crate) const fn sessions(&self) -> usize {
        self.sessions
    }

    fn beat(&mut self, now: Instant, batch: &mut Vec<u8>) {
        let Some((period, due)) = &mut self.heartbeat else { return };
        if now < *due {
            return;
        }
        batch.extend_from_slice(outbound::HEARTBEAT);
        // Kept in step with the clock, but beats that a stalled host has missed are not made up for.
        *due += *period;
        if *due <= now {
            *due = now + *period;
        }
    }

    /// One batch of notices and lane items.
    fn round(&mut self, now: Instant, batch: &mut Vec<u8>) -> Round {
        let mut queues = self.shared.queues();
        for notice in queues.notices.drain(..) {
            batch.extend_from_slice(&notice);
        }
        queues.notice_bytes = 0;
        let dropped = std::mem::take(&mut queues.dropped_notices);
        if dropped > 0 {
            let text = format!("{dropped} log and error events were dropped because the host reads too slowly");
            outbound::log(batch, "WARN", &text);
        }
        while let Some(Reverse(next)) = queues.delayed.peek() {
            if next.due > now {
                break;
            }
            if let Some(Reverse(Delayed { due, lane })) = queues.delayed.pop()
                && lane.promote(due)
            {
                queues.ready.push_back(lane);
            }
        }
        self.sessions = queues.ready.len();
        let mut bytes = batch.len();
        while bytes < BATCH_BYTES
            && let Some(lane) = queues.ready.pop_front()
        {
            let Taken { item, again } = lane.take(now);
            match again {
                Some(due) if due > now => queues.delayed.push(Reverse(Delayed { due, lane: Arc::clone(&lane) })),
                Some(_) => queues.ready.push_back(Arc::clone(&lane)),
                None => {}
            }
            if let Some(item) = item {
                bytes += item.weight();
                self.picked.push((lane, item));
            }
        }
        let finished = queues.finishing && queues.ready.is_empty() && queues.delayed.is_empty();
        let wake_at = queues.delayed.peek().map(|Reverse(next)| next.due);
        // Encoding is the larger part of the work, and needs no lock.
        drop(queues);
        for (lane, item) in self.picked.drain(..) {
            lane.encode(&item, batch);
            if let Item::Probe { number, .. } = item {
                self.probes.push(WrittenProbe { number, position: self.written + batch.len() as u64 });
            }
        }
        Round { wake_at, finished }
    }
}

struct Round {
    wake_at: Option<Instant>,
    finished: bool,
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.shared.closed.cancel();
        self.shared.queues().ready.clear();
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").field("written", &self.written).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    /// The writer closes the outbox right behind its last batch.
    #[tokio::test]
    async fn a_writer_that_ends_at_any_moment_has_flushed() {
        for _ in 0..20_000 {
            let (outbox, mut drain) = Outbox::new(None);
            outbox.finish();
            let writer = std::thread::spawn(move || {
                assert!(drain.next(&mut Vec::new()).now_or_never() == Some(false), "nothing is left");
            });
            assert!(outbox.flushed().await, "everything has left");
            writer.join().unwrap();
        }
    }
}
