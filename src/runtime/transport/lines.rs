//! Bytes in, lines out.

use bytes::Bytes;

/// The longest input line that is read, in bytes without its newline. Requests carry pictures and sound in base64,
/// so it is far above what people send; a longer line is skipped up to its newline and reported.
pub const MAX_INPUT_LINE: usize = 128 * 1024 * 1024;

/// What a transport hands to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// One line, not blank, without its newline.
    Line(Bytes),
    /// A line of more than [`MAX_INPUT_LINE`] bytes was skipped.
    TooLong,
}

/// Splits a stream of bytes into lines. It never blocks, looks at each byte once, and holds one line at most.
#[derive(Debug)]
pub struct LineSplitter {
    partial: Vec<u8>,
    skipping: bool,
    limit: usize,
}

impl Default for LineSplitter {
    fn default() -> Self {
        Self::with_limit(MAX_INPUT_LINE)
    }
}

impl LineSplitter {
    /// A splitter for lines of at most `limit` bytes.
    pub const fn with_limit(limit: usize) -> Self {
        Self { partial: Vec::new(), skipping: false, limit }
    }

    /// Takes bytes from the front of `input` up to the next complete line, and returns it; `None` when `input` is
    /// used up. Blank lines are skipped.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Inbound> {
        while let Some(newline) = memchr::memchr(b'\n', input) {
            let (head, rest) = input.split_at(newline);
            *input = rest.get(1..).unwrap_or_default();
            self.extend(head);
            if let Some(line) = self.complete() {
                return Some(line);
            }
        }
        self.extend(input);
        *input = &[];
        None
    }

    /// The last line, when the input ended without a newline.
    pub fn finish(&mut self) -> Option<Inbound> {
        self.complete()
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.skipping {
            return;
        }
        if self.partial.len() + bytes.len() > self.limit {
            self.skipping = true;
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn complete(&mut self) -> Option<Inbound> {
        if std::mem::take(&mut self.skipping) {
            return Some(Inbound::TooLong);
        }
        if self.partial.trim_ascii().is_empty() {
            self.partial.clear();
            return None;
        }
        Some(Inbound::Line(Bytes::from(std::mem::take(&mut self.partial))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(splitter: &mut LineSplitter, pieces: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        let mut keep = |line| match line {
            Inbound::Line(bytes) => found.push(String::from_utf8(bytes.to_vec()).unwrap()),
            Inbound::TooLong => found.push("(too long)".to_owned()),
        };
        for piece in pieces {
            let mut input = piece.as_bytes();
            while let Some(line) = splitter.next(&mut input) {
                keep(line);
            }
            assert!(input.is_empty());
        }
        splitter.finish().map(&mut keep);
        found
    }

    #[test]
    fn a_line_in_fragments_is_put_together() {
        assert_eq!(
            lines(&mut LineSplitter::default(), &["{\"a\"", ":", "1}\n{\"b\":2}", "\n"]),
            ["{\"a\":1}", "{\"b\":2}"]
        );
    }

    #[test]
    fn blank_lines_are_skipped_and_carriage_returns_kept_out_of_the_way() {
        assert_eq!(lines(&mut LineSplitter::default(), &["\n \t\r\n\r\na\r\n\n"]), ["a\r"]);
    }

    #[test]
    fn a_last_line_without_newline_counts() {
        assert_eq!(lines(&mut LineSplitter::default(), &["a\nb"]), ["a", "b"]);
    }

    #[test]
    fn a_line_at_the_limit_passes_and_one_beyond_it_is_skipped_to_its_newline() {
        let mut splitter = LineSplitter::with_limit(4);
        assert_eq!(lines(&mut splitter, &["abcd\nabcde", "fgh\nxy\n"]), ["abcd", "(too long)", "xy"]);
    }
}
