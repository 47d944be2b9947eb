//! Server-sent events: bytes of any kind, in pieces of any size, become the events that the standard says, and no
//! event is larger than its limit.

use higress_dify_plugin::gateway::Event;
use higress_dify_plugin::gateway::sse::Framer;
use serde::de::IgnoredAny;

const SMALL: usize = 64;

/// Checks one input: a stream.
pub(crate) fn run(data: &[u8]) {
    let whole = events(Framer::default(), std::iter::once(data));
    let plain: Vec<_> = whole.iter().map(|event| (event.event.clone(), event.data.clone())).collect();
    assert_eq!(plain, by_the_standard(data), "not what the standard says");
    assert_eq!(events(Framer::default(), data.chunks(1)), whole, "byte by byte");
    let size = 1 + data.iter().map(|byte| usize::from(*byte)).sum::<usize>() % 61;
    assert_eq!(events(Framer::default(), data.chunks(size)), whole, "in pieces of {size} bytes");
    for event in events(Framer::with_limit(SMALL), data.chunks(size)) {
        // A byte that is not UTF-8 becomes the three of a replacement character.
        assert!(event.data.len() <= 3 * SMALL && event.event.len() <= 3 * SMALL, "over the limit: {event:?}");
    }
}

/// The events up to the end, or up to the first that is too large.
fn events<'a>(mut framer: Framer, mut pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Event> {
    if pieces.all(|piece| framer.push(piece).is_ok()) {
        let _ = framer.finish();
    }
    std::iter::from_fn(|| framer.pop()).collect()
}

/// Name and data of each event, read as simply as the standard's text goes. Beyond it, an event that the end cuts short
/// counts, and a line that is a JSON object or begins an HTML page is an event of its own.
fn by_the_standard(data: &[u8]) -> Vec<(String, String)> {
    let data = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    let mut events = Vec::new();
    let (mut name, mut lines) = (String::new(), Vec::new());
    for line in lines_of(data).into_iter().chain([Vec::new()]) {
        if line.is_empty() {
            end_event(&mut name, &mut lines, &mut events);
            continue;
        }
        let object = line.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(&line).is_ok();
        let line = String::from_utf8_lossy(&line);
        let page = ["<html", "<!doctype html"].iter().any(|tag| line.to_ascii_lowercase().starts_with(tag));
        if object || page {
            end_event(&mut name, &mut lines, &mut events);
            events.push((String::new(), line.into_owned()));
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "event" => name = value,
            "data" => lines.push(value),
            _ => {}
        }
    }
    events
}

fn end_event(name: &mut String, lines: &mut Vec<String>, events: &mut Vec<(String, String)>) {
    let (name, lines) = (std::mem::take(name), std::mem::take(lines));
    if !lines.is_empty() {
        events.push((if name == "message" { String::new() } else { name }, lines.join("\n")));
    }
}

/// Lines without their ends: LF, CR or CRLF.
fn lines_of(data: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = vec![Vec::new()];
    let mut bytes = data.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if(|next| **next == b'\n');
                lines.push(Vec::new());
            }
            b'\n' => lines.push(Vec::new()),
            byte => lines.last_mut().expect("never empty").push(*byte),
        }
    }
    lines
}
