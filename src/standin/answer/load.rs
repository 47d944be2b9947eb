//! Streams for measuring: many chunks, at a pace or as fast as they go, at next to no cost each.

use super::chat::DONE;
use crate::standin::reply::Reply;
use crate::standin::script::{Ending, Piece, Script};
use bytes::{BufMut as _, Bytes, BytesMut};
use std::io::Write as _;
use std::time::Duration;

/// Events written together when there is no pace to keep.
const TOGETHER: u64 = 32;
const BEFORE: &str = r#"data: {"id":"load","object":"chat.completion.chunk","created":0,"model":"load","choices":[{"index":0,"delta":{"content":""#;
const AFTER: &str = " \"},\"finish_reason\":null}]}\n\n";
const LAST: &str = r#"data: {"id":"load","object":"chat.completion.chunk","created":0,"model":"load","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":"#;

/// How many chunks, and how long between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    chunks: u64,
    pace: Duration,
}

/// Reads `flood-1000` or `pace-20ms-100`.
pub(super) fn read(model: &str) -> Option<Load> {
    if let Some(chunks) = model.strip_prefix("flood-") {
        return Some(Load { chunks: chunks.parse().ok()?, pace: Duration::ZERO });
    }
    let (pace, chunks) = model.strip_prefix("pace-")?.split_once("ms-")?;
    Some(Load { chunks: chunks.parse().ok()?, pace: Duration::from_millis(pace.parse().ok()?) })
}

impl Load {
    /// The stream. Chunk n holds the text `n `, so that a lost or misplaced one is seen.
    pub(super) fn events(self) -> Reply {
        let together = if self.pace.is_zero() { TOGETHER } else { 1 };
        let count = self.chunks;
        let starts = (0..count.div_ceil(together)).map(move |batch| batch * together);
        let pieces = starts.map(move |start| piece(start, (start + together).min(count)));
        Reply::events(Script::new(pieces.chain(std::iter::once(last(count))), self.pace, Ending::Clean))
    }

    /// The same text in one go.
    pub(super) fn answer(self) -> String {
        (0..self.chunks).fold(String::new(), |text, number| text + &number.to_string() + " ")
    }
}

fn piece(start: u64, end: u64) -> Piece {
    let mut bytes = BytesMut::with_capacity(192 * usize::try_from(end - start).unwrap_or_default()).writer();
    for number in start..end {
        // Writing to memory does not fail.
        let _ = write!(bytes, "{BEFORE}{number}{AFTER}");
    }
    Piece { bytes: bytes.into_inner().freeze(), events: end - start }
}

fn last(count: u64) -> Piece {
    let total = count + 1;
    Piece { bytes: Bytes::from(format!("{LAST}{count},\"total_tokens\":{total}}}}}\n\n{DONE}")), events: 2 }
}
