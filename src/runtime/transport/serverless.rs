//! Serverless: the plugin answers HTTP, one call per request.
//!
//! `POST /invoke` takes one request line as its body and answers with the session's lines as they come, `end` last.
//! `GET /health` answers `OK`. The closed connection is the only sign that nobody listens any more; it cancels the
//! call. The body holds session and log lines only: the Dify plugin daemon ends the call at anything else.

use super::{Connection, Drain, Inbound, Outbox};
use crate::runtime::protocol::envelope::Envelope;
use crate::runtime::protocol::outbound;
use crate::runtime::{ErrorKind, InvokeError};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Request, Response, StatusCode, header};
use axum::routing::{get, post};
use axum::serve::Listener;
use bytes::Bytes;
use futures_util::stream;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_tcp_user_timeout;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

/// The largest body that is read, in bytes. The daemon sends at most 5 MiB unless it is configured otherwise.
pub const MAX_BODY: usize = 32 * 1024 * 1024;
/// How long a connection may wait for the whole head of its next request. Longer than the daemon keeps an unused
/// connection, which is 120 s: so it is never closed under a call that is about to come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(150);
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// After a stop, how long the last bytes of the last answer may take to leave.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// How to serve.
#[derive(Debug, Clone, Copy)]
pub struct ServerlessSettings {
    /// The longest silence within one answer; after it the session ends with an error. A client that takes nothing of its
    /// answer for as long is taken for gone.
    pub silence: Duration,
    /// Calls at once; more are answered 503.
    pub max_calls: usize,
}

struct Shared<S> {
    settings: ServerlessSettings,
    calls: Arc<Semaphore>,
    serve: S,
}

/// Serves calls from `listener` until `stop` is cancelled; then running calls finish. `serve` is called once per call,
/// with a connection whose input is that one call; dropping its future must cancel the call.
pub async fn run<S, F>(listener: TcpListener, settings: ServerlessSettings, stop: &CancellationToken, serve: S)
where
    S: Fn(Connection) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    if let Ok(address) = listener.local_addr() {
        info!("serving calls at http://{address}/invoke");
    }
    let most = u32::try_from(settings.max_calls).unwrap_or(u32::MAX).max(1);
    let calls = Arc::new(Semaphore::new(most as usize));
    let over = {
        let (stop, calls) = (stop.clone(), Arc::clone(&calls));
        async move {
            stop.cancelled().await;
            // The semaphore is never closed.
            let _all = calls.acquire_many(most).await;
            sleep(LAST_BYTES).await;
        }
    };
    let router = Router::new()
        .route("/health", get(|| async { "OK" }))
        .route("/invoke", post(invoke::<S, F>))
        .with_state(Arc::new(Shared { settings, calls, serve }));
    tokio::select! {
        () = accept(listener, settings.silence, &router, stop) => {}
        // Connections on which only half a call was made stay open for a while.
        () = over => {}
    }
}

/// Serves every connection until `stop` is cancelled; then accepts none, and waits until those that are busy end.
async fn accept(mut listener: TcpListener, patience: Duration, router: &Router, stop: &CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            // Goes on when a connection fails before it is accepted, and when there are too many.
            (stream, _) = Listener::accept(&mut listener) => stream,
            () = stop.cancelled() => break,
        };
        prepare(&stream, patience);
        let service = TowerToHyperService::new(router.clone());
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        // How it ends is the client's affair: the call of one that is gone is cancelled with it.
        tokio::spawn(async move { drop(connection.await) });
    }
    drop(listener);
    connections.shutdown().await;
}

/// The kernel refuses these only on a connection that is already gone.
fn prepare(stream: &TcpStream, patience: Duration) {
    // Else a small line waits for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    // Bytes that nobody takes end the connection after a while, and with it the call.
    let _ = set_tcp_user_timeout(stream, u32::try_from(patience.as_millis()).unwrap_or(u32::MAX));
}

async fn invoke<S, F>(State(shared): State<Arc<Shared<S>>>, request: Request<Body>) -> Response<Body>
where
    S: Fn(Connection) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let Ok(permit) = Arc::clone(&shared.calls).try_acquire_owned() else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "too many calls at once; try again later");
    };
    let body = match timeout(BODY_TIMEOUT, to_bytes(request.into_body(), MAX_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => {
            return plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("the body cannot be read (at most {MAX_BODY} bytes): {error}"),
            );
        }
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
    };
    let session_id = match Envelope::parse(&body) {
        Ok(Envelope::Request(line)) => line.session_id,
        Ok(Envelope::BackwardsResponse { .. }) => {
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "the body is not a request");
        }
        Err(bad) => return plain(StatusCode::INTERNAL_SERVER_ERROR, bad.reason),
    };
    let (input, inbound) = mpsc::channel(1);
    // The channel is empty and its receiver is here. Dropping the sender ends the input behind the one line.
    let _ = input.try_send(Inbound::Line(body));
    drop(input);
    let (outbox, drain) = Outbox::new(None);
    let serving = (shared.serve)(Connection { inbound, outbox: outbox.clone(), unread: None });
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        serving.await;
        outbox.finish();
    }));
    let answer = Answer { session_id, drain, silence: shared.settings.silence, task, _permit: permit, over: false };
    let mut response = Response::new(Body::from_stream(answer.into_stream()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

fn plain(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let text = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// The body of an answer. When the client leaves it is dropped, and with it the task that works for it.
struct Answer {
    session_id: String,
    drain: Drain,
    silence: Duration,
    task: AbortOnDropHandle<()>,
    _permit: OwnedSemaphorePermit,
    over: bool,
}

impl Answer {
    fn into_stream(self) -> impl stream::Stream<Item = Result<Bytes, Infallible>> + Send {
        stream::unfold(self, |mut answer| async move {
            let piece = answer.piece().await?;
            Some((Ok(piece), answer))
        })
    }

    /// The next lines; `None` when all have left.
    async fn piece(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let mut batch = Vec::new();
        match timeout(self.silence, self.drain.next(&mut batch)).await {
            Ok(true) => {
                self.drain.written();
                Some(Bytes::from(batch))
            }
            Ok(false) => None,
            Err(_) => {
                // Without an error the host would take a broken answer for a complete one.
                self.over = true;
                self.task.abort();
                let seconds = self.silence.as_secs();
                let error = InvokeError::new(
                    ErrorKind::Connection,
                    format!("the call was given up: nothing came for {seconds} s (MAX_REQUEST_TIMEOUT)"),
                );
                let mut lines = outbound::error(&self.session_id, &error);
                lines.extend(outbound::end(&self.session_id));
                Some(Bytes::from(lines))
            }
        }
    }
}

#[cfg(test)]
mod tests;
