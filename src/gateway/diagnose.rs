//! Why a signature was refused: what was signed here beside what the gateway signed.

use super::redact::Redactor;
use std::borrow::Cow;

/// How much of a differing line is shown.
const SHOWN: usize = 200;
/// The first lines of the string, in the order in which hmac-auth builds it.
const FIXED_LINES: [&str; 5] = ["method", "accept", "content-md5", "content-type", "date"];
/// Clocks that agree this well are not the reason.
const SMALL_SKEW: i64 = 5;

/// Compares `ours` with the header `X-Ca-Error-Message`: ``Server StringToSign:`…` ``, every newline shown as `#`.
pub(super) fn signature(ours: &[u8], header: &[u8], redactor: &Redactor) -> Option<String> {
    let start = memchr::memchr(b'`', header)? + 1;
    let end = memchr::memrchr(b'`', header).filter(|end| *end >= start)?;
    let theirs = header.get(start..end)?;
    // A `#` inside a value looks like a newline there, so it must here.
    let ours: Vec<u8> = ours.iter().map(|byte| if *byte == b'\n' { b'#' } else { *byte }).collect();
    if ours == theirs {
        return Some("Gateway and plugin signed the same text, so the secret is wrong".to_owned());
    }
    let lines = |text: &[u8]| -> Vec<String> {
        text.split(|byte| *byte == b'#').map(|line| redactor.line(&String::from_utf8_lossy(line), SHOWN)).collect()
    };
    let raw_ours: Vec<&[u8]> = ours.split(|byte| *byte == b'#').collect();
    let raw_theirs: Vec<&[u8]> = theirs.split(|byte| *byte == b'#').collect();
    let at = raw_ours.iter().zip(&raw_theirs).take_while(|(a, b)| a == b).count();
    let (shown_ours, shown_theirs) = (lines(&ours), lines(theirs));
    let show = |lines: &[String]| lines.get(at).map_or_else(|| "nothing".to_owned(), |line| format!("`{line}`"));
    let name: Cow<'_, str> = match FIXED_LINES.get(at) {
        Some(name) => Cow::Borrowed(*name),
        None if at + 1 == raw_ours.len() => Cow::Borrowed("path"),
        None => shown_ours.get(at).and_then(|line| line.split(':').next()).unwrap_or("end").to_owned().into(),
    };
    Some(format!(
        "The signed texts differ first in line {} ({name}): sent {}, the gateway saw {}; something on the way changes it",
        at + 1,
        show(&shown_ours),
        show(&shown_theirs)
    ))
}

/// Compares this machine's clock with the `Date` of the answer, both in seconds since 1970.
pub(super) fn clock(ours: i64, theirs: i64) -> String {
    match ours - theirs {
        skew if skew.abs() <= SMALL_SKEW => {
            "The clocks agree, so widen the gateway's allowed clock skew or look for a proxy that changes Date"
                .to_owned()
        }
        skew if skew > 0 => format!("This machine's clock is {skew} s ahead of the gateway's: set it"),
        skew => format!("This machine's clock is {} s behind the gateway's: set it", -skew),
    }
}
