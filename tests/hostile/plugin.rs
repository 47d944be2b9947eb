//! The real program on pipes, as a local host starts it.

use higress_dify_plugin::cli::requests::{self, Model};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// Longer than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(120);
/// The most memory in any hostile case, in MiB, and in the largest: thousands of sessions, a line or body of 100 MB.
pub(crate) const MEMORY: u64 = 256;
pub(crate) const MEMORY_OF_THE_LARGEST: u64 = 384;

pub(crate) struct Plugin {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
    /// What each session has said.
    pub(crate) heard: HashMap<String, Said>,
    /// Everything else but heartbeats.
    pub(crate) others: Vec<Value>,
    pub(crate) heartbeats: Vec<Instant>,
    /// Every byte of the output.
    pub(crate) output: Vec<u8>,
}

/// What one session has said.
#[derive(Debug, Default, Clone)]
pub(crate) struct Said {
    pub(crate) chunks: usize,
    pub(crate) text: String,
    /// Kind and text.
    pub(crate) error: Option<(String, String)>,
    pub(crate) ends: usize,
    pub(crate) after_end: usize,
}

impl Plugin {
    /// Starts it and waits for its first heartbeat.
    pub(crate) async fn start(variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_higress-dify-plugin"))
            .env("INSTALL_METHOD", "local")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut errors = child.stderr.take().unwrap();
        let stderr = tokio::spawn(async move {
            let mut text = Vec::new();
            errors.read_to_end(&mut text).await.unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut plugin = Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(BufReader::new),
            child,
            stderr,
            heard: HashMap::new(),
            others: Vec::new(),
            heartbeats: Vec::new(),
            output: Vec::new(),
        };
        plugin.until("the first heartbeat", |plugin| !plugin.heartbeats.is_empty()).await;
        plugin
    }

    /// Sends any bytes.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("an open input");
        timeout(SOON, stdin.write_all(bytes.as_ref())).await.expect("the plugin reads").expect("the plugin lives");
    }

    /// Asks the model behind `endpoint`.
    pub(crate) async fn ask(&mut self, session: &str, endpoint: &str, options: Value) {
        self.send(ask(session, endpoint, &options, true)).await;
    }

    pub(crate) fn close_input(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn close_output(&mut self) {
        self.stdout = None;
    }

    /// Takes in the next line; `false` at the end of output.
    pub(crate) async fn read(&mut self) -> bool {
        let start = self.output.len();
        let stdout = self.stdout.as_mut().expect("an open output");
        if stdout.read_until(b'\n', &mut self.output).await.unwrap() == 0 {
            return false;
        }
        let line = &self.output[start..];
        assert!(line.len() < 5_242_880, "Dify reads no longer lines");
        let event: Value = serde_json::from_slice(line).expect("every line is JSON");
        match (event["event"].as_str(), event["session_id"].as_str()) {
            (Some("heartbeat"), _) => self.heartbeats.push(Instant::now()),
            (Some("session"), Some(session)) => {
                self.heard.entry(session.to_owned()).or_default().hear(&event["data"]);
                if event["data"]["type"] == "invoke" {
                    self.others.push(event);
                }
            }
            _ => self.others.push(event),
        }
        true
    }

    /// Reads until `done`.
    pub(crate) async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let reading = async {
            while !done(self) {
                assert!(self.read().await, "the output ended before {what}");
            }
        };
        timeout(SOON, reading).await.unwrap_or_else(|_| panic!("no sign of {what}"));
    }

    /// Reads until `session` has ended.
    pub(crate) async fn hear(&mut self, session: &str) -> Said {
        self.until(session, |plugin| plugin.has_ended(session)).await;
        self.heard[session].clone()
    }

    pub(crate) fn has_ended(&self, session: &str) -> bool {
        self.heard.get(session).is_some_and(|said| said.ends > 0)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().expect("a living process").cast_signed()).unwrap()
    }

    /// The most memory it has had so far is `limit` MiB or less. Printed, for `docs/RELIABILITY.md`.
    pub(crate) fn assert_peak(&self, case: &str, limit: u64) {
        let peak = self.peak();
        println!("{case}: {peak} MiB at most");
        assert!(peak <= limit, "{case}: {peak} MiB");
    }

    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_nonzero())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    /// Reads to the end of output and waits for the end of the process.
    pub(crate) async fn ended(mut self) -> Ended {
        let ending = async {
            while self.stdout.is_some() && self.read().await {}
            (self.child.wait().await.unwrap(), (&mut self.stderr).await.unwrap())
        };
        let (status, stderr) = timeout(SOON, ending).await.expect("the process ends");
        Ended { status, stderr, heard: self.heard, output: self.output }
    }
}

/// What is left of a process.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
    pub(crate) heard: HashMap<String, Said>,
    pub(crate) output: Vec<u8>,
}

impl Said {
    fn hear(&mut self, data: &Value) {
        self.after_end += self.ends;
        match data["type"].as_str() {
            Some("stream") => {
                self.chunks += 1;
                self.text += data["data"]["delta"]["message"]["content"].as_str().unwrap_or_default();
            }
            Some("error") => {
                assert!(self.error.is_none(), "a second error");
                let part = |name: &str| data["data"][name].as_str().unwrap().to_owned();
                self.error = Some((part("error_type"), part("message")));
            }
            Some("end") => self.ends += 1,
            Some("invoke") => {}
            other => panic!("a message of type {other:?}"),
        }
    }

    /// It ended once, with an answer.
    pub(crate) fn assert_answer(&self) {
        assert_eq!((&self.error, self.ends, self.after_end), (&None, 1, 0), "{}", self.text);
        assert!(self.chunks > 0);
    }

    /// It ended once, with this error.
    pub(crate) fn assert_error(&self, kind: &str, words: &str) {
        assert_eq!((self.ends, self.after_end), (1, 0), "{self:?}");
        let (is, text) = self.error.as_ref().unwrap_or_else(|| panic!("an answer in place of {words:?}"));
        assert!(is == kind && text.contains(words), "{is}: {text}\nin place of {kind}: {words}");
    }
}

/// The form's values for a route without authorisation.
pub(crate) fn credentials(endpoint: &str, options: &Value) -> Value {
    json!({"endpoint_url": endpoint, "consumer_auth_mode": "disabled", "llm_usage_scenario": "text_generation",
        "advanced_options": options.to_string()})
}

/// The line of a call of a text model.
pub(crate) fn ask(session: &str, endpoint: &str, options: &Value, stream: bool) -> String {
    ask_model(session, "m", credentials(endpoint, options), stream)
}

pub(crate) fn ask_model(session: &str, name: &str, credentials: Value, stream: bool) -> String {
    let model = Model { kind: "llm", name: name.to_owned(), credentials };
    let data = model.llm(&[requests::message("user", "hi")], &json!({}), &Value::Null, stream);
    requests::line(session, &data) + "\n"
}
