//! Dify's side of the pipes: starts a plugin, sends it invocations, and reads what comes back.
//!
//! It does what the plugin daemon does with a local plugin and no more, so that the demo, the one-shot command and
//! tests see what Dify sees. Every wait has a deadline.

use super::requests;
use crate::runtime::protocol::outbound::LINE_LIMIT;
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Messages of one session that wait to be read. A full session holds up the others, as it would in the daemon.
const WAITING: usize = 1024;
/// Lines beside sessions that are kept.
const OTHERS_KEPT: usize = 256;
/// Until a plugin has taken a line.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// A plugin and the pipes to it. Dropping it kills a plugin that it started.
pub struct Host {
    input: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    shared: Arc<Shared>,
    heartbeats: watch::Receiver<u64>,
    reader: JoinHandle<()>,
    child: Option<Child>,
}

#[derive(Default)]
struct Shared {
    sessions: Mutex<HashMap<String, mpsc::Sender<Message>>>,
    others: Mutex<VecDeque<Value>>,
}

/// One invocation on its way.
#[derive(Debug)]
pub struct Session {
    /// Its id on the wire.
    pub id: String,
    messages: mpsc::Receiver<Message>,
}

/// What a plugin says in a session.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A piece of the result, or all of it.
    Stream(Value),
    /// It failed.
    Error {
        /// One of the names Dify acts on.
        kind: String,
        /// What a person reads.
        message: String,
    },
    /// It is over.
    End,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("child", &self.child).finish_non_exhaustive()
    }
}

impl Host {
    /// Starts `program` without arguments as a local plugin.
    ///
    /// # Errors
    ///
    /// When `program` cannot be started, or was started without pipes.
    pub fn start(program: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .env("INSTALL_METHOD", "local")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("the plugin {} cannot be started", program.display()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the plugin was started without pipes");
        };
        let mut host = Self::over(output, input);
        host.child = Some(child);
        Ok(host)
    }

    /// A host of a plugin that is reached in another way: it reads `output` and writes `input`.
    pub fn over(
        output: impl AsyncRead + Send + Unpin + 'static,
        input: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let (beat, heartbeats) = watch::channel(0);
        let reader = tokio::spawn(read(BufReader::new(output), Arc::clone(&shared), beat));
        Self { input: Some(Box::new(input)), shared, heartbeats, reader, child: None }
    }

    /// The id of the plugin's process, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Waits for the first heartbeat: before it Dify sends nothing.
    ///
    /// # Errors
    ///
    /// When no heartbeat comes `within` that time, or the plugin ends before it.
    pub async fn ready(&mut self, within: Duration) -> anyhow::Result<()> {
        timeout(within, self.heartbeats.wait_for(|beats| *beats > 0))
            .await
            .with_context(|| format!("the plugin gave no heartbeat within {} s", within.as_secs()))?
            .context("the plugin ended before its first heartbeat")?;
        Ok(())
    }

    /// Sends an invocation as a new session.
    ///
    /// # Errors
    ///
    /// As [`send_line`](Self::send_line).
    pub async fn invoke(&mut self, data: &Value) -> anyhow::Result<Session> {
        let id = uuid::Uuid::new_v4().to_string();
        let (sender, messages) = mpsc::channel(WAITING);
        self.shared.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), sender);
        self.send_line(&requests::line(&id, data)).await?;
        Ok(Session { id, messages })
    }

    /// Sends any line, its newline added.
    ///
    /// # Errors
    ///
    /// When the plugin's input is closed, the plugin has not taken the line after 30 s, or it is gone.
    pub async fn send_line(&mut self, line: &str) -> anyhow::Result<()> {
        let input = self.input.as_mut().context("the plugin's input is closed")?;
        let write = async {
            input.write_all(line.as_bytes()).await?;
            input.write_all(b"\n").await?;
            input.flush().await
        };
        timeout(WRITE_LIMIT, write).await.context("the plugin does not read its input")?.context("the plugin is gone")
    }

    /// The last lines beside sessions and heartbeats: the manifest, log lines, errors of no session.
    pub fn others(&self) -> Vec<Value> {
        self.shared.others.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// How many heartbeats came.
    pub fn heartbeats(&self) -> u64 {
        *self.heartbeats.borrow()
    }

    /// Ends the plugin's input, and waits until it has ended itself; gives how, if it is a process.
    ///
    /// # Errors
    ///
    /// When the plugin has not ended `within` that time, or its process cannot be waited for.
    pub async fn finish(mut self, within: Duration) -> anyhow::Result<Option<ExitStatus>> {
        self.input = None;
        let ended = async {
            // The reader ends with the plugin's output; it does not panic.
            let _ = (&mut self.reader).await;
            match &mut self.child {
                Some(child) => child.wait().await.map(Some),
                None => Ok(None),
            }
        };
        Ok(timeout(within, ended).await.context("the plugin did not end after its input had ended")??)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Session {
    /// The next message.
    ///
    /// # Errors
    ///
    /// When no message comes `within` that time, or none will: the session is over, or the plugin has ended.
    pub async fn next(&mut self, within: Duration) -> anyhow::Result<Message> {
        timeout(within, self.messages.recv())
            .await
            .with_context(|| format!("the plugin said nothing for {} s", within.as_secs()))?
            .context("the plugin ended in the middle of a session")
    }
}

/// Reads lines until the plugin's output ends, and sorts them. Sessions that are open then learn of it.
async fn read(mut output: BufReader<impl AsyncRead + Unpin>, shared: Arc<Shared>, beat: watch::Sender<u64>) {
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut output).take(LINE_LIMIT as u64).read_until(b'\n', &mut line).await {
            Ok(count) if count > 0 && line.ends_with(b"\n") => {}
            // The end, a line that never ends, or one that Dify would not read.
            _ => break,
        }
        let Ok(event) = serde_json::from_slice::<Value>(&line) else { continue };
        match event["event"].as_str() {
            Some("heartbeat") => beat.send_modify(|beats| *beats += 1),
            Some("session") => deliver(&shared, &event).await,
            _ => {
                let mut others = shared.others.lock().unwrap_or_else(PoisonError::into_inner);
                if others.len() == OTHERS_KEPT {
                    others.pop_front();
                }
                others.push_back(event);
            }
        }
    }
    shared.sessions.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Hands a message to its session; one that nobody waits for is dropped, as the daemon does.
async fn deliver(shared: &Shared, event: &Value) {
    let Some(id) = event["session_id"].as_str() else { return };
    let data = &event["data"];
    let message = match data["type"].as_str() {
        Some("stream") => Message::Stream(data["data"].clone()),
        Some("error") => Message::Error {
            kind: data["data"]["error_type"].as_str().unwrap_or_default().to_owned(),
            message: data["data"]["message"].as_str().unwrap_or_default().to_owned(),
        },
        Some("end") => Message::End,
        _ => return,
    };
    let sender = {
        let mut sessions = shared.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if message == Message::End { sessions.remove(id) } else { sessions.get(id).cloned() }
    };
    if let Some(sender) = sender {
        // Fails when the session was dropped.
        let _ = sender.send(message).await;
    }
}
