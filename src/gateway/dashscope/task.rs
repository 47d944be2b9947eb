//! Tasks: submitted, then asked for until they are done.

use super::super::images::{Generated, Picture};
use super::super::{Accept, Call, Error, ErrorKind, json};
use super::generation::{self, Choice, Parameters, Prompt};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};

const TEXT_TO_IMAGE: &str = "/api/v1/services/aigc/text2image/image-synthesis";
const IMAGE_TO_IMAGE: &str = "/api/v1/services/aigc/image2image/image-synthesis";
/// Where the models go that take messages for tasks too.
const MESSAGES: &str = "/api/v1/services/aigc/image-generation/generation";
const TASKS: &str = "/api/v1/tasks/";

/// Models that take messages for tasks too.
const TAKES_MESSAGES: [&str; 2] = ["wan2.6", "wan2.7"];

/// What the upstream says about a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its name; empty if the upstream did not repeat it.
    pub id: String,
    /// How far it is.
    pub status: Status,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Waiting or being worked on.
    Running,
    /// Done; without a picture if the answer holds none.
    Succeeded(Vec<Generated>),
    /// Failed for good: the upstream's code and words.
    Failed(String),
    /// Somebody stopped it.
    Canceled,
    /// The upstream has no such task; it forgets them after a day.
    Unknown,
}

/// The call that submits a task. Without a prompt it is well formed but asks for nothing.
///
/// # Errors
///
/// [`ErrorKind::Config`] when the request cannot be written as JSON.
pub fn submission(model: &str, prompt: Option<&Prompt<'_>>, parameters: &Parameters) -> Result<Call, Error> {
    let mut call = if TAKES_MESSAGES.iter().any(|family| model.starts_with(family)) {
        let mut call = generation::generation(model, prompt, Some(parameters))?;
        MESSAGES.clone_into(&mut call.path);
        call
    } else {
        let path =
            if prompt.is_some_and(|prompt| !prompt.pictures.is_empty()) { IMAGE_TO_IMAGE } else { TEXT_TO_IMAGE };
        // These APIs want it beside the prompt.
        let negative_prompt = parameters.negative_prompt.as_deref();
        let parameters = Parameters { negative_prompt: None, ..parameters.clone() };
        let input = prompt.map(|prompt| Input::new(model, prompt, negative_prompt)).unwrap_or_default();
        Call::post_json(path, json::body(&Synthesis { model, input, parameters: &parameters })?)
    };
    call.headers.insert(HeaderName::from_static("x-dashscope-async"), HeaderValue::from_static("enable"));
    Ok(call)
}

/// The call that asks for a task.
///
/// # Errors
///
/// [`ErrorKind::Config`] when `id` is empty or holds anything but ASCII letters, digits, `-`, `_` and `.`.
pub fn check(id: &str) -> Result<Call, Error> {
    // An id is a UUID. Anything that would change the path is no id.
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
        return Err(Error::new(ErrorKind::Config, "this is not the id of a task"));
    }
    Ok(Call {
        method: Method::GET,
        path: format!("{TASKS}{id}"),
        accept: Accept::Any,
        content_type: None,
        headers: HeaderMap::new(),
        body: None,
        deadline: None,
    })
}

#[derive(Serialize)]
struct Synthesis<'a> {
    model: &'a str,
    input: Input<'a>,
    parameters: &'a Parameters,
}

#[derive(Default, Serialize)]
struct Input<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    negative_prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_image_url: Option<Picture<'a>>,
    #[serde(skip_serializing_if = "<[Picture<'_>]>::is_empty")]
    images: &'a [Picture<'a>],
}

impl<'a> Input<'a> {
    fn new(model: &str, prompt: &Prompt<'a>, negative_prompt: Option<&'a str>) -> Self {
        let input = Self { prompt: Some(prompt.text), negative_prompt, ..Self::default() };
        match prompt.pictures {
            // wanx2.1-imageedit: one picture, and the word for "change it as described".
            [picture, ..] if model.contains("imageedit") => {
                Self { function: Some("description_edit"), base_image_url: Some(*picture), ..input }
            }
            pictures => Self { images: pictures, ..input },
        }
    }
}

#[derive(Deserialize)]
struct Reply {
    output: Option<Output>,
}

#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    task_id: String,
    task_status: Option<String>,
    code: Option<String>,
    message: Option<String>,
    results: Option<Vec<Outcome>>,
    choices: Option<Vec<Choice>>,
}

/// One picture of a task, or why it was not made.
#[derive(Deserialize)]
struct Outcome {
    url: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

impl Task {
    /// Reads the reply to a submission or a check.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] when `body` is no task's state, or its status is missing or not known here. A task that
    /// failed is no error: see [`Status::Failed`].
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let reply: Reply = json::read(body)
            .map_err(|error| json::not_promised(format!("the answer is not a task's state: {error}")))?;
        let output = reply.output.ok_or_else(|| json::not_promised("the answer holds no `output` with a task"))?;
        let Some(status) = output.task_status.as_deref() else {
            return Err(json::not_promised("the answer holds a task without `task_status`"));
        };
        let status = match status {
            "PENDING" | "RUNNING" | "SUSPENDED" => Status::Running,
            "SUCCEEDED" => output.outcome(),
            "FAILED" => Status::Failed(output.reason()),
            "CANCELED" | "CANCELLED" => Status::Canceled,
            "UNKNOWN" => Status::Unknown,
            other => {
                return Err(json::not_promised(format!("the answer holds no task status known here: \"{other}\"")));
            }
        };
        Ok(Self { id: output.task_id.clone(), status })
    }
}

impl Output {
    fn outcome(&self) -> Status {
        let mut pictures = Vec::new();
        for result in self.results.iter().flatten() {
            pictures.extend(result.url.as_deref().and_then(Generated::from_url));
        }
        pictures.extend(generation::pictures(self.choices.as_deref().unwrap_or_default()));
        let refused = self.results.iter().flatten().find(|result| result.code.is_some() || result.message.is_some());
        match refused.filter(|_| pictures.is_empty()) {
            Some(result) => Status::Failed(reason(result.code.as_deref(), result.message.as_deref())),
            None => Status::Succeeded(pictures),
        }
    }

    fn reason(&self) -> String {
        reason(self.code.as_deref(), self.message.as_deref())
    }
}

fn reason(code: Option<&str>, message: Option<&str>) -> String {
    let said = |text: &&str| !text.trim().is_empty();
    match (code.filter(said), message.filter(said)) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => "the upstream gives no reason".to_owned(),
    }
}
