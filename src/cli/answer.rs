//! What came back in a session, put together as Dify puts it together.

use super::host::{Message, Session};
use serde_json::Value;
use std::io;
use std::time::{Duration, Instant};

/// All of an answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The text of all chunks.
    pub(super) text: String,
    /// Calls of tools.
    pub(super) tool_calls: Vec<Value>,
    /// Addresses of pictures, or how large they are when they came as files.
    pub(super) pictures: Vec<String>,
    /// The last piece of the result.
    pub(super) result: Value,
    /// Usage of the last chunk that has one.
    pub(super) usage: Value,
    pub(super) chunks: usize,
    /// From sending to the first chunk.
    pub(super) first: Option<Duration>,
    /// From sending to the end.
    pub(super) total: Duration,
    pub(super) error: Option<Failure>,
}

/// Why a session failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: String,
    pub(super) message: String,
}

impl Answer {
    /// Reads a session to its end. `started` is when it was sent, `show` is called with the first message (and no
    /// text) and with every piece of text.
    pub(super) async fn read(
        session: &mut Session,
        started: Instant,
        within: Duration,
        mut show: impl FnMut(&str) -> io::Result<()>,
    ) -> anyhow::Result<Self> {
        let mut answer = Self::default();
        let mut silent = true;
        loop {
            let message = session.next(within).await?;
            if silent {
                silent = false;
                show("")?;
            }
            match message {
                Message::Stream(piece) => {
                    answer.first.get_or_insert_with(|| started.elapsed());
                    answer.chunks += 1;
                    answer.take(piece, &mut show)?;
                }
                Message::Error { kind, message } => answer.error = Some(Failure { kind, message }),
                Message::End => break,
            }
        }
        answer.total = started.elapsed();
        Ok(answer)
    }

    fn take(&mut self, piece: Value, show: &mut impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        let message = &piece["delta"]["message"];
        match &message["content"] {
            Value::String(text) => self.say(text, show)?,
            Value::Array(parts) => {
                for part in parts {
                    match part["type"].as_str() {
                        Some("text") => self.say(part["data"].as_str().unwrap_or_default(), show)?,
                        _ => self.pictures.push(picture(part)),
                    }
                }
            }
            _ => {}
        }
        self.tool_calls.extend(message["tool_calls"].as_array().into_iter().flatten().cloned());
        for usage in [&piece["delta"]["usage"], &piece["usage"]] {
            if usage.is_object() {
                self.usage = usage.clone();
            }
        }
        self.result = piece;
        Ok(())
    }

    fn say(&mut self, text: &str, show: &mut impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        self.text.push_str(text);
        if text.is_empty() { Ok(()) } else { show(text) }
    }

    /// Tokens in all, when the answer says so.
    pub(super) fn tokens(&self) -> Option<u64> {
        self.usage["total_tokens"].as_u64().filter(|tokens| *tokens > 0)
    }
}

fn picture(part: &Value) -> String {
    match part["url"].as_str() {
        Some(url) if !url.is_empty() => url.to_owned(),
        _ => format!("a file of {} letters of Base64", part["base64_data"].as_str().unwrap_or_default().len()),
    }
}
