//! The events of one reply.

use super::{Event, Framer};
use crate::gateway::Error;
use crate::gateway::body::Body;
use crate::gateway::held::{FREE, Held};
use bytes::Bytes;
use std::time::Duration;

/// How much of the body is kept to be shown, in bytes: a KiB, and some more in which a secret that is cut there is
/// recognised.
const EXCERPT: usize = 1024 + 256;
/// How long and how far the end of a body is looked for when its last event has come.
const LINGER: Duration = Duration::from_millis(250);
const LINGER_BYTES: usize = 64 << 10;
/// About as much as comes at once.
const PIECE: usize = 16 << 10;

/// The events of a reply, in order. Dropping it closes the connection.
#[derive(Debug)]
pub struct Events {
    body: Body,
    framer: Framer,
    held: Held,
    excerpt: Vec<u8>,
    at_end: bool,
    failure: Option<Error>,
}

impl Events {
    /// The events of `start`, which was read before, and of the body behind it.
    pub(in crate::gateway) fn behind(start: Vec<u8>, body: Body) -> Self {
        let held = body.room.clone().hold();
        let mut events =
            Self { body, framer: Framer::default(), held, excerpt: Vec::new(), at_end: false, failure: None };
        events.take(Ok(Some(Bytes::from(start))));
        events
    }

    /// The next event; `None` at a clean end. Safe to cancel: no event is lost.
    ///
    /// # Errors
    /// After the events that came: [`super::super::ErrorKind::Interrupted`] for a transfer that broke off,
    /// [`super::super::ErrorKind::Timeout`] when nothing came in time, [`super::super::ErrorKind::TooLarge`] for an event
    /// over [`super::MAX_EVENT`].
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.framer.pop() {
                return Ok(Some(event));
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if self.at_end {
                return Ok(None);
            }
            let needed = self.framer.unfinished() + PIECE;
            // Not before: an event that was large is in use until the next one is asked for.
            if needed <= FREE {
                self.held.release();
            }
            let piece = match self.body.make_room_for(needed, &mut self.held).await {
                Ok(()) => self.body.chunk().await,
                Err(overdue) => Err(overdue),
            };
            self.take(piece);
        }
    }

    /// Call this when the last event that counts has come: looks for the end of the body for a moment, so that the
    /// connection can serve the next call. Otherwise it is closed.
    pub async fn finish(mut self) {
        let rest = async {
            let mut seen = 0;
            while !self.at_end && seen < LINGER_BYTES {
                match self.body.chunk().await {
                    Ok(Some(bytes)) => seen += bytes.len(),
                    Ok(None) | Err(_) => break,
                }
            }
        };
        // Whether it ended in time does not matter: what is left is dropped.
        let _ = tokio::time::timeout(LINGER, rest).await;
    }

    /// Whether only the end of the connection tells the end of these events, so that a cut cannot be told from it.
    pub const fn end_by_close(&self) -> bool {
        self.body.ends_by_close
    }

    /// The first bytes of the body, somewhat over a KiB, for an error's excerpt ([`ReplyMeta::undecodable`]). As they
    /// came: they may hold secrets.
    ///
    /// [`ReplyMeta::undecodable`]: crate::gateway::ReplyMeta::undecodable
    pub fn excerpt(&self) -> &[u8] {
        &self.excerpt
    }

    fn take(&mut self, piece: Result<Option<Bytes>, Error>) {
        let result = match piece {
            Ok(Some(bytes)) => {
                let room = EXCERPT.saturating_sub(self.excerpt.len());
                self.excerpt.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
                self.framer.push(&bytes)
            }
            Ok(None) => {
                self.at_end = true;
                self.framer.finish()
            }
            Err(error) => {
                self.framer.cut();
                Err(error)
            }
        };
        if let Err(error) = result {
            self.at_end = true;
            self.failure = Some(error);
        }
    }
}
