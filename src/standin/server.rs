//! One request from its arrival to its answer.

use super::answer::{self, Ask, image, tasks::Tasks};
use super::auth::{self, Access, Incoming, Rejection, Rules};
use super::config::{Config, ROUTES};
use super::listener::{self, Counted};
use super::record::{Recorded, Recorder, kept_body};
use super::reply::{Origin, Payload, Reply, request_id};
use super::stats::{InFlight, Snapshot, Stats};
use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path, Request, State};
use axum::http::header::{CONTENT_TYPE, SERVER};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Larger bodies are refused, as Envoy refuses what is over its buffer limit.
const BODY_LIMIT: usize = 64 * 1024 * 1024;
/// How often [`Standin::wait_until`] looks.
const LOOK: Duration = Duration::from_millis(2);

/// A running stand-in. Dropping it stops it: it accepts nothing more and cuts the answers that are on their way.
#[derive(Debug)]
pub struct Standin {
    addr: SocketAddr,
    shared: Arc<Shared>,
    server: Option<JoinHandle<io::Result<()>>>,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    stats: Arc<Stats>,
    recorder: Recorder,
    tasks: Tasks,
    stop: CancellationToken,
}

/// Starts a stand-in on the current runtime; it accepts connections when this returns.
///
/// # Errors
///
/// When it cannot listen at the configured address.
pub fn spawn(config: Config) -> io::Result<Standin> {
    let inner = listener::bind(config.listen)?;
    let addr = inner.local_addr()?;
    let shared = Arc::new(Shared {
        tasks: Tasks::new(config.task_polls),
        config,
        stats: Arc::default(),
        recorder: Recorder::default(),
        stop: CancellationToken::new(),
    });
    let router = Router::new()
        .route("/standin/stats", get(show_stats))
        .route("/standin/requests", get(show_requests))
        .route("/standin/images/{name}", get(show_image))
        .fallback(serve)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Arc::clone(&shared));
    let listener = Counted { inner, stats: Arc::clone(&shared.stats) };
    let stop = shared.stop.clone();
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    let server = tokio::spawn(serving.into_future());
    Ok(Standin { addr, shared, server: Some(server) })
}

impl Standin {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address of a route, to be typed into the form: `http://127.0.0.1:41234/hmac`.
    pub fn url(&self, access: Access) -> String {
        let prefix = ROUTES.iter().find(|(_, guard)| *guard == access).map_or("", |(prefix, _)| prefix);
        format!("http://{}{prefix}", self.addr)
    }

    /// The counters.
    pub fn stats(&self) -> Snapshot {
        self.shared.stats.snapshot()
    }

    /// The last 256 requests, oldest first.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.recorder.all()
    }

    /// Waits until the counters are as told; gives up after `within`, and says whether they were.
    pub async fn wait_until(&self, within: Duration, are: impl Fn(&Snapshot) -> bool) -> bool {
        let deadline = Instant::now() + within;
        while !are(&self.stats()) {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
        true
    }

    /// Stops it and waits until it is gone.
    ///
    /// # Errors
    ///
    /// When the task that serves has panicked, or was cancelled because its runtime ended.
    pub async fn shutdown(mut self) -> io::Result<()> {
        self.shared.stop.cancel();
        match self.server.take() {
            Some(server) => server.await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

async fn show_stats(State(shared): State<Arc<Shared>>) -> Response {
    json_response(&json!(shared.stats.snapshot()))
}

async fn show_requests(State(shared): State<Arc<Shared>>) -> Response {
    json_response(&shared.recorder.all().iter().map(Recorded::to_json).collect())
}

fn json_response(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

async fn show_image(Path(name): Path<String>) -> Response {
    match image::file(&name) {
        Some(png) => ([(CONTENT_TYPE, "image/png")], png).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let started = Instant::now();
    let in_flight = shared.stats.request();
    let headers_only = request.body().is_end_stream();
    let (head, body) = request.into_parts();
    let body = match Bytes::from_request(Request::from_parts(head.clone(), body), &()).await {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let reply = Reply::gateway_text(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large");
            return respond(reply, 0, started, in_flight, &shared.stop);
        }
        Err(_) => return respond(Reply::empty(StatusCode::BAD_REQUEST), 0, started, in_flight, &shared.stop),
    };
    let (number, reply) = handle(&shared, &head, &body, headers_only);
    if matches!(reply.payload, Payload::Never) {
        shared.stop.cancelled().await;
    }
    shared.recorder.answered(number, reply.status.as_u16());
    respond(reply, number, started, in_flight, &shared.stop)
}

/// Route, then authentication, then the provider: as the gateway's filters are ordered. Gives the request's number too.
fn handle(shared: &Shared, head: &Parts, body: &Bytes, headers_only: bool) -> (u64, Reply) {
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let method = head.method.as_str();
    let mut record = Recorded {
        number: 0,
        method: method.to_owned(),
        target: target.to_owned(),
        headers: head.headers.clone(),
        body: kept_body(body),
        consumer: None,
        string_to_sign: None,
        status: None,
    };
    let Some((access, path)) = route(head.uri.path()) else {
        return (shared.recorder.push(record), Reply::empty(StatusCode::NOT_FOUND));
    };
    let incoming = Incoming { method, target, headers: &head.headers, body, headers_only };
    let rules =
        Rules { consumers: &shared.config.consumers, date_offset: shared.config.date_offset, now: SystemTime::now() };
    match auth::check(access, &incoming, &rules) {
        Ok(accepted) => {
            record.consumer = accepted.consumer;
            record.string_to_sign = accepted.string_to_sign.map(|string| shown(&string));
        }
        Err(rejection) => {
            record.string_to_sign = rejection.string_to_sign.as_deref().map(shown);
            shared.stats.rejected();
            return (shared.recorder.push(record), refuse(rejection));
        }
    }
    let number = shared.recorder.push(record);
    let ask = Ask {
        number,
        path,
        headers: &head.headers,
        body,
        piece_delay: shared.config.piece_delay,
        tasks: &shared.tasks,
    };
    (number, answer::answer(&head.method, &ask))
}

/// The guard of the route a path belongs to, and the path below the route's prefix.
fn route(path: &str) -> Option<(Access, &str)> {
    ROUTES.iter().find_map(|(prefix, access)| {
        let rest = path.strip_prefix(prefix)?;
        rest.starts_with('/').then_some((*access, rest))
    })
}

fn shown(string: &[u8]) -> String {
    String::from_utf8_lossy(string).into_owned()
}

fn refuse(rejection: Rejection) -> Reply {
    let mut reply = match rejection.body.as_str() {
        "" => Reply::empty(rejection.status),
        _ => Reply::gateway_text(rejection.status, rejection.body),
    };
    reply.headers.extend(rejection.headers);
    reply
}

fn respond(reply: Reply, number: u64, started: Instant, mut in_flight: InFlight, stop: &CancellationToken) -> Response {
    let body = match reply.payload {
        Payload::Whole(body) => {
            in_flight.whole();
            Body::from(body)
        }
        Payload::Script(script) => script.play(in_flight, stop.clone()),
        Payload::Never => Body::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response.headers_mut().insert(SERVER, HeaderValue::from_static("istio-envoy"));
    if reply.origin == Origin::Provider {
        let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        response.headers_mut().insert("x-envoy-upstream-service-time", HeaderValue::from(took));
        if let Ok(id) = HeaderValue::try_from(request_id(number)) {
            response.headers_mut().insert("x-request-id", id);
        }
    }
    response
}
