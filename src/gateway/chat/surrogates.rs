//! Halves of characters: what Python servers write when they cut a stream inside a character.
//!
//! A character beyond the first 65,536 is two escapes in JSON (`\ud83d\ude00`). A server that cuts its text between them
//! sends one half at the end of a piece and the other at the beginning of the next. No Rust string can hold a half, so
//! [`repair`] lets a placeholder stand for it, and [`Halves`] puts two of them together again.

use std::borrow::Cow;

/// The placeholder of the first half there is, U+D800; the others follow it in order. The last block of Unicode's last
/// private plane: no text has these characters.
const PLACEHOLDERS: u32 = 0x10_F000;
/// The first byte of every placeholder, and of nothing else but the characters of that plane.
const FIRST_BYTE: u8 = 0xF4;
const REPLACEMENT: char = '\u{FFFD}';

/// Makes JSON with escapes of lone halves readable: one at the edge of a text becomes its placeholder, any other the
/// replacement character U+FFFD. JSON without any is returned as it is.
pub fn repair(json: &str) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let mut repaired: Option<String> = None;
    let mut copied = 0;
    let mut at = 0;
    while let Some(offset) = memchr::memchr(b'\\', bytes.get(at..).unwrap_or_default()) {
        let escape = at + offset;
        at = escape + 2;
        let Some(unit) = half(bytes, escape) else { continue };
        let pair = is_high(unit) && half(bytes, escape + 6).is_some_and(|second| !is_high(second));
        if pair {
            at = escape + 12;
            continue;
        }
        let text = repaired.get_or_insert_with(|| String::with_capacity(json.len()));
        text.push_str(json.get(copied..escape).unwrap_or_default());
        at = escape + 6;
        let neighbour = if is_high(unit) { Some(at) } else { escape.checked_sub(1) };
        let at_edge = neighbour.and_then(|at| bytes.get(at)) == Some(&b'"');
        text.push(if at_edge { placeholder(unit) } else { REPLACEMENT });
        copied = at;
    }
    match repaired {
        None => Cow::Borrowed(json),
        Some(mut text) => {
            text.push_str(json.get(copied..).unwrap_or_default());
            Cow::Owned(text)
        }
    }
}

/// `text` with its placeholders put together, lone ones replaced. For text that is complete.
pub fn settle(text: &str) -> Cow<'_, str> {
    let mut halves = Halves::default();
    match halves.join(Cow::Borrowed(text)) {
        Cow::Borrowed(text) if halves.high.is_none() => Cow::Borrowed(text),
        joined => Cow::Owned(joined.into_owned() + halves.finish()),
    }
}

/// Follows one text in pieces, and puts together what was cut between two of them.
#[derive(Debug, Default)]
pub struct Halves {
    high: Option<u32>,
}

impl Halves {
    /// The part of the text that is known after this piece.
    pub fn join<'c>(&mut self, piece: Cow<'c, str>) -> Cow<'c, str> {
        if piece.is_empty() || (self.high.is_none() && memchr::memchr(FIRST_BYTE, piece.as_bytes()).is_none()) {
            return piece;
        }
        let mut joined = String::with_capacity(piece.len() + 4);
        for letter in piece.chars() {
            let unit = u32::from(letter).checked_sub(PLACEHOLDERS).filter(|offset| *offset < 0x800);
            match (self.high.take(), unit) {
                (Some(high), Some(low)) if low >= 0x400 => {
                    joined.push(char::from_u32(0x1_0000 + (high << 10) + (low - 0x400)).unwrap_or(REPLACEMENT));
                    continue;
                }
                (Some(_), _) => joined.push(REPLACEMENT),
                (None, _) => {}
            }
            match unit {
                Some(high) if high < 0x400 => self.high = Some(high),
                Some(_) => joined.push(REPLACEMENT),
                None => joined.push(letter),
            }
        }
        Cow::Owned(joined)
    }

    /// The text is complete: what stands for a half whose other half never came.
    pub fn finish(&mut self) -> &'static str {
        if self.high.take().is_some() { "\u{FFFD}" } else { "" }
    }
}

fn is_high(unit: u16) -> bool {
    unit < 0xDC00
}

fn placeholder(unit: u16) -> char {
    char::from_u32(PLACEHOLDERS + u32::from(unit) - 0xD800).unwrap_or(REPLACEMENT)
}

/// The half that the six bytes at `at` escape, if they do.
fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let hex = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let unit = u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?;
    (0xD800..0xE000).contains(&unit).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of JSON strings that follow each other, as a stream's pieces do.
    fn text(pieces: &[&str]) -> String {
        let mut halves = Halves::default();
        let mut text = String::new();
        for json in pieces {
            let piece: String = serde_json::from_str(&repair(json)).unwrap();
            text.push_str(&halves.join(Cow::Owned(piece)));
        }
        text + halves.finish()
    }

    #[test]
    fn a_character_that_was_cut_between_two_pieces_is_whole_again() {
        assert_eq!(text(&[r#""a\ud83d""#, r#""\ude00b""#]), "a😀b");
        assert_eq!(text(&[r#""\uD83D""#, r#""""#, r#""\uDE00\uD83D""#, r#""\uDE01""#]), "😀😁");
        assert_eq!(text(&[r#""\udbff""#, r#""\udfff""#]), "\u{10FFFF}");
    }

    #[test]
    fn a_half_without_its_other_half_becomes_the_replacement_character() {
        for (pieces, expected) in [
            (&[r#""a\ud83d b""#][..], "a\u{FFFD} b"),
            (&[r#""\udc00""#], "\u{FFFD}"),
            (&[r#""\uD83D\uD83D\uDE00""#], "\u{FFFD}😀"),
            (&[r#""\ud83d""#, r#""x""#], "\u{FFFD}x"),
            (&[r#""\ud83d""#, r#""\ud83d""#, r#""\ude00""#], "\u{FFFD}😀"),
            (&[r#""a\ud83d""#], "a\u{FFFD}"),
            (&[r#""a""#, r#""\ude00""#], "a\u{FFFD}"),
        ] {
            assert_eq!(text(pieces), expected, "{pieces:?}");
        }
    }

    #[test]
    fn whole_pairs_and_escaped_backslashes_stay() {
        for json in [r#""\ud83d\ude00""#, r#""C:\\ud83d""#, r#""\u4f60\n""#, r#""plain""#, r#""\\\\""#, "\\", "\\u12"] {
            assert!(matches!(repair(json), Cow::Borrowed(same) if same == json), "{json}");
        }
    }

    #[test]
    fn text_without_halves_is_passed_on_without_a_copy() {
        let mut halves = Halves::default();
        assert!(matches!(halves.join(Cow::Borrowed("你好 😀")), Cow::Borrowed("你好 😀")));
        assert!(matches!(settle("plain"), Cow::Borrowed("plain")));
        assert_eq!(settle(&repair(r#"{"message":"a\ud83d"}"#)), "{\"message\":\"a\u{FFFD}\"}");
    }
}
