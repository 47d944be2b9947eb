//! Remote debugging: the plugin dials a Dify host and registers itself there.
//!
//! For developers: no package, no install. The host says nothing when a registration is accepted; a refusal is one
//! line of plain text, after which it closes. A lost connection is dialled again for ever, with growing pauses.

mod address;
mod backoff;

pub use address::{AddressError, RemoteAddress};

use super::{Connection, Drain, INPUT_LINES, Inbound, LineSplitter, Outbox};
use crate::runtime::declaration::Declaration;
use backoff::Backoff;
use rustix::net::sockopt::set_tcp_user_timeout;
use secrecy::{ExposeSecret, SecretString};
use std::convert::Infallible;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one write may take, and how long what was written may go unacknowledged: a host that vanished without a word
/// (a sleeping laptop, a forgotten address translation) takes no heartbeat. One that takes nothing for longer has closed
/// the connection on its side.
const WRITE_TIMEOUT: Duration = Duration::from_millis(WRITE_TIMEOUT_MS as u64);
const WRITE_TIMEOUT_MS: u32 = 60_000;
/// The host closes a connection without a heartbeat for 60 s; this leaves room for one that is late.
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(30);
/// A registration that has not been refused for this long is taken for accepted.
const SETTLE: Duration = Duration::from_secs(1);
/// How long to wait for the reason when a write failed: the host writes it before it closes.
const REASON_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection that lived this long was a good one: the next pause is a short one again.
const GOOD_CONNECTION: Duration = Duration::from_secs(30);
const READ_BYTES: usize = 64 * 1024;

/// Where to register, and as whom.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// The host.
    pub address: RemoteAddress,
    /// The debugging key that Dify shows.
    pub key: SecretString,
    /// Time between heartbeats; at most 30 s are used.
    pub heartbeat: Duration,
}

/// Why remote debugging ended.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// No key is set.
    #[error(
        "INSTALL_METHOD=remote needs REMOTE_INSTALL_KEY: copy the key from the plugin page of Dify (Debug plugin) \
         into the environment or the file .env"
    )]
    MissingKey,
    /// The address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The host refused, and would refuse again. The text is the host's own.
    #[error("the Dify host refused this plugin: {0}")]
    Refused(String),
}

impl RemoteSettings {
    /// Settings from `REMOTE_INSTALL_KEY` and an address.
    ///
    /// # Errors
    ///
    /// [`RemoteError::MissingKey`] when `key` is none or blank.
    pub fn new(address: RemoteAddress, key: Option<SecretString>, heartbeat: Duration) -> Result<Self, RemoteError> {
        let key = key.filter(|key| !key.expose_secret().trim().is_empty()).ok_or(RemoteError::MissingKey)?;
        Ok(Self { address, key, heartbeat })
    }
}

/// How a connection ended.
#[derive(Debug)]
enum Ended {
    /// The host said why.
    Refused(String),
    /// It broke; the text says how.
    Lost(String),
    /// `stop` was cancelled and everything was answered.
    Stopped,
}

/// Registers `declaration` and serves calls, connection after connection, until `stop` is cancelled. `serve` is
/// called once per connection; dropping its future must cancel the connection's sessions, for nobody could read
/// their answers. After `stop`, running sessions finish.
///
/// # Errors
///
/// [`RemoteError::Refused`] when the host refuses the key or the declaration.
pub async fn run<S, F>(
    settings: &RemoteSettings,
    declaration: &Declaration,
    stop: &CancellationToken,
    serve: S,
) -> Result<(), RemoteError>
where
    S: Fn(Connection) -> F,
    F: Future<Output = ()>,
{
    let mut backoff = Backoff::default();
    loop {
        let started = Instant::now();
        let ended = tokio::select! {
            () = stop.cancelled() => Ended::Stopped,
            stream = dial(&settings.address) => match stream {
                Ok(stream) => {
                    let (read, write) = stream.into_split();
                    connection(settings, declaration, stop, read, write, &serve).await
                }
                Err(error) => Ended::Lost(error.to_string()),
            },
        };
        let reason = match ended {
            Ended::Stopped => return Ok(()),
            Ended::Refused(text) if is_final(&text) => return Err(RemoteError::Refused(text)),
            Ended::Refused(text) => format!("it says: {text}"),
            Ended::Lost(reason) => reason,
        };
        if started.elapsed() >= GOOD_CONNECTION {
            backoff = Backoff::default();
        }
        let pause = backoff.next();
        warn!(
            "no connection to the Dify host at {}: {reason}. Trying again in {:.1} s",
            settings.address,
            pause.as_secs_f64()
        );
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = sleep(pause) => {}
        }
    }
}

async fn dial(address: &RemoteAddress) -> io::Result<TcpStream> {
    let connecting = TcpStream::connect((address.host.as_str(), address.port));
    let stream = timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| {
        let seconds = CONNECT_TIMEOUT.as_secs();
        io::Error::new(io::ErrorKind::TimedOut, format!("nothing answered within {seconds} s"))
    })??;
    stream.set_nodelay(true)?;
    set_tcp_user_timeout(&stream, WRITE_TIMEOUT_MS)?;
    Ok(stream)
}

/// One connection from registration to its end.
async fn connection<S, F>(
    settings: &RemoteSettings,
    declaration: &Declaration,
    stop: &CancellationToken,
    read: impl AsyncRead + Unpin,
    mut write: impl AsyncWrite + Unpin,
    serve: S,
) -> Ended
where
    S: FnOnce(Connection) -> F,
    F: Future<Output = ()>,
{
    let (lines, inbound) = mpsc::channel(INPUT_LINES);
    let sent = Notify::new();
    // Reads from the first moment on: a refusal may come while the registration is still being written.
    let listening = listen(read, lines, stop);
    let working = async {
        for message in declaration.registration(settings.key.expose_secret()) {
            let mut line = message?.into_bytes();
            line.push(b'\n');
            write_all(&mut write, &line).await?;
        }
        sent.notify_one();
        // No earlier: until the host has read `end`, a heartbeat breaks the registration.
        let (outbox, drain) = Outbox::new(Some(settings.heartbeat.min(LONGEST_HEARTBEAT)));
        let served = async {
            serve(Connection { inbound, outbox: outbox.clone(), unread: None }).await;
            outbox.finish();
        };
        // They end together: the writer with its outbox, the server with its input or with a broken writer.
        tokio::join!(empty(drain, &mut write), served).0
    };
    let announcing = async {
        sent.notified().await;
        sleep(SETTLE).await;
        info!("registered at the Dify host {}: the plugin can be used there now", settings.address);
        std::future::pending::<Infallible>().await
    };
    tokio::pin!(listening, working);
    tokio::select! {
        ended = &mut listening => {
            if matches!(ended, Ended::Stopped) {
                // The input has ended, so this ends when the running sessions have.
                let _ = working.await;
            }
            ended
        }
        result = &mut working => match (result, timeout(REASON_TIMEOUT, &mut listening).await) {
            (_, Ok(ended @ (Ended::Refused(_) | Ended::Stopped))) => ended,
            (Err(error), _) => Ended::Lost(error.to_string()),
            (Ok(()), _) => Ended::Lost("the connection was given up".to_owned()),
        },
        never = announcing => match never {},
    }
}

/// Reads lines and passes them on, until the stream ends or `stop` is cancelled. Lines of plain text are what the
/// host says to a person.
async fn listen(mut read: impl AsyncRead + Unpin, lines: mpsc::Sender<Inbound>, stop: &CancellationToken) -> Ended {
    let mut splitter = LineSplitter::default();
    let mut buffer = vec![0; READ_BYTES];
    let mut said = None;
    let mut served = false;
    let lost = loop {
        let count = tokio::select! {
            () = stop.cancelled() => return Ended::Stopped,
            count = read.read(&mut buffer) => match count {
                Ok(0) => break "the host closed the connection".to_owned(),
                Ok(count) => count,
                Err(error) => break error.to_string(),
            },
        };
        let mut bytes = buffer.get(..count).unwrap_or_default();
        while let Some(line) = splitter.next(&mut bytes) {
            match plain_text(&line) {
                Some(text) if !served && is_final(&text) => return Ended::Refused(text),
                Some(text) => {
                    warn!("the Dify host says: {text}");
                    said = Some(text);
                }
                None => {
                    (served, said) = (true, None);
                    if lines.send(line).await.is_err() {
                        return Ended::Lost("the connection was given up".to_owned());
                    }
                }
            }
        }
    };
    let unfinished = splitter.finish().as_ref().and_then(plain_text);
    unfinished.or(said).map_or(Ended::Lost(lost), Ended::Refused)
}

/// The text of a line that is no message, fit for a terminal.
fn plain_text(line: &Inbound) -> Option<String> {
    const LONGEST: usize = 1000;
    match line {
        Inbound::Line(bytes) if !bytes.trim_ascii_start().starts_with(b"{") => {
            let text = String::from_utf8_lossy(bytes);
            Some(text.trim().chars().filter(|character| !character.is_control()).take(LONGEST).collect())
        }
        Inbound::Line(_) | Inbound::TooLong => None,
    }
}

/// Whether a host that said `text` would say it again: the key or the declaration is at fault. Not so when the host
/// is busy or has trouble of its own.
fn is_final(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let passing = ["server is busy", "try again", "failed to get connection info"];
    let lasting = ["handshake failed", "invalid", "already registered", "too large", "decode failed"];
    !passing.iter().any(|part| text.contains(part)) && lasting.iter().any(|part| text.contains(part))
}

/// Writes everything that leaves through `drain`, until the outbox is finished. A failed write drops the drain, which
/// closes the outbox and so ends the server.
async fn empty(mut drain: Drain, mut stream: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut batch = Vec::new();
    while drain.next(&mut batch).await {
        write_all(&mut stream, &batch).await?;
        drain.written();
    }
    stream.shutdown().await
}

async fn write_all(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    timeout(WRITE_TIMEOUT, stream.write_all(bytes)).await.unwrap_or_else(|_| {
        let seconds = WRITE_TIMEOUT.as_secs();
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("the host took nothing for {seconds} s")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_key_and_declaration_are_final_and_others_pass() {
        for text in [
            "handshake failed, invalid handshake message",
            "handshake failed, invalid key",
            "handshake failed, invalid plugin declaration: x",
            "models register failed, invalid models declaration: x",
            "register failed, invalid manifest detected: x",
            "assets remap failed, invalid assets data, cannot remap: x",
            "assets too large, at most 50MB",
            "declaration already registered",
        ] {
            assert!(is_final(text), "{text}");
        }
        for text in [
            "server is busy now, please try again later",
            "failed to get connection info: dial tcp: invalid address",
            "I am a teapot",
        ] {
            assert!(!is_final(text), "{text}");
        }
    }

    #[tokio::test]
    async fn a_host_that_vanished_without_a_word_is_noticed_by_the_heartbeats_it_does_not_take() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = RemoteAddress::pick(Some(&listener.local_addr().unwrap().to_string()), "", 0).unwrap();
        let stream = dial(&address).await.unwrap();
        let limit = rustix::net::sockopt::tcp_user_timeout(&stream).unwrap();
        assert_eq!(
            Duration::from_millis(limit.into()),
            WRITE_TIMEOUT,
            "else the kernel tries for a quarter of an hour"
        );
    }

    #[test]
    fn what_a_host_says_is_shown_without_control_characters() {
        let line = |bytes: &'static [u8]| Inbound::Line(bytes::Bytes::from_static(bytes));
        assert_eq!(plain_text(&line(b"handshake failed\x1b[31m\r")).as_deref(), Some("handshake failed[31m"));
        assert_eq!(plain_text(&line(b" {\"event\":1}")), None);
    }
}
