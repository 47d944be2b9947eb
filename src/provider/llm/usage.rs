//! What an answer cost: the upstream's counts, and what stands in for those it does not give.

use crate::gateway::chat::Usage;

/// From this many characters on an estimate is the number of characters, so more need not be kept.
const MAX_KEPT: usize = 400_000;

/// Everything the model wrote, thinking and tool calls included, for an estimate of its length.
#[derive(Debug, Default)]
pub struct Transcript {
    text: String,
    more: u64,
}

impl Transcript {
    /// Adds a piece.
    pub(super) fn add(&mut self, piece: &str) {
        if self.more == 0 && self.text.len() + piece.len() <= MAX_KEPT {
            self.text.push_str(piece);
        } else {
            self.more += piece.chars().count() as u64;
        }
    }

    /// The text to count, and how many characters there are beyond it.
    pub fn into_parts(self) -> (String, u64) {
        (self.text, self.more)
    }
}

/// The counts of one answer, complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) prompt: u64,
    pub(super) completion: u64,
    pub(super) total: u64,
    /// Whether any of them is an estimate.
    pub(super) estimated: bool,
}

/// What the upstream said, completed from itself where two of three counts are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reported {
    pub(super) prompt: Option<u64>,
    pub(super) completion: Option<u64>,
    total: Option<u64>,
}

impl Reported {
    pub(super) fn new(usage: Option<Usage>) -> Self {
        let usage = usage.unwrap_or_default();
        let (prompt, completion, total) = (usage.prompt(), usage.completion(), usage.total());
        let rest = |part: Option<u64>| Some(total?.saturating_sub(part?));
        Self { prompt: prompt.or_else(|| rest(completion)), completion: completion.or_else(|| rest(prompt)), total }
    }

    /// The counts, with estimates for the missing ones. The total may be more than the sum: some providers count
    /// thinking only there.
    pub(super) fn complete(self, prompt: u64, completion: u64) -> Counts {
        let estimated = self.prompt.is_none() || self.completion.is_none();
        let (prompt, completion) = match (self.prompt, self.completion, self.total) {
            // An answer's length is the better estimate of the two: files, for one, have tokens that nobody here knows.
            (None, None, Some(total)) => (total.saturating_sub(completion), completion.min(total)),
            (given, told, _) => (given.unwrap_or(prompt), told.unwrap_or(completion)),
        };
        let sum = prompt.saturating_add(completion);
        let total = self.total.filter(|total| *total > sum && !estimated).unwrap_or(sum);
        Counts { prompt, completion, total, estimated }
    }
}

/// The usage that counts after `new` came: the last one, but zeros do not replace what was counted. A guard that cuts
/// in ends the stream with zeros.
pub(super) fn latest(old: Option<Usage>, new: Option<Usage>) -> Option<Usage> {
    let counts = |usage: Usage| [usage.prompt(), usage.completion(), usage.total()].into_iter().flatten();
    let Some(new) = new.filter(|new| counts(*new).next().is_some()) else { return old };
    let nothing = |usage: Usage| counts(usage).all(|count| count == 0);
    if nothing(new) && old.is_some_and(|old| !nothing(old)) { old } else { Some(new) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> Option<Usage> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn the_upstreams_counts_are_the_truth() {
        let reported = Reported::new(usage(r#"{"prompt_tokens":3,"completion_tokens":4,"total_tokens":9}"#));
        assert_eq!(reported.complete(100, 100), Counts { prompt: 3, completion: 4, total: 9, estimated: false });
    }

    #[test]
    fn a_missing_count_is_completed_from_the_others_before_it_is_estimated() {
        let two = Reported::new(usage(r#"{"completion_tokens":4,"total_tokens":9}"#));
        assert_eq!(two.complete(100, 100), Counts { prompt: 5, completion: 4, total: 9, estimated: false });
        let one = Reported::new(usage(r#"{"prompt_tokens":3}"#));
        assert_eq!(one.complete(100, 7), Counts { prompt: 3, completion: 7, total: 10, estimated: true });
        assert_eq!(Reported::new(None).complete(2, 1), Counts { prompt: 2, completion: 1, total: 3, estimated: true });
    }

    #[test]
    fn the_last_usage_wins_unless_it_says_nothing() {
        let first = usage(r#"{"prompt_tokens":1,"completion_tokens":1}"#);
        let last = usage(r#"{"prompt_tokens":1,"completion_tokens":2}"#);
        assert_eq!(latest(first, last), last);
        assert_eq!(latest(first, usage("{}")), first);
        assert_eq!(latest(first, None), first);
        let zeros = usage(r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#);
        assert_eq!(latest(first, zeros), first);
        assert_eq!(latest(None, zeros), zeros);
    }

    #[test]
    fn a_long_transcript_is_counted_beyond_what_is_kept() {
        let mut transcript = Transcript::default();
        transcript.add("思考");
        transcript.add(&"x".repeat(MAX_KEPT));
        transcript.add("思考");
        assert_eq!(transcript.into_parts(), ("思考".to_owned(), MAX_KEPT as u64 + 2));
    }
}
