//! One call of a route and its reply.

use super::body::{Body, MAX_BODY};
use super::error_body::Refusal;
use super::redact::Redactor;
use super::reply_meta::ReplyMeta;
use super::{Auth, Endpoint, Error, ErrorKind, Events, TransportOptions, failure, hints, pool};
use crate::gateway::auth::{Stamp, Unsigned};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How much of an error's body is read, in bytes.
const MAX_ERROR_BODY: usize = 64 << 10;
/// How long an error's body may take.
const ERROR_BODY_TIME: Duration = Duration::from_secs(10);
/// The first pause before a call is sent again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

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
    pub content_type: Option<HeaderValue>,
    /// Headers of this call only; they win over the route's.
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
    /// Who answered, under which id; tells errors that the body turns out to be.
    pub meta: ReplyMeta,
    /// How often the call was sent again before this reply.
    pub retries: u32,
    body: Body,
}

impl Call {
    /// A `POST` of JSON.
    pub fn post_json(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            path: path.into(),
            accept: Accept::Any,
            content_type: Some(HeaderValue::from_static("application/json")),
            headers: HeaderMap::new(),
            body: Some(body.into()),
            total_timeout: None,
        }
    }
}

impl Reply {
    /// The content type without its parameters, in lower case.
    pub fn content_type(&self) -> String {
        let value = hints::text(&self.headers, "content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Whether the body is a stream of events, by its content type.
    pub fn is_event_stream(&self) -> bool {
        self.content_type() == "text/event-stream"
    }

    /// The whole body, under the body cap and the route's time-outs.
    ///
    /// # Errors
    /// When it breaks off, falls silent, or is larger than [`MAX_BODY`].
    pub async fn bytes(self) -> Result<Bytes, Error> {
        self.body.all(MAX_BODY).await
    }

    /// The body as events.
    pub fn events(self) -> Events {
        Events::new(self.body)
    }
}

/// Sends `call` on `route`. Any status but 2xx is an [`Error`], its body read and understood.
///
/// A call is sent again only if the route allows it, only before the first byte of an answer, and only after a failure
/// to connect or an answer that says when to come back; each try is signed anew. A gateway usually retries by itself.
///
/// # Errors
/// [`ErrorKind::Config`] before anything is sent; everything else as the gateway's answer, or its absence, says.
pub async fn send(route: &Route, call: &Call) -> Result<Reply, Error> {
    route.auth.check()?;
    let total = call.total_timeout.map_or(route.options.total_timeout, |limit| limit.min(route.options.total_timeout));
    let deadline = Instant::now() + total;
    let mut retries = 0;
    loop {
        let error = match attempt(route, call, deadline).await {
            Ok(reply) => return Ok(Reply { retries, ..reply }),
            Err(error) => error,
        };
        let pause = error.retry_after.unwrap_or(FIRST_PAUSE * 2_u32.saturating_pow(retries.min(6)));
        let may_repeat = error.kind == ErrorKind::Connect || error.retry_after.is_some();
        if retries >= route.options.retries || !may_repeat || Instant::now() + pause >= deadline {
            return Err(error);
        }
        sleep(pause).await;
        retries += 1;
    }
}

/// One try: built, signed and sent once.
async fn attempt(route: &Route, call: &Call, deadline: Instant) -> Result<Reply, Error> {
    let client = pool::client(&route.endpoint, &route.options)?;
    let (request, string_to_sign, redactor) = build(route, call)?;
    let body_bytes = call.body.as_ref().map_or(0, Bytes::len);
    let first_byte = route.options.first_byte_timeout.min(deadline.saturating_duration_since(Instant::now()));
    let response = match timeout(first_byte, client.execute(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(failure::of_request(&error, route, body_bytes, &redactor)),
        Err(_) => {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!("{} did not begin to answer within {} s", route.endpoint, first_byte.as_secs_f64()),
            )
            .advise("Try again, or raise `first_byte_timeout` in the advanced options"));
        }
    };
    let (status, headers) = (response.status(), response.headers().clone());
    let meta = ReplyMeta { origin: hints::origin(&headers), request_id: hints::request_id(&headers), redactor };
    let body = Body { response, meta: meta.clone(), idle: route.options.idle_timeout, deadline };
    if status.is_success() {
        return Ok(Reply { status, headers, meta, retries: 0, body });
    }
    let body =
        Body { idle: body.idle.min(ERROR_BODY_TIME), deadline: deadline.min(Instant::now() + ERROR_BODY_TIME), ..body };
    let read = body.beginning(MAX_ERROR_BODY).await;
    Err(Refusal {
        status,
        headers: &headers,
        body: &read,
        string_to_sign: string_to_sign.as_deref(),
        redactor: &meta.redactor,
        unix_seconds: Stamp::now().unix_millis / 1000,
    }
    .error())
}

/// The request as it will be on the wire, and what was signed.
fn build(route: &Route, call: &Call) -> Result<(reqwest::Request, Option<Vec<u8>>, Redactor), Error> {
    let mut url = route.endpoint.join(&call.path);
    if let Some(pair) = route.auth.query_pair() {
        let query = url.query().map_or_else(|| pair.clone(), |query| format!("{query}&{pair}"));
        url.set_query(Some(&query));
    }
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let mut request = reqwest::Request::new(call.method.clone(), url);
    let headers = request.headers_mut();
    headers.extend(route.headers.clone());
    for (name, value) in &call.headers {
        headers.insert(name.clone(), value.clone());
    }
    let accept = match call.accept {
        Accept::Any => "*/*",
        Accept::EventStream => {
            // A compressed stream of events is held back by proxies on the way.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            "text/event-stream"
        }
    };
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    if let Some(content_type) = &call.content_type {
        headers.insert(header::CONTENT_TYPE, content_type.clone());
    }
    let unsigned =
        Unsigned { method: &call.method, target: &target, headers, body: call.body.as_deref().unwrap_or_default() };
    let proof = route.auth.sign(unsigned, &route.signed_headers, &Stamp::now())?;
    let secret_values = proof.headers.iter().filter(|(_, value)| value.is_sensitive());
    let redactor =
        Redactor::new(&route.auth, &route.endpoint, secret_values.filter_map(|(_, value)| value.to_str().ok()));
    for (name, value) in proof.headers {
        headers.insert(name, value);
    }
    if let Some(body) = &call.body {
        *request.body_mut() = Some(body.clone().into());
    }
    Ok((request, proof.string_to_sign, redactor))
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
