//! A gateway that breaks HTTP: what a client must survive, chosen by the first part of the path.
//!
//! `http://ADDR/stall/v1/chat/completions` is never answered, `http://ADDR/cut-100/…` breaks off after the 100th byte
//! of the answer's body, and so on: [`BEHAVIOURS`] has all of them. It writes raw bytes, so nothing tidies them up.

mod bomb;
mod play;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Until a caller has sent its request.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// How many paths are kept.
const KEPT: usize = 1024;

/// The behaviours by name, and what they do. `<n>` is a number; without it the one given here counts.
pub const BEHAVIOURS: &[(&str, &str)] = &[
    ("ok", "the recorded stream, whole: what the others spoil"),
    ("reset", "resets the connection instead of an answer"),
    ("close", "closes the connection instead of an answer"),
    ("stall", "never answers"),
    ("stall-head", "sends the head of a stream and then nothing"),
    ("stall-<n>", "sends n bytes of the recorded stream and then nothing"),
    ("drip-<n>", "sends the recorded stream one byte every n milliseconds (1000)"),
    ("cut-<n>", "closes the connection after n bytes of the recorded stream, the body unfinished"),
    ("reset-<n>", "resets the connection after n bytes of the recorded stream"),
    ("half-closed-<n>", "after n bytes of the recorded stream it ends its side only, and goes on reading"),
    ("endless-stream", "sends events for ever, none of them the last"),
    ("endless-line", "sends one line of an event for ever"),
    ("endless-comments", "sends comments for ever, and no event"),
    ("endless-header", "sends one header for ever"),
    ("endless-body", "sends a JSON text for ever"),
    ("header-flood-<n>", "sends n headers (10000)"),
    ("informational-<n>", "sends n informational heads (1), then the recorded stream"),
    ("endless-informational", "sends informational heads for ever"),
    ("body-<n>", "sends n bytes of valid JSON (104857600)"),
    ("dense-<n>", "sends n bytes of JSON (67000000) that is nothing but empty objects"),
    ("texts-<n>", "sends n bytes of JSON (67000000) whose content is nothing but empty texts"),
    ("tiny-events-<n>", "sends n bytes (67000000) of events of one byte, and calls them one JSON text"),
    ("large-events-<n>", "sends n events (8) of 7 MB, each a text in escapes, and ends well"),
    ("bomb-<n>", "sends n bytes of blanks (10737418240), compressed 150 times"),
    ("html", "answers 200 with a page"),
    ("wrong-type", "sends the recorded stream and calls it a picture"),
    ("no-type", "sends the recorded stream and does not say what it is"),
    ("bad-utf8", "sends a stream whose text is not UTF-8"),
    ("long-length", "announces more bytes than it sends, then closes"),
    ("short-length", "announces fewer bytes than it sends"),
    ("two-lengths", "announces two different lengths"),
    ("bad-chunk", "sends a chunk whose size is no number"),
    ("redirect-<n>", "answers with status n (307) and another path"),
    ("not-http", "answers in another protocol"),
    ("early", "answers 413 and closes before it has read the body"),
    ("empty", "answers 200 with nothing in it"),
];

/// The stream of events that most behaviours spoil: reasoning, text beyond ASCII, a tool call, usage.
pub const RECORDED: &str = include_str!("recorded.sse");

/// What is done to a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Ok,
    Reset,
    Close,
    Stall,
    StallHead,
    StallAfter(usize),
    Drip(u64),
    CutAfter(usize),
    ResetAfter(usize),
    HalfClosedAfter(usize),
    Endless(Endless),
    HeaderFlood(usize),
    Informational(usize),
    Body(usize),
    Dense(usize),
    Texts(usize),
    TinyEvents(usize),
    LargeEvents(usize),
    Bomb(u64),
    Html,
    Typed(Option<&'static str>),
    BadUtf8,
    LongLength,
    ShortLength,
    TwoLengths,
    BadChunk,
    Redirect(u16),
    NotHttp,
    Early,
    Empty,
}

/// What never ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endless {
    Stream,
    Line,
    Comments,
    Header,
    Body,
    Informational,
}

impl FromStr for Behaviour {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let (base, number) = match name.rsplit_once('-') {
            Some((base, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                (base, Some(digits.parse::<u64>().map_err(|_| ())?))
            }
            _ => (name, None),
        };
        let or = |default: u64| number.unwrap_or(default);
        let size = |default: u64| usize::try_from(or(default)).unwrap_or(usize::MAX);
        Ok(match (base, number) {
            ("ok", None) => Self::Ok,
            ("reset", None) => Self::Reset,
            ("close", None) => Self::Close,
            ("stall", None) => Self::Stall,
            ("stall-head", None) => Self::StallHead,
            ("stall", Some(_)) => Self::StallAfter(size(0)),
            ("drip", _) => Self::Drip(or(1000)),
            ("cut", _) => Self::CutAfter(size(0)),
            ("reset", Some(_)) => Self::ResetAfter(size(0)),
            ("half-closed", _) => Self::HalfClosedAfter(size(0)),
            ("endless-stream", None) => Self::Endless(Endless::Stream),
            ("endless-line", None) => Self::Endless(Endless::Line),
            ("endless-comments", None) => Self::Endless(Endless::Comments),
            ("endless-header", None) => Self::Endless(Endless::Header),
            ("endless-body", None) => Self::Endless(Endless::Body),
            ("endless-informational", None) => Self::Endless(Endless::Informational),
            ("header-flood", _) => Self::HeaderFlood(size(10_000)),
            ("informational", _) => Self::Informational(size(1)),
            ("body", _) => Self::Body(size(100 << 20)),
            ("dense", _) => Self::Dense(size(67_000_000)),
            ("texts", _) => Self::Texts(size(67_000_000)),
            ("tiny-events", _) => Self::TinyEvents(size(67_000_000)),
            ("large-events", _) => Self::LargeEvents(size(8)),
            ("bomb", _) => Self::Bomb(or(10 << 30)),
            ("html", None) => Self::Html,
            ("wrong-type", None) => Self::Typed(Some("image/png")),
            ("no-type", None) => Self::Typed(None),
            ("bad-utf8", None) => Self::BadUtf8,
            ("long-length", None) => Self::LongLength,
            ("short-length", None) => Self::ShortLength,
            ("two-lengths", None) => Self::TwoLengths,
            ("bad-chunk", None) => Self::BadChunk,
            ("redirect", _) => Self::Redirect(u16::try_from(or(307)).map_err(|_| ())?),
            ("not-http", None) => Self::NotHttp,
            ("early", None) => Self::Early,
            ("empty", None) => Self::Empty,
            _ => return Err(()),
        })
    }
}

/// A running hostile gateway. Dropping it stops it and cuts every connection.
#[derive(Debug)]
pub struct Hostile {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: CancellationToken,
    connections: TaskTracker,
    opened: AtomicU64,
    paths: Mutex<Vec<String>>,
}

/// Starts a hostile gateway on the current runtime.
///
/// # Errors
///
/// When it cannot listen at `listen`.
pub async fn spawn(listen: SocketAddr) -> io::Result<Hostile> {
    let listener = TcpListener::bind(listen).await?;
    let addr = listener.local_addr()?;
    let shared = Arc::new(Shared::default());
    tokio::spawn(accept(listener, Arc::clone(&shared)));
    Ok(Hostile { addr, shared })
}

/// An address that refuses connections: a port that was free a moment ago.
///
/// # Errors
///
/// When no port of 127.0.0.1 can be had.
pub fn refusing_addr() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

impl Hostile {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address of a behaviour, to be typed into the form: `http://127.0.0.1:41234/stall`.
    pub fn url(&self, behaviour: &str) -> String {
        format!("http://{}/{behaviour}", self.addr)
    }

    /// Connections that were accepted.
    pub fn connections_opened(&self) -> u64 {
        self.shared.opened.load(Ordering::SeqCst)
    }

    /// Connections that are still served.
    pub fn connections_open(&self) -> usize {
        self.shared.connections.len()
    }

    /// The paths that were asked for, in order, the first 1024.
    pub fn paths(&self) -> Vec<String> {
        self.shared.paths.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: some will be free in a moment.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        shared.opened.fetch_add(1, Ordering::SeqCst);
        let serving = serve(stream, Arc::clone(&shared));
        let stop = shared.stop.clone();
        shared.connections.spawn(async move {
            tokio::select! {
                // That the caller leaves is what this server is for.
                _ = serving => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// Serves one request and closes: keep-alive has nothing to add here.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let head = timeout(REQUEST_LIMIT, play::read_head(&mut stream)).await??;
    {
        let mut paths = shared.paths.lock().unwrap_or_else(PoisonError::into_inner);
        if paths.len() < KEPT {
            paths.push(head.path.clone());
        }
    }
    let name = head.path.split('/').nth(1).unwrap_or_default();
    let Ok(behaviour) = name.parse::<Behaviour>() else {
        return play::not_found(&mut stream).await;
    };
    if behaviour != Behaviour::Early {
        timeout(REQUEST_LIMIT, play::read_body(&mut stream, &head)).await??;
    }
    play::play(stream, behaviour).await
}
