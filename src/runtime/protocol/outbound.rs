//! Lines to the host, each with its newline. Key order and nulls as the `dify_plugin` SDK writes them.

use super::super::{ErrorKind, InvokeError};
use super::response::{ChunkContent, LlmChunk};
use serde::Serialize;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// The host's limit for a line with its newline, in bytes: the Dify plugin daemon ends a process whose line reaches
/// it (`PLUGIN_RUNTIME_MAX_BUFFER_SIZE`).
pub const LINE_LIMIT: usize = 5_242_880;
/// How much of a line is left for pictures or vectors beside everything around them, in bytes.
pub const LARGEST_VALUE: usize = LINE_LIMIT - 64 * 1024;
/// The longest error or log text, in bytes.
const MAX_MESSAGE: usize = 4 * 1024;
/// The longest model name, in bytes: it is repeated in every chunk.
const MAX_MODEL_NAME: usize = 4 * 1024;

/// "I am alive": also tells the host that requests may come.
pub const HEARTBEAT: &[u8] = b"{\"event\":\"heartbeat\",\"session_id\":null,\"data\":{}}\n";

#[derive(Serialize)]
struct Message<'a, T> {
    event: &'static str,
    session_id: Option<&'a str>,
    data: T,
}

#[derive(Serialize)]
struct SessionData<T> {
    r#type: &'static str,
    data: T,
}

#[derive(Serialize)]
struct Empty {}

/// One result object of a session.
///
/// # Errors
///
/// A bad request that names the limit when the line would reach [`LINE_LIMIT`].
pub fn stream(session_id: &str, result: &impl Serialize) -> Result<Vec<u8>, InvokeError> {
    let line = session_line(session_id, "stream", result)
        .map_err(|error| InvokeError::bad_request(format!("the answer cannot be written as JSON: {error}")))?;
    if line.len() >= LINE_LIMIT {
        return Err(InvokeError::bad_request(format!(
            "the answer is {} bytes long, and Dify takes less than {LINE_LIMIT} bytes at once: ask for less, for \
             example fewer texts per call or a smaller picture",
            line.len()
        )));
    }
    Ok(line)
}

/// The end of a session.
pub fn end(session_id: &str) -> Vec<u8> {
    // A struct of strings always serialises.
    session_line(session_id, "end", &Empty {}).unwrap_or_default()
}

/// The failure of a session; [`end`] follows it.
pub fn error(session_id: &str, error: &InvokeError) -> Vec<u8> {
    #[derive(Serialize)]
    struct Failure<'a> {
        error_type: &'static str,
        message: &'a str,
        args: Args<'a>,
    }
    #[derive(Serialize)]
    struct Args<'a> {
        description: &'a str,
    }
    let message = capped(&error.message);
    let failure =
        Failure { error_type: error.kind.wire_name(), message: &message, args: Args { description: &message } };
    session_line(session_id, "error", &failure).unwrap_or_default()
}

/// Asks whether anybody still listens to a session: the daemon refuses a model's backwards invocation, and only a
/// living session gets the refusal.
pub fn probe(session_id: &str, request_id: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Invocation<'a> {
        r#type: &'static str,
        backwards_request_id: &'a str,
        request: Empty,
    }
    let invocation = Invocation { r#type: "storage", backwards_request_id: request_id, request: Empty {} };
    session_line(session_id, "invoke", &invocation).unwrap_or_default()
}

/// Something is wrong with the input, and it belongs to no session.
pub fn global_error(text: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Text<'a> {
        error: &'a str,
    }
    let text = capped(text);
    line(&Message { event: "error", session_id: None, data: Text { error: &text } }).unwrap_or_default()
}

/// A log event, appended to `batch`.
pub fn log(batch: &mut Vec<u8>, level: &str, message: &str) {
    #[derive(Serialize)]
    struct Log<'a> {
        level: &'a str,
        message: &'a str,
        timestamp: f64,
    }
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let message = capped(message);
    let data = Log { level, message: &message, timestamp };
    if let Ok(line) = line(&Message { event: "log", session_id: None, data }) {
        batch.extend_from_slice(&line);
    }
}

fn session_line(session_id: &str, kind: &'static str, data: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    line(&Message { event: "session", session_id: Some(session_id), data: SessionData { r#type: kind, data } })
}

fn line(message: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// `text`, at most [`MAX_MESSAGE`] bytes of it.
fn capped(text: &str) -> std::borrow::Cow<'_, str> {
    if text.len() <= MAX_MESSAGE {
        return text.into();
    }
    let end = floor_char_boundary(text, MAX_MESSAGE - 4);
    format!("{} …", text.get(..end).unwrap_or_default()).into()
}

/// The largest index up to `index` at which `text` may be cut.
pub(crate) fn floor_char_boundary(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The line of a text chunk with holes for its index and its text. Most lines of a busy process are of this one
/// shape; filling the holes costs a fraction of serialising the whole.
#[derive(Debug)]
pub struct TextFrame {
    before_index: Vec<u8>,
    before_text: Vec<u8>,
    after_text: Vec<u8>,
}

impl TextFrame {
    /// The frame of a session's chunks.
    ///
    /// # Errors
    ///
    /// A bad request when the model's name is absurdly long.
    pub fn new(session_id: &str, model: &str) -> Result<Self, InvokeError> {
        if model.len() > MAX_MODEL_NAME {
            return Err(InvokeError::bad_request(format!("the model's name is longer than {MAX_MODEL_NAME} bytes")));
        }
        let chunk = LlmChunk {
            model,
            index: 0,
            content: ChunkContent::Text(""),
            tool_calls: &[],
            usage: None,
            finish_reason: None,
            structured_output: None,
        };
        let line = stream(session_id, &chunk)?;
        // A quote inside a JSON string is escaped, so neither mark can occur in an id or a name.
        split_after(&line, b"\"index\":")
            .zip(split_after(&line, b"\"content\":"))
            .and_then(|((before_index, _), (until_text, after))| {
                Some(Self {
                    before_text: until_text.get(before_index.len() + b"0".len()..)?.to_vec(),
                    before_index: before_index.to_vec(),
                    after_text: after.get(b"\"\"".len()..)?.to_vec(),
                })
            })
            .ok_or_else(|| InvokeError::new(ErrorKind::ServerUnavailable, "internal error: no frame for text chunks"))
    }

    /// Appends a chunk line to `batch`.
    pub fn write(&self, batch: &mut Vec<u8>, index: u64, text: &str) {
        batch.extend_from_slice(&self.before_index);
        // Writing to a Vec does not fail.
        let _ = write!(batch, "{index}");
        batch.extend_from_slice(&self.before_text);
        let _ = serde_json::to_writer(&mut *batch, text);
        batch.extend_from_slice(&self.after_text);
    }
}

fn split_after<'a>(line: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = memchr::memmem::find(line, mark)?;
    line.split_at_checked(start + mark.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &[u8]) -> &str {
        std::str::from_utf8(line).unwrap()
    }

    #[test]
    fn a_text_chunk_has_the_shape_of_the_sdk() {
        let frame = TextFrame::new("S", "m \"index\":0 \"content\":\"\"").unwrap();
        let mut batch = Vec::new();
        frame.write(&mut batch, 17, "H\u{e9} \"q\" \u{2028} \n \0");
        assert_eq!(
            text(&batch),
            "{\"event\":\"session\",\"session_id\":\"S\",\"data\":{\"type\":\"stream\",\"data\":{\"model\":\"m \
             \\\"index\\\":0 \\\"content\\\":\\\"\\\"\",\"prompt_messages\":[],\"system_fingerprint\":null,\"delta\":\
             {\"index\":17,\"message\":{\"role\":\"assistant\",\"content\":\"H\u{e9} \\\"q\\\" \u{2028} \\n \\u0000\",\
             \"name\":null,\"tool_calls\":[],\"opaque_body\":null},\"usage\":null,\"finish_reason\":null}}}}\n"
        );
    }

    #[test]
    fn an_end_has_data() {
        assert_eq!(
            text(&end("S")),
            "{\"event\":\"session\",\"session_id\":\"S\",\"data\":{\"type\":\"end\",\"data\":{}}}\n"
        );
    }

    #[test]
    fn an_error_carries_its_text_twice_and_nothing_else() {
        assert_eq!(
            text(&error("S", &InvokeError::new(ErrorKind::RateLimit, "slow down"))),
            "{\"event\":\"session\",\"session_id\":\"S\",\"data\":{\"type\":\"error\",\"data\":{\"error_type\":\
             \"InvokeRateLimitError\",\"message\":\"slow down\",\"args\":{\"description\":\"slow down\"}}}}\n"
        );
    }

    #[test]
    fn a_long_error_text_is_cut_between_characters() {
        let line = error("S", &InvokeError::bad_request("\u{e9}".repeat(100_000)));
        assert!(line.len() < 3 * MAX_MESSAGE);
        assert!(text(&line).contains("\u{e9} \u{2026}\""));
    }

    #[test]
    fn a_line_at_the_limit_is_refused_and_one_below_it_passes() {
        let overhead = stream("S", &"").unwrap().len();
        assert_eq!(stream("S", &"x".repeat(LINE_LIMIT - overhead - 1)).unwrap().len(), LINE_LIMIT - 1);
        let refusal = stream("S", &"x".repeat(LINE_LIMIT - overhead)).unwrap_err();
        assert!(refusal.message.contains("5242880"), "{refusal}");
    }

    #[test]
    fn a_log_event_has_a_numeric_timestamp() {
        let mut batch = Vec::new();
        log(&mut batch, "INFO", "a\nb");
        let event: serde_json::Value = serde_json::from_slice(&batch).unwrap();
        assert_eq!(event["data"]["message"], "a\nb");
        assert!(event["data"]["timestamp"].is_f64());
        assert!(event["session_id"].is_null());
    }
}
