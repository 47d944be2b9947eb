//! A reply's body, read under its time-outs and caps.

use super::held::{Held, Room};
use super::reply_meta::ReplyMeta;
use super::{Deadline, Error, ErrorKind, transport};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;

/// The largest body that is read whole, in bytes, decompressed. The largest answers are pictures in Base64 and vectors.
pub const MAX_BODY: usize = 64 << 20;

/// The unread rest of a body. Dropping it closes the connection, unless all was read.
pub(super) struct Body {
    pub(super) response: reqwest::Response,
    pub(super) meta: ReplyMeta,
    pub(super) room: Room,
    /// Whether, by the headers, the connection's end is the body's: then one that was cut looks like a whole one. Also
    /// of a packed body with a length, for the client takes that away as it unpacks.
    pub(super) ends_by_close: bool,
    pub(super) idle_timeout: Duration,
    pub(super) deadline: Deadline,
}

impl Body {
    /// The next piece, decompressed; `None` at a clean end. Safe to cancel.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        // A peer that is always ready must neither starve its neighbours nor outrun the clock.
        tokio::task::coop::consume_budget().await;
        let now = Instant::now();
        let end = self.deadline.at();
        if now >= end {
            return Err(self.overdue());
        }
        let until = now.checked_add(self.idle_timeout).map_or(end, |idle| idle.min(end));
        match tokio::time::timeout_at(until, self.response.chunk()).await {
            Ok(read) => read.map_err(|error| self.broken(&error)),
            Err(_) if until == end => Err(self.overdue()),
            Err(_) => {
                let seconds = self.idle_timeout.as_secs_f64();
                let message = format!("The answer stopped: nothing more came for {seconds} s (idle_timeout)");
                let error = self.meta.error(ErrorKind::Timeout, message);
                Err(error.advise("Try again, or raise idle_timeout in advanced_options"))
            }
        }
    }

    /// All of it behind `all`, which was read before; at most `limit` bytes. What is over the limit is not read.
    pub(super) async fn read_to_end(&mut self, mut all: Vec<u8>, limit: usize) -> Result<Bytes, Error> {
        let announced = self.response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        if announced > limit {
            return Err(self.too_large(limit));
        }
        let mut held = self.room.clone().hold();
        while let Some(piece) = self.chunk().await? {
            let length = all.len() + piece.len();
            if length > limit {
                return Err(self.too_large(limit));
            }
            self.make_room_for(length, &mut held).await?;
            // What was announced is believed once it has begun to come.
            let believed = announced.saturating_sub(all.len()).min(length.saturating_mul(2));
            all.reserve(believed.max(piece.len()));
            all.extend_from_slice(&piece);
        }
        Ok(Bytes::from_owner(Whole { bytes: all, _held: held }))
    }

    /// Waits until `bytes` may be held; not longer than the whole call may take.
    pub(super) async fn make_room_for(&self, bytes: usize, held: &mut Held) -> Result<(), Error> {
        if held.has_room_for(bytes) {
            return Ok(());
        }
        tokio::time::timeout_at(self.deadline.at(), held.make_room_for(bytes)).await.map_err(|_| self.overdue())
    }

    /// The beginning of it, at most `limit` bytes: what came until the end, an error, or `patience` is over.
    pub(super) async fn read_beginning(&mut self, limit: usize, patience: Duration) -> Vec<u8> {
        let mut head = Vec::new();
        let read = async {
            while let Ok(Some(piece)) = self.chunk().await {
                head.extend_from_slice(piece.get(..limit - head.len()).unwrap_or(&piece));
                if head.len() >= limit {
                    break;
                }
            }
        };
        // A body that stalls still has a status and headers to be told.
        let _ = tokio::time::timeout(patience, read).await;
        head
    }

    fn too_large(&self, limit: usize) -> Error {
        let message = format!("The answer is larger than {} MiB", limit >> 20);
        self.meta.error(ErrorKind::TooLarge, message).advise("Ask for less in one call")
    }

    fn overdue(&self) -> Error {
        let message = format!("The call was not complete after {}", self.deadline);
        self.meta.error(ErrorKind::Timeout, message).advise(self.deadline.advice("Ask for less in one call"))
    }

    fn broken(&self, error: &reqwest::Error) -> Error {
        let (kind, message) = transport::broken_body(error);
        let error = self.meta.error(kind, self.meta.excerpt(&message));
        error.advise("Try again; if it happens again, look at the gateway's log and its time-outs")
    }
}

/// A whole body; it takes its room until it has been used.
struct Whole {
    bytes: Vec<u8>,
    _held: Held,
}

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("meta", &self.meta).finish_non_exhaustive()
    }
}
