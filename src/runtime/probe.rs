//! Telling a living session from an abandoned one.
//!
//! Dify's protocol has no cancel message: when a person presses Stop, the daemon closes its listener and goes on
//! reading. But a backwards invocation on the session, which the daemon refuses to a model plugin, is refused by the
//! session's own listener: a living session answers within milliseconds, an abandoned one never does.
//!
//! Silence alone proves nothing. It counts only after this process has had an answer from its host, and only for
//! probes that the host has demonstrably read: it answered a later probe of any session, or (on a pipe) it has read
//! past the probe. Three such probes in a row over at least ten seconds, and nobody listens.

use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Calls shorter than this are never probed.
const FIRST: Duration = Duration::from_secs(3);
/// Between two probes of a session.
const INTERVAL: Duration = Duration::from_secs(3);
/// Between two probes of a session on a host that has never answered any.
const INTERVAL_UNANSWERED: Duration = Duration::from_secs(30);
/// So many probes in a row, read and unanswered, mean that nobody listens,
const SILENT_PROBES: usize = 3;
/// if the first of them was sent at least this long ago.
const SILENCE: Duration = Duration::from_secs(10);

/// The probes of one connection: a pure state machine over the clock it is given.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    sessions: HashMap<String, Session>,
    last_number: u64,
    host_answers: bool,
    /// The host has read the stream up to here.
    read_position: u64,
}

#[derive(Debug)]
struct Session {
    due: Instant,
    unanswered: Vec<Probe>,
}

#[derive(Debug)]
struct Probe {
    number: u64,
    sent: Instant,
    /// Where the probe ends in the stream; `None` until it has been written.
    position: Option<u64>,
}

/// A probe to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) session_id: String,
    pub(crate) number: u64,
}

impl Probes {
    pub(crate) fn begin(&mut self, session_id: &str, now: Instant) {
        self.sessions.insert(session_id.to_owned(), Session { due: now + FIRST, unanswered: Vec::new() });
    }

    pub(crate) fn end(&mut self, session_id: &str) {
        self.sessions.remove(session_id);
    }

    /// The probes that are due. A session whose last probe is still on its way gets no other.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Due> {
        let interval = if self.host_answers { INTERVAL } else { INTERVAL_UNANSWERED };
        let mut due = Vec::new();
        for (session_id, session) in &mut self.sessions {
            let on_its_way = session.unanswered.last().is_some_and(|probe| probe.position.is_none());
            if session.due > now || on_its_way || session.unanswered.len() > SILENT_PROBES {
                continue;
            }
            self.last_number += 1;
            session.due = now + interval;
            session.unanswered.push(Probe { number: self.last_number, sent: now, position: None });
            due.push(Due { session_id: session_id.clone(), number: self.last_number });
        }
        due
    }

    /// A probe has been written and ends at `position` of the stream.
    pub(crate) fn written(&mut self, number: u64, position: u64) {
        let probes = self.sessions.values_mut().flat_map(|session| &mut session.unanswered);
        if let Some(probe) = probes.into_iter().find(|probe| probe.number == number) {
            probe.position = Some(position);
        }
    }

    /// The host has read the stream up to `position`.
    pub(crate) fn read_up_to(&mut self, position: u64) {
        self.read_position = self.read_position.max(position);
    }

    /// The host refused probe `number` of a session: somebody listens, and everything written before was read.
    pub(crate) fn answered(&mut self, session_id: &str, number: u64, now: Instant) {
        if !self.host_answers {
            self.host_answers = true;
            // Until now they were probed rarely.
            for session in self.sessions.values_mut() {
                session.due = session.due.min(now + INTERVAL);
            }
        }
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        let position = session.unanswered.iter().find(|probe| probe.number == number).and_then(|probe| probe.position);
        session.unanswered.clear();
        if let Some(position) = position {
            self.read_up_to(position);
        }
    }

    /// Sessions that nobody listens to.
    pub(crate) fn abandoned(&self, now: Instant) -> Vec<String> {
        if !self.host_answers {
            return Vec::new();
        }
        let silent = |session: &Session| {
            let read =
                session.unanswered.iter().filter(|p| p.position.is_some_and(|at| at <= self.read_position)).count();
            read >= SILENT_PROBES && session.unanswered.first().is_some_and(|first| now >= first.sent + SILENCE)
        };
        self.sessions.iter().filter(|(_, session)| silent(session)).map(|(id, _)| id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host for the state machine: time passes in steps of half a second, as in the server.
    struct Host {
        probes: Probes,
        now: Instant,
        position: u64,
    }

    impl Host {
        fn new(sessions: &[&str]) -> Self {
            let now = Instant::now();
            let mut probes = Probes::default();
            for id in sessions {
                probes.begin(id, now);
            }
            Self { probes, now, position: 0 }
        }

        /// Passes time; each probe is written at once, read if `reads`, and answered if `answers` says so.
        fn pass(&mut self, seconds: u64, reads: bool, answers: impl Fn(&str) -> bool) -> Vec<String> {
            for _ in 0..seconds * 2 {
                self.now += Duration::from_millis(500);
                for due in self.probes.due(self.now) {
                    self.position += 100;
                    self.probes.written(due.number, self.position);
                    if reads {
                        self.probes.read_up_to(self.position);
                    }
                    if answers(&due.session_id) {
                        self.probes.answered(&due.session_id, due.number, self.now);
                    }
                }
                let gone = self.probes.abandoned(self.now);
                if !gone.is_empty() {
                    return gone;
                }
            }
            Vec::new()
        }
    }

    #[test]
    fn a_host_that_answers_keeps_every_session() {
        assert!(Host::new(&["a", "b"]).pass(600, true, |_| true).is_empty());
    }

    #[test]
    fn a_host_that_never_answers_loses_nothing() {
        assert!(Host::new(&["a", "b"]).pass(600, true, |_| false).is_empty());
    }

    #[test]
    fn a_session_that_is_left_is_noticed_within_fifteen_seconds() {
        let mut host = Host::new(&["a", "b"]);
        assert!(host.pass(20, true, |_| true).is_empty());
        let left = host.now;
        assert_eq!(host.pass(60, true, |id| id == "b"), ["a"]);
        assert!(host.now - left <= Duration::from_secs(15), "{:?}", host.now - left);
    }

    #[test]
    fn answers_to_another_session_show_that_a_socket_was_read() {
        let mut host = Host::new(&["a", "b"]);
        assert!(host.pass(20, false, |_| true).is_empty());
        assert_eq!(host.pass(60, false, |id| id == "b"), ["a"]);
    }

    #[test]
    fn a_host_that_reads_nothing_loses_nothing() {
        let mut host = Host::new(&["a", "b"]);
        assert!(host.pass(20, true, |_| true).is_empty());
        assert!(host.pass(600, false, |_| false).is_empty());
    }

    #[test]
    fn a_late_answer_keeps_the_session() {
        let mut host = Host::new(&["a"]);
        assert!(host.pass(20, true, |_| true).is_empty());
        assert!(host.pass(9, true, |_| false).is_empty());
        let last = host.probes.last_number;
        host.probes.answered("a", last, host.now);
        assert!(host.pass(9, true, |_| false).is_empty());
    }

    #[test]
    fn a_lone_session_on_a_socket_stays() {
        let mut host = Host::new(&["a"]);
        assert!(host.pass(20, false, |_| true).is_empty());
        assert!(host.pass(600, false, |_| false).is_empty());
    }
}
