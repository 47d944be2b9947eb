//! Stop sequences, for upstreams that ignore them.

use std::borrow::Cow;

/// Cuts an answer, in pieces cut anywhere, before the first of some texts.
#[derive(Debug)]
pub(super) struct StopFilter {
    stops: Vec<String>,
    /// The end of what was read, while a stop sequence may begin in it.
    held: String,
}

impl StopFilter {
    /// A filter for these texts; empty ones are ignored.
    pub(super) fn new(stops: &[String]) -> Self {
        Self { stops: stops.iter().filter(|stop| !stop.is_empty()).cloned().collect(), held: String::new() }
    }

    /// The part of `text`, and of what was held back, that passes now, and whether the answer ends with it.
    pub(super) fn pass<'c>(&mut self, text: Cow<'c, str>) -> (Cow<'c, str>, bool) {
        if self.stops.is_empty() {
            return (text, false);
        }
        let mut buffer = std::mem::take(&mut self.held);
        buffer.push_str(&text);
        if let Some(at) = self.stops.iter().filter_map(|stop| buffer.find(stop.as_str())).min() {
            buffer.truncate(at);
            return (Cow::Owned(buffer), true);
        }
        let keep = self.stops.iter().map(|stop| overlap(&buffer, stop)).max().unwrap_or_default();
        self.held = buffer.split_off(buffer.len() - keep);
        (Cow::Owned(buffer), false)
    }

    /// What was held back when the answer ended.
    pub(super) fn release(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// How many bytes at the end of `text` begin `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = stop.len().saturating_sub(1).min(text.len());
    (1..=longest).rev().find(|length| stop.get(..*length).is_some_and(|start| text.ends_with(start))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let mut filter = StopFilter::new(&stops);
        let mut shown = String::new();
        for piece in pieces {
            let (text, ends) = filter.pass(Cow::Borrowed(*piece));
            shown.push_str(&text);
            if ends {
                return (shown, true);
            }
        }
        (shown + &filter.release(), false)
    }

    #[test]
    fn an_answer_is_cut_before_a_stop_sequence_wherever_the_pieces_are_cut() {
        let text = "Thought: 思考\nObservation: made up";
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            assert_eq!(cut(&["\nObservation"], &[&text[..at], &text[at..]]), ("Thought: 思考".to_owned(), true));
        }
    }

    #[test]
    fn the_earliest_stop_sequence_counts() {
        assert_eq!(cut(&["b", "a"], &["xab"]), ("x".to_owned(), true));
    }

    #[test]
    fn a_beginning_that_never_became_a_stop_sequence_is_text() {
        assert_eq!(cut(&["END", ""], &["E", "N", "E", "N"]), ("ENEN".to_owned(), false));
    }
}
