//! The in-memory twin of the other transports: a host inside the process, for tests.

use super::{Connection, INPUT_LINES, Inbound, LineSplitter, Outbox, copy};
use crate::runtime::{Context, InvokeError, LlmOutput};
use bytes::Bytes;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// As much as a Linux pipe holds.
const PIPE_BYTES: usize = 64 * 1024;

/// The other side of a [`Connection`]. What it does not read stays in a pipe of 64 KiB, as with a real process;
/// dropping it closes both directions.
#[derive(Debug)]
pub struct Host {
    input: Option<mpsc::Sender<Inbound>>,
    output: DuplexStream,
    outbox: Outbox,
    read: Arc<AtomicU64>,
    splitter: LineSplitter,
    lines: VecDeque<Bytes>,
    writer: JoinHandle<std::io::Result<()>>,
}

/// A connection and its host. Must be called inside a tokio runtime.
pub fn connect(heartbeat: Option<Duration>) -> (Connection, Host) {
    let (outbox, drain) = Outbox::new(heartbeat);
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    let (input, inbound) = mpsc::channel(INPUT_LINES);
    let read = Arc::new(AtomicU64::new(0));
    let host = Host {
        input: Some(input),
        output: far,
        outbox: outbox.clone(),
        read: Arc::clone(&read),
        splitter: LineSplitter::default(),
        lines: VecDeque::new(),
        writer: tokio::spawn(copy(drain, near)),
    };
    let written = outbox.clone();
    let unread = move || Some(written.written().saturating_sub(read.load(Ordering::Acquire)));
    (Connection { inbound, outbox, unread: Some(Box::new(unread)) }, host)
}

/// The output of one text call without a server, and the host that reads it: for tests of handlers.
///
/// # Errors
///
/// When `model` cannot be written into a chunk.
pub fn llm_output(cx: &Context, model: &str, stream: bool) -> Result<(LlmOutput, Host), InvokeError> {
    let (connection, host) = connect(None);
    let lane = connection.outbox.lane(&cx.session_id);
    Ok((LlmOutput::new(lane, cx, model, stream)?, host))
}

impl Host {
    /// Sends one line. A server that is gone does not read it, which shows in its output.
    pub async fn send(&self, line: impl Into<Bytes>) {
        self.send_inbound(Inbound::Line(line.into())).await;
    }

    /// Sends what a transport would make of its input.
    pub async fn send_inbound(&self, inbound: Inbound) {
        if let Some(input) = &self.input {
            // Only fails when the server has ended.
            let _ = input.send(inbound).await;
        }
    }

    /// Ends the input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Ends the output behind what waits to leave.
    pub fn finish_output(&self) {
        self.outbox.finish();
    }

    /// The next line of output; `None` at its end.
    pub async fn line(&mut self) -> Option<Bytes> {
        let mut buffer = vec![0; PIPE_BYTES];
        while self.lines.is_empty() {
            let count = self.output.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
            self.read.fetch_add(count as u64, Ordering::AcqRel);
            let mut bytes = buffer.get(..count)?;
            while let Some(inbound) = self.splitter.next(&mut bytes) {
                if let Inbound::Line(line) = inbound {
                    self.lines.push_back(line);
                }
            }
        }
        self.lines.pop_front()
    }

    /// The next line of output as JSON; null for a line that is not. `None` at the end of output.
    pub async fn event(&mut self) -> Option<Value> {
        self.line().await.map(|line| serde_json::from_slice(&line).unwrap_or_default())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.writer.abort();
    }
}
