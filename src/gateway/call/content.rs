//! Whether a body is a stream of events or one text, read off its beginning.

use super::super::Events;
use bytes::Bytes;

/// Blanks that are looked through, in bytes: some providers send them while they are busy.
const MAX_BLANK: usize = 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How an event may begin; a comment begins with the colon alone.
const FIELDS: [&[u8]; 5] = [b"data:", b"event:", b"id:", b"retry:", b":"];

/// A reply's body, by what it is and not by what its content type says.
#[derive(Debug)]
pub enum Content {
    /// Events, the first not yet waited for.
    Events(Box<Events>),
    /// One text.
    Whole(Bytes),
}

/// Whether a body that begins with `start` is a stream of events; `None` while that cannot be told. `says_events` is
/// what its content type says: it is believed unless the body begins as JSON or HTML does, which no event can.
pub(super) fn is_events(start: &[u8], says_events: bool) -> Option<bool> {
    if BYTE_ORDER_MARK.starts_with(start) {
        return None;
    }
    let text = start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(start).trim_ascii_start();
    match text.first() {
        None if start.len() > MAX_BLANK => Some(says_events),
        None => None,
        Some(b'{' | b'[' | b'<') => Some(false),
        Some(_) if says_events => Some(true),
        Some(_) if FIELDS.iter().any(|field| text.starts_with(field)) => Some(true),
        Some(_) if FIELDS.iter().any(|field| field.starts_with(text)) => None,
        Some(_) => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_known_by_their_first_field_whatever_the_body_is_called() {
        for body in ["data: {}", "\n: busy", "event: x", "id:1", "\u{feff}data:", "retry: 1"] {
            for says_events in [true, false] {
                assert_eq!(is_events(body.as_bytes(), says_events), Some(true), "{body:?}");
            }
        }
        assert_eq!(is_events(b"x-field: 1", true), Some(true));
    }

    #[test]
    fn json_html_and_plain_text_are_no_events_whatever_they_are_called() {
        for body in ["{\"a\"", " \r\n[", "<html>", "\u{feff}{"] {
            for says_events in [true, false] {
                assert_eq!(is_events(body.as_bytes(), says_events), Some(false), "{body:?}");
            }
        }
        assert_eq!(is_events(b"Too many requests", false), Some(false));
        assert_eq!(is_events(b"dataset", false), Some(false));
    }

    #[test]
    fn what_cannot_be_told_yet_is_waited_for_but_not_for_ever() {
        for body in ["", "\n", "\u{feff}", "dat", "\n\nev"] {
            assert_eq!(is_events(body.as_bytes(), false), None, "{body:?}");
        }
        assert_eq!(is_events(b"\xEF\xBB", true), None);
        let blank = vec![b'\n'; MAX_BLANK + 1];
        assert_eq!((is_events(&blank, true), is_events(&blank, false)), (Some(true), Some(false)));
    }
}
