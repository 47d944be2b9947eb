//! Server-sent events, bounded.
//!
//! `eventsource-stream` parses the fields of an event. It cannot be given a network stream as it is: it panics on a
//! byte order mark, stops at an invalid byte, takes quadratic time over a long line, has no limit, and loses an event
//! that no blank line ends. So [`Framer`] finds the lines itself, in one pass, and hands over one complete event at a
//! time, line by line, in valid UTF-8. An event that is nothing but one `data:` line, as nearly all are, needs no
//! parser.

use super::{Error, ErrorKind};
use eventsource_stream::EventStream;
use futures_util::{FutureExt, StreamExt, stream};
use serde::de::IgnoredAny;
use std::collections::VecDeque;
use std::convert::Infallible;

mod events;
#[cfg(test)]
mod tests;

pub use events::Events;

/// The largest event that is read, in bytes. A picture in an event is a few MiB.
pub const MAX_EVENT: usize = 8 << 20;
/// Comment lines kept of an event, and how much of each. Others are dropped, since they say nothing.
const MAX_COMMENTS: usize = 16;
const MAX_COMMENT: usize = 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// How an HTML page begins.
const HTML: [&[u8]; 2] = [b"<!doctype html", b"<html"];

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The `event:` field; empty when there was none, or the default `message`.
    pub event: String,
    /// The `data:` lines, joined with a newline.
    pub data: String,
    /// Comment lines of the event (DashScope puts `:HTTP_STATUS/400` there), without the colon.
    pub comments: Vec<String>,
}

/// Finds events in bytes that come in pieces of any size.
///
/// Lines end in LF, CR or CRLF; a byte order mark at the start is dropped, invalid UTF-8 replaced. Events without data
/// are dropped, as the standard has it. Beyond the standard, a line that is a JSON object or begins an HTML page is an
/// event: servers that fail in the middle of a stream write their error without `data:`, and to overlook it would make
/// a cut answer a whole one.
#[derive(Debug)]
pub struct Framer {
    max_event: usize,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// The lines of the event so far, without comments, each with an LF.
    lines: Vec<u8>,
    comments: Vec<String>,
    complete: VecDeque<Event>,
    at_start: bool,
    /// Whether the last byte was a CR, so that an LF now belongs to it.
    after_cr: bool,
}

impl Default for Framer {
    fn default() -> Self {
        Self::with_limit(MAX_EVENT)
    }
}

impl Framer {
    /// A framer that refuses events over `max_event` bytes.
    pub fn with_limit(max_event: usize) -> Self {
        Self {
            max_event,
            line: Vec::new(),
            lines: Vec::new(),
            comments: Vec::new(),
            complete: VecDeque::new(),
            at_start: true,
            after_cr: false,
        }
    }

    /// Bytes of the event that is not complete yet.
    pub fn unfinished(&self) -> usize {
        self.line.len() + self.lines.len()
    }

    /// The next complete event.
    pub fn pop(&mut self) -> Option<Event> {
        self.complete.pop_front()
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for an event over the limit. Events before it can be had; nothing after it.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut rest = bytes;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
            let Some((line, ended)) = rest.split_at_checked(at) else { break };
            rest = match ended {
                [b'\r', b'\n', tail @ ..] | [_, tail @ ..] => tail,
                [] => ended,
            };
            self.after_cr = ended == b"\r";
            let event_ends = matches!(rest, [b'\n' | b'\r', ..]);
            if self.line.is_empty() {
                self.take_line(line, event_ends)?;
            } else {
                self.hold(line)?;
                let line = std::mem::take(&mut self.line);
                self.take_line(&line, event_ends)?;
            }
        }
        self.hold(rest)
    }

    /// The stream is at its end: completes the last event, whether a blank line ended it or not.
    ///
    /// # Errors
    /// As [`Framer::push`].
    pub fn finish(&mut self) -> Result<(), Error> {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.take_line(&line, true)?;
        }
        self.end_event();
        Ok(())
    }

    /// The stream broke off: an event that lacks nothing but its blank line counts, one that was cut does not.
    pub fn cut(&mut self) {
        if self.line.is_empty() {
            self.end_event();
        }
    }

    /// Keeps the beginning of a line.
    fn hold(&mut self, part: &[u8]) -> Result<(), Error> {
        self.check(self.line.len() + part.len())?;
        self.line.extend_from_slice(part);
        Ok(())
    }

    /// One whole line, without its end. `event_ends` says that a blank line is known to follow.
    fn take_line(&mut self, line: &[u8], event_ends: bool) -> Result<(), Error> {
        let line =
            if std::mem::take(&mut self.at_start) { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        match line {
            [] => self.end_event(),
            [b':', comment @ ..] => {
                if self.comments.len() < MAX_COMMENTS {
                    let kept = comment.get(..MAX_COMMENT).unwrap_or(comment);
                    self.comments.push(text(kept));
                }
            }
            // An unknown field; the parser would take the mark for the start of a stream.
            line if line.starts_with(BYTE_ORDER_MARK) => {}
            line if is_foreign(line) => {
                self.end_event();
                self.complete.push_back(Event { data: text(line), ..Event::default() });
            }
            line => {
                self.check(line.len())?;
                if let Some(data) = only_data(line).filter(|_| event_ends && self.lines.is_empty()) {
                    let comments = std::mem::take(&mut self.comments);
                    self.complete.push_back(Event { event: String::new(), data: text(data), comments });
                } else {
                    self.check(line.len() + 1)?;
                    self.lines.extend_from_slice(line);
                    self.lines.push(b'\n');
                }
            }
        }
        Ok(())
    }

    fn end_event(&mut self) {
        let comments = std::mem::take(&mut self.comments);
        let mut lines = std::mem::take(&mut self.lines);
        if lines.is_empty() {
            return;
        }
        let one_line = memchr::memchr(b'\n', &lines).is_some_and(|at| at + 1 == lines.len());
        let event = match only_data(&lines).filter(|_| one_line) {
            Some(data) => {
                Some(Event { event: String::new(), data: text(data.strip_suffix(b"\n").unwrap_or(data)), comments })
            }
            None => parse(&text(&lines)).map(|(event, data)| Event { event, data, comments }),
        };
        self.complete.extend(event);
        // The buffer serves the next event, unless this one was unusually large.
        if lines.capacity() <= 64 << 10 {
            lines.clear();
            self.lines = lines;
        }
    }

    fn check(&self, more: usize) -> Result<(), Error> {
        if self.lines.len() + more <= self.max_event {
            return Ok(());
        }
        let message = format!("An event of the stream is larger than {} bytes", self.max_event);
        Err(Error::new(ErrorKind::TooLarge, message).advise("Ask for a shorter answer, or without streaming"))
    }
}

/// Whether a line is what a server writes when it fails, and no field of an event.
fn is_foreign(line: &[u8]) -> bool {
    match line.first() {
        Some(b'{') => serde_json::from_slice::<IgnoredAny>(line).is_ok(),
        Some(b'<') => HTML.iter().any(|tag| line.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag))),
        _ => false,
    }
}

/// The value of a `data` line.
fn only_data(line: &[u8]) -> Option<&[u8]> {
    let value = line.strip_prefix(b"data:")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

/// Bytes as text, invalid sequences replaced.
fn text(bytes: &[u8]) -> String {
    // Replacing goes byte by byte, so it is kept for text that needs it.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes).into_owned(), str::to_owned)
}

/// The `event` and `data` fields of one event, given as LF-ended lines. Line by line, because the parser copies what
/// it has not yet read after each line.
fn parse(lines: &str) -> Option<(String, String)> {
    let blank = std::iter::once("\n");
    let pieces = lines.split_inclusive('\n').chain(blank).map(Ok::<_, Infallible>);
    let event = EventStream::new(stream::iter(pieces)).next().now_or_never()??.ok()?;
    let name = if event.event == "message" { String::new() } else { event.event };
    Some((name, event.data))
}
