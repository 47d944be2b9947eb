//! Tells calls that somebody still waits for from abandoned ones.
//!
//! Dify's protocol has no cancel message: when a person presses Stop, the daemon forgets the session and says nothing.
//! But it answers a question on a session it knows (it refuses every backwards invocation of a model plugin), and
//! stays silent on one it has forgotten. So long calls are asked about every few seconds. Until a host has answered for
//! the first time, one call is asked about early.
//!
//! Silence alone proves nothing: other hosts never answer, and a busy one answers late. A call counts as abandoned
//! only when all of this holds:
//!
//! * this host has answered this process before;
//! * [`NEEDED`] questions in a row about the call have demonstrably been read by the host: it has answered a question
//!   that stood behind them in the output, or the output pipe tells that they were taken out of it. Each was asked
//!   after the one before had been read: a host takes more out of a pipe only when it is through with what it took, so
//!   it cannot still have all of them before it;
//! * the first of them was read [`PATIENCE`] ago or longer (or twice the host's usual delay), all of them were known
//!   to be read [`SETTLED`] ago, and nothing came since;
//! * an answer to the first would be here: one to a later question is, which the host gave later, or the host has been
//!   through with it for [`ON_ITS_WAY`], which the second one that was read tells.
//!
//! This is the state machine alone: it has no clock and does no input or output.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Between two questions about a call, and before the first.
const PERIOD: Duration = Duration::from_secs(3);
/// Before the first question to a host that has never answered. Its answer must not come too late: once the client of
/// the only call has left, nothing can be learnt about the host any more. Most calls are shorter.
const CURIOUS: Duration = Duration::from_millis(200);
/// How many read questions must stay without an answer.
const NEEDED: usize = 3;
/// How long they must stay so. With [`PERIOD`] this finds an abandoned call within 14 s.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most that a slow host can stretch [`PATIENCE`] to.
const LONGEST_PATIENCE: Duration = Duration::from_secs(120);
/// How long an answer may be on its way back after its question was seen read.
const SETTLED: Duration = Duration::from_secs(1);
/// How long an answer may be on its way when nothing tells that it has been overtaken: a process that gets no time
/// from a busy machine takes in late what is there.
const ON_ITS_WAY: Duration = Duration::from_secs(7);
/// No more questions are asked about a call while this many have no answer: a host that does not read, or does not
/// know the question, is not buried in them.
const MAX_UNANSWERED: usize = 5;

/// What is known about all calls of one connection.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    calls: HashMap<String, Watch>,
    /// The call each unanswered question is about.
    asked: HashMap<u64, String>,
    last_number: u64,
    host_answers: bool,
    /// How late the host has answered lately.
    delay: Duration,
    /// The host has read the output up to here.
    read: u64,
    /// The host has worked through the output up to here, for it has answered what stands there.
    worked_through: u64,
}

#[derive(Debug)]
struct Watch {
    began: Instant,
    ask_at: Instant,
    unanswered: VecDeque<Question>,
}

#[derive(Debug)]
struct Question {
    number: u64,
    /// When it was written, and where in the output it ends.
    written: Option<(Instant, u64)>,
    /// When it was first known to be read.
    seen_read: Option<Instant>,
}

impl Question {
    /// Whether it is among the first `position` bytes of the output, which the host has read.
    fn is_read(&self, position: u64) -> bool {
        self.written.is_some_and(|(_, end)| end <= position)
    }

    /// Since when it is unanswered although it was read. A host that has worked through it had every chance since it
    /// was written; one that has merely taken it out of a pipe may have been busy before.
    fn unanswered_since(&self, worked_through: u64) -> Option<Instant> {
        match self.written {
            Some((written, position)) if position <= worked_through => Some(written),
            _ => self.seen_read,
        }
    }
}

impl Probes {
    /// A call begins.
    pub(crate) fn begin(&mut self, session_id: &str, now: Instant) {
        let watch = Watch { began: now, ask_at: now + PERIOD, unanswered: VecDeque::new() };
        self.calls.insert(session_id.to_owned(), watch);
    }

    /// A call has ended.
    pub(crate) fn end(&mut self, session_id: &str) {
        if let Some(watch) = self.calls.remove(session_id) {
            self.forget(&watch.unanswered);
        }
    }

    /// The questions to ask now: session and number.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(String, u64)> {
        let mut due = Vec::new();
        let read = self.read;
        for (session_id, watch) in &mut self.calls {
            let curious = !self.host_answers && self.asked.is_empty();
            let ask_at = if curious { watch.ask_at.min(watch.began + CURIOUS) } else { watch.ask_at };
            let stuck = watch.unanswered.back().is_some_and(|question| !question.is_read(read));
            if now < ask_at || stuck || watch.unanswered.len() >= MAX_UNANSWERED {
                continue;
            }
            watch.ask_at = now + PERIOD;
            self.last_number += 1;
            watch.unanswered.push_back(Question { number: self.last_number, written: None, seen_read: None });
            self.asked.insert(self.last_number, session_id.clone());
            due.push((session_id.clone(), self.last_number));
        }
        due
    }

    /// A question is in the output, which is `position` bytes long with it.
    pub(crate) fn written(&mut self, number: u64, position: u64, now: Instant) {
        let Some(watch) = self.asked.get(&number).and_then(|session_id| self.calls.get_mut(session_id)) else { return };
        if let Some(question) = watch.unanswered.iter_mut().find(|question| question.number == number) {
            question.written = Some((now, position));
        }
    }

    /// The host has read the first `position` bytes of the output.
    pub(crate) fn read_up_to(&mut self, position: u64) {
        self.read = self.read.max(position);
    }

    /// The host said something on a session, as the answer to question `number` if it is one of ours.
    pub(crate) fn answered(&mut self, session_id: &str, number: Option<u64>, now: Instant) {
        let number = number.filter(|number| (1..=self.last_number).contains(number));
        self.host_answers |= number.is_some();
        let Some(watch) = self.calls.get_mut(session_id) else { return };
        let unanswered = std::mem::take(&mut watch.unanswered);
        // Questions that were already on their way count as answered as well: a late host is not a silent one.
        if let Some(question) = unanswered.iter().find(|question| Some(question.number) == number)
            && let Some((written, position)) = question.written
        {
            // A single slow answer is forgotten after a while.
            self.delay = now.duration_since(written).max(self.delay * 7 / 8);
            self.worked_through = self.worked_through.max(position);
            self.read = self.read.max(position);
        }
        self.forget(&unanswered);
    }

    /// The calls that nobody waits for any more.
    pub(crate) fn abandoned(&mut self, now: Instant) -> Vec<String> {
        let patience = PATIENCE.max(self.delay * 2).min(LONGEST_PATIENCE);
        let mut abandoned = Vec::new();
        for (session_id, watch) in &mut self.calls {
            for question in &mut watch.unanswered {
                if question.is_read(self.read) && question.seen_read.is_none() {
                    question.seen_read = Some(now);
                }
            }
            let old = |since: Instant, age: Duration| now.duration_since(since) >= age;
            let settled =
                watch.unanswered.iter().filter(|question| question.seen_read.is_some_and(|seen| old(seen, SETTLED)));
            let settled = settled.count() >= NEEDED;
            let patient = watch.unanswered.front().and_then(|first| first.unanswered_since(self.worked_through));
            let patient = patient.is_some_and(|since| old(since, patience));
            let overtaken = watch.unanswered.front().is_some_and(|first| first.is_read(self.worked_through));
            let through = watch.unanswered.get(1).and_then(|second| second.seen_read);
            let here =
                overtaken || through.is_some_and(|since| old(since, ON_ITS_WAY.max(self.delay).min(LONGEST_PATIENCE)));
            if self.host_answers && settled && patient && here {
                abandoned.push(session_id.clone());
            }
        }
        abandoned
    }

    fn forget(&mut self, questions: &VecDeque<Question>) {
        for question in questions {
            self.asked.remove(&question.number);
        }
    }
}

#[cfg(test)]
mod tests;
