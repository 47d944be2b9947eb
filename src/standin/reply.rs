//! An answer before it is put on the wire.

use super::script::Script;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};

/// Who an answer is from: Envoy marks those that came from upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Gateway,
    Provider,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) origin: Origin,
    pub(super) headers: HeaderMap,
    pub(super) payload: Payload,
}

/// What follows the head.
#[derive(Debug)]
pub(super) enum Payload {
    /// A body, perhaps an empty one.
    Whole(Bytes),
    /// A body in pieces.
    Script(Script),
    /// Nothing, not even a head, until the caller leaves.
    Never,
}

impl Reply {
    pub(super) fn new(status: StatusCode, origin: Origin, payload: Payload) -> Self {
        Self { status, origin, headers: HeaderMap::new(), payload }
    }

    /// Made by the gateway, without a body: for example no route.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self::new(status, Origin::Gateway, Payload::Whole(Bytes::new()))
    }

    /// Made by the gateway, in plain text as Envoy's local replies are.
    pub(super) fn gateway_text(status: StatusCode, text: impl Into<String>) -> Self {
        Self::new(status, Origin::Gateway, Payload::Whole(Bytes::from(text.into()))).with("content-type", "text/plain")
    }

    /// Made by the provider, any type.
    pub(super) fn provider(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self::new(status, Origin::Provider, Payload::Whole(body.into())).with("content-type", content_type)
    }

    /// Made by the provider, JSON.
    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self::provider(status, "application/json", body.to_string())
    }

    /// Made by the provider, 200.
    pub(super) fn ok(body: &Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// A refusal in OpenAI's shape.
    pub(super) fn openai_error(status: StatusCode, code: &str, message: &str) -> Self {
        let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
        Self::json(status, &json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
    }

    /// A refusal in DashScope's shape.
    pub(super) fn dashscope_error(status: StatusCode, code: &str, message: &str, number: u64) -> Self {
        Self::json(status, &json!({"code": code, "message": message, "request_id": request_id(number)}))
    }

    /// Events from the provider.
    pub(super) fn events(script: Script) -> Self {
        Self::new(StatusCode::OK, Origin::Provider, Payload::Script(script)).with("content-type", "text/event-stream")
    }

    /// Nothing until the caller leaves.
    pub(super) fn never() -> Self {
        Self::new(StatusCode::OK, Origin::Provider, Payload::Never)
    }

    /// Adds a header, or replaces it.
    pub(super) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }
}

/// The id a request is known by at the provider.
pub(super) fn request_id(number: u64) -> String {
    format!("standin-{number}")
}
