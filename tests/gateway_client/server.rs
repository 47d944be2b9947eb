//! A server that reads requests and does what a test tells it, byte by byte.

use higress_dify_plugin::gateway::{
    Accept, Auth, Call, Content, Endpoint, Error, Events, Reply, Route, TransportOptions,
};
use http::HeaderMap;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What the server does after a request, in order.
#[derive(Clone)]
pub(crate) enum Act {
    Send(Vec<u8>),
    /// Sends this until the client is gone.
    Repeat(Vec<u8>),
    /// Waits until the client is gone.
    Stall,
    /// Ends the connection with a reset.
    Reset,
    /// Ends the connection.
    Close,
}

pub(crate) fn send(text: &str) -> Act {
    Act::Send(text.as_bytes().to_vec())
}

/// A complete answer with a known length.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Act {
    send(&format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()))
}

/// The head of a stream of events.
pub(crate) fn event_stream() -> Act {
    send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
}

/// One chunk of a chunked body.
pub(crate) fn chunk(text: &str) -> Act {
    send(&format!("{:x}\r\n{text}\r\n", text.len()))
}

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// One script for each request; the last one for all that follow.
pub(crate) struct Server {
    pub(crate) address: String,
    state: Arc<State>,
}

struct State {
    scripts: Vec<Vec<Act>>,
    requests: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    client_gone: Notify,
}

impl Server {
    pub(crate) async fn start(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            scripts,
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            client_gone: Notify::new(),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    serve(stream, &state).await;
                    state.client_gone.notify_one();
                });
            }
        });
        Self { address, state }
    }

    pub(crate) async fn one(script: Vec<Act>) -> Self {
        Self::start(vec![script]).await
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state.requests.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Until a connection has ended.
    pub(crate) async fn connection_ended(&self) {
        tokio::time::timeout(Duration::from_secs(10), self.state.client_gone.notified())
            .await
            .expect("connection ends");
    }

    pub(crate) fn route(&self) -> Route {
        self.route_with(options())
    }

    pub(crate) fn route_with(&self, options: TransportOptions) -> Route {
        route(&format!("http://{}/pre", self.address), options)
    }
}

async fn serve(mut stream: TcpStream, state: &State) {
    while let Some(request) = read_request(&mut stream).await {
        let script = {
            let mut requests = state.requests.lock().unwrap();
            requests.push(request);
            let at = (requests.len() - 1).min(state.scripts.len() - 1);
            state.scripts[at].clone()
        };
        for act in script {
            match act {
                Act::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Act::Repeat(bytes) => while stream.write_all(&bytes).await.is_ok() {},
                Act::Stall => {
                    let mut rest = Vec::new();
                    let _ = stream.read_to_end(&mut rest).await;
                    return;
                }
                Act::Reset => {
                    stream.set_zero_linger().unwrap();
                    return;
                }
                Act::Close => return,
            }
        }
    }
}

/// The next request, with a body of the announced length; `None` when the client is gone.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Seen { line, headers, body })
}

/// Limits that a passing test never reaches.
pub(crate) fn options() -> TransportOptions {
    TransportOptions { total_timeout: Duration::from_secs(60), ..TransportOptions::default() }
}

pub(crate) fn route(endpoint: &str, options: TransportOptions) -> Route {
    Route {
        endpoint: Endpoint::parse(endpoint).unwrap(),
        auth: Auth::Disabled,
        headers: HeaderMap::new(),
        signed_headers: Vec::new(),
        options: Arc::new(options),
    }
}

pub(crate) fn chat() -> Call {
    Call { accept: Accept::EventStream, ..json() }
}

pub(crate) fn json() -> Call {
    Call::post_json("/v1/chat/completions", r#"{"model":"m"}"#)
}

/// The reply's body, which has to be events.
pub(crate) async fn events_of(reply: Reply) -> Result<Box<Events>, Error> {
    match reply.content().await? {
        Content::Events(events) => Ok(events),
        Content::Whole(body) => panic!("no events: {body:?}"),
    }
}
