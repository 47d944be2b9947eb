//! One call of a route and its reply.

use super::{Auth, Endpoint, Error, Events, Origin, TransportOptions};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;

/// Where calls go and as whom.
#[derive(Debug, Clone)]
pub struct Route {
    /// The address.
    pub endpoint: Endpoint,
    /// The consumer.
    pub auth: Auth,
    /// Headers of every call, checked by the caller; those that say who is calling are signed (see `signed_headers`).
    pub headers: HeaderMap,
    /// Names among `headers` that a signature covers.
    pub signed_headers: Vec<http::HeaderName>,
    /// Time-outs, TLS, proxy.
    pub options: Arc<TransportOptions>,
}

/// What the reply should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// `*/*`
    Any,
    /// `text/event-stream`
    EventStream,
}

/// What to send. The body is serialised once, by the caller: those bytes are signed and sent.
#[derive(Debug, Clone)]
pub struct Call {
    /// `POST`, or `GET` for a task's state.
    pub method: Method,
    /// Below the route's base, for example `/v1/chat/completions`.
    pub path: String,
    /// What the reply should be.
    pub accept: Accept,
    /// `Content-Type` of the body.
    pub content_type: Option<http::HeaderValue>,
    /// Headers of this call only.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Option<Bytes>,
    /// A shorter limit for the whole call than the route's, for example when a model is saved.
    pub total_timeout: Option<Duration>,
}

/// A reply with a 2xx status, its body unread. Dropping it closes the connection.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// Who answered.
    pub origin: Origin,
    /// The upstream's id of the request.
    pub request_id: Option<String>,
    /// How often the call was sent again before this reply.
    pub retries: u32,
}

impl Call {
    /// A `POST` of JSON.
    pub fn post_json(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            path: path.into(),
            accept: Accept::Any,
            content_type: Some(http::HeaderValue::from_static("application/json")),
            headers: HeaderMap::new(),
            body: Some(body.into()),
            total_timeout: None,
        }
    }
}

impl Reply {
    /// Whether the body is a stream of events, by its content type.
    pub fn is_event_stream(&self) -> bool {
        unimplemented!()
    }

    /// The whole body, under the body cap and the route's time-outs.
    pub async fn bytes(self) -> Result<Bytes, Error> {
        unimplemented!()
    }

    /// The body as events.
    pub fn events(self) -> Events {
        unimplemented!()
    }
}

/// Sends `call` on `route`. Any status but 2xx is an [`Error`], its body read and understood.
pub async fn send(route: &Route, call: &Call) -> Result<Reply, Error> {
    let _ = (route, call);
    unimplemented!()
}
