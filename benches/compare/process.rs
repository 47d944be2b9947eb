//! A plugin under measurement: a child process on pipes, with a reader thread that notes when each session's first
//! chunk, chunks and end arrive.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What one line of the plugin's output says.
enum Seen {
    Heartbeat(Instant),
    Chunk(String, Instant),
    Error(String, String),
    End(String, Instant),
}

/// What became of one session.
#[derive(Clone, Default)]
pub(crate) struct Session {
    pub first_chunk: Option<Duration>,
    pub chunks: u64,
    pub error: Option<String>,
    pub ended: Option<Duration>,
}

pub(crate) struct Plugin {
    child: Child,
    input: ChildStdin,
    seen: Receiver<Seen>,
    /// From spawning to the first heartbeat.
    pub start: Duration,
}

impl Plugin {
    pub(crate) fn start(command: &[String], folder: &Path) -> Self {
        let spawned = Instant::now();
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .current_dir(folder)
            .env("INSTALL_METHOD", "local")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the plugin starts");
        let input = child.stdin.take().expect("piped");
        let output = child.stdout.take().expect("piped");
        let (sender, seen) = channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::with_capacity(1 << 20, output);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if let Some(event) = read_line(&line)
                    && sender.send(event).is_err()
                {
                    return;
                }
                line.clear();
            }
        });
        let start = match seen.recv_timeout(Duration::from_secs(60)) {
            Ok(Seen::Heartbeat(at)) => at - spawned,
            _ => panic!("no heartbeat within 60 s"),
        };
        Self { child, input, seen, start }
    }

    /// Sends every request at once and waits until all their sessions ended.
    pub(crate) fn run(&mut self, requests: &[(String, String)], deadline: Duration) -> HashMap<String, Session> {
        self.run_windowed(requests, requests.len(), deadline)
    }

    /// Sends the requests with at most `window` of them unfinished at a time.
    pub(crate) fn run_windowed(
        &mut self,
        requests: &[(String, String)],
        window: usize,
        deadline: Duration,
    ) -> HashMap<String, Session> {
        let begun = Instant::now();
        let mut sent_at = HashMap::new();
        let mut sessions: HashMap<String, Session> = HashMap::new();
        let mut waiting = requests.iter();
        let mut open = 0;
        let mut ended = 0;
        while ended < requests.len() {
            let mut batch = Vec::new();
            while open < window {
                let Some((id, line)) = waiting.next() else { break };
                batch.extend_from_slice(line.as_bytes());
                batch.push(b'\n');
                sent_at.insert(id.clone(), Instant::now());
                sessions.insert(id.clone(), Session::default());
                open += 1;
            }
            if !batch.is_empty() {
                self.input.write_all(&batch).expect("the plugin reads");
                self.input.flush().expect("the plugin reads");
            }
            let left = deadline.checked_sub(begun.elapsed()).expect("all sessions end before the deadline");
            match self.seen.recv_timeout(left).expect("the plugin answers before the deadline") {
                Seen::Heartbeat(_) => {}
                Seen::Chunk(id, at) => {
                    if let (Some(session), Some(sent)) = (sessions.get_mut(&id), sent_at.get(&id)) {
                        session.chunks += 1;
                        session.first_chunk.get_or_insert(at - *sent);
                    }
                }
                Seen::Error(id, text) => {
                    if let Some(session) = sessions.get_mut(&id) {
                        session.error = Some(text);
                    }
                }
                Seen::End(id, at) => {
                    if let (Some(session), Some(sent)) = (sessions.get_mut(&id), sent_at.get(&id))
                        && session.ended.replace(at - *sent).is_none()
                    {
                        open -= 1;
                        ended += 1;
                    }
                }
            }
        }
        sessions
    }

    /// Processor time used so far, user and system.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("a living process");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in parentheses").split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime");
        Duration::from_millis(ticks * 10) // USER_HZ is 100 on Linux
    }

    /// A memory figure of `/proc/PID/status` in MiB: `VmRSS` now, `VmHWM` at its peak.
    pub(crate) fn memory(&self, field: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a living process");
        let line = status.lines().find(|line| line.starts_with(field)).expect("the field is there");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads only what the measurement needs: both sides write the keys of the envelope in the same order.
fn read_line(line: &[u8]) -> Option<Seen> {
    let now = Instant::now();
    let head = String::from_utf8_lossy(&line[..line.len().min(240)]);
    if head.starts_with("{\"event\":\"heartbeat\"") {
        return Some(Seen::Heartbeat(now));
    }
    let rest = head.strip_prefix("{\"event\":\"session\",\"session_id\":\"")?;
    let (id, rest) = rest.split_once('"')?;
    let kind = rest.strip_prefix(",\"data\":{\"type\":\"")?;
    let id = id.to_owned();
    match kind.split('"').next()? {
        "stream" => Some(Seen::Chunk(id, now)),
        "end" => Some(Seen::End(id, now)),
        "error" => Some(Seen::Error(id, String::from_utf8_lossy(line).into_owned())),
        _ => None,
    }
}
