//! What is sent.

use serde::Serialize;
use serde::ser::Serializer;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The body of a chat completion. Borrows its texts and files, so that a large picture is copied once: into the bytes
/// that are signed and sent.
#[derive(Debug, Clone, Serialize)]
pub struct ChatRequest<'a> {
    /// The upstream's name of the model.
    pub model: &'a str,
    /// The conversation.
    pub messages: Vec<Message<'a>>,
    /// Whether the answer should come in pieces.
    pub stream: bool,
    /// Whether a stream should end with its usage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// The longest answer, in tokens; the older name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// The longest answer, in tokens; the name that reasoning models take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub stop: &'a [String],
    /// Tools the model may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool<'a>>,
    /// How tools are to be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
    /// Tools, in the older shape.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<Function<'a>>,
    /// How tools are to be used, in the older shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_call: Option<Value>,
    /// The shape of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Value>,
    /// Asks for a web search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_search_options: Option<Value>,
    /// On whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// Sampling parameters and the fields that switch thinking.
    #[serde(flatten)]
    pub parameters: Map<String, Value>,
}

/// What a stream should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StreamOptions {
    /// Whether the last event holds the usage.
    pub include_usage: bool,
}

/// One message.
#[derive(Debug, Clone, Serialize)]
pub struct Message<'a> {
    /// For example `user`.
    pub role: &'static str,
    /// What is said.
    pub content: MessageContent<'a>,
    /// The speaker's name, or the function a `function` message answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// The thinking behind an assistant's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<Cow<'a, str>>,
    /// Calls the assistant made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall<'a>>,
    /// A call the assistant made, in the older shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_call: Option<FunctionCall<'a>>,
    /// The call that a `tool` message answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<&'a str>,
}

impl<'a> Message<'a> {
    /// A message that only says something.
    pub fn new(role: &'static str, content: MessageContent<'a>) -> Self {
        Self {
            role,
            content,
            name: None,
            reasoning_content: None,
            tool_calls: Vec::new(),
            function_call: None,
            tool_call_id: None,
        }
    }
}

/// Text, or parts.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum MessageContent<'a> {
    /// Plain text.
    Text(Cow<'a, str>),
    /// Parts in order.
    Parts(Vec<MessagePart<'a>>),
}

/// A part of a message.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MessagePart<'a> {
    /// Text.
    Text {
        /// The text.
        text: Cow<'a, str>,
    },
    /// A picture.
    ImageUrl {
        /// Where it is.
        image_url: ImageUrl<'a>,
    },
    /// A film.
    VideoUrl {
        /// Where it is.
        video_url: Url<'a>,
    },
    /// Sound.
    InputAudio {
        /// The sound.
        input_audio: InputAudio<'a>,
    },
    /// A document.
    File {
        /// The document.
        file: File<'a>,
    },
}

/// A picture by address.
#[derive(Debug, Clone, Serialize)]
pub struct ImageUrl<'a> {
    /// A URL or a data URI.
    pub url: FileData<'a>,
    /// `low` or `high`.
    pub detail: &'static str,
}

/// A file by address.
#[derive(Debug, Clone, Serialize)]
pub struct Url<'a> {
    /// A URL or a data URI.
    pub url: FileData<'a>,
}

/// Sound.
#[derive(Debug, Clone, Serialize)]
pub struct InputAudio<'a> {
    /// Base64 (OpenAI), or a URL or data URI (DashScope).
    pub data: FileData<'a>,
    /// For example `mp3`.
    pub format: Cow<'a, str>,
}

/// A document.
#[derive(Debug, Clone, Serialize)]
pub struct File<'a> {
    /// A data URI, or a URL.
    pub file_data: FileData<'a>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<Cow<'a, str>>,
}

/// A file, by address or by content.
#[derive(Debug, Clone)]
pub enum FileData<'a> {
    /// A URL, a data URI, or base64, as it is.
    AsIs(&'a str),
    /// A data URI.
    Inline(DataUri<'a>),
}

/// A data URI, put together only when it is written.
#[derive(Debug, Clone)]
pub struct DataUri<'a> {
    /// The MIME type.
    pub mime_type: Cow<'a, str>,
    /// The content.
    pub base64: &'a str,
}

impl Serialize for FileData<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AsIs(text) => serializer.serialize_str(text),
            Self::Inline(DataUri { mime_type, base64 }) => {
                serializer.collect_str(&format_args!("data:{mime_type};base64,{base64}"))
            }
        }
    }
}

/// A tool.
#[derive(Debug, Clone, Serialize)]
pub struct Tool<'a> {
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The function.
    pub function: Function<'a>,
}

/// A function the model may call.
#[derive(Debug, Clone, Serialize)]
pub struct Function<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it does.
    pub description: &'a str,
    /// JSON Schema of its arguments.
    pub parameters: &'a Value,
}

/// A call the assistant made.
#[derive(Debug, Clone, Serialize)]
pub struct ToolCall<'a> {
    /// Its id.
    pub id: &'a str,
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What was called.
    pub function: FunctionCall<'a>,
}

/// What was called.
#[derive(Debug, Clone, Serialize)]
pub struct FunctionCall<'a> {
    /// The function.
    pub name: &'a str,
    /// JSON text.
    pub arguments: &'a str,
}
