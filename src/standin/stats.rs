//! Counters: what a test or a person asks a stand-in about.

use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of one stand-in.
#[derive(Debug, Default)]
pub(super) struct Stats {
    connections_opened: AtomicU64,
    connections_closed: AtomicU64,
    requests: AtomicU64,
    requests_ended: AtomicU64,
    rejected: AtomicU64,
    aborted: AtomicU64,
    chunks: AtomicU64,
}

/// The counters at one moment, since the start. `GET /standin/stats` gives the same as JSON. Calls of the stand-in's
/// own paths are not counted as requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Connections accepted.
    pub connections_opened: u64,
    /// Connections that are still there.
    pub connections_open: u64,
    /// Requests received.
    pub requests: u64,
    /// Requests whose answer is still on its way.
    pub requests_in_flight: u64,
    /// Requests that authentication refused.
    pub rejected: u64,
    /// Requests whose caller left before the answer was whole.
    pub aborted: u64,
    /// Events handed to connections in streamed answers.
    pub chunks: u64,
}

impl Stats {
    pub(super) fn snapshot(&self) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        // The smaller of each pair is read first, so that no difference is ever negative.
        let (closed, ended) = (read(&self.connections_closed), read(&self.requests_ended));
        let (opened, requests) = (read(&self.connections_opened), read(&self.requests));
        Snapshot {
            connections_opened: opened,
            connections_open: opened.saturating_sub(closed),
            requests,
            requests_in_flight: requests.saturating_sub(ended),
            rejected: read(&self.rejected),
            aborted: read(&self.aborted),
            chunks: read(&self.chunks),
        }
    }

    pub(super) fn connection_opened(&self) {
        count(&self.connections_opened);
    }

    pub(super) fn connection_closed(&self) {
        count(&self.connections_closed);
    }

    pub(super) fn rejected(&self) {
        count(&self.rejected);
    }

    pub(super) fn chunks(&self, number: u64) {
        self.chunks.fetch_add(number, Ordering::SeqCst);
    }

    /// Counts a request; it is in flight until the guard is gone.
    pub(super) fn request(self: &Arc<Self>) -> InFlight {
        count(&self.requests);
        InFlight { stats: Arc::clone(self), whole: false }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::SeqCst);
}

/// A request on its way. Dropped before [`whole`](Self::whole) was called, its caller has left.
#[derive(Debug)]
pub(super) struct InFlight {
    stats: Arc<Stats>,
    whole: bool,
}

impl InFlight {
    /// The answer was given as it was meant to be given.
    pub(super) fn whole(&mut self) {
        self.whole = true;
    }

    pub(super) fn stats(&self) -> &Stats {
        &self.stats
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        count(&self.stats.requests_ended);
        if !self.whole {
            count(&self.stats.aborted);
        }
    }
}
