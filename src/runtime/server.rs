//! The loop between a host and the provider: lines in, one task per session, an end for each.

use super::dispatch::{self, Call};
use super::lane::Lane;
use super::probe::Probes;
use super::protocol::envelope::{BadLine, Envelope, RequestLine};
use super::protocol::outbound;
use super::telemetry;
use super::transport::{Connection, Inbound, MAX_INPUT_LINE, Outbox, UnreadGauge};
use super::{ErrorKind, InvokeError, Provider};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant as Clock};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How long running sessions may go on after a request to stop, and output may take to leave at the end.
pub const GRACE: Duration = Duration::from_secs(30);
/// The most that requests which wait for a free worker may hold, in bytes. More are refused, each with an error.
pub const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;
/// What a waiting request costs beside its data.
const WAITING_OVERHEAD: usize = 512;
/// How often ceilings and probes are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How long cancelled sessions may take to let go.
const LETTING_GO: Duration = Duration::from_secs(2);

/// How to serve a connection.
#[derive(Debug, Clone, Copy)]
pub struct ServeOptions {
    /// Sessions that run at the same time. More wait in order.
    pub max_sessions: usize,
    /// A session that runs longer is given up.
    pub session_ceiling: Duration,
    /// Whether to find out about abandoned sessions by asking. Not where the host takes a question for an error.
    pub probe: bool,
    /// Whether lines that belong to no session may be sent. Not where the host takes them for errors.
    pub notices: bool,
}

/// Two ways to ask a server to end.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Serve what has been accepted, for [`GRACE`] at most, and refuse the rest.
    pub gently: CancellationToken,
    /// End now.
    pub now: CancellationToken,
}

/// Why a server has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The input ended, and everything was answered.
    InputEnded,
    /// It was asked to.
    Stopped,
    /// Nothing can be written any more: the host is gone.
    OutputClosed,
}

/// Serves a connection until its input ends, its output breaks or `stop` is used. Dropping the future cancels all
/// sessions.
pub async fn serve<P: Provider>(
    provider: Arc<P>,
    connection: Connection,
    options: ServeOptions,
    stop: Stop,
) -> Outcome {
    let Connection { inbound, outbox, unread } = connection;
    let mut server = Server::new(provider, outbox.clone(), options, unread);
    let outcome = tokio::select! {
        biased;
        () = outbox.closed() => return Outcome::OutputClosed,
        () = stop.now.cancelled() => return Outcome::Stopped,
        outcome = server.run(inbound, &stop.gently) => outcome,
    };
    outbox.finish();
    tokio::select! {
        biased;
        flushed = outbox.flushed() => if flushed { outcome } else { Outcome::OutputClosed },
        () = stop.now.cancelled() => Outcome::Stopped,
        () = tokio::time::sleep(GRACE) => outcome,
    }
}

struct Server<P> {
    provider: Arc<P>,
    outbox: Outbox,
    options: ServeOptions,
    unread: Option<UnreadGauge>,
    tasks: JoinSet<Result<(), InvokeError>>,
    sessions: HashMap<String, Session>,
    session_of: HashMap<Id, String>,
    waiting: VecDeque<(RequestLine, Clock)>,
    waiting_ids: HashSet<String>,
    waiting_bytes: usize,
    probes: Probes,
    probe_ids: ProbeIds,
    stopping: bool,
}

/// A session that runs.
struct Session {
    lane: Arc<Lane>,
    call: Arc<OnceLock<Call>>,
    started: Instant,
    task: AbortHandle,
    /// Why it was cancelled.
    given_up: Option<InvokeError>,
}

impl<P: Provider> Server<P> {
    fn new(provider: Arc<P>, outbox: Outbox, options: ServeOptions, unread: Option<UnreadGauge>) -> Self {
        Self {
            provider,
            outbox,
            options,
            unread,
            tasks: JoinSet::new(),
            sessions: HashMap::new(),
            session_of: HashMap::new(),
            waiting: VecDeque::new(),
            waiting_ids: HashSet::new(),
            waiting_bytes: 0,
            probes: Probes::default(),
            probe_ids: ProbeIds::new(),
            stopping: false,
        }
    }

    async fn run(&mut self, mut inbound: mpsc::Receiver<Inbound>, stop: &CancellationToken) -> Outcome {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut input_ended = false;
        let mut deadline = None;
        while !(self.idle() && (input_ended || self.stopping)) {
            tokio::select! {
                received = inbound.recv(), if !input_ended => match received {
                    Some(received) => self.accept(received),
                    None => input_ended = true,
                },
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                _ = tick.tick(), if !self.sessions.is_empty() => {
                    self.check_ceiling();
                    // Nothing can be answered any more once the input has ended.
                    if self.options.probe && !input_ended {
                        self.look_for_abandoned(inbound.is_empty());
                    }
                }
                () = stop.cancelled(), if !self.stopping => {
                    self.stopping = true;
                    deadline = Some(Instant::now() + GRACE);
                }
                () = at(deadline) => {
                    self.give_up_all().await;
                    break;
                }
            }
        }
        if self.stopping { Outcome::Stopped } else { Outcome::InputEnded }
    }

    fn idle(&self) -> bool {
        self.sessions.is_empty() && self.waiting.is_empty()
    }

    fn accept(&mut self, received: Inbound) {
        let line = match received {
            Inbound::Line(line) => line,
            Inbound::TooLong => {
                let text = format!(
                    "an input line was longer than {MAX_INPUT_LINE} bytes ({} MiB), the most that is read; it was skipped",
                    MAX_INPUT_LINE / (1024 * 1024)
                );
                return self.notice(&text);
            }
        };
        match Envelope::parse(&line) {
            Ok(Envelope::Request(request)) => self.request(request),
            Ok(Envelope::BackwardsResponse { session_id, request_id }) => {
                self.note_written_probes();
                let number = request_id.and_then(|id| self.probe_ids.number(&id));
                self.probes.answered(&session_id, number, Instant::now());
            }
            Err(BadLine { session_id: Some(session_id), reason }) if !self.knows(&session_id) => {
                self.refuse(&session_id, &InvokeError::bad_request(reason));
            }
            // An error on the session would end the call that runs there.
            Err(BadLine { reason, .. }) => self.notice(&reason),
        }
    }

    fn request(&mut self, request: RequestLine) {
        if self.knows(&request.session_id) {
            return self.notice(&format!(
                "the session {} is already in progress; its repeated request was ignored",
                request.session_id
            ));
        }
        if self.stopping {
            let text = "the plugin is being stopped and takes no more calls; try again";
            return self.refuse(&request.session_id, &InvokeError::new(ErrorKind::ServerUnavailable, text));
        }
        let arrived = Clock::now();
        if self.sessions.len() < self.options.max_sessions {
            return self.start(request, arrived);
        }
        let bytes = request.data.len() + WAITING_OVERHEAD;
        if self.waiting_bytes + bytes > MAX_WAITING_BYTES {
            let text = format!(
                "the plugin is overloaded: {} calls run (MAX_WORKER), {} wait, and their requests hold the {} MiB \
                 that may wait; try again later",
                self.sessions.len(),
                self.waiting.len(),
                MAX_WAITING_BYTES / (1024 * 1024)
            );
            return self.refuse(&request.session_id, &InvokeError::new(ErrorKind::ServerUnavailable, text));
        }
        self.waiting_bytes += bytes;
        self.waiting_ids.insert(request.session_id.clone());
        self.waiting.push_back((request, arrived));
    }

    fn start(&mut self, request: RequestLine, arrived: Clock) {
        let session_id = request.session_id.clone();
        let lane = self.outbox.lane(&session_id);
        let call = Arc::new(OnceLock::new());
        let work = dispatch::serve(Arc::clone(&self.provider), Arc::clone(&lane), request, arrived, Arc::clone(&call));
        let task = self.tasks.spawn(work);
        self.session_of.insert(task.id(), session_id.clone());
        let started = Instant::now();
        if self.options.probe {
            self.probes.begin(&session_id, started);
        }
        self.sessions.insert(session_id, Session { lane, call, started, task, given_up: None });
    }

    /// A task is over: answered, failed, panicked or cancelled. Whatever it was, its session ends here.
    fn ended(&mut self, result: Result<(Id, Result<(), InvokeError>), JoinError>) {
        let (id, result) = match result {
            Ok((id, result)) => (id, Some(result)),
            Err(error) => (error.id(), None),
        };
        let Some(session_id) = self.session_of.remove(&id) else { return };
        self.probes.end(&session_id);
        if let Some(session) = self.sessions.remove(&session_id) {
            let failure = match result {
                Some(result) => result.err(),
                None => Some(session.given_up.unwrap_or_else(internal_error)),
            };
            telemetry::call(&session_id, session.call.get(), failure.as_ref());
            session.lane.end(failure.as_ref());
        }
        while self.sessions.len() < self.options.max_sessions
            && let Some((request, arrived)) = self.waiting.pop_front()
        {
            self.waiting_bytes -= request.data.len() + WAITING_OVERHEAD;
            self.waiting_ids.remove(&request.session_id);
            self.start(request, arrived);
        }
    }

    fn check_ceiling(&mut self) {
        let now = Instant::now();
        let ceiling = self.options.session_ceiling;
        for session in self.sessions.values_mut() {
            if now.duration_since(session.started) >= ceiling {
                let text = format!("the call was given up: it ran for {} s", ceiling.as_secs());
                session.give_up(ErrorKind::ServerUnavailable, text);
            }
        }
    }

    /// Asks about long calls, and gives up those that nobody waits for.
    fn look_for_abandoned(&mut self, input_read: bool) {
        let now = Instant::now();
        self.note_written_probes();
        // Read before the gauge: what is written in between must not count as read.
        let written = self.outbox.written();
        if let Some(unread) = self.unread.as_ref().and_then(|unread| unread()) {
            self.probes.read_up_to(written.saturating_sub(unread));
        }
        for (session_id, number) in self.probes.due(now) {
            if let Some(session) = self.sessions.get(&session_id) {
                session.lane.probe(number, outbound::probe(&session_id, &self.probe_ids.id(number)));
            }
        }
        // An answer may be among the lines that wait to be read here.
        if !input_read {
            return;
        }
        for session_id in self.probes.abandoned(now) {
            if let Some(session) = self.sessions.get_mut(&session_id) {
                session.lane.discard();
                session
                    .give_up(ErrorKind::Connection, "the call was cancelled: nobody waits for it any more".to_owned());
            }
        }
    }

    fn note_written_probes(&mut self) {
        for probe in self.outbox.take_written_probes() {
            self.probes.written(probe.number, probe.position, Instant::now());
        }
    }

    /// The grace is over.
    async fn give_up_all(&mut self) {
        let text = "the call was given up: the plugin is being stopped";
        for (request, _) in std::mem::take(&mut self.waiting) {
            self.refuse(&request.session_id, &InvokeError::new(ErrorKind::ServerUnavailable, text));
        }
        for session in self.sessions.values_mut() {
            session.give_up(ErrorKind::ServerUnavailable, text.to_owned());
        }
        let letting_go = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.ended(ended);
            }
        };
        // Only a task that computes without a pause takes longer, and the process does not wait for it.
        let _ = timeout(LETTING_GO, letting_go).await;
    }

    fn knows(&self, session_id: &str) -> bool {
        self.sessions.contains_key(session_id) || self.waiting_ids.contains(session_id)
    }

    /// Ends a session that was never started.
    fn refuse(&self, session_id: &str, error: &InvokeError) {
        self.outbox.lane(session_id).end(Some(error));
    }

    /// Says something that belongs to no session.
    fn notice(&self, text: &str) {
        warn!("{text}");
        if self.options.notices {
            self.outbox.notice(outbound::global_error(text));
        }
    }
}

impl Session {
    fn give_up(&mut self, kind: ErrorKind, text: String) {
        if self.given_up.is_none() {
            self.given_up = Some(InvokeError::new(kind, text));
            self.task.abort();
        }
    }
}

/// A handler panicked. What it said is for the log, not for people.
fn internal_error() -> InvokeError {
    InvokeError::new(ErrorKind::ServerUnavailable, "internal error: the plugin could not finish this call")
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Ids of this server's questions, so that an answer to somebody else's is not taken for one to ours.
struct ProbeIds {
    own: u64,
}

impl ProbeIds {
    fn new() -> Self {
        Self { own: uuid::Uuid::new_v4().as_u64_pair().0 }
    }

    fn id(&self, number: u64) -> String {
        format!("{:016x}{number:016x}", self.own)
    }

    fn number(&self, id: &str) -> Option<u64> {
        let (own, number) = id.split_at_checked(16)?;
        (u64::from_str_radix(own, 16).ok()? == self.own).then(|| u64::from_str_radix(number, 16).ok())?
    }
}
