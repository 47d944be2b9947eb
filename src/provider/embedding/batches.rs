//! The batches of one call: cut, sent side by side, put back in order.

use super::request::Requests;
use super::{EmbeddingCredentials, Input, TAG, exchange};
use crate::gateway::embeddings::{self, Reply};
use crate::gateway::limiter::{self, Permit};
use crate::gateway::{Deadline, Error, ErrorKind, LONGEST_PAUSE, learned};
use crate::runtime::protocol::outbound::LARGEST_VALUE;
use crate::runtime::{Context, InvokeError};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

/// How often a batch answered 429 goes again when `retries` is not set.
const RATE_LIMIT_RETRIES: u32 = 3;

/// How long to wait after a 429 that does not say; doubled each time.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Characters of a refused text that are shown to find it by.
const SHOWN: usize = 40;

/// All vectors of a call.
#[derive(Debug)]
pub(super) struct Vectors {
    /// One per input, in order.
    pub(super) embeddings: Vec<Box<RawValue>>,
    /// What the upstream counted; nothing if it left a batch uncounted.
    pub(super) tokens: Option<u64>,
}

/// One call's work.
pub(super) struct Batches<'a> {
    cx: &'a Context,
    credentials: &'a EmbeddingCredentials,
    inputs: &'a [Input<'a>],
    requests: Requests<'a>,
    deadline: Deadline,
}

/// What became of one batch.
struct Outcome {
    range: Range<usize>,
    reply: Result<Reply, Error>,
}

impl<'a> Batches<'a> {
    pub(super) fn new(cx: &'a Context, credentials: &'a EmbeddingCredentials, inputs: &'a [Input<'a>]) -> Self {
        Self {
            cx,
            credentials,
            inputs,
            requests: Requests::new(cx, credentials),
            deadline: Deadline::total(cx.started, credentials.common.options.transport.total_timeout),
        }
    }

    /// Sends everything. The first batch that fails for good fails the call; dropping the others closes their
    /// connections.
    pub(super) async fn run(&self) -> Result<Vectors, InvokeError> {
        let mut waiting: VecDeque<Range<usize>> = VecDeque::new();
        waiting.push_back(0..self.inputs.len());
        let mut flying = FuturesUnordered::new();
        let mut places: Vec<Option<Box<RawValue>>> = vec![None; self.inputs.len()];
        let mut size = Size::default();
        let mut tokens = Some(0_u64);
        let mut length = None;
        // What this call has learned, beside what is known of the model: it must not be asked the same again.
        let mut most = self.credentials.max_chunks.min(self.requests.most_inputs());
        let mut learned: Option<usize> = None;
        loop {
            while flying.len() < self.credentials.common.options.concurrency.max(1)
                && let Some(range) = next_batch(&mut waiting, most.min(self.known_batch_size()))
            {
                flying.push(self.send(range));
            }
            let Some(Outcome { range, reply }) = flying.next().await else { break };
            match reply {
                Ok(reply) => {
                    let first = *length.get_or_insert(reply.length);
                    if first != reply.length {
                        return Err(embeddings::different_lengths(first, reply.length).into());
                    }
                    size.add(&reply.vectors);
                    size.check()?;
                    tokens = tokens.zip(reply.tokens).map(|(sum, more)| sum.saturating_add(more));
                    for (place, vector) in places.iter_mut().skip(range.start).zip(reply.vectors) {
                        *place = Some(vector);
                    }
                }
                Err(error) if range.len() > 1 && embeddings::is_batch_too_large(&error) => {
                    let half = range.len().div_ceil(2);
                    tracing::info!(
                        model = self.credentials.upstream_model,
                        from = range.len(),
                        to = half,
                        "embedding: batch size halved"
                    );
                    most = most.min(half);
                    if embeddings::counts_inputs(&error) {
                        learned = Some(learned.unwrap_or(half).min(half));
                    }
                    self.cx.record(|record| record.retries = record.retries.saturating_add(1));
                    waiting.push_front(range);
                }
                Err(error) => return Err(self.explain(error, range).into()),
            }
        }
        if let Some(size) = learned {
            self.learn_batch_size(size);
        }
        // Every batch fills its places: its reply held exactly as many vectors.
        Ok(Vectors { embeddings: places.into_iter().flatten().collect(), tokens })
    }

    /// The largest batch that other calls found the model to take.
    fn known_batch_size(&self) -> usize {
        let route = &self.credentials.common.route;
        learned::get(&route.endpoint, &self.credentials.upstream_model).batch_size.unwrap_or(usize::MAX)
    }

    fn learn_batch_size(&self, size: usize) {
        let route = &self.credentials.common.route;
        learned::note(&route.endpoint, &self.credentials.upstream_model, |facts| {
            facts.batch_size = Some(facts.batch_size.map_or(size, |known| known.min(size)));
        });
    }

    /// Sends one batch, again after a 429, within the time the call has.
    async fn send(&self, range: Range<usize>) -> Outcome {
        let options = &self.credentials.common.options;
        let retries = if options.retries_set { options.transport.retries } else { RATE_LIMIT_RETRIES };
        let mut attempt = 0;
        let reply = loop {
            let error = match self.attempt(range.clone()).await {
                Ok(reply) => break Ok(reply),
                Err(error) => error,
            };
            let wait = error.retry_after.unwrap_or_else(|| BACK_OFF.saturating_mul(2_u32.saturating_pow(attempt)));
            let in_time = wait < self.deadline.left();
            // Where retries are set, the client has used them up already, except for a wait that it leaves to us.
            let repeated = options.retries_set && error.retry_after.is_none_or(|wait| wait <= LONGEST_PAUSE);
            if !may_pass(&error) || repeated || attempt >= retries || !in_time {
                break Err(error);
            }
            attempt += 1;
            self.cx.record(|record| record.retries = record.retries.saturating_add(1));
            tokio::time::sleep(wait).await;
        };
        Outcome { range, reply }
    }

    async fn attempt(&self, range: Range<usize>) -> Result<Reply, Error> {
        let expected = range.len();
        let inputs = self.inputs.get(range).unwrap_or_default();
        let mut call = self.requests.call(inputs)?;
        let common = &self.credentials.common;
        let _permit = self.permit().await?;
        call.deadline = Some(self.deadline);
        let body = exchange(self.cx, common, &self.credentials.upstream_model, call).await?;
        embeddings::decode(&body, expected)
    }

    /// A place among the requests under way at the endpoint, which all calls share.
    async fn permit(&self) -> Result<Permit, Error> {
        let common = &self.credentials.common;
        let permit = limiter::acquire(&common.route.endpoint, common.options.concurrency);
        tokio::time::timeout_at(self.deadline.at(), permit).await.map_err(|_| {
            let message = "the call's time was over before its turn came: other calls keep the endpoint busy";
            Error::new(ErrorKind::Timeout, message).advise("Raise concurrency or total_timeout in advanced_options")
        })
    }

    /// The error of a batch, naming the text that is likely meant when one is too long.
    fn explain(&self, mut error: Error, range: Range<usize>) -> Error {
        if !embeddings::is_text_too_long(&error) {
            return error;
        }
        let texts = range.clone().zip(self.inputs.get(range).unwrap_or_default());
        let longest = texts
            .filter_map(|(position, input)| match input {
                Input::Text(text) => Some((position, text, text.chars().count())),
                Input::Picture(_) => None,
            })
            .max_by_key(|(_, _, characters)| *characters);
        if let Some((position, text, characters)) = longest {
            let start: String = text.chars().take(SHOWN).collect();
            error.advice = Some(format!(
                "The longest text of this request is number {} with {characters} characters, beginning \"{}\". Use \
                 shorter chunks, or set context_size to have longer texts cut",
                position + 1,
                start.escape_debug()
            ));
        }
        error
    }
}

/// Cuts the next batch of at most `most` inputs off what is waiting.
fn next_batch(waiting: &mut VecDeque<Range<usize>>, most: usize) -> Option<Range<usize>> {
    let mut range = waiting.pop_front().filter(|range| !range.is_empty())?;
    if range.len() > most.max(1) {
        let rest = range.start + most.max(1)..range.end;
        range.end = rest.start;
        waiting.push_front(rest);
    }
    Some(range)
}

/// Whether a batch may be accepted a moment later as it is. An account without money stays without.
fn may_pass(error: &Error) -> bool {
    error.kind == ErrorKind::RateLimited && error.code.as_deref() != Some("insufficient_quota")
}

/// How large the result has become.
#[derive(Debug, Default)]
struct Size {
    bytes: usize,
    vectors: usize,
}

impl Size {
    fn add(&mut self, vectors: &[Box<RawValue>]) {
        self.vectors += vectors.len();
        // With the comma after it.
        self.bytes += vectors.iter().map(|vector| vector.get().len() + 1).sum::<usize>();
    }

    /// An error that names the largest batch whose vectors fit.
    fn check(&self) -> Result<(), InvokeError> {
        if self.bytes <= LARGEST_VALUE {
            return Ok(());
        }
        let fits = (LARGEST_VALUE / self.bytes.div_ceil(self.vectors.max(1)).max(1)).max(1);
        Err(InvokeError::bad_request(format!(
            "{TAG}the vectors of this call are larger than the 5 MiB that Dify takes in one message. Set max_chunks to \
             {fits} or less in the model's settings."
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_over_the_host_s_limit_names_the_batch_size_that_fits() {
        let vector = RawValue::from_string(format!("[{}1]", "0.12345678,".repeat(4096))).unwrap();
        let mut size = Size::default();
        size.add(&vec![vector.clone(); 100]);
        assert_eq!(size.check(), Ok(()));
        size.add(&vec![vector.clone(); 20]);
        let error = size.check().unwrap_err();
        assert!(error.message.contains("Set max_chunks to 114 or less"), "{}", error.message);
        let mut fitting = Size::default();
        fitting.add(&vec![vector; 114]);
        assert_eq!(fitting.check(), Ok(()));
    }

    #[test]
    fn an_account_without_money_is_not_asked_again() {
        let mut error = Error::new(ErrorKind::RateLimited, "You exceeded your current quota");
        assert!(may_pass(&error));
        error.code = Some("insufficient_quota".to_owned());
        assert!(!may_pass(&error));
    }
}
