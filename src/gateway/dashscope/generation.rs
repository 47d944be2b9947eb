//! Multimodal generation: the picture comes with the answer.

use super::super::images::{Generated, Picture};
use super::super::{Call, Error, json};
use serde::{Deserialize, Serialize};

/// Where pictures are made and changed.
pub const GENERATION_PATH: &str = "/api/v1/services/aigc/multimodal-generation/generation";

/// What the picture should show, and the pictures it starts from.
#[derive(Debug, Clone, Copy)]
pub struct Prompt<'a> {
    /// In words.
    pub text: &'a str,
    /// To be changed; none to make a new one.
    pub pictures: &'a [Picture<'a>],
}

/// How to make it. Only what is set is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Parameters {
    /// What it should not show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// Whether a model rewrites the prompt first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_extend: Option<bool>,
    /// Whether it is marked as made by a machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<bool>,
    /// Width and height, for example `1328*1328`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// How many pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<i64>,
    /// The same seed gives similar pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
}

/// The call that makes or changes a picture. Without a prompt it is well formed but asks for nothing, so nothing is
/// made: that tells whether route, credential and model are right.
///
/// # Errors
///
/// [`ErrorKind::Config`](super::super::ErrorKind::Config) when the request cannot be written as JSON.
pub fn generation(model: &str, prompt: Option<&Prompt<'_>>, parameters: Option<&Parameters>) -> Result<Call, Error> {
    Ok(Call::post_json(GENERATION_PATH, json::body(&Request::new(model, prompt, parameters))?))
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: Input<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a Parameters>,
}

#[derive(Serialize)]
struct Input<'a> {
    messages: [Message<'a>; 1],
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Content<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Content<'a> {
    Image(Picture<'a>),
    Text(&'a str),
}

impl<'a> Request<'a> {
    fn new(model: &'a str, prompt: Option<&Prompt<'a>>, parameters: Option<&'a Parameters>) -> Self {
        let mut content = Vec::new();
        if let Some(prompt) = prompt {
            content.extend(prompt.pictures.iter().copied().map(Content::Image));
            content.push(Content::Text(prompt.text));
        }
        Self { model, input: Input { messages: [Message { role: "user", content }] }, parameters }
    }
}

#[derive(Deserialize)]
struct Reply {
    output: Option<Output>,
}

#[derive(Deserialize)]
struct Output {
    choices: Option<Vec<Choice>>,
}

#[derive(Deserialize)]
pub(super) struct Choice {
    message: Option<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    content: Vec<AnswerPart>,
}

#[derive(Deserialize)]
struct AnswerPart {
    image: Option<String>,
}

/// The pictures of a reply, at least one.
///
/// # Errors
///
/// [`ErrorKind::Decode`](super::super::ErrorKind::Decode) when `body` is no image reply or holds no picture.
pub fn decode(body: &[u8]) -> Result<Vec<Generated>, Error> {
    let reply: Reply =
        json::read(body).map_err(|error| json::not_promised(format!("the answer is not an image reply: {error}")))?;
    let choices = reply.output.and_then(|output| output.choices).unwrap_or_default();
    let pictures = pictures(&choices);
    if pictures.is_empty() {
        return Err(json::not_promised("the answer holds no picture in `output.choices`"));
    }
    Ok(pictures)
}

pub(super) fn pictures(choices: &[Choice]) -> Vec<Generated> {
    choices
        .iter()
        .filter_map(|choice| choice.message.as_ref())
        .flat_map(|message| &message.content)
        .filter_map(|part| part.image.as_ref())
        .filter_map(|url| Generated::from_url(url))
        .collect()
}
