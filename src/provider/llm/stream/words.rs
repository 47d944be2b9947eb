//! What a model says, on its way to the host: thinking in one block, text without what must not be seen.

use super::super::leading_think::{self, LeadingThink};
use super::super::stop::StopFilter;
use super::super::usage::Transcript;
use super::{Output, Wishes};
use crate::gateway::chat::surrogates::Halves;
use crate::gateway::json;
use crate::runtime::code_block::CodeBlockFilter;
use serde_json::Value;
use std::borrow::Cow;

/// What opens and closes thinking in an answer's text: Dify folds or separates text by these tags.
const THINK_OPEN: &str = "<think>\n";
const THINK_CLOSE: &str = "\n</think>\n\n";

/// Most text that is kept to be read as a structured answer, in bytes.
const MAX_STRUCTURED: usize = 4 * 1024 * 1024;

/// The words of one answer.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one answer")]
pub(super) struct Words {
    show_thinking: bool,
    lead: LeadingThink,
    stop: StopFilter,
    code_block: Option<CodeBlockFilter>,
    /// The answer's text, when it is to be read as an object. Dropped when it grows too long for one.
    structured: Option<String>,
    transcript: Transcript,
    text_halves: Halves,
    thinking_halves: Halves,
    /// Whether a block of thinking was opened here and is not closed.
    thinking: bool,
    /// Whether anything was said, shown or not.
    began: bool,
    /// Whether any of it was shown.
    shown: bool,
    /// Whether a stop sequence was met.
    cut: bool,
}

impl Words {
    pub(super) fn new(wishes: &Wishes<'_>) -> Self {
        Self {
            show_thinking: wishes.show_thinking,
            lead: LeadingThink::new(!wishes.show_thinking),
            stop: StopFilter::new(wishes.stop),
            code_block: wishes.strip_code_block.then(CodeBlockFilter::new),
            structured: wishes.structured.then(String::new),
            transcript: Transcript::default(),
            text_halves: Halves::default(),
            thinking_halves: Halves::default(),
            thinking: false,
            began: false,
            shown: false,
            cut: false,
        }
    }

    pub(super) fn have_begun(&self) -> bool {
        self.began
    }

    /// Whether a stop sequence was met. Nothing that comes behind it counts.
    pub(super) fn are_cut(&self) -> bool {
        self.cut
    }

    /// A piece of thinking.
    pub(super) fn think<'c>(&mut self, piece: Cow<'c, str>, out: &mut Vec<Output<'c>>) {
        if piece.is_empty() || self.cut {
            return;
        }
        self.began = true;
        let piece = self.thinking_halves.join(piece);
        self.transcript.add(&piece);
        if !self.show_thinking || piece.is_empty() {
            return;
        }
        if self.thinking {
            out.push(Output::Text(piece));
        } else {
            self.thinking = true;
            out.push(Output::Text(Cow::Owned(format!("{THINK_OPEN}{piece}"))));
        }
    }

    /// A piece of text.
    pub(super) fn say<'c>(&mut self, piece: Cow<'c, str>, out: &mut Vec<Output<'c>>) {
        if piece.is_empty() || self.cut {
            return;
        }
        self.began = true;
        let piece = self.text_halves.join(piece);
        self.pass(piece, out);
    }

    /// A picture.
    pub(super) fn picture<'c>(&mut self, address: Cow<'c, str>, out: &mut Vec<Output<'c>>) {
        if self.cut {
            return;
        }
        self.began = true;
        self.shown = true;
        self.close_thinking(out);
        out.push(Output::Image(address));
    }

    fn pass<'c>(&mut self, text: Cow<'c, str>, out: &mut Vec<Output<'c>>) {
        self.transcript.add(&text);
        let text = self.lead.pass(text);
        let (text, cut) = self.stop.pass(text);
        self.show(text, out);
        self.cut = cut;
    }

    /// Sends text that is certainly part of the answer.
    fn show<'c>(&mut self, text: Cow<'c, str>, out: &mut Vec<Output<'c>>) {
        let text = match &mut self.code_block {
            Some(filter) => Cow::Owned(filter.push(&text)),
            None => text,
        };
        self.send(text, out);
    }

    /// Sends text that no filter is to see.
    pub(super) fn send<'c>(&mut self, text: Cow<'c, str>, out: &mut Vec<Output<'c>>) {
        if text.is_empty() {
            return;
        }
        self.close_thinking(out);
        self.shown = true;
        if let Some(structured) = &mut self.structured {
            if structured.len() + text.len() <= MAX_STRUCTURED {
                structured.push_str(&text);
            } else {
                self.structured = None;
            }
        }
        out.push(Output::Text(text));
    }

    /// Closes thinking that was opened here.
    pub(super) fn close_thinking(&mut self, out: &mut Vec<Output<'_>>) {
        if std::mem::take(&mut self.thinking) {
            let half = self.thinking_halves.finish();
            let close =
                if half.is_empty() { Cow::Borrowed(THINK_CLOSE) } else { format!("{half}{THINK_CLOSE}").into() };
            out.push(Output::Text(close));
        }
    }

    /// Closes thinking that was opened here, and thinking that the model opened in its text.
    pub(super) fn close_all_thinking(&mut self, out: &mut Vec<Output<'_>>) {
        self.thinking |= self.show_thinking && self.lead.is_inside();
        self.close_thinking(out);
    }

    /// Sends what was held back in case it was the beginning of something.
    pub(super) fn release(&mut self, out: &mut Vec<Output<'_>>) {
        if !self.cut {
            let half = self.text_halves.finish();
            self.pass(Cow::Borrowed(half), out);
        }
        if !self.cut {
            let (mut rest, cut) = self.stop.pass(Cow::Owned(self.lead.release()));
            if !cut {
                rest.to_mut().push_str(&self.stop.release());
            }
            self.show(rest, out);
        }
        if let Some(filter) = self.code_block.take() {
            self.send(Cow::Owned(filter.finish()), out);
        }
    }

    /// A model that opened a tag and never closed it said something all the same: when that is all, it is shown.
    pub(super) fn send_unclosed(&mut self, out: &mut Vec<Output<'_>>) {
        if !self.shown && !self.show_thinking {
            let unclosed = self.lead.take_unclosed();
            self.send(Cow::Owned(unclosed), out);
        }
    }

    /// Everything that was said, for an estimate, and the text as the object that was asked for.
    pub(super) fn into_parts(self) -> (Transcript, Option<Value>) {
        (self.transcript, self.structured.and_then(|text| object(&text)))
    }
}

/// The object that a text is, thinking at its start aside.
fn object(text: &str) -> Option<Value> {
    let (_, text) = leading_think::split(text, false);
    json::read_text(text.trim()).ok().filter(Value::is_object)
}
