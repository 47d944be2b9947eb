//! The plugin as a child process on pipes, with a host that answers its probes.

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Sessions whose id begins so belong to a person who has left: the host has forgotten them.
pub(crate) const GONE: &str = "gone-";

/// What one line of the plugin's output says.
pub(crate) enum Seen {
    Heartbeat(Instant),
    /// A piece of an answer; its text, if it has one.
    Piece(String, String),
    Error(String, String),
    End(String),
}

pub(crate) struct Plugin {
    child: Child,
    input: Arc<Mutex<ChildStdin>>,
    seen: Receiver<Seen>,
    slow: Arc<AtomicBool>,
    panics: Arc<AtomicU64>,
}

#[derive(Deserialize)]
struct Line {
    event: String,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    data: Value,
}

impl Plugin {
    pub(crate) fn start(program: &str) -> Self {
        let mut child = Command::new(program)
            .env("INSTALL_METHOD", "local")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the plugin starts");
        let input = Arc::new(Mutex::new(child.stdin.take().expect("piped")));
        let output = child.stdout.take().expect("piped");
        let errors = child.stderr.take().expect("piped");
        let (slow, panics) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (sender, seen) = channel();
        let (answers, reading) = (Arc::clone(&input), Arc::clone(&slow));
        std::thread::spawn(move || {
            let mut lines = BufReader::with_capacity(1 << 16, output);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let said = read(&line, &answers);
                if said.is_some_and(|said| sender.send(said).is_err()) {
                    return;
                }
                line.clear();
                if reading.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        });
        let counted = Arc::clone(&panics);
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if line.contains("internal error") {
                    counted.fetch_add(1, Ordering::Relaxed);
                    eprintln!("{line}");
                }
            }
        });
        Self { child, input, seen, slow, panics }
    }

    pub(crate) fn send(&self, line: &str) {
        self.input.lock().expect("no panic").write_all(line.as_bytes()).expect("the plugin reads");
    }

    /// The next thing it says, within a time. Its output must not end before.
    pub(crate) fn next(&self, within: Duration) -> Option<Seen> {
        match self.seen.recv_timeout(within) {
            Ok(seen) => Some(seen),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the plugin has ended"),
        }
    }

    /// From now on the host takes two milliseconds for each line, or none.
    pub(crate) fn read_slowly(&self, slowly: bool) {
        self.slow.store(slowly, Ordering::Relaxed);
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// A memory figure of `/proc/PID/status` in MiB: `VmRSS` now, `VmHWM` at its peak.
    pub(crate) fn memory(&self, field: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a living process");
        let line = status.lines().find(|line| line.starts_with(field)).expect("the field is there");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
    }

    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("a living process").count()
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a living process");
    }

    /// How it ended, if it does in time.
    pub(crate) fn exit(&mut self, within: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < within {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a line; answers it, if it is a probe of a session that is still known.
fn read(line: &[u8], input: &Mutex<ChildStdin>) -> Option<Seen> {
    let Line { event, session_id, mut data } = serde_json::from_slice(line).expect("every line is JSON");
    match (event.as_str(), session_id) {
        ("heartbeat", _) => Some(Seen::Heartbeat(Instant::now())),
        ("session", Some(id)) => match data["type"].as_str()? {
            "stream" => {
                let content = &mut data["data"]["delta"]["message"]["content"];
                Some(Seen::Piece(id, content.as_str().unwrap_or_default().to_owned()))
            }
            "error" => Some(Seen::Error(id, data["data"]["message"].as_str().unwrap_or_default().to_owned())),
            "end" => Some(Seen::End(id)),
            "invoke" => {
                if !id.starts_with(GONE) {
                    refuse(&id, &data["data"]["backwards_request_id"], input);
                }
                None
            }
            other => panic!("a message of type {other}"),
        },
        _ => None,
    }
}

/// What the daemon says of a model's backwards invocation.
fn refuse(session: &str, request: &Value, input: &Mutex<ChildStdin>) {
    for event in ["error", "end"] {
        let line = json!({"session_id": session, "event": "backwards_response", "data": {
            "backwards_request_id": request, "event": event, "message": "you can not invoke dify from model", "data": {}}});
        // At the very end the plugin may be gone.
        let _ = input.lock().expect("no panic").write_all(format!("{line}\n").as_bytes());
    }
}
