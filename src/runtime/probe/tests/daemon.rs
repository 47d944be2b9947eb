//! A host as the Dify plugin daemon is one, with everything that can hold it up: no living call is ever given up, and
//! every abandoned one of a host that works is.
//!
//! One reader takes the output out of the pipe in blocks, a block when it is through with the one before, and hands
//! chunks to the queues of its clients. Where a client reads slowly its queue is full, and the reader waits for it: no
//! line behind is looked at, whoever it belongs to.

use super::super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// How time passes here, in milliseconds; the server looks at its calls at every fifth step.
const STEP: u64 = 50;
const STEPS_PER_TICK: u64 = 5;
const PIPE_BYTES: u64 = 64 * 1024;
/// A session whose output waits with this many bytes waits itself.
const ROOM: u64 = 16 * 1024;
const QUESTION_BYTES: u64 = 150;

/// When something is held up: from when until when, in milliseconds.
type Pause = (u64, u64);

#[derive(Debug, Clone)]
struct Call {
    begins: u64,
    /// When it has its answer.
    ends: u64,
    /// When its client leaves, if it does.
    leaves: Option<u64>,
    chunk_bytes: u64,
    steps_per_chunk: u64,
    client_pauses: Vec<Pause>,
}

#[derive(Debug, Clone)]
struct World {
    calls: Vec<Call>,
    /// What the host takes at once.
    block: u64,
    /// How many chunks wait for a client.
    queue: usize,
    /// Lines it works through in a step.
    pace: usize,
    host_stops: Vec<Pause>,
    /// How late answers are taken in here, in milliseconds, in turn.
    late: Vec<u64>,
    /// Whether it can be seen what was read.
    pipe: bool,
}

#[derive(Clone, Copy)]
enum What {
    Chunk(usize),
    Question(usize, u64),
}

fn within(pauses: &[Pause], now: u64) -> bool {
    pauses.iter().any(|(from, until)| (*from..*until).contains(&now))
}

/// Everything on its way, and what the host holds.
struct Run<'w> {
    world: &'w World,
    probes: Probes,
    start: Instant,
    now: u64,
    waiting: VecDeque<(u64, What)>,
    written: u64,
    pipe: VecDeque<(u64, What)>,
    taken: u64,
    holding: VecDeque<What>,
    queues: Vec<usize>,
    answers: VecDeque<(u64, usize, u64)>,
    answered: usize,
    /// When each call was given up.
    given_up: Vec<Option<u64>>,
    first_answer: Option<u64>,
}

impl<'w> Run<'w> {
    fn new(world: &'w World) -> Self {
        let calls = world.calls.len();
        Self {
            world,
            probes: Probes::default(),
            start: Instant::now(),
            now: 0,
            waiting: VecDeque::new(),
            written: 0,
            pipe: VecDeque::new(),
            taken: 0,
            holding: VecDeque::new(),
            queues: vec![0; calls],
            answers: VecDeque::new(),
            answered: 0,
            given_up: vec![None; calls],
            first_answer: None,
        }
    }

    fn clock(&self) -> Instant {
        self.start + Duration::from_millis(self.now)
    }

    fn second(&self) -> u64 {
        self.now / 1000
    }

    fn is_running(&self, call: usize) -> bool {
        let Call { begins, ends, .. } = self.world.calls[call];
        (begins..ends).contains(&self.second()) && self.given_up[call].is_none()
    }

    fn is_gone(&self, call: usize) -> bool {
        self.world.calls[call].leaves.is_some_and(|second| second <= self.second())
    }

    fn step(&mut self) {
        for call in 0..self.world.calls.len() {
            let Call { begins, ends, chunk_bytes, steps_per_chunk, client_pauses, .. } = &self.world.calls[call];
            if self.now == begins * 1000 {
                self.probes.begin(&call.to_string(), self.clock());
            }
            if self.now == ends * 1000 {
                self.probes.end(&call.to_string());
            }
            let unsent =
                |(bytes, what): &(u64, What)| if matches!(what, What::Chunk(of) if *of == call) { *bytes } else { 0 };
            if self.is_running(call)
                && (self.now / STEP).is_multiple_of(*steps_per_chunk)
                && self.waiting.iter().map(unsent).sum::<u64>() < ROOM
            {
                self.waiting.push_back((*chunk_bytes, What::Chunk(call)));
            }
            if !within(client_pauses, self.now) {
                self.queues[call] = self.queues[call].saturating_sub(self.world.pace);
            }
        }
        self.write();
        if !within(&self.world.host_stops, self.now) {
            self.host();
        }
        while self.answers.front().is_some_and(|(due, ..)| *due <= self.now) {
            let (_, call, number) = self.answers.pop_front().unwrap();
            self.first_answer = self.first_answer.or(Some(self.now));
            self.probes.answered(&call.to_string(), Some(number), self.clock());
        }
        if (self.now / STEP).is_multiple_of(STEPS_PER_TICK) {
            self.tick();
        }
        self.now += STEP;
    }

    /// The writer fills the pipe.
    fn write(&mut self) {
        while let Some((bytes, what)) = self.waiting.front().copied()
            && self.written - self.taken + bytes <= PIPE_BYTES
        {
            self.waiting.pop_front();
            self.written += bytes;
            self.pipe.push_back((self.written, what));
            if let What::Question(_, number) = what {
                self.probes.written(number, self.written, self.clock());
            }
        }
    }

    fn host(&mut self) {
        for _ in 0..self.world.pace {
            if self.holding.is_empty() {
                self.taken = self.written.min(self.taken + self.world.block);
                while self.pipe.front().is_some_and(|(end, _)| *end <= self.taken) {
                    self.holding.extend(self.pipe.pop_front().map(|(_, what)| what));
                }
            }
            match self.holding.front().copied() {
                None => return,
                Some(What::Chunk(call)) if !self.is_gone(call) => {
                    if self.queues[call] >= self.world.queue {
                        return;
                    }
                    self.queues[call] += 1;
                }
                Some(What::Question(call, number)) if !self.is_gone(call) => {
                    let late = self.world.late[self.answered % self.world.late.len()];
                    self.answered += 1;
                    let due = self.answers.back().map_or(0, |(due, ..)| *due).max(self.now + late);
                    self.answers.push_back((due, call, number));
                }
                Some(_) => {}
            }
            self.holding.pop_front();
        }
    }

    fn tick(&mut self) {
        if self.world.pipe {
            self.probes.read_up_to(self.taken);
        }
        for (call, number) in self.probes.due(self.clock()) {
            self.waiting.push_back((QUESTION_BYTES, What::Question(call.parse().unwrap(), number)));
        }
        for call in self.probes.abandoned(self.clock()) {
            self.probes.end(&call);
            self.given_up[call.parse::<usize>().unwrap()] = Some(self.now);
        }
    }

    fn seconds(mut self, seconds: u64) -> Self {
        while self.now < seconds * 1000 {
            self.step();
        }
        self
    }
}

/// Nothing, or stalls in a row with little or much between them.
fn pauses() -> impl Strategy<Value = Vec<Pause>> {
    let gap = prop_oneof![STEP..1_000, 1_000..30_000_u64];
    let length = prop_oneof![500..10_000_u64, 10_000..20_000_u64, 20_000..60_000_u64];
    vec((gap, length), 0..12).prop_map(|stalls| {
        let mut now = 0;
        let mut pauses = Vec::new();
        for (gap, length) in stalls {
            pauses.push((now + gap, now + gap + length));
            now += gap + length;
        }
        pauses
    })
}

fn call() -> impl Strategy<Value = Call> {
    let times = (0..60_u64, 5..250_u64, proptest::option::of(1..200_u64));
    (times, 100..8_000_u64, 1..200_u64, pauses()).prop_map(
        |((begins, length, leaves), chunk_bytes, steps_per_chunk, client_pauses)| Call {
            begins,
            ends: begins + length,
            leaves: leaves.map(|after| begins + after),
            chunk_bytes,
            steps_per_chunk,
            client_pauses,
        },
    )
}

fn held_up() -> impl Strategy<Value = World> {
    let block = prop_oneof![1_024..4_096_u64, 4_096..5_000_000_u64];
    let queue = prop_oneof![Just(1_usize), 1..20_usize, Just(512_usize)];
    let host = (block, queue, prop_oneof![1..4_usize, 4..2_000_usize], pauses());
    (vec(call(), 1..6), host, vec(0..5_000_u64, 1..8), any::<bool>()).prop_map(
        |(calls, (block, queue, pace, host_stops), late, pipe)| World {
            calls,
            block,
            queue,
            pace,
            host_stops,
            late,
            pipe,
        },
    )
}

/// A host that works normally, one call that stays, and some that are left.
fn working() -> impl Strategy<Value = World> {
    let block = prop_oneof![1_024..4_096_u64, 4_096..5_000_000_u64];
    (vec(call(), 1..6), block, vec(0..50_u64, 1..8), any::<bool>()).prop_map(|(mut calls, block, late, pipe)| {
        for call in &mut calls {
            call.client_pauses.clear();
            call.ends = 1_000;
        }
        if !pipe {
            // On a socket the questions about the others tell what was read.
            calls[0].begins = 0;
            calls[0].leaves = None;
        }
        World { calls, block, queue: 512, pace: 2_000, host_stops: Vec::new(), late, pipe }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn however_the_host_is_held_up_no_living_call_is_given_up(world in held_up()) {
        let run = Run::new(&world).seconds(320);
        for (call, given_up) in run.given_up.iter().enumerate() {
            if let Some(at) = given_up {
                let left = world.calls[call].leaves.map(|second| second * 1000);
                prop_assert!(left.is_some_and(|left| left <= *at), "call {call} was given up after {at} ms");
            }
        }
    }

    #[test]
    fn an_abandoned_call_of_a_host_that_works_is_given_up_within_fifteen_seconds(world in working()) {
        let run = Run::new(&world).seconds(320);
        let first_answer = run.first_answer.unwrap_or(u64::MAX);
        for (call, given_up) in run.given_up.iter().enumerate() {
            let Some(left) = world.calls[call].leaves.map(|second| second * 1000) else { continue };
            // From when both are known: that the client has left, and that this host answers at all.
            let known = left.max(first_answer);
            if known < 300_000 {
                let after = given_up.map(|at| at.saturating_sub(known));
                prop_assert!(after.is_some_and(|after| after <= 15_000), "call {call} left at {left} ms: {after:?}");
            }
        }
    }
}
