//! Where lines come from and where they go.
//!
//! A transport is a [`Connection`]: a channel of input lines, and the writing end of an [`Outbox`] whose reading end
//! ([`Drain`]) the transport empties into its stream. The server knows nothing else, so stdio, a socket, one HTTP
//! request and the in-memory twin of the tests differ only here:
//!
//! 1. make an [`Outbox`] (with a heartbeat, or without one for a one-request host) and a bounded channel of
//!    [`Inbound`] (16 is a good size: the server reads it without delay and queues what it cannot serve yet);
//! 2. feed every byte that is read to a [`LineSplitter`] and send what it gives; drop the sender at end of input;
//! 3. empty the [`Drain`]: [`copy`] does it for any `AsyncWrite`;
//! 4. hand the [`Connection`] to [`serve`](super::server::serve), once per connection. Dropping that future cancels
//!    every session of the connection.

pub mod lines;
pub mod memory;
pub mod serverless;
pub mod stdio;
pub mod tcp;

pub use super::outbox::{Drain, Outbox};
pub use lines::{Inbound, LineSplitter, MAX_INPUT_LINE};

use std::fmt;
use std::io;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// How many input lines wait between a transport and the server. Small, because a line may be large.
pub const INPUT_LINES: usize = 16;

/// Tells how many bytes that were written have not been read by the host, where that can be known (a pipe).
pub type UnreadGauge = Box<dyn Fn() -> Option<u64> + Send + Sync>;

/// One way to a host, open.
pub struct Connection {
    /// Lines from the host; the end of the channel is the end of input.
    pub inbound: mpsc::Receiver<Inbound>,
    /// Lines to the host.
    pub outbox: Outbox,
    /// `None` where nobody can tell, as on a socket.
    pub unread: Option<UnreadGauge>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("unread", &self.unread.is_some()).finish_non_exhaustive()
    }
}

/// Writes everything that leaves through `drain` to `stream`, batch by batch, until the outbox is finished. A failed
/// write closes the outbox, which ends the server.
///
/// # Errors
///
/// When `stream` cannot be written, flushed or shut down.
pub async fn copy(mut drain: Drain, mut stream: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut batch = Vec::new();
    while drain.next(&mut batch).await {
        stream.write_all(&batch).await?;
        stream.flush().await?;
        drain.written();
    }
    stream.shutdown().await
}
