//! A reply whose body is still to be read.

use super::super::body::{Body, MAX_BODY};
use super::super::{Error, Events, ReplyMeta, hints};
use super::content::{self, Content};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::time::Duration;

/// A reply with a 2xx status, its body unread. Dropping it closes the connection.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// Who answered, under which id; tells errors that the body turns out to be.
    pub meta: ReplyMeta,
    /// How often the call was sent again before this reply.
    pub retries: u32,
    /// From the start of the call to these headers, retries included.
    pub waited: Duration,
    pub(super) body: Body,
}

impl Reply {
    /// Whether the body is a stream of events, by its content type.
    pub fn is_event_stream(&self) -> bool {
        self.content_type() == "text/event-stream"
    }

    /// The media type of the body in lower case, without parameters; empty when there is none.
    pub fn content_type(&self) -> String {
        let value = hints::text(&self.headers, "content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The whole body, under the body cap ([`MAX_BODY`]) and the route's time-outs.
    ///
    /// # Errors
    /// [`super::super::ErrorKind::TooLarge`], `Timeout`, `Interrupted`, or `Decode` when it cannot be decompressed.
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        self.body.read_to_end(Vec::new(), MAX_BODY).await
    }

    /// The body by what it turns out to be: gateways and providers answer with JSON that they call a stream of events,
    /// and the other way round.
    ///
    /// # Errors
    /// As [`Reply::bytes`] for what is read until that is known, and for a whole body.
    pub async fn content(mut self) -> Result<Content, Error> {
        let says_events = self.is_event_stream();
        let mut start = Vec::new();
        loop {
            match content::is_events(&start, says_events) {
                Some(true) => return Ok(Content::Events(Box::new(Events::behind(start, self.body)))),
                Some(false) => return self.body.read_to_end(start, MAX_BODY).await.map(Content::Whole),
                None => {}
            }
            match self.body.chunk().await? {
                Some(piece) => start.extend_from_slice(&piece),
                None => return Ok(Content::Whole(start.into())),
            }
        }
    }
}
