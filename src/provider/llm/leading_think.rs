//! Thinking that a model writes into its text: `<think>…</think>` at the very start of an answer.

use std::borrow::Cow;

const OPEN: &[u8] = b"<think>";
const CLOSE: &[u8] = b"</think>";

/// Most white space that is held back in the hope of a tag behind it, in bytes.
const MAX_LEADING: usize = 1024;

/// Most hidden text that is kept, in bytes: it is needed only when it turns out to be all that was said.
const MAX_HIDDEN: usize = 256 * 1024;

/// Follows the start of an answer, in pieces cut anywhere. A tag later in the answer is ordinary text.
#[derive(Debug)]
pub(super) struct LeadingThink {
    hide: bool,
    phase: Phase,
    /// How much of the tag that is looked for stands at the end of what was read.
    matched: usize,
    /// What is held back: a possible tag, then the hidden text.
    held: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing but white space and a part of the tag so far.
    Start,
    Inside,
    /// Behind the closing tag, before any text.
    Behind,
    Answer,
}

enum Opening {
    Undecided,
    Absent,
    /// The tag ends at this byte.
    At(usize),
}

impl LeadingThink {
    /// Takes the thinking out (`hide`), or only watches whether it is closed.
    pub(super) fn new(hide: bool) -> Self {
        Self { hide, phase: Phase::Start, matched: 0, held: String::new() }
    }

    /// The part of `text`, and of what was held back, that may be shown now.
    pub(super) fn pass<'c>(&mut self, text: Cow<'c, str>) -> Cow<'c, str> {
        if self.hide {
            return self.filter(text);
        }
        if self.phase != Phase::Answer {
            self.watch(&text);
        }
        text
    }

    /// Whether thinking began and has not ended.
    pub(super) fn is_inside(&self) -> bool {
        self.phase == Phase::Inside
    }

    /// What was held back and is no thinking after all: the beginning of a tag that never came.
    pub(super) fn release(&mut self) -> String {
        match self.phase {
            Phase::Start => std::mem::take(&mut self.held),
            Phase::Inside | Phase::Behind | Phase::Answer => String::new(),
        }
    }

    /// The text behind a tag that was never closed. When an answer holds nothing else, that is the answer.
    pub(super) fn take_unclosed(&mut self) -> String {
        match self.phase {
            Phase::Inside => std::mem::take(&mut self.held),
            Phase::Start | Phase::Behind | Phase::Answer => String::new(),
        }
    }

    fn filter<'c>(&mut self, text: Cow<'c, str>) -> Cow<'c, str> {
        match self.phase {
            Phase::Answer => text,
            Phase::Start => match self.find_open(&text) {
                Opening::Undecided => {
                    self.held.push_str(&text);
                    Cow::Borrowed("")
                }
                Opening::Absent => {
                    self.phase = Phase::Answer;
                    let held = std::mem::take(&mut self.held);
                    if held.is_empty() { text } else { Cow::Owned(held + &text) }
                }
                Opening::At(end) => {
                    self.phase = Phase::Inside;
                    self.held.clear();
                    self.filter(behind(text, end))
                }
            },
            Phase::Inside => {
                if let Some(end) = self.find_close(&text) {
                    self.phase = Phase::Behind;
                    self.held = String::new();
                    return self.filter(behind(text, end));
                }
                if self.held.len() + text.len() <= MAX_HIDDEN {
                    self.held.push_str(&text);
                }
                Cow::Borrowed("")
            }
            Phase::Behind => {
                let blank = text.len() - text.trim_start().len();
                let text = behind(text, blank);
                if !text.is_empty() {
                    self.phase = Phase::Answer;
                }
                text
            }
        }
    }

    fn watch(&mut self, text: &str) {
        let mut rest = text;
        if self.phase == Phase::Start {
            match self.find_open(rest) {
                Opening::Undecided => return,
                Opening::Absent => self.phase = Phase::Answer,
                Opening::At(end) => {
                    self.phase = Phase::Inside;
                    rest = rest.get(end..).unwrap_or_default();
                }
            }
        }
        if self.phase == Phase::Inside && self.find_close(rest).is_some() {
            self.phase = Phase::Answer;
        }
    }

    fn find_open(&mut self, text: &str) -> Opening {
        for (at, byte) in text.bytes().enumerate() {
            if self.matched == 0 && byte.is_ascii_whitespace() {
                continue;
            }
            if OPEN.get(self.matched) != Some(&byte.to_ascii_lowercase()) {
                return Opening::Absent;
            }
            self.matched += 1;
            if self.matched == OPEN.len() {
                self.matched = 0;
                return Opening::At(at + 1);
            }
        }
        if self.held.len() + text.len() > MAX_LEADING { Opening::Absent } else { Opening::Undecided }
    }

    fn find_close(&mut self, text: &str) -> Option<usize> {
        for (at, byte) in text.bytes().enumerate() {
            if CLOSE.get(self.matched) == Some(&byte.to_ascii_lowercase()) {
                self.matched += 1;
            } else {
                // `<` stands only at the start of the tag, so nothing else of it can have begun.
                self.matched = usize::from(byte == b'<');
            }
            if self.matched == CLOSE.len() {
                self.matched = 0;
                return Some(at + 1);
            }
        }
        None
    }
}

/// `text` from byte `at` on, which is behind an ASCII character.
fn behind(text: Cow<'_, str>, at: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(at..).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(at..).unwrap_or_default().to_owned()),
    }
}

/// An assistant's earlier text without the thinking at its start, and that thinking. `unclosed_too` takes thinking that
/// was never closed as well.
pub(super) fn split(text: &str, unclosed_too: bool) -> (Option<&str>, &str) {
    let mut tags = LeadingThink::new(false);
    let Opening::At(open) = tags.find_open(text) else { return (None, text) };
    let inside = text.get(open..).unwrap_or_default();
    match tags.find_close(inside) {
        Some(close) => {
            let (thinking, rest) = inside.split_at_checked(close).unwrap_or((inside, ""));
            let thinking = thinking.get(..thinking.len() - CLOSE.len()).unwrap_or_default();
            (Some(thinking.trim()), rest.trim_start())
        }
        None if unclosed_too => (Some(inside.trim()), ""),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(pieces: &[&str]) -> String {
        let mut tags = LeadingThink::new(true);
        let mut shown: String = pieces.iter().map(|piece| tags.pass(Cow::Borrowed(*piece)).into_owned()).collect();
        shown.push_str(&tags.release());
        if shown.is_empty() {
            shown = tags.take_unclosed();
        }
        shown
    }

    #[test]
    fn leading_thinking_is_taken_out_wherever_it_is_cut() {
        let text = "\n<think>\nsecret 思考 </thin <</think>\n\nanswer with <think> and </think>";
        for first in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            for second in (first..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(hidden(&pieces), "answer with <think> and </think>", "{pieces:?}");
            }
        }
    }

    #[test]
    fn text_without_leading_thinking_stays_as_it_is() {
        for pieces in [
            &["Answer: use ", "<think> tags", " like", "</think>", " done"][..],
            &["<thi", "s is text"],
            &["  ", "\n", "indented"],
            &["<thin"],
            &["\n\n"],
            &["<", "html>"],
        ] {
            assert_eq!(hidden(pieces), pieces.concat());
        }
    }

    #[test]
    fn thinking_that_is_never_closed_becomes_the_answer_rather_than_nothing() {
        assert_eq!(hidden(&["<think>never closed", " because length"]), "never closed because length");
    }

    #[test]
    fn a_tag_counts_in_any_case() {
        assert_eq!(hidden(&["<THINK>x</Think>y"]), "y");
    }

    #[test]
    fn endless_leading_white_space_is_not_held_back() {
        let blank = " ".repeat(MAX_LEADING + 1);
        assert_eq!(LeadingThink::new(true).pass(Cow::Borrowed(&blank)), blank);
    }

    #[test]
    fn watching_tells_whether_thinking_is_open() {
        let mut tags = LeadingThink::new(false);
        for (piece, inside) in [(" <th", false), ("ink>a", true), ("b</think", true), (">c", false), ("<think>", false)]
        {
            assert_eq!(tags.pass(Cow::Borrowed(piece)), piece);
            assert_eq!(tags.is_inside(), inside, "{piece}");
        }
    }

    #[test]
    fn earlier_thinking_is_split_from_the_text() {
        assert_eq!(split("<think>\na\n</think>\n\nb", false), (Some("a"), "b"));
        assert_eq!(split("b <think>a</think>", false), (None, "b <think>a</think>"));
        assert_eq!(split("<think>a", false), (None, "<think>a"));
        assert_eq!(split("<think>a", true), (Some("a"), ""));
    }
}
