//! The events of a reply as they arrive.

use super::{Event, Framer};
use crate::gateway::body::Body;
use crate::gateway::{Error, ErrorKind};
use std::time::Duration;

/// How much of a body is kept for an error's excerpt, in bytes.
const EXCERPT: usize = 1024;
/// What may follow the last event that matters, and how long it may take, for the connection to be used again.
const REST_BYTES: usize = 4096;
const REST_TIME: Duration = Duration::from_millis(100);

/// The events of a reply, in order. Dropping it closes the connection.
#[derive(Debug)]
pub struct Events {
    body: Body,
    framer: Framer,
    excerpt: Vec<u8>,
    /// Told after the events that came before it.
    failure: Option<Error>,
    ended: bool,
}

impl Events {
    pub(in crate::gateway) fn new(body: Body) -> Self {
        Self { body, framer: Framer::default(), excerpt: Vec::new(), failure: None, ended: false }
    }

    /// The next event; `None` at a clean end.
    ///
    /// # Errors
    /// After the events that came: [`ErrorKind::Interrupted`] for a transfer that broke off, [`ErrorKind::Timeout`]
    /// for one that fell silent, [`ErrorKind::TooLarge`] for an event over the limit.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.framer.pop() {
                return Ok(Some(event));
            }
            if let Some(failure) = self.failure.take() {
                self.ended = true;
                return Err(failure);
            }
            if self.ended {
                return Ok(None);
            }
            self.read().await;
        }
    }

    /// An event that has already arrived.
    pub fn try_next(&mut self) -> Option<Event> {
        self.framer.pop()
    }

    /// Reads what little may follow the last event that matters, so that the connection can serve another call.
    pub async fn finish(mut self) {
        let rest = async {
            let mut bytes = 0;
            while bytes < REST_BYTES
                && let Ok(Some(chunk)) = self.body.chunk().await
            {
                bytes += chunk.len();
            }
        };
        // Not worth waiting for: an unfinished body only closes its connection.
        let _ = tokio::time::timeout(REST_TIME, rest).await;
    }

    /// The first KiB of the body, for an error's excerpt.
    pub fn excerpt(&self) -> &[u8] {
        &self.excerpt
    }

    async fn read(&mut self) {
        match self.body.chunk().await {
            Ok(Some(chunk)) => {
                let room = EXCERPT.saturating_sub(self.excerpt.len());
                self.excerpt.extend(chunk.iter().take(room));
                self.failure = self.framer.push(&chunk).err();
            }
            Ok(None) => {
                self.ended = true;
                self.failure = self.framer.finish().err();
            }
            Err(error) => {
                // What came of an event that was cut is not one, except where only its blank line is missing.
                if error.kind != ErrorKind::TooLarge {
                    let _ = self.framer.finish();
                }
                self.failure = Some(error);
            }
        }
    }
}
