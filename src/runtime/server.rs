//! The loop: lines in, sessions run, lines out.
//!
//! It is the same on every transport. A session is a task of its own; above the limit, requests wait in order while
//! heartbeats go on. The loop ends when the input has ended and every session has, when the host is gone, or when the
//! grace after [`Limits::stop`] is over.

use super::lane::Lane;
use super::probe::Probes;
use super::protocol::envelope::{Envelope, RequestLine};
use super::protocol::outbound;
use super::transport::{Connection, Inbound, MAX_INPUT_LINE, Outbox, UnreadGauge};
use super::{ErrorKind, InvokeError, Provider, session};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

/// How many bytes of requests may wait for their turn; beyond, a request is refused.
pub const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;
/// How often probes are looked after.
const PROBE_TICK: Duration = Duration::from_millis(500);

/// The bounds of one connection.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Sessions that run at once; more wait in order, up to [`MAX_WAITING_BYTES`].
    pub max_sessions: usize,
    /// The longest a session may take.
    pub session_ceiling: Duration,
    /// Whether to find out which sessions nobody listens to any more.
    pub probe: bool,
    /// Asks for the end: no new requests, running sessions finish,
    pub stop: CancellationToken,
    /// for this long at most.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_sessions: 10_000,
            // The daemon gives a call up after 600 s; this is a little later, so that its text is the one shown.
            session_ceiling: Duration::from_secs(630),
            probe: true,
            stop: CancellationToken::new(),
            grace: Duration::from_secs(30),
        }
    }
}

/// Serves one connection to its end. Dropping the future cancels every session.
pub async fn serve<P: Provider>(provider: Arc<P>, connection: Connection, limits: &Limits) {
    let Connection { mut inbound, outbox, unread } = connection;
    let mut sessions = Sessions {
        provider,
        outbox: outbox.clone(),
        limits,
        running: HashMap::new(),
        tasks: JoinSet::new(),
        ids: HashMap::new(),
        waiting: VecDeque::new(),
        waiting_bytes: 0,
        probes: Probes::default(),
    };
    let mut tick = interval(PROBE_TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut accepting = true;
    let mut give_up_at = None;
    while accepting || !sessions.is_empty() {
        tokio::select! {
            line = inbound.recv(), if accepting => match line {
                Some(Inbound::Line(line)) => sessions.line(&line),
                Some(Inbound::TooLong) => outbox.notice(outbound::global_error(&format!(
                    "a line of more than {MAX_INPUT_LINE} bytes, the longest that is read, was skipped"
                ))),
                None => accepting = false,
            },
            Some(ended) = sessions.tasks.join_next_with_id(), if !sessions.tasks.is_empty() => {
                sessions.ended(ended.map_or_else(|error| error.id(), |(id, ())| id));
            }
            () = outbox.closed() => break,
            () = limits.stop.cancelled(), if give_up_at.is_none() => {
                accepting = false;
                give_up_at = Some(Instant::now() + limits.grace);
            }
            () = sleep_until(give_up_at.unwrap_or_else(Instant::now)), if give_up_at.is_some() => break,
            _ = tick.tick(), if limits.probe && !sessions.is_empty() => sessions.probe(unread.as_ref()),
        }
    }
    sessions.tasks.shutdown().await;
}

struct Sessions<'a, P> {
    provider: Arc<P>,
    outbox: Outbox,
    limits: &'a Limits,
    running: HashMap<String, Running>,
    tasks: JoinSet<()>,
    ids: HashMap<Id, String>,
    waiting: VecDeque<RequestLine>,
    waiting_bytes: usize,
    probes: Probes,
}

struct Running {
    lane: Arc<Lane>,
    task: AbortHandle,
}

impl<P: Provider> Sessions<'_, P> {
    fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.waiting.is_empty()
    }

    fn line(&mut self, line: &Bytes) {
        match Envelope::parse(line) {
            Ok(Envelope::Request(request)) => self.request(request),
            Ok(Envelope::BackwardsResponse { session_id, request_id }) => {
                let number = request_id.and_then(|id| u64::from_str_radix(&id, 16).ok());
                if let Some(number) = number {
                    self.probes.answered(&session_id, number, Instant::now());
                }
            }
            Err(bad) => match bad.session_id {
                Some(id) if !self.running.contains_key(&id) => {
                    self.outbox.lane(&id).end(Some(&InvokeError::bad_request(bad.reason)));
                }
                _ => self.outbox.notice(outbound::global_error(&bad.reason)),
            },
        }
    }

    fn request(&mut self, request: RequestLine) {
        // A host sends a request again only when it believes that the first never arrived. The first goes on.
        if self.running.contains_key(&request.session_id)
            || self.waiting.iter().any(|w| w.session_id == request.session_id)
        {
            let text = format!("the session {} is already running; its second request was ignored", request.session_id);
            self.outbox.notice(outbound::global_error(&text));
        } else if self.running.len() < self.limits.max_sessions {
            self.start(request);
        } else if self.waiting_bytes + request.data.len() > MAX_WAITING_BYTES {
            let error = InvokeError::new(
                ErrorKind::RateLimit,
                format!(
                    "the plugin already runs {} calls and holds {MAX_WAITING_BYTES} bytes of waiting ones; \
                     try again later or raise MAX_WORKER",
                    self.limits.max_sessions
                ),
            );
            self.outbox.lane(&request.session_id).end(Some(&error));
        } else {
            self.waiting_bytes += request.data.len();
            self.waiting.push_back(request);
        }
    }

    fn start(&mut self, request: RequestLine) {
        let id = request.session_id.clone();
        let lane = self.outbox.lane(&id);
        let work = session::run(Arc::clone(&self.provider), request, Arc::clone(&lane), self.limits.session_ceiling);
        let task = self.tasks.spawn(work);
        self.ids.insert(task.id(), id.clone());
        if self.limits.probe {
            self.probes.begin(&id, Instant::now());
        }
        self.running.insert(id, Running { lane, task });
    }

    fn ended(&mut self, task: Id) {
        if let Some(id) = self.ids.remove(&task) {
            self.running.remove(&id);
            self.probes.end(&id);
        }
        while self.running.len() < self.limits.max_sessions
            && let Some(next) = self.waiting.pop_front()
        {
            self.waiting_bytes -= next.data.len();
            self.start(next);
        }
    }

    fn probe(&mut self, unread: Option<&UnreadGauge>) {
        let now = Instant::now();
        // In this order: what is unread now was written before.
        let unread = unread.and_then(|gauge| gauge());
        let written = self.outbox.written();
        for probe in self.outbox.take_written_probes() {
            self.probes.written(probe.number, probe.position);
        }
        if unread == Some(0) {
            self.probes.read_up_to(written);
        }
        for id in self.probes.abandoned(now) {
            if let Some(running) = self.running.get(&id) {
                tracing::info!(target: "call", session = %id, "nobody listens any more: the call is stopped");
                running.task.abort();
                running.lane.discard();
            }
            self.probes.end(&id);
        }
        for due in self.probes.due(now) {
            if let Some(running) = self.running.get(&due.session_id) {
                running.lane.probe(due.number, outbound::probe(&due.session_id, &format!("{:032x}", due.number)));
            }
        }
    }
}
