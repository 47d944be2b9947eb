//! A reply's body, read under its limits.

use super::reply_meta::ReplyMeta;
use super::{Error, ErrorKind};
use bytes::Bytes;
use std::error::Error as _;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The largest body that is read whole, in bytes after decompression. A batch of vectors takes a few MiB, a picture in
/// base64 some more.
pub const MAX_BODY: usize = 64 << 20;

/// The rest of a body.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) response: reqwest::Response,
    pub(super) meta: ReplyMeta,
    pub(super) idle: Duration,
    pub(super) deadline: Instant,
}

impl Body {
    /// The next piece; `None` at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let limit = self.idle.min(left);
        match timeout(limit, self.response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) if error.is_decode() => {
                let reason = error.source().map_or_else(|| "unknown reason".to_owned(), ToString::to_string);
                if reason.contains("IncompleteMessage") || reason.contains("connection") {
                    return Err(self.interrupted());
                }
                Err(self.meta.error(ErrorKind::Decode, format!("the body cannot be read: {reason}")))
            }
            Ok(Err(_)) => Err(self.interrupted()),
            Err(_) if limit == left => Err(self
                .meta
                .error(ErrorKind::Timeout, "the answer was not complete when the time for the whole call was over")
                .advise("Ask for less, or raise `total_timeout` in the advanced options")),
            Err(_) => Err(self
                .meta
                .error(ErrorKind::Timeout, format!("the answer fell silent for {} s", limit.as_secs_f64()))
                .advise("Try again, or raise `idle_timeout` in the advanced options")),
        }
    }

    /// All of it, at most `cap` bytes.
    pub(super) async fn all(mut self, cap: usize) -> Result<Bytes, Error> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if whole.len() + chunk.len() > cap {
                return Err(self.meta.error(ErrorKind::TooLarge, format!("the answer is larger than {cap} bytes")));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.into())
    }

    /// As much as comes of the first `cap` bytes, whatever happens: for the words of an error.
    pub(super) async fn beginning(mut self, cap: usize) -> Vec<u8> {
        let mut start = Vec::new();
        while start.len() < cap
            && let Ok(Some(chunk)) = self.chunk().await
        {
            start.extend(chunk.iter().take(cap - start.len()));
        }
        start
    }

    fn interrupted(&self) -> Error {
        self.meta
            .error(ErrorKind::Interrupted, "the connection broke off before the answer was complete")
            .advise("Try again; if it repeats, look at the gateway's log and its time-outs")
    }
}
