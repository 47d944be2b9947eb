//! One call of a route and its reply.

use super::auth::Stamp;
use super::body::Body;
use super::deadline::later;
use super::error_body::Refusal;
use super::held::Room;
use super::redact::Redactor;
use super::request::{self, Prepared};
use super::transport::{self, Failure};
use super::{Auth, Deadline, Endpoint, Error, ErrorKind, ReplyMeta, TransportOptions, hints, pool, retry};
use bytes::Bytes;
use http::{HeaderMap, Method};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

mod content;
mod reply;

pub use content::Content;
pub use reply::Reply;

/// How much of a refusal's body is read, and how long is waited for it.
const MAX_REFUSAL: usize = 64 << 10;
const REFUSAL_PATIENCE: Duration = Duration::from_secs(10);

/// Where calls go and as whom.
#[derive(Clone)]
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

impl Route {
    /// `text`, which an upstream wrote, without this route's secrets.
    pub fn clean(&self, text: &str) -> String {
        Redactor::new(&self.auth, &self.endpoint, &self.headers, []).clean(text)
    }
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
#[derive(Clone)]
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
    /// An earlier end than the route's `total_timeout` from now on: where this is one of several requests, or a model
    /// is being saved.
    pub deadline: Option<Deadline>,
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
            deadline: None,
        }
    }

    /// A `GET`, without a body.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, content_type: None, body: None, ..Self::post_json(path, Bytes::new()) }
    }
}

/// Sends `call` on `route`. Any status but 2xx is an [`Error`], its body read and understood. Dropping the future
/// closes the connection.
///
/// # Errors
/// Every kind. [`ErrorKind::Config`] means that nothing was sent.
pub async fn send(route: &Route, call: &Call) -> Result<Reply, Error> {
    route.auth.check()?;
    let started = Instant::now();
    let options = &route.options;
    let own = Deadline::total(started, options.total_timeout);
    let deadline = call.deadline.map_or(own, |deadline| deadline.min(own));
    let client = pool::client(options, &route.endpoint).await?;
    let mut retries = 0;
    loop {
        let failure = match attempt(&client, route, call, deadline).await {
            Ok(reply) => return Ok(Reply { retries, waited: started.elapsed(), ..reply }),
            Err(failure) => failure,
        };
        let pause = retry::pause(&failure, retries).filter(|_| retries < options.retries);
        match pause {
            Some(pause) if later(Instant::now(), pause) < deadline.at() => {
                retries += 1;
                tokio::time::sleep(pause).await;
            }
            _ => return Err(failure.error),
        }
    }
}

/// One try, with a signature of its own.
async fn attempt(client: &reqwest::Client, route: &Route, call: &Call, deadline: Deadline) -> Result<Reply, Failure> {
    let options = &route.options;
    let Prepared { request, string_to_sign, redactor } = request::prepare(route, call, &Stamp::now())?;
    let headers_due = Deadline::first_byte(options.first_byte_timeout).min(deadline);
    let response = match tokio::time::timeout_at(headers_due.at(), client.execute(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            let sent = call.body.as_ref().map_or(0, Bytes::len);
            let mut failure = transport::failure(&error, &route.endpoint, options, sent);
            failure.error.message = redactor.line(&failure.error.message, super::error_body::MAX_SHOWN);
            return Err(failure);
        }
        Err(_) => return Err(no_answer(&route.endpoint, headers_due).into()),
    };
    receive(response, route, deadline, string_to_sign, redactor).await
}

/// Headers are here: a reply, or a refusal whose body is read.
async fn receive(
    mut response: reqwest::Response,
    route: &Route,
    deadline: Deadline,
    string_to_sign: Option<Vec<u8>>,
    redactor: Redactor,
) -> Result<Reply, Failure> {
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let meta =
        ReplyMeta { origin: hints::origin(&headers), request_id: hints::request_id(&headers, &redactor), redactor };
    let room = Room::of(&route.endpoint);
    let idle_timeout = route.options.idle_timeout;
    let framed = ["content-length", "transfer-encoding"].iter().any(|name| headers.contains_key(*name));
    let ends_by_close = !framed && response.version() <= http::Version::HTTP_11;
    let mut body = Body { response, meta, room, ends_by_close, idle_timeout, deadline };
    if status.is_success() {
        // What was asked for is unpacked, and its header gone.
        if let Some(encoding) = hints::text(&headers, "content-encoding").filter(|encoding| *encoding != "identity") {
            let message = format!("the answer is packed as `{}`, which was not asked for", body.meta.excerpt(encoding));
            let error = body.meta.error(ErrorKind::Decode, message);
            return Err(error.advise("Let the gateway and the provider answer unpacked, or with gzip").into());
        }
        let meta = body.meta.clone();
        return Ok(Reply { status, headers, meta, retries: 0, waited: Duration::ZERO, body });
    }
    let beginning = body.read_beginning(MAX_REFUSAL, idle_timeout.min(REFUSAL_PATIENCE)).await;
    let refusal = Refusal {
        status,
        headers: &headers,
        body: &beginning,
        string_to_sign: string_to_sign.as_deref(),
        redactor: &body.meta.redactor,
        unix_seconds: Stamp::now().unix_millis / 1000,
    };
    Err(refusal.error().into())
}

fn no_answer(endpoint: &Endpoint, due: Deadline) -> Error {
    let message = format!("{endpoint} did not answer within {due}");
    Error::new(ErrorKind::Timeout, message).advise(due.advice("The model may be busy: try again"))
}

impl fmt::Debug for Route {
    /// Without header values and the endpoint's query: both may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("endpoint", &self.endpoint)
            .field("auth", &self.auth)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("signed_headers", &self.signed_headers)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Call {
    /// Without header values and the body, which is what a user wrote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("accept", &self.accept)
            .field("body_bytes", &self.body.as_ref().map(Bytes::len))
            .finish_non_exhaustive()
    }
}
