//! Keeps the load up, and notes what becomes of every call.

use crate::calls::{Mix, Outcome};
use crate::gateway::Gateway;
use crate::plugin::{GONE, Plugin, Seen};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// A call that runs longer is lost: none of the mix takes so long.
const LOST: Duration = Duration::from_secs(60);
/// Between two looks at the process.
const LOOK: Duration = Duration::from_secs(1);
/// In each half minute the host reads slowly for a while.
const PERIOD: u64 = 30;
const SLOW: u64 = 5;
/// Streams that run when the process is asked to end.
const LAST: usize = 20;

/// What was seen, in figures.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) sessions: u64,
    pub(crate) pieces: u64,
    /// Sessions by kind that came to what they should.
    pub(crate) right: BTreeMap<&'static str, u64>,
    /// What went otherwise, the first of it.
    pub(crate) wrong: Vec<String>,
    pub(crate) unknown_lines: u64,
    pub(crate) heartbeats: u64,
    /// The longest time between two heartbeats.
    pub(crate) silence: Duration,
    pub(crate) abandoned: u64,
    /// The longest that a call which nobody waited for went on.
    pub(crate) noticed: Duration,
    pub(crate) memory: Vec<f64>,
    pub(crate) peak: f64,
    pub(crate) files: Vec<f64>,
    pub(crate) panics: u64,
    /// Calls that the gateway still served when all sessions had ended.
    pub(crate) upstream_left: u64,
    pub(crate) exit: Option<i32>,
}

struct Call {
    kind: usize,
    sent: Instant,
    text: String,
    pieces: u64,
    error: Option<String>,
}

pub(crate) struct Driver {
    plugin: Plugin,
    mix: Mix,
    users: usize,
    running: HashMap<String, Call>,
    heartbeat: Instant,
    seen: Figures,
}

impl Driver {
    pub(crate) fn new(plugin: Plugin, mix: Mix, users: usize) -> Self {
        Self { plugin, mix, users, running: HashMap::new(), heartbeat: Instant::now(), seen: Figures::default() }
    }

    /// Keeps the users busy for a time, then waits for the last of them.
    pub(crate) fn run(&mut self, time: Duration) {
        let begun = Instant::now();
        let mut looked = begun;
        while begun.elapsed() < time {
            while self.running.len() < self.users {
                self.start();
            }
            self.take(LOOK);
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                self.look();
                let second = begun.elapsed().as_secs() % PERIOD;
                self.plugin.read_slowly(second >= PERIOD - SLOW);
            }
        }
        self.plugin.read_slowly(false);
        self.wait_for_all();
    }

    /// Ends the process in mid-stream, and gives the figures.
    pub(crate) fn end(mut self, gateway: &Gateway) -> Figures {
        self.seen.peak = self.plugin.memory("VmHWM");
        self.seen.upstream_left = settled(gateway);
        for number in 0..LAST {
            let session = format!("last-{number}");
            let (kind, line) = self.mix.paced(&session);
            self.send(session, kind, &line);
        }
        while self.running.values().any(|call| call.pieces == 0) {
            self.take(LOOK);
        }
        self.plugin.terminate();
        self.wait_for_all();
        self.seen.exit = self.plugin.exit(Duration::from_secs(10)).and_then(|status| status.code());
        self.seen.panics = self.plugin.panics();
        self.seen
    }

    fn start(&mut self) {
        let number = self.seen.sessions;
        let session = format!("soak-{number}");
        let (kind, mut line) = loop {
            let (kind, line) = self.mix.next(&session);
            let alone = |kind: usize| self.mix.kinds[kind].alone;
            if !alone(kind) || !self.running.values().any(|call| alone(call.kind)) {
                break (kind, line);
            }
        };
        let gone = self.mix.kinds[kind].outcome == Outcome::Abandoned;
        if gone {
            line = line.replacen(&session, &format!("{GONE}{number}"), 1);
        }
        self.send(if gone { format!("{GONE}{number}") } else { session }, kind, &line);
    }

    fn send(&mut self, session: String, kind: usize, line: &str) {
        let call = Call { kind, sent: Instant::now(), text: String::new(), pieces: 0, error: None };
        self.running.insert(session, call);
        self.seen.sessions += 1;
        self.plugin.send(line);
    }

    fn wait_for_all(&mut self) {
        while !self.running.is_empty() {
            self.take(LOOK);
            self.look_for_lost();
        }
    }

    fn take(&mut self, within: Duration) {
        match self.plugin.next(within) {
            None => {}
            Some(Seen::Heartbeat(at)) => {
                self.seen.heartbeats += 1;
                // The first one comes when the process is up.
                if self.seen.heartbeats > 1 {
                    self.seen.silence = self.seen.silence.max(at.duration_since(self.heartbeat));
                }
                self.heartbeat = at;
            }
            Some(Seen::Piece(session, text)) => {
                self.seen.pieces += 1;
                match self.running.get_mut(&session) {
                    Some(call) => {
                        call.pieces += 1;
                        call.text.push_str(&text);
                    }
                    None => self.seen.unknown_lines += 1,
                }
            }
            Some(Seen::Error(session, text)) => match self.running.get_mut(&session) {
                Some(call) if call.error.is_none() => call.error = Some(text),
                _ => self.seen.unknown_lines += 1,
            },
            Some(Seen::End(session)) => match self.running.remove(&session) {
                Some(call) => self.judge(&call),
                None => self.seen.unknown_lines += 1,
            },
        }
    }

    /// Whether an ended call came to what it should.
    fn judge(&mut self, call: &Call) {
        let kind = &self.mix.kinds[call.kind];
        let took = call.sent.elapsed();
        let right = match (kind.outcome, &call.error) {
            (Outcome::Answer, None) => call.pieces > 0,
            (Outcome::Numbers(count), None) => call.text == numbers(count),
            (Outcome::Error(words), Some(error)) => error.contains(words),
            (Outcome::Abandoned, Some(error)) => {
                self.seen.abandoned += 1;
                self.seen.noticed = self.seen.noticed.max(took);
                error.contains("nobody waits")
            }
            _ => false,
        };
        if right {
            *self.seen.right.entry(kind.name).or_default() += 1;
        } else {
            let what = format!("{}: {} pieces, {:?} after {took:?}", kind.name, call.pieces, call.error);
            self.seen.wrong.push(what);
        }
    }

    fn look(&mut self) {
        self.seen.memory.push(self.plugin.memory("VmRSS"));
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        self.seen.files.push(self.plugin.open_files() as f64);
        self.look_for_lost();
    }

    fn look_for_lost(&mut self) {
        let lost: Vec<_> = self.running.iter().filter(|(_, call)| call.sent.elapsed() > LOST).collect();
        let told =
            lost.iter().map(|(session, call)| format!("{session} ({}) never ended", self.mix.kinds[call.kind].name));
        self.seen.wrong.extend(told);
        self.running.retain(|_, call| call.sent.elapsed() <= LOST);
    }
}

/// Calls that the gateway still serves, once it had a moment to notice closed connections.
fn settled(gateway: &Gateway) -> u64 {
    for _ in 0..100 {
        if gateway.counter("requests_in_flight") == 0 {
            return 0;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    gateway.counter("requests_in_flight")
}

fn numbers(count: usize) -> String {
    (0..count).map(|number| format!("{number} ")).collect()
}
