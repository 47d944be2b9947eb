//! The last requests, as they came: what the demo shows and tests look at.

use super::auth::key::{KEY_HEADERS, KEY_QUERY};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HeaderName};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// How many requests are kept.
const KEPT: usize = 256;
/// How much of a body is kept.
const BODY_KEPT: usize = 64 * 1024;
const HIDDEN: &str = "••••••••";

/// One request. `Debug`, [`target`](Self::shown_target) and [`headers`](Self::shown_headers) as shown hide API keys.
#[derive(Clone)]
pub struct Recorded {
    /// Counts from 1.
    pub number: u64,
    /// `POST`, `GET`.
    pub method: String,
    /// Path and query as they stood in the request line.
    pub target: String,
    /// The headers as they came, secrets included.
    pub headers: HeaderMap,
    /// The first 64 KiB of the body.
    pub body: Bytes,
    /// Who called, once authentication let the request in.
    pub consumer: Option<String>,
    /// What the signature was checked against.
    pub string_to_sign: Option<String>,
    /// The status of the answer; none while there is no answer.
    pub status: Option<u16>,
}

impl Recorded {
    /// The request line's target with an API key in the query hidden.
    pub fn shown_target(&self) -> String {
        let Some((path, query)) = self.target.split_once('?') else { return self.target.clone() };
        let shown = query.split('&').map(|pair| match pair.split_once('=') {
            Some((KEY_QUERY, _)) => format!("{KEY_QUERY}={HIDDEN}"),
            _ => pair.to_owned(),
        });
        format!("{path}?{}", shown.collect::<Vec<_>>().join("&"))
    }

    /// The headers with API keys hidden. Signatures are shown: they prove a secret without telling it.
    pub fn shown_headers(&self) -> Vec<(String, String)> {
        self.headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes());
                (name.as_str().to_owned(), shown_value(name, &value))
            })
            .collect()
    }

    /// The body as JSON, if it is that.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "number": self.number,
            "method": self.method,
            "target": self.shown_target(),
            "headers": self.shown_headers(),
            "consumer": self.consumer,
            "string_to_sign": self.string_to_sign,
            "status": self.status,
        })
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("number", &self.number)
            .field("method", &self.method)
            .field("target", &self.shown_target())
            .field("headers", &self.shown_headers())
            .field("consumer", &self.consumer)
            .field("string_to_sign", &self.string_to_sign)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

fn shown_value(name: &HeaderName, value: &str) -> String {
    if KEY_HEADERS.contains(&name.as_str()) {
        return HIDDEN.to_owned();
    }
    match value.split_once(' ') {
        _ if *name != AUTHORIZATION => value.to_owned(),
        Some(("Signature", _)) => value.to_owned(),
        Some((scheme, _)) => format!("{scheme} {HIDDEN}"),
        None => HIDDEN.to_owned(),
    }
}

/// Keeps the last requests.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    kept: VecDeque<Recorded>,
}

impl Recorder {
    /// Keeps `record` under the next number, which it returns.
    pub(super) fn push(&self, mut record: Recorded) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last += 1;
        record.number = state.last;
        if state.kept.len() == KEPT {
            state.kept.pop_front();
        }
        state.kept.push_back(record);
        state.last
    }

    /// Notes the status of the answer to request `number`.
    pub(super) fn answered(&self, number: u64, status: u16) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = state.kept.iter_mut().rev().find(|record| record.number == number) {
            record.status = Some(status);
        }
    }

    pub(super) fn all(&self) -> Vec<Recorded> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).kept.iter().cloned().collect()
    }
}

/// The part of a body that is kept; a small one is shared, of a large one a piece is copied.
pub(super) fn kept_body(body: &Bytes) -> Bytes {
    body.get(..BODY_KEPT).map_or_else(|| body.clone(), Bytes::copy_from_slice)
}
