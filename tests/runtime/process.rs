//! A real process with real pipes: this test program, started once more as a plugin.

use crate::support::{Obedient, Said, ask};
use higress_dify_plugin::runtime::declaration::{Declaration, Sources};
use higress_dify_plugin::runtime::{Settings, run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Tells the test program that it is the plugin.
const PLUGIN: &str = "RUNTIME_TEST_PLUGIN";

/// The plugin's side; a test that does nothing unless it is started as a plugin.
#[test]
fn plugin() {
    if std::env::var_os(PLUGIN).is_some() {
        let settings = Settings::load("ACME").unwrap();
        run(Obedient::default(), || Declaration::new(Sources::default()), &settings).unwrap();
    }
}

struct Plugin {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Plugin {
    /// Starts it and waits for its first heartbeat. What comes before, also in the same line, is the test program's own
    /// greeting.
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::plugin", "--nocapture"])
            .env(PLUGIN, "1")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.ends_with("{\"event\":\"heartbeat\",\"session_id\":null,\"data\":{}}\n") {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "no heartbeat");
        }
        Self { child, stdin, stdout }
    }

    fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line.as_bytes()).unwrap();
        stdin.write_all(b"\n").unwrap();
    }

    fn event(&mut self) -> Option<Value> {
        let mut line = String::new();
        (self.stdout.read_line(&mut line).unwrap() > 0).then(|| serde_json::from_str(&line).expect("a line of JSON"))
    }

    fn hear(&mut self, session: &str) -> Said {
        let mut said = Said::default();
        while said.ends == 0 {
            let event = self.event().expect("more output");
            if event["session_id"] == session {
                said.hear(&event["data"]);
            }
        }
        said
    }

    /// Reads to the end of output, and waits for the end of the process.
    fn wait(mut self) -> (ExitStatus, String) {
        while self.event().is_some() {}
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.child.wait().unwrap(), stderr)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

#[test]
fn the_end_of_stdin_drains_and_ends_the_process_well() {
    let mut plugin = Plugin::start(&[]);
    plugin.send(&ask("S", "tick 20 20"));
    plugin.stdin = None;
    plugin.hear("S").assert_whole();
    assert!(plugin.wait().0.success());
}

#[test]
fn a_request_of_a_hundred_megabytes_is_served() {
    let mut plugin = Plugin::start(&[]);
    let mut padding = ask("S", "say fine");
    padding.insert_str(padding.len() - 1, &format!(r#","padding":"{}""#, "x".repeat(100_000_000)));
    plugin.send(&padding);
    plugin.hear("S").assert_whole();
}

#[test]
fn what_a_library_prints_does_not_reach_the_host() {
    let mut plugin = Plugin::start(&[]);
    plugin.send(&ask("S", "print"));
    plugin.stdin = None;
    plugin.hear("S").assert_whole();
    let (status, stderr) = plugin.wait();
    assert!(status.success() && stderr.contains("by a library"), "{stderr}");
}

#[test]
fn every_call_is_one_log_event_for_the_host_and_stderr_stays_quiet() {
    let mut plugin = Plugin::start(&[]);
    plugin.send(&ask("S", "say hello"));
    plugin.send(&ask("T", "fail"));
    plugin.stdin = None;
    let mut calls = Vec::new();
    while let Some(event) = plugin.event() {
        if event["event"] == "log" {
            calls.push((event["data"]["level"].clone(), event["data"]["message"].as_str().unwrap().to_owned()));
        }
    }
    calls.sort_by_key(|(level, _)| level.to_string());
    let [(info, ok), (warn, failed)] = calls.as_slice() else { panic!("two calls: {calls:?}") };
    assert_eq!((info, warn), (&Value::from("INFO"), &Value::from("WARN")));
    assert!(ok.contains("action=invoke_llm") && ok.contains("model=m") && ok.contains("outcome=ok"), "{ok}");
    assert!(failed.contains("outcome=InvokeBadRequestError"), "{failed}");
    let (status, stderr) = plugin.wait();
    assert!(status.success() && !stderr.contains("invoke_llm"), "{stderr}");
}

#[test]
fn the_log_s_level_and_format_follow_the_environment() {
    let mut plugin = Plugin::start(&[("ACME_LOG", "info"), ("ACME_LOG_FORMAT", "json")]);
    plugin.send(&ask("S", "say hello"));
    plugin.stdin = None;
    let (_, stderr) = plugin.wait();
    let line = stderr.lines().find(|line| line.contains("invoke_llm")).expect("the call");
    let event: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&event["level"], &event["outcome"]), (&Value::from("INFO"), &Value::from("ok")));
}

#[test]
fn heartbeats_go_on_while_every_worker_is_busy() {
    const BUSY: Duration = Duration::from_secs(20);
    let mut plugin = Plugin::start(&[("HEARTBEAT_INTERVAL", "0.2")]);
    let workers = std::thread::available_parallelism().unwrap().get();
    for number in 0..workers * 2 {
        plugin.send(&ask(&format!("s{number}"), &format!("burn {}", BUSY.as_millis())));
    }
    let start = Instant::now();
    for _ in 0..3 {
        while plugin.event().unwrap()["event"] != "heartbeat" {}
    }
    assert!(start.elapsed() < BUSY, "they waited for a worker: {:?}", start.elapsed());
    plugin.child.kill().unwrap();
    plugin.child.wait().unwrap();
}

#[test]
fn a_process_can_be_terminated_from_its_first_heartbeat_on() {
    let plugin = Plugin::start(&[]);
    plugin.signal(Signal::TERM);
    let (status, _) = plugin.wait();
    assert!(status.success(), "{status}");
}

#[test]
fn a_terminated_process_finishes_its_calls_first() {
    let mut plugin = Plugin::start(&[]);
    plugin.send(&ask("S", "tick 50 20"));
    while plugin.event().unwrap()["event"] != "session" {}
    plugin.signal(Signal::TERM);
    assert_eq!(plugin.hear("S").ends, 1);
    assert!(plugin.wait().0.success());
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let mut plugin = Plugin::start(&[]);
    plugin.send(&ask("S", "tick 20 100000"));
    while plugin.event().unwrap()["event"] != "session" {}
    plugin.signal(Signal::TERM);
    // A signal that comes before the one ahead was seen is the same one, and calls are refused once it was seen.
    for number in 0.. {
        let session = format!("late{number}");
        plugin.send(&ask(&session, "say no"));
        if !plugin.hear(&session).errors.is_empty() {
            break;
        }
    }
    let start = Instant::now();
    plugin.signal(Signal::TERM);
    assert!(plugin.wait().0.success());
    assert!(start.elapsed() < Duration::from_secs(20), "it waited for its grace: {:?}", start.elapsed());
}

#[test]
fn a_process_whose_output_is_closed_ends() {
    let mut plugin = Plugin::start(&[("HEARTBEAT_INTERVAL", "0.1")]);
    plugin.send(&ask("S", "sleep 600"));
    drop(plugin.stdout);
    assert!(!plugin.child.wait().unwrap().success());
}
