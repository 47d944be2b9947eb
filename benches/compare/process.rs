//! A plugin under measurement: a child process on pipes, as the daemon starts it.

use crate::heard::{Heard, Session};
use crate::work::Work;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// No work of the comparison takes longer, also where the Python side does it on a busy machine.
const DEADLINE: Duration = Duration::from_secs(240);
/// How much the driver reads at a time; a pipe holds 64 KiB.
const READ_BYTES: usize = 256 * 1024;

/// How a plugin is started.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub command: Vec<String>,
    pub folder: PathBuf,
}

/// How fast the driver reads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reader {
    AtOnce,
    /// So many bytes, then this pause.
    Slow(usize, Duration),
}

pub(crate) struct Plugin {
    child: Child,
    input: ChildStdin,
    heard: Arc<Mutex<Heard>>,
    ended: Receiver<Instant>,
    /// From spawning to the first heartbeat.
    pub start: Duration,
}

impl Plugin {
    pub(crate) fn start(program: &Program) -> Self {
        Self::start_with(program, Reader::AtOnce)
    }

    pub(crate) fn start_with(program: &Program, reader: Reader) -> Self {
        let spawned = Instant::now();
        let mut child = Command::new(&program.command[0])
            .args(&program.command[1..])
            .current_dir(&program.folder)
            .env("INSTALL_METHOD", "local")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the plugin starts");
        let input = child.stdin.take().expect("piped");
        let output = child.stdout.take().expect("piped");
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (first_beat, beaten) = channel();
        let (sender, ended) = channel();
        let listening = Arc::clone(&heard);
        std::thread::spawn(move || listen(output, reader, &listening, &first_beat, &sender));
        let at = beaten.recv_timeout(DEADLINE).expect("a heartbeat");
        Self { child, input, heard, ended, start: at - spawned }
    }

    /// Does `work` with at most `window` sessions at a time. The sessions, whole or not.
    pub(crate) fn run(&mut self, work: &Work, window: usize) -> Vec<Session> {
        let begun = Instant::now();
        let count = work.requests();
        let first = self.heard.lock().expect("no panic").expect(work);
        let mut sent = 0;
        let mut ended = 0;
        while ended < count {
            while sent < count && sent - ended < window {
                let line = work.line(sent, &(first + sent).to_string());
                self.heard.lock().expect("no panic").sent(first + sent, Instant::now());
                self.input.write_all(line.as_bytes()).expect("the plugin reads");
                sent += 1;
            }
            let left = DEADLINE.checked_sub(begun.elapsed()).expect("all sessions end before the deadline");
            self.ended.recv_timeout(left).expect("every session ends before the deadline");
            ended += 1;
        }
        self.heard.lock().expect("no panic").take(first)
    }

    /// Does `work`, all of it at once. Fails unless every answer is whole.
    pub(crate) fn run_whole(&mut self, work: &Work) -> Vec<Session> {
        self.run_windowed(work, work.requests())
    }

    /// As [`run_whole`](Self::run_whole), `window` sessions at a time.
    pub(crate) fn run_windowed(&mut self, work: &Work, window: usize) -> Vec<Session> {
        let sessions = self.run(work, window);
        for session in &sessions {
            assert!(session.is_whole(), "an answer is not whole: {session:?}");
        }
        sessions
    }

    /// Processor time used so far, user and system.
    pub(crate) fn cpu(&self) -> Duration {
        let (user, system) = self.cpu_parts();
        user + system
    }

    /// Processor time used so far, in user space and in the kernel.
    pub(crate) fn cpu_parts(&self) -> (Duration, Duration) {
        cpu_of(self.child.id())
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

/// Processor time of a process that has not been waited for, in user space and in the kernel.
pub(crate) fn cpu_of(process: u32) -> (Duration, Duration) {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a process");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in parentheses").split_whitespace().collect();
    let ticks = |field: usize| Duration::from_millis(10 * fields[field].parse::<u64>().expect("ticks")); // USER_HZ is 100
    (ticks(11), ticks(12))
}

/// Reads what the plugin says until it is gone. The clock is asked once for each read.
fn listen(
    mut output: ChildStdout,
    reader: Reader,
    heard: &Mutex<Heard>,
    beat: &Sender<Instant>,
    ended: &Sender<Instant>,
) {
    let mut buffer = vec![0; READ_BYTES];
    let mut filled = 0;
    loop {
        let most = match reader {
            Reader::AtOnce => READ_BYTES,
            Reader::Slow(bytes, pause) => {
                std::thread::sleep(pause);
                bytes
            }
        };
        if filled == buffer.len() {
            buffer.resize(2 * filled, 0); // a line longer than the buffer: a batch of vectors
        }
        let end = buffer.len().min(filled + most);
        let Ok(read @ 1..) = output.read(&mut buffer[filled..end]) else { return };
        let now = Instant::now();
        filled += read;
        let Some(last) = memchr::memrchr(b'\n', &buffer[..filled]) else { continue };
        let mut guard = heard.lock().expect("no panic");
        let mut rest = &buffer[..=last];
        while let Some(newline) = memchr::memchr(b'\n', rest) {
            match guard.line(&rest[..newline], now) {
                crate::heard::Line::Heartbeat => drop(beat.send(now)),
                crate::heard::Line::End => drop(ended.send(now)),
                crate::heard::Line::Other => {}
            }
            rest = &rest[newline + 1..];
        }
        drop(guard);
        buffer.copy_within(last + 1..filled, 0);
        filled -= last + 1;
    }
}
