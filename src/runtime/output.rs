//! Where a text handler puts its answer.

use super::entities::{ContentPart, LlmUsage, ToolCall};
use super::lane::{Lane, MAX_CHUNK_TEXT};
use super::protocol::outbound::{self, floor_char_boundary};
use super::protocol::response::{ChunkContent, LlmChunk};
use super::{Context, InvokeError};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The longest answer that is collected for a call that does not stream, in bytes of text, parts and tool calls.
pub const MAX_COLLECTED: usize = 16 * 1024 * 1024;

/// How text deltas of one answer may be merged before they leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Merging {
    /// Every delta leaves as a chunk of its own.
    Off,
    /// Deltas that are already waiting leave as one chunk; a lone delta leaves at once.
    #[default]
    Waiting,
    /// As `Waiting`, and after a chunk the next waits this long for company.
    Window(Duration),
}

/// The answer of one text call. Streaming, every call becomes chunks as it is made; not streaming, everything is
/// collected and leaves as one chunk at [`finish`](Self::finish), or as several when one would be longer than Dify
/// takes.
#[derive(Debug)]
pub struct LlmOutput {
    lane: Arc<Lane>,
    cx: Context,
    model: String,
    /// `None` while streaming.
    collected: Option<Collected>,
    started: bool,
    finished: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Collected {
    parts: Vec<ContentPart>,
    tool_calls: Vec<ToolCall>,
    bytes: usize,
}

impl LlmOutput {
    /// The output of `model` on `lane`.
    pub(crate) fn new(lane: Arc<Lane>, cx: &Context, model: &str, stream: bool) -> Result<Self, InvokeError> {
        lane.set_model(model)?;
        Ok(Self {
            lane,
            cx: cx.clone(),
            model: model.to_owned(),
            collected: (!stream).then(Collected::default),
            started: false,
            finished: Arc::default(),
        })
    }

    /// Turns true when the answer is complete.
    pub(crate) fn finished(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.finished)
    }

    /// Sets how text deltas are merged; [`Merging::Waiting`] until set.
    pub fn set_merging(&mut self, merging: Merging) {
        self.lane.set_merging(merging);
    }

    /// A piece of text; empty text is not sent. Waits while the session has too much unsent output.
    ///
    /// # Errors
    ///
    /// When the session or the host is gone, or a collected answer grows over [`MAX_COLLECTED`].
    pub async fn text(&mut self, text: &str) -> Result<(), InvokeError> {
        if text.is_empty() {
            return Ok(());
        }
        if let Some(collected) = &mut self.collected {
            return collected.text(text);
        }
        self.note_first_chunk();
        let mut rest = text;
        while rest.len() > MAX_CHUNK_TEXT {
            let (piece, remaining) = rest.split_at(floor_char_boundary(rest, MAX_CHUNK_TEXT));
            self.lane.text(piece).await?;
            rest = remaining;
        }
        self.lane.text(rest).await
    }

    /// Parts other than plain text, for example pictures.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text), and when one part alone is longer than Dify takes.
    pub async fn parts(&mut self, parts: Vec<ContentPart>) -> Result<(), InvokeError> {
        if let Some(collected) = &mut self.collected {
            return collected.parts(parts);
        }
        for part in parts {
            match part {
                ContentPart::Text(text) => self.text(&text).await?,
                media @ ContentPart::Media(_) => {
                    self.note_first_chunk();
                    self.chunk(ChunkContent::Parts(&[media]), &[], None).await?;
                }
            }
        }
        Ok(())
    }

    /// Tool calls, each complete, each once.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text), and when they are longer than Dify takes.
    pub async fn tool_calls(&mut self, calls: Vec<ToolCall>) -> Result<(), InvokeError> {
        if calls.is_empty() {
            return Ok(());
        }
        if let Some(collected) = &mut self.collected {
            return collected.tool_calls(calls);
        }
        self.note_first_chunk();
        self.chunk(ChunkContent::Text(""), &calls, None).await
    }

    /// The last chunk: usage, why the answer ended, and the parsed object when a JSON schema was asked for.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text), and when the object is longer than Dify takes.
    pub async fn finish(
        mut self,
        usage: LlmUsage,
        finish_reason: Option<String>,
        structured_output: Option<Value>,
    ) -> Result<(), InvokeError> {
        self.note_first_chunk();
        let last = Last { usage, finish_reason, structured_output };
        match self.collected.take() {
            None => self.chunk(ChunkContent::Text(""), &[], Some(&last)).await?,
            Some(collected) => self.send_collected(collected, &last).await?,
        }
        self.finished.store(true, Ordering::Release);
        Ok(())
    }

    /// One chunk if it fits, else the texts and parts first and everything else in the last chunk.
    async fn send_collected(&mut self, collected: Collected, last: &Last) -> Result<(), InvokeError> {
        let Collected { parts, tool_calls, .. } = collected;
        let whole = match parts.as_slice() {
            [] => ChunkContent::Text(""),
            [ContentPart::Text(text)] => ChunkContent::Text(text),
            parts => ChunkContent::Parts(parts),
        };
        if self.chunk(whole, &tool_calls, Some(last)).await.is_ok() {
            return Ok(());
        }
        // No longer collecting, so these leave as they are made.
        self.parts(parts).await?;
        self.chunk(ChunkContent::Text(""), &tool_calls, Some(last)).await
    }

    async fn chunk(
        &self,
        content: ChunkContent<'_>,
        tool_calls: &[ToolCall],
        last: Option<&Last>,
    ) -> Result<(), InvokeError> {
        let encode = |index| {
            let chunk = LlmChunk {
                model: &self.model,
                index,
                content,
                tool_calls,
                usage: last.map(|last| &last.usage),
                finish_reason: last.and_then(|last| last.finish_reason.as_deref()),
                structured_output: last.and_then(|last| last.structured_output.as_ref()),
            };
            outbound::stream(self.lane.session_id(), &chunk)
        };
        self.lane.chunk(encode).await
    }

    fn note_first_chunk(&mut self) {
        if !std::mem::replace(&mut self.started, true) {
            let elapsed = self.cx.started.elapsed();
            self.cx.record(|record| record.time_to_first_chunk = Some(elapsed));
        }
    }
}

struct Last {
    usage: LlmUsage,
    finish_reason: Option<String>,
    structured_output: Option<Value>,
}

impl Collected {
    fn text(&mut self, text: &str) -> Result<(), InvokeError> {
        self.count(text.len())?;
        match self.parts.last_mut() {
            Some(ContentPart::Text(last)) => last.push_str(text),
            _ => self.parts.push(ContentPart::Text(text.to_owned())),
        }
        Ok(())
    }

    fn parts(&mut self, parts: Vec<ContentPart>) -> Result<(), InvokeError> {
        for part in parts {
            match part {
                ContentPart::Text(text) if text.is_empty() => {}
                ContentPart::Text(text) => self.text(&text)?,
                ContentPart::Media(media) => {
                    self.count(media.base64_data.len() + media.url.len())?;
                    self.parts.push(ContentPart::Media(media));
                }
            }
        }
        Ok(())
    }

    fn tool_calls(&mut self, calls: Vec<ToolCall>) -> Result<(), InvokeError> {
        self.count(calls.iter().map(|call| call.id.len() + call.name.len() + call.arguments.len()).sum())?;
        self.tool_calls.extend(calls);
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), InvokeError> {
        self.bytes += bytes;
        if self.bytes > MAX_COLLECTED {
            return Err(InvokeError::bad_request(format!(
                "the answer is longer than {} MiB, the most that is collected for a call that does not stream; \
                 switch streaming on, or ask for a shorter answer",
                MAX_COLLECTED / (1024 * 1024)
            )));
        }
        Ok(())
    }
}
