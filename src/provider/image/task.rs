//! `DashScope` tasks: submitted once, then asked for until they are done.

use super::answer::Answer;
use super::parameters::ImageParameters;
use super::prompt::ImagePrompt;
use crate::gateway::dashscope::{self, Prompt, Status, Task};
use crate::gateway::images::Generated;
use crate::gateway::{Deadline, Error, ErrorKind};
use crate::provider::credentials::ImageCredentials;
use crate::provider::exchange::exchange;
use crate::runtime::{Context, InvokeError};
use std::time::{Duration, Instant};

/// The Dify plugin daemon ends a call after 600 s without telling anybody; the error has to be there before.
const HOST_LIMIT: Duration = Duration::from_secs(590);
/// Until the first question, growing by half from one to the next.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// `DashScope` recommends about this long; all questions of an account count towards 20 a second.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// One question is answered in milliseconds.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(30);
/// So many questions in a row may fail for a moment. Several minutes: the picture is being paid for.
pub(super) const FAILURES: u32 = 20;

/// Submits a task and waits for its pictures.
pub(super) async fn run(
    cx: &Context,
    credentials: &ImageCredentials,
    prompt: &ImagePrompt<'_>,
    parameters: &ImageParameters,
) -> Result<Answer, InvokeError> {
    let id = submit(cx, credentials, prompt, parameters).await?;
    let total_timeout = credentials.common.options.transport.total_timeout;
    let deadline = Deadline::total(cx.started, total_timeout).min(Deadline::fixed(cx.started, HOST_LIMIT));
    let mut wait = FIRST_WAIT;
    let mut failures = 0;
    loop {
        if wait >= deadline.left() {
            let message = format!("task {id} is not done after {deadline}");
            let advice = deadline.advice("It may still be done later. Switch polling on in advanced_options");
            return Err(Error::new(ErrorKind::Timeout, message).advise(advice).into());
        }
        tokio::time::sleep(wait).await;
        wait = (wait + wait / 2).min(LONGEST_WAIT);
        match ask(cx, credentials, &id).await {
            Ok(state) => {
                failures = 0;
                if let Some(pictures) = finished(state, &id)? {
                    return Ok(Answer::of(pictures));
                }
            }
            Err(error) if is_momentary(&error) && failures < FAILURES => {
                failures += 1;
                wait = wait.max(error.retry_after.unwrap_or_default());
                tracing::warn!(task = id, failures, %error, "image task: a question failed and is asked again");
                cx.record(|record| record.retries = record.retries.saturating_add(1));
            }
            Err(error) => return Err(of_task(error, &id).into()),
        }
    }
}

/// Submits a task; gives its id.
pub(super) async fn submit(
    cx: &Context,
    credentials: &ImageCredentials,
    prompt: &ImagePrompt<'_>,
    parameters: &ImageParameters,
) -> Result<String, Error> {
    let pictures = prompt.pictures();
    let prompt = Prompt { text: &prompt.text, pictures: &pictures };
    let call = dashscope::submission(&credentials.upstream_model, Some(&prompt), &parameters.for_task())?;
    let task = Task::decode(&exchange(cx, &credentials.common, &credentials.upstream_model, call).await?)?;
    if task.id.is_empty() {
        return Err(Error::new(ErrorKind::Decode, "the task was submitted, but the answer does not name it"));
    }
    Ok(task.id)
}

/// Asks how far a task is.
pub(super) async fn ask(cx: &Context, credentials: &ImageCredentials, id: &str) -> Result<Status, Error> {
    let mut call = dashscope::check(id)?;
    call.deadline = Some(Deadline::fixed(Instant::now(), QUESTION_TIMEOUT));
    let answer = exchange(cx, &credentials.common, &credentials.upstream_model, call).await?;
    Ok(match Task::decode(&answer)?.status {
        Status::Failed(reason) => Status::Failed(credentials.common.route.clean(&reason)),
        status => status,
    })
}

/// The pictures of a task that is done, nothing of one that is not, or why there will be none.
pub(super) fn finished(status: Status, id: &str) -> Result<Option<Vec<Generated>>, Error> {
    match status {
        Status::Running => Ok(None),
        Status::Succeeded(pictures) if pictures.is_empty() => {
            let message = format!("task {id} succeeded, but its answer holds no picture");
            Err(Error::new(ErrorKind::Decode, message).advise("Look for the task at the provider"))
        }
        Status::Succeeded(pictures) => Ok(Some(pictures)),
        Status::Failed(reason) => {
            // The upstream's own trouble is named so; everything else is about this request.
            let own = reason.starts_with("InternalError") || reason.starts_with("SystemError");
            let kind = if own { ErrorKind::ServerUnavailable } else { ErrorKind::BadRequest };
            Err(Error::new(kind, format!("task {id} failed: {reason}")))
        }
        Status::Canceled => Err(Error::new(ErrorKind::BadRequest, format!("task {id} was cancelled"))),
        Status::Unknown => {
            let message = format!("task {id} is unknown to the upstream");
            Err(Error::new(ErrorKind::BadRequest, message).advise("Tasks are forgotten after 24 hours"))
        }
    }
}

/// Whether the same question may be answered a moment later. An unreadable answer counts: proxies write their own.
pub(super) const fn is_momentary(error: &Error) -> bool {
    match error.kind {
        ErrorKind::Connect
        | ErrorKind::Timeout
        | ErrorKind::Interrupted
        | ErrorKind::RateLimited
        | ErrorKind::ServerUnavailable
        | ErrorKind::Decode => true,
        ErrorKind::Config | ErrorKind::Authorization | ErrorKind::BadRequest | ErrorKind::TooLarge => false,
    }
}

/// The error, naming the task: its picture may be paid for already.
pub(super) fn of_task(mut error: Error, id: &str) -> Error {
    error.message = format!("task {id} cannot be asked for: {}", error.message);
    if error.status == Some(404) {
        error.advice = Some(
            "The route must serve GET /api/v1/tasks/ as well; it has no body, so a route chosen by model name never \
             matches it"
                .to_owned(),
        );
    }
    error
}
