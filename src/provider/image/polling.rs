//! Dify's polling: a call starts the task, others ask for it. Between them everything is in the state that Dify keeps,
//! so that any process can answer the next question.

use super::answer::{Answer, refuse_if_too_large};
use super::parameters::{ImageParameters, OutputFormat};
use super::prompt::ImagePrompt;
use super::task;
use super::usage;
use crate::gateway::dashscope::Status;
use crate::provider::credentials::{ImageCredentials, ImageProtocol, LlmCredentials};
use crate::provider::errors::{TAG, refused};
use crate::runtime::entities::{CheckPollingRequest, Credentials, LlmRequest, PollingAnswer};
use crate::runtime::{Context, InvokeError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is known between two questions. Numbers come back as floats: Dify's daemon passes the state through them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    task_id: String,
    output_format: String,
    /// When the task was submitted, in seconds since 1970.
    #[serde(default)]
    started: f64,
    /// How many questions in a row have failed.
    #[serde(default)]
    failures: f64,
}

/// Submits the task. Every failure is an answer of its own kind, that of reading the credentials too: the plugin daemon
/// answers an error of this action with HTTP 500, whose text Dify does not read.
pub async fn start_polling(cx: &Context, request: LlmRequest) -> PollingAnswer {
    start(cx, &request).await.unwrap_or_else(|error| PollingAnswer::Failed(error.message))
}

/// Asks for the task. See [`start_polling`] for failures; one that may pass leaves the task running.
pub async fn check_polling(cx: &Context, request: CheckPollingRequest) -> PollingAnswer {
    check(cx, request).await.unwrap_or_else(|error| PollingAnswer::Failed(error.message))
}

/// Only image models answer by polling.
fn image_model(cx: &Context, model: &str, values: &Credentials) -> Result<ImageCredentials, InvokeError> {
    match LlmCredentials::read(cx, model, values)? {
        LlmCredentials::Image(credentials) => Ok(*credentials),
        LlmCredentials::Text(_) => {
            Err(refused("llm_usage_scenario", "is text_generation: only image models answer by polling"))
        }
    }
}

async fn start(cx: &Context, request: &LlmRequest) -> Result<PollingAnswer, InvokeError> {
    let credentials = &image_model(cx, &request.model, &request.credentials)?;
    if credentials.protocol != ImageProtocol::DashScopeAsync {
        return Err(refused("image_model_protocol", "is not dashscope_async: only its tasks can be polled"));
    }
    let parameters = ImageParameters::read(request)?;
    let prompt = ImagePrompt::read(&request.prompt_messages, credentials.common.options.image_system_prompt)?;
    let task_id = task::submit(cx, credentials, &prompt, &parameters).await?;
    State {
        task_id,
        output_format: parameters.output.name().to_owned(),
        started: since_1970().as_secs_f64().floor(),
        failures: 0.0,
    }
    .running()
}

async fn check(cx: &Context, request: CheckPollingRequest) -> Result<PollingAnswer, InvokeError> {
    let credentials = &image_model(cx, &request.model, &request.credentials)?;
    let state: State = serde_json::from_value(Value::Object(request.plugin_state))
        .map_err(|error| refused("plugin_state", format!("is not a state of this plugin: {error}")))?;
    let status = match task::ask(cx, credentials, &state.task_id).await {
        Ok(status) => status,
        Err(error) if task::is_momentary(&error) && state.failures < f64::from(task::FAILURES) => {
            tracing::warn!(task = state.task_id, %error, "image task: a question failed and is asked again");
            return State { failures: state.failures + 1.0, ..state }.running();
        }
        Err(error) => return Err(task::of_task(error, &state.task_id).into()),
    };
    if status == Status::Running {
        return State { failures: 0.0, ..state }.running();
    }
    let pictures = task::finished(status, &state.task_id)?.unwrap_or_default();
    let answer = Answer::of(pictures);
    let content = answer.parts(OutputFormat::named(&state.output_format).unwrap_or_default());
    refuse_if_too_large(&content, &format!("the picture of task {} is made", state.task_id))?;
    let mut usage = usage(cx, credentials, &answer);
    usage.latency = state.age().as_secs_f64();
    Ok(PollingAnswer::Succeeded { content, usage, structured_output: None })
}

impl State {
    fn running(self) -> Result<PollingAnswer, InvokeError> {
        let next_check_after_seconds = match self.age().as_secs() {
            0..15 => 3,
            15..60 => 5,
            _ => 10,
        };
        let plugin_state: Map<String, Value> = serde_json::to_value(&self)
            .and_then(serde_json::from_value)
            .map_err(|error| InvokeError::bad_request(format!("{TAG}{error}")))?;
        Ok(PollingAnswer::Running { plugin_state, next_check_after_seconds })
    }

    /// Since the task was submitted; nothing if clocks disagree.
    fn age(&self) -> Duration {
        Duration::try_from_secs_f64(since_1970().as_secs_f64() - self.started).unwrap_or_default()
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
