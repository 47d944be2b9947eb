//! From what an upstream sends to what Dify gets: one state machine for streams and for whole answers.

mod words;

use self::words::Words;
use super::guardrail::GuardAnswer;
use super::tool_calls::ToolCalls;
use super::usage::{Transcript, latest};
use crate::gateway::chat::surrogates::settle;
use crate::gateway::chat::{self, ChatChunk, Choice, Content, Delta, Usage};
use crate::gateway::{Error, ErrorKind, Event, ReplyMeta, json};
use crate::provider::options::Guardrail;
use crate::runtime::entities::ToolCall;
use serde_json::Value;
use std::borrow::Cow;

/// How much of unreadable data an error shows, in bytes.
const EXCERPT: usize = 1024;

/// What an answer should become.
#[derive(Debug, Clone)]
pub struct Wishes<'a> {
    /// Whether thinking is part of the answer.
    pub show_thinking: bool,
    /// Texts that end the answer, in case the upstream ignores them.
    pub stop: &'a [String],
    /// Whether the fences of a code block are taken out.
    pub strip_code_block: bool,
    /// Whether a JSON object is wanted, to be handed over beside its text.
    pub structured: bool,
    /// What a guard's answer becomes.
    pub guardrail: Guardrail,
}

/// A piece of the answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output<'c> {
    /// Text.
    Text(Cow<'c, str>),
    /// A picture: a URL or a data URI.
    Image(Cow<'c, str>),
}

impl Output<'_> {
    fn into_owned<'c>(self) -> Output<'c> {
        match self {
            Self::Text(text) => Output::Text(Cow::Owned(text.into_owned())),
            Self::Image(image) => Output::Image(Cow::Owned(image.into_owned())),
        }
    }
}

/// Whether more is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next event.
    Continue,
    /// Nothing: the upstream said that this was all.
    Done,
    /// Only what it cost, if that comes soon: a stop sequence was met, and the upstream does not know it.
    Cut,
}

/// How an answer ended.
#[derive(Debug)]
pub struct Ending {
    /// Calls of tools, each whole.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended, if the upstream said so.
    pub finish_reason: Option<String>,
    /// The upstream's counts.
    pub usage: Option<Usage>,
    /// The answer as the object that was asked for.
    pub structured_output: Option<Value>,
    /// Everything the model wrote, for an estimate.
    pub transcript: Transcript,
}

/// One answer on its way.
#[derive(Debug)]
pub struct StreamState {
    guardrail: Guardrail,
    words: Words,
    tools: ToolCalls,
    guard: Option<GuardAnswer>,
    usage: Option<Usage>,
    finish_reason: Option<String>,
    /// Whether any of it came in pieces: a whole message behind them repeats them.
    in_pieces: bool,
}

impl StreamState {
    /// The state before anything came.
    pub fn new(wishes: &Wishes<'_>) -> Self {
        Self {
            guardrail: wishes.guardrail,
            words: Words::new(wishes),
            tools: ToolCalls::default(),
            guard: None,
            usage: None,
            finish_reason: None,
            in_pieces: false,
        }
    }

    /// Whether there is an answer, be it an empty one.
    pub fn is_answer(&self) -> bool {
        self.words.have_begun() || self.guard.is_some() || !self.tools.is_empty() || self.finish_reason.is_some()
    }

    /// Whether a choice came, even an empty one: the upstream is writing.
    pub fn has_choices(&self) -> bool {
        self.in_pieces
    }

    /// Whether the upstream said why the answer ended: what breaks off behind that is complete.
    pub fn is_finished(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// Takes one event, or one whole body as the data of an event. `data` is the event's, repaired for JSON
    /// ([`chat::surrogates::repair`]). What it adds to the answer goes to `out`, also when an error follows.
    ///
    /// # Errors
    ///
    /// An error that the event reports, or data that is no JSON.
    pub fn event<'c>(
        &mut self,
        event: &Event,
        data: &'c str,
        meta: &ReplyMeta,
        out: &mut Vec<Output<'c>>,
    ) -> Result<Flow, Error> {
        let data = data.trim();
        if data == chat::DONE {
            return Ok(Flow::Done);
        }
        if data.is_empty() || matches!(event.event.as_str(), "ping" | "heartbeat") {
            return Ok(Flow::Continue);
        }
        let named_error = event.event == "error";
        let mut chunk = match ChatChunk::decode(data) {
            Ok(Some(chunk)) => chunk,
            Ok(None) if !named_error => return Ok(Flow::Continue),
            Ok(None) => return Err(meta.error(ErrorKind::ServerUnavailable, meta.excerpt(data))),
            Err(_) if named_error => return Err(meta.error(ErrorKind::ServerUnavailable, meta.excerpt(data))),
            Err(error)
                if error.is_repeated_key()
                    && let Some(data) = json::without_repeated_keys(data)
                    && ChatChunk::decode(&data).is_ok() =>
            {
                let mut pieces = Vec::new();
                let flow = self.event(event, &data, meta, &mut pieces);
                out.extend(pieces.into_iter().map(Output::into_owned));
                return flow;
            }
            // The answer is there, and what came to harm is at most its usage.
            Err(_) if self.is_finished() => return Ok(Flow::Continue),
            Err(error) => return Err(self.no_json(&error, data, meta)),
        };
        if chunk.is_denial() {
            self.guard.get_or_insert_default().note(data);
            return Ok(Flow::Continue);
        }
        let suspicious = named_error || chunk.is_suspicious();
        self.push(&mut chunk, out)?;
        if suspicious {
            look_for_error(event, data, named_error, meta)?;
        }
        Ok(if self.words.are_cut() { Flow::Cut } else { Flow::Continue })
    }

    /// In the middle of an answer the words of a gateway are not looked for.
    fn no_json(&self, error: &json::Unreadable, data: &str, meta: &ReplyMeta) -> Error {
        let what = match error {
            json::Unreadable::Json(error) => format!("the answer is not valid JSON ({error})"),
            json::Unreadable::TooManyParts => {
                return meta.error(ErrorKind::TooLarge, format!("the answer cannot be read: {error}"));
            }
        };
        if self.is_answer() {
            return meta.error(ErrorKind::Decode, format!("{what}: {}", meta.excerpt(data)));
        }
        meta.undecodable(&what, excerpt(data))
    }

    /// Takes what one decoded chunk says out of it. By reference, as below: a chunk is large, and moving it costs as much
    /// as reading it.
    fn push<'c>(&mut self, chunk: &mut ChatChunk<'c>, out: &mut Vec<Output<'c>>) -> Result<(), Error> {
        self.usage = latest(self.usage, chunk.usage.0);
        let guarded = chunk.is_guarded();
        if let Some(detail) = chunk.x_higress_guardrail.filter(|_| guarded) {
            self.guard.get_or_insert_default().note(detail.get());
        }
        // Several choices are several answers, and nobody asks for more than one. Their indices do not tell them apart:
        // Higress numbers the blocks of Claude's one answer there.
        let Some(choice) = chunk.choices.0.first_mut() else { return Ok(()) };
        self.usage = latest(self.usage, choice.usage.0.as_deref().copied());
        self.choice(choice, guarded, out)
    }

    fn choice<'c>(&mut self, choice: &mut Choice<'c>, guarded: bool, out: &mut Vec<Output<'c>>) -> Result<(), Error> {
        match (&mut choice.delta.0, &mut choice.message.0) {
            (Some(delta), _) => {
                self.in_pieces = true;
                self.delta(delta, guarded, out)?;
            }
            (None, Some(message)) if self.in_pieces => self.repeated_message(message)?,
            (None, Some(message)) => self.delta(message, guarded, out)?,
            (None, None) => self.text(std::mem::take(&mut choice.text).0, guarded, out),
        }
        if self.words.are_cut() {
            self.finish_reason = Some("stop".to_owned());
        } else if !choice.finish_reason.is_empty() {
            // An empty reason, or none behind a real one, says nothing.
            self.finish_reason = Some(choice.finish_reason.as_str().to_owned());
        }
        Ok(())
    }

    /// A whole message behind the pieces it consists of: only calls that did not come in pieces are new.
    fn repeated_message(&mut self, message: &mut Delta<'_>) -> Result<(), Error> {
        if self.tools.is_empty() { self.tool_calls(message) } else { Ok(()) }
    }

    fn delta<'c>(&mut self, delta: &mut Delta<'c>, guarded: bool, out: &mut Vec<Output<'c>>) -> Result<(), Error> {
        let reasoning = delta.take_reasoning();
        self.words.think(reasoning, out);
        match std::mem::take(&mut delta.content) {
            Content::Text(text) => self.text(text, guarded, out),
            Content::Parts(parts) => self.parts(parts, guarded, out),
        }
        self.text(std::mem::take(&mut delta.refusal).0, guarded, out);
        let images = std::mem::take(&mut delta.images).0;
        self.parts(images, guarded, out);
        if delta.tool_calls.0.is_empty() && delta.function_call.0.is_none() {
            return Ok(());
        }
        self.words.close_thinking(out);
        self.tool_calls(delta)
    }

    fn tool_calls(&mut self, delta: &mut Delta<'_>) -> Result<(), Error> {
        if self.words.are_cut() {
            return Ok(());
        }
        self.tools.merge(std::mem::take(&mut delta.tool_calls).0)?;
        delta.function_call.0.as_ref().map_or(Ok(()), |function| self.tools.merge_function(function))
    }

    fn parts<'c>(&mut self, parts: Vec<chat::Part<'c>>, guarded: bool, out: &mut Vec<Output<'c>>) {
        for mut part in parts {
            match std::mem::take(&mut part.thinking) {
                Content::Text(text) => self.words.think(text, out),
                Content::Parts(parts) => parts.into_iter().for_each(|part| self.words.think(part.text.0, out)),
            }
            if let Some(image) = part.take_image() {
                self.words.picture(image, out);
            }
            self.text(part.text.0, guarded, out);
        }
    }

    fn text<'c>(&mut self, text: Cow<'c, str>, guarded: bool, out: &mut Vec<Output<'c>>) {
        if !guarded {
            self.words.say(text, out);
        } else if !text.is_empty() && !self.words.are_cut() {
            self.guard.get_or_insert_default().say(&settle(&text));
        }
    }

    /// The answer ends in an error: sends what was held back and closes thinking, so that what came stands.
    pub fn abort(&mut self, out: &mut Vec<Output<'_>>) {
        self.words.release(out);
        self.words.close_all_thinking(out);
    }

    /// The answer is complete. What is left of it goes to `out`, before its tool calls.
    ///
    /// # Errors
    ///
    /// A guard's answer when that is to be an error; tool calls that cannot be used.
    pub fn finish(mut self, out: &mut Vec<Output<'_>>) -> Result<Ending, Error> {
        self.words.release(out);
        if let Some(guard) = self.guard.take() {
            let (message, reasons) = guard.resolve();
            self.words.close_all_thinking(out);
            if self.guardrail == Guardrail::Error {
                return Err(blocked(message, reasons));
            }
            self.words.send(Cow::Owned(message), out);
        }
        if self.tools.is_empty() {
            self.words.send_unclosed(out);
        }
        self.words.close_all_thinking(out);
        let (mut transcript, structured_output) = self.words.into_parts();
        self.tools.texts().for_each(|text| transcript.add(&settle(text)));
        let cut_by_limit = self.finish_reason.as_deref() == Some("length");
        Ok(Ending {
            tool_calls: self.tools.finish(cut_by_limit)?,
            finish_reason: self.finish_reason,
            usage: self.usage,
            structured_output,
            transcript,
        })
    }
}

/// Reads the whole of a suspicious event again. What turns out to be no error is foreign, and skipped.
fn look_for_error(event: &Event, data: &str, named: bool, meta: &ReplyMeta) -> Result<(), Error> {
    let status = event.comments.iter().find_map(|comment| comment.trim().strip_prefix("HTTP_STATUS/")?.parse().ok());
    let value: Value = json::unknown(&settle(data)).unwrap_or_default();
    match Error::in_answer(&value, status, meta) {
        Some(error) => Err(error),
        None if named => Err(meta.error(ErrorKind::ServerUnavailable, meta.excerpt(data))),
        None => Ok(()),
    }
}

fn blocked(message: String, reasons: Option<String>) -> Error {
    let mut error = Error::new(ErrorKind::BadRequest, message);
    error.origin = Some(crate::gateway::Origin::Gateway);
    error.code = reasons;
    error.advice = Some("The gateway's content guard blocked this conversation: change the question".to_owned());
    error
}

fn excerpt(data: &str) -> &[u8] {
    data.as_bytes().get(..EXCERPT).unwrap_or(data.as_bytes())
}
