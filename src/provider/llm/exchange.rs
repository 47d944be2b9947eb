//! One call and its answer: sends, reads, and tries once more without what the upstream refuses.

use super::reading;
use super::request::{MAX_COMPLETION_TOKENS, MAX_TOKENS, TextRequest};
use super::stream::{Ending, Wishes};
use crate::gateway::learned::{self, Learned};
use crate::gateway::{Accept, Call, Deadline, Error, ErrorKind, Origin, Reply, Route, send};
use crate::runtime::{Context, InvokeError, LlmOutput};
use http::HeaderMap;

/// What can be learned in one call: that usage is refused, and the name of the token limit.
const MAX_LESSONS: u8 = 2;

/// Why there is no answer.
pub(super) enum Failure {
    /// The gateway or the upstream failed.
    Upstream(Error),
    /// The request cannot be sent, or nobody reads the answer any more.
    Host(InvokeError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Upstream(error)
    }
}

impl From<InvokeError> for Failure {
    fn from(error: InvokeError) -> Self {
        Self::Host(error)
    }
}

impl From<Failure> for InvokeError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Upstream(error) => error.into(),
            Failure::Host(error) => error,
        }
    }
}

/// What a call goes with.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub(super) cx: &'a Context,
    pub(super) route: &'a Route,
    pub(super) model: &'a str,
    pub(super) headers: HeaderMap,
    pub(super) stream: bool,
    /// Of all tries together.
    pub(super) deadline: Deadline,
}

impl Exchange<'_> {
    /// Sends `request` and hands the answer's pieces to `out` as they come. What is left to send is in the ending.
    pub(super) async fn answer(
        &self,
        request: &mut TextRequest<'_>,
        wishes: &Wishes<'_>,
        out: &mut LlmOutput,
    ) -> Result<Ending, Failure> {
        let mut tries = self.tries();
        loop {
            let answer = match self.send(request, &tries).await {
                Ok(reply) => reading::read(reply, wishes, out).await,
                Err(unread) => Err(unread),
            };
            match answer {
                Ok(ending) => {
                    self.remember(&tries);
                    return Ok(ending);
                }
                Err(unread) => self.learn(&mut tries, request, unread)?,
            }
        }
    }

    /// The tries of one call, with what is known of the model on this route.
    pub(super) fn tries(&self) -> Tries {
        self.cx.record(|record| {
            record.endpoint = Some(self.route.endpoint.to_string());
            record.upstream_model = Some(self.model.to_owned());
        });
        Tries { learned: learned::get(&self.route.endpoint, self.model), left: MAX_LESSONS }
    }

    /// Sends `request` once.
    pub(super) async fn send(&self, request: &mut TextRequest<'_>, tries: &Tries) -> Result<Reply, Unread> {
        let bytes = request.bytes(tries.learned)?;
        let mut call = Call::post_json(request.path(), bytes);
        call.headers.clone_from(&self.headers);
        call.accept = if self.stream { Accept::EventStream } else { Accept::Any };
        call.deadline = Some(self.deadline);
        let reply = send(self.route, &call).await?;
        self.cx.record(|record| {
            record.status = Some(reply.status.as_u16());
            record.origin = reply.meta.origin.map(origin);
            record.request_id.clone_from(&reply.meta.request_id);
            record.retries += reply.retries;
        });
        Ok(reply)
    }

    /// Decides what follows a failure: another try, when nothing of an answer came and the upstream refused a field
    /// that can be left out or named otherwise.
    ///
    /// # Errors
    ///
    /// The failure, when there is nothing to be learned from it.
    pub(super) fn learn(&self, tries: &mut Tries, request: &TextRequest<'_>, unread: Unread) -> Result<(), Failure> {
        let error = match unread.failure {
            Failure::Upstream(error) => error,
            host @ Failure::Host(_) => return Err(host),
        };
        self.cx.record(|record| {
            record.status = error.status.or(record.status);
            record.origin = error.origin.map(origin).or(record.origin);
            record.request_id = error.request_id.clone().or(record.request_id.take());
        });
        let better = if unread.began || tries.left == 0 { None } else { lesson(request, tries.learned, &error) };
        let Some(better) = better else { return Err(error.into()) };
        tries.learned = better;
        tries.left -= 1;
        self.cx.record(|record| record.retries += 1);
        Ok(())
    }

    /// Remembers for the model on this route what another try taught, now that it was answered: a refusal that had
    /// another reason teaches nothing.
    pub(super) fn remember(&self, tries: &Tries) {
        if tries.left == MAX_LESSONS {
            return;
        }
        learned::note(&self.route.endpoint, self.model, |fact| {
            fact.usage_refused = tries.learned.usage_refused;
            fact.token_param = tries.learned.token_param;
        });
    }
}

/// The tries of one call: each of two facts can be learned once.
#[derive(Debug)]
pub(super) struct Tries {
    learned: Learned,
    left: u8,
}

/// A failure, and whether anything of an answer had come by then.
pub(super) struct Unread {
    pub(super) failure: Failure,
    pub(super) began: bool,
}

impl<F: Into<Failure>> From<F> for Unread {
    fn from(failure: F) -> Self {
        Self { failure: failure.into(), began: false }
    }
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Gateway => "gateway",
        Origin::Provider => "provider",
    }
}

/// What a refusal teaches about a model; none when it teaches nothing new.
fn lesson(request: &TextRequest<'_>, learned: Learned, error: &Error) -> Option<Learned> {
    if error.kind != ErrorKind::BadRequest {
        return None;
    }
    let words = error.message.to_ascii_lowercase();
    let names = |field: &str| words.contains(field);
    if request.include_usage && !learned.usage_refused && (names("stream_options") || names("include_usage")) {
        return Some(Learned { usage_refused: true, ..learned });
    }
    if !request.token_param_is_open() {
        return None;
    }
    let unknown =
        ["unsupported", "not supported", "unknown", "unrecognized", "not permitted", "unexpected", "extra", "use "]
            .iter()
            .any(|word| names(word));
    let better = match request.token_param(learned)? {
        MAX_TOKENS if names(MAX_COMPLETION_TOKENS) => MAX_COMPLETION_TOKENS,
        MAX_COMPLETION_TOKENS if unknown && names(MAX_COMPLETION_TOKENS) => MAX_TOKENS,
        _ => return None,
    };
    Some(Learned { token_param: Some(better), ..learned })
}

#[cfg(test)]
mod tests;
