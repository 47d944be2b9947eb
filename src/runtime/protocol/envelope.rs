//! Lines from the host: the outer object, with `data` left as it is.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest session id, in bytes. The daemon's are UUIDs.
const MAX_SESSION_ID: usize = 256;

/// One line, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Envelope {
    /// A call; the line is its whole request.
    Request(RequestLine),
    /// An answer to something this process asked on a session.
    BackwardsResponse {
        /// The session.
        session_id: String,
        /// What it answers.
        request_id: Option<String>,
    },
}

/// A call that has not been decoded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLine {
    /// Echoed in every line of the answer.
    pub session_id: String,
    /// The Dify app the call comes from, on hosts that say so.
    pub app_id: Option<String>,
    /// The JSON of `data`; shares the line's memory.
    pub data: Bytes,
}

/// A line that is not an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Whose line it is, where that can be told.
    pub session_id: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Deserialize)]
struct Wire<'a> {
    session_id: Option<String>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    app_id: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// A value if it is text: whatever else it is, the call it stands in is known and can be answered.
fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

#[derive(Deserialize)]
struct BackwardsData {
    backwards_request_id: Option<String>,
}

impl Envelope {
    /// Opens a line. Unknown keys are ignored.
    ///
    /// # Errors
    ///
    /// When it is not a JSON object with a session id, a known event and data.
    pub fn parse(line: &Bytes) -> Result<Self, BadLine> {
        let bad = |reason: String| BadLine { session_id: None, reason };
        // A struct would also be read from an array of its fields.
        if !line.trim_ascii_start().starts_with(b"{") {
            return Err(bad("the line cannot be read: it is not a JSON object".to_owned()));
        }
        let wire: Wire<'_> =
            serde_json::from_slice(line).map_err(|error| bad(format!("the line cannot be read: {error}")))?;
        let Some(session_id) = wire.session_id.filter(|id| !id.is_empty()) else {
            return Err(bad("the line has no `session_id`".to_owned()));
        };
        if session_id.len() > MAX_SESSION_ID {
            return Err(bad(format!("the `session_id` is longer than {MAX_SESSION_ID} bytes")));
        }
        let bad = |reason: String| BadLine { session_id: Some(session_id.clone()), reason };
        let data = wire.data.ok_or_else(|| bad("the line has no `data`".to_owned()))?;
        let event = wire.event.ok_or_else(|| bad("the line has no `event`".to_owned()))?;
        match text(event).as_deref() {
            Some("request") => {
                let data = line.slice_ref(data.get().as_bytes());
                Ok(Self::Request(RequestLine { session_id, app_id: wire.app_id.and_then(text), data }))
            }
            Some("backwards_response") => {
                let request_id = serde_json::from_str::<BackwardsData>(data.get()).ok();
                let request_id = request_id.and_then(|data| data.backwards_request_id);
                Ok(Self::BackwardsResponse { session_id, request_id })
            }
            Some(other) => {
                let shown: String = other.chars().take(64).collect();
                Err(bad(format!("the event {shown:?} is not known here")))
            }
            None => Err(bad("the `event` is not text".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Envelope, BadLine> {
        Envelope::parse(&Bytes::copy_from_slice(line.as_bytes()))
    }

    #[test]
    fn unknown_and_missing_optional_keys_do_not_matter() {
        let line = r#"{"tenant_id":"t","context":{},"session_id":"S","event":"request","data":{"a":[1]},"x":1}"#;
        let Ok(Envelope::Request(request)) = parse(line) else { panic!("a request") };
        assert_eq!((request.session_id.as_str(), request.app_id), ("S", None));
        assert_eq!(&request.data[..], br#"{"a":[1]}"#);
    }

    #[test]
    fn an_app_id_that_is_no_text_is_none() {
        for id in ["5", "[]", "{}", "true", "null"] {
            let line = format!(r#"{{"session_id":"S","event":"request","app_id":{id},"data":{{}}}}"#);
            let Ok(Envelope::Request(request)) = parse(&line) else { panic!("{line}") };
            assert_eq!(request.app_id, None);
        }
    }

    #[test]
    fn an_answer_names_its_question() {
        let line =
            r#"{"session_id":"S","event":"backwards_response","data":{"backwards_request_id":"7","event":"end"}}"#;
        assert_eq!(
            parse(line),
            Ok(Envelope::BackwardsResponse { session_id: "S".to_owned(), request_id: Some("7".to_owned()) })
        );
    }

    #[test]
    fn a_bad_line_says_why_and_whose_it_is() {
        for (line, session, reason) in [
            ("{", None, "cannot be read"),
            ("[1]", None, "cannot be read"),
            (r#"["S","request",null,{}]"#, None, "not a JSON object"),
            (r#"{"event":"request","data":{}}"#, None, "`session_id`"),
            (r#"{"session_id":"","event":"request","data":{}}"#, None, "`session_id`"),
            (r#"{"session_id":"S","event":"request"}"#, Some("S"), "`data`"),
            (r#"{"session_id":"S","data":{}}"#, Some("S"), "`event`"),
            (r#"{"session_id":"S","event":"hello","data":{}}"#, Some("S"), "\"hello\""),
            (r#"{"session_id":"S","event":5,"data":{}}"#, Some("S"), "`event` is not text"),
        ] {
            let bad = parse(line).unwrap_err();
            assert_eq!(bad.session_id.as_deref(), session, "{line}");
            assert!(bad.reason.contains(reason), "{line}: {}", bad.reason);
        }
    }
}
