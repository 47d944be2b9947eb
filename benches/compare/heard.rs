//! What the driver has heard: for each session its first chunk, and whether its text came whole and in order.

use crate::work::Work;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What stands before the text of a chunk.
const MARK: &[u8] = b"\"content\":\"";

/// What became of one session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The text that is to come; none where the answer is not text.
    text: Option<Arc<str>>,
    /// How much of it has come.
    at: usize,
    sent: Option<Instant>,
    pub first_chunk: Option<Duration>,
    /// Chunks with text.
    pub chunks: usize,
    /// What was wrong first.
    pub wrong: Option<String>,
    ended: bool,
}

impl Session {
    /// Whether the answer came whole, in order and without an error.
    pub(crate) fn is_whole(&self) -> bool {
        let complete = self.text.as_ref().is_none_or(|text| text.len() == self.at);
        self.ended && complete && self.wrong.is_none() && self.first_chunk.is_some()
    }
}

/// The sessions of one plugin. Their ids are numbers, in order.
#[derive(Default)]
pub(crate) struct Heard {
    sessions: Vec<Session>,
}

/// What one line was.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    Heartbeat,
    End,
    Other,
}

impl Heard {
    /// Makes place for the sessions of `work`; the number of the first.
    pub(crate) fn expect(&mut self, work: &Work) -> usize {
        let first = self.sessions.len();
        let session =
            Session { text: work.text(), at: 0, sent: None, first_chunk: None, chunks: 0, wrong: None, ended: false };
        self.sessions.resize(first + work.requests(), session);
        first
    }

    pub(crate) fn sent(&mut self, session: usize, at: Instant) {
        self.sessions[session].sent = Some(at);
    }

    /// The sessions from `first` on. Their numbers are not used again.
    pub(crate) fn take(&self, first: usize) -> Vec<Session> {
        self.sessions[first..].to_vec()
    }

    /// Reads only what the measurement needs: both sides write the keys of a line in the same order.
    pub(crate) fn line(&mut self, line: &[u8], now: Instant) -> Line {
        if line.starts_with(b"{\"event\":\"heartbeat\"") {
            return Line::Heartbeat;
        }
        let Some((session, kind)) = self.session(line) else { return Line::Other };
        if kind.starts_with(b"stream\"") {
            session.chunk(line, now);
        } else if kind.starts_with(b"end\"") {
            session.ended = true;
            return Line::End;
        } else if kind.starts_with(b"error\"") {
            session.wrong.get_or_insert_with(|| String::from_utf8_lossy(line).into_owned());
        }
        Line::Other
    }

    fn session<'a>(&mut self, line: &'a [u8]) -> Option<(&mut Session, &'a [u8])> {
        let rest = line.strip_prefix(b"{\"event\":\"session\",\"session_id\":\"")?;
        let digits = memchr::memchr(b'"', rest)?;
        let number: usize = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
        let kind = rest[digits..].strip_prefix(b"\",\"data\":{\"type\":\"")?;
        Some((self.sessions.get_mut(number)?, kind))
    }
}

impl Session {
    fn chunk(&mut self, line: &[u8], now: Instant) {
        if let Some(sent) = self.sent {
            self.first_chunk.get_or_insert(now - sent);
        }
        let Some(text) = &self.text else { return };
        let content = memchr::memmem::find(line, MARK).map(|at| &line[at + MARK.len()..]);
        let Some(content) = content.and_then(|rest| memchr::memchr(b'"', rest).map(|end| &rest[..end])) else { return };
        if content.is_empty() {
            return;
        }
        self.chunks += 1;
        if !text.as_bytes()[self.at..].starts_with(content) {
            let said = String::from_utf8_lossy(content);
            self.wrong.get_or_insert_with(|| format!("{said:?} came after {} bytes", self.at));
        }
        self.at = (self.at + content.len()).min(text.len());
    }
}
