//! `OpenAI`'s image API: `/v1/images/generations` takes JSON, `/v1/images/edits` a form with the pictures in it.

use super::super::{Call, Error, ErrorKind, json};
use super::{Generated, Picture, picture};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde::{Deserialize, Serialize};

/// Where pictures are made.
pub const GENERATIONS_PATH: &str = "/v1/images/generations";

/// Where pictures are changed.
pub const EDITS_PATH: &str = "/v1/images/edits";

/// What to make. Only what is set is sent: `OpenAI` refuses fields it does not know, other servers of this API
/// know more of them.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Generation<'a> {
    /// The upstream's name of the model.
    pub model: &'a str,
    /// What the picture should show; without it nothing is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<&'a str>,
    /// How many pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<i64>,
    /// For example `1024x1024`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// What the picture should not show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<&'a str>,
    /// Whether a model rewrites the prompt first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_extend: Option<bool>,
    /// Whether the picture is marked as made by a machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<bool>,
    /// The same seed gives similar pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
}

/// What to change.
#[derive(Debug, Clone)]
pub struct Edit<'a> {
    /// What to make of the pictures.
    pub generation: Generation<'a>,
    /// At least one, each by content.
    pub pictures: &'a [Picture<'a>],
}

/// The call that makes pictures.
///
/// # Errors
///
/// [`ErrorKind::Config`] when the request cannot be written as JSON.
pub fn generation(generation: &Generation<'_>) -> Result<Call, Error> {
    Ok(Call::post_json(GENERATIONS_PATH, json::body(generation)?))
}

/// The call that changes pictures. `boundary` separates the form's fields and must not occur in them: a fresh random
/// one never does.
///
/// # Errors
///
/// [`ErrorKind::Config`] when a picture is not there as valid base64 (only its address, for example), when `boundary`
/// cannot stand in a header, or when the fields cannot be written as JSON.
pub fn edit(edit: &Edit<'_>, boundary: &str) -> Result<Call, Error> {
    let config = |message: String| Error::new(ErrorKind::Config, message);
    let mut form = Form { boundary, bytes: Vec::new() };
    let fields = serde_json::to_value(&edit.generation).map_err(|error| config(error.to_string()))?;
    for (name, value) in fields.as_object().into_iter().flatten() {
        form.field(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    let name = if edit.pictures.len() == 1 { "image" } else { "image[]" };
    for (position, picture) in edit.pictures.iter().enumerate() {
        let base64 = picture.base64().ok_or_else(|| Error {
            advice: Some("Set MULTIMODAL_SEND_FORMAT=base64 in Dify, so that it sends the picture itself.".to_owned()),
            ..config("this API takes pictures by content, but only the picture's address was sent".to_owned())
        })?;
        let content = STANDARD
            .decode(base64)
            .map_err(|_| config(format!("picture {} of the message is not valid base64", position + 1)))?;
        form.file(name, position + 1, picture::media_type(base64), &content);
    }
    let mut call = Call::post_json(EDITS_PATH, form.end());
    call.content_type = Some(
        HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"))
            .map_err(|_| config("the form's boundary is not a header value".to_owned()))?,
    );
    Ok(call)
}

/// `multipart/form-data` (RFC 7578), written as one piece because the bytes are signed.
struct Form<'a> {
    boundary: &'a str,
    bytes: Vec<u8>,
}

impl Form<'_> {
    fn field(&mut self, name: &str, value: &str) {
        let head = format!("--{}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n", self.boundary);
        self.part(&head, value.as_bytes());
    }

    fn file(&mut self, name: &str, number: usize, media_type: &str, content: &[u8]) {
        let extension = media_type.rsplit('/').next().unwrap_or("png");
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"image-{number}.{extension}\"\r\n\
             Content-Type: {media_type}\r\n\r\n",
            self.boundary
        );
        self.part(&head, content);
    }

    fn part(&mut self, head: &str, content: &[u8]) {
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(content);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn end(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        self.bytes
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// At least one.
    pub pictures: Vec<Generated>,
    /// Tokens read, where the upstream counts them.
    pub input_tokens: u64,
    /// Tokens written, where the upstream counts them.
    pub output_tokens: u64,
}

#[derive(Deserialize)]
struct Wire {
    data: Option<Vec<Item>>,
    usage: Option<json::Aside>,
}

#[derive(Deserialize)]
struct Item {
    url: Option<String>,
    b64_json: Option<String>,
}

/// Reads the reply to either call.
///
/// # Errors
///
/// [`ErrorKind::Decode`] when `body` is no image reply or holds no picture.
pub fn decode(body: &[u8]) -> Result<Reply, Error> {
    let wire: Wire =
        json::read(body).map_err(|error| json::not_promised(format!("the answer is not an image reply: {error}")))?;
    let pictures: Vec<Generated> = wire.data.into_iter().flatten().filter_map(Item::picture).collect();
    if pictures.is_empty() {
        return Err(json::not_promised(
            "the answer holds no picture: `data` has neither an address in `url` nor base64 in `b64_json`",
        ));
    }
    let tokens = |key| wire.usage.as_ref().and_then(|usage| json::count(&usage.0, key)).unwrap_or(0);
    Ok(Reply { pictures, input_tokens: tokens("input_tokens"), output_tokens: tokens("output_tokens") })
}

impl Item {
    fn picture(self) -> Option<Generated> {
        let content = self.b64_json.as_deref().and_then(Generated::from_base64);
        content.or_else(|| Generated::from_url(self.url.as_deref()?))
    }
}
