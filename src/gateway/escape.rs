//! Percent-encoding as the gateway normalises it, so that what is signed here is what is checked there.
//!
//! Envoy decodes escapes of unreserved characters in a path, escapes `"<>^{}|` and the backtick, and keeps other escapes
//! with the case of their digits; it never touches a query and answers raw non-ASCII bytes with 400.

/// A path: unreserved characters bare, valid escapes kept, everything else that is not a path character escaped.
/// A stray `%` becomes `%25`, a backslash a slash.
pub(super) fn path(text: &str) -> String {
    canonical(text, |byte| is_unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte), true)
}

/// A query: like [`path`], but its escapes stay as they are, because nobody on the way normalises them.
pub(super) fn query(text: &str) -> String {
    canonical(text, |byte| is_unreserved(byte) || b"!$&()*+,;=:@/?".contains(&byte), false)
}

/// One name or value of a query: everything but unreserved characters escaped.
pub(super) fn component(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.bytes().for_each(|byte| if is_unreserved(byte) { out.push(char::from(byte)) } else { escape(&mut out, byte) });
    out
}

/// Undoes escapes the way Higress's signature check does: `+` stays, a `%` without two hex digits stays.
pub(super) fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = if byte == b'%' { escaped_byte(tail) } else { None };
        out.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    out
}

fn canonical(text: &str, bare: impl Fn(u8) -> bool, unescape: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => match (escaped_byte(tail), tail.split_at_checked(2)) {
                (Some(plain), Some((digits, after))) => {
                    if unescape && is_unreserved(plain) {
                        out.push(char::from(plain));
                    } else {
                        out.push('%');
                        out.extend(digits.iter().copied().map(char::from));
                    }
                    rest = after;
                }
                _ => out.push_str("%25"),
            },
            b'\\' if unescape => out.push('/'),
            byte if bare(byte) => out.push(char::from(byte)),
            byte => escape(&mut out, byte),
        }
    }
    out
}

fn escaped_byte(after_percent: &[u8]) -> Option<u8> {
    match after_percent {
        [high, low, ..] => Some((hex(*high)? << 4) | hex(*low)?),
        _ => None,
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn escape(out: &mut String, byte: u8) {
    out.push('%');
    for nibble in [byte >> 4, byte & 15] {
        out.extend(char::from_digit(u32::from(nibble), 16).map(|digit| digit.to_ascii_uppercase()));
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}
