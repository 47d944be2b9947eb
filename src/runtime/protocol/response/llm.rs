//! Chunks of a text answer.

use super::super::super::entities::{ContentPart, ImageDetail, LlmUsage, MediaKind, ToolCall};
use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// What a chunk says. Never null on the wire: the host refuses it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ChunkContent<'a> {
    /// Text; empty in a chunk that carries something else.
    Text(&'a str),
    /// Parts, for example pictures.
    Parts(&'a [ContentPart]),
}

/// One `stream` object of `invoke_llm`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LlmChunk<'a> {
    /// The model's name in Dify.
    pub model: &'a str,
    /// 0, 1, 2 … within the answer.
    pub index: u64,
    /// What it says.
    pub content: ChunkContent<'a>,
    /// Tool calls, each complete and each in one chunk only.
    pub tool_calls: &'a [ToolCall],
    /// In the last chunk only: some consumers add up what they see.
    pub usage: Option<&'a LlmUsage>,
    /// In the last chunk only.
    pub finish_reason: Option<&'a str>,
    /// The parsed object of an answer to a JSON schema. Dify's engine reads it on hosts that pass it on; the Dify
    /// plugin daemon drops it.
    pub structured_output: Option<&'a Value>,
}

impl Serialize for LlmChunk<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = 4 + usize::from(self.structured_output.is_some());
        let mut chunk = serializer.serialize_struct("LlmChunk", fields)?;
        chunk.serialize_field("model", self.model)?;
        // Always empty: the prompt sent back once filled Dify's memory.
        chunk.serialize_field("prompt_messages", &[(); 0])?;
        chunk.serialize_field("system_fingerprint", &())?;
        chunk.serialize_field(
            "delta",
            &Delta {
                index: self.index,
                message: AssistantMessage::new(self.content, self.tool_calls),
                usage: self.usage,
                finish_reason: self.finish_reason,
            },
        )?;
        if let Some(object) = self.structured_output {
            chunk.serialize_field("structured_output", object)?;
        }
        chunk.end()
    }
}

#[derive(Serialize)]
struct Delta<'a> {
    index: u64,
    message: AssistantMessage<'a>,
    usage: Option<&'a LlmUsage>,
    finish_reason: Option<&'a str>,
}

/// An assistant message with all its keys.
#[derive(Serialize)]
pub(super) struct AssistantMessage<'a> {
    role: &'static str,
    content: ChunkContent<'a>,
    name: Option<&'a str>,
    tool_calls: ToolCalls<'a>,
    opaque_body: Option<&'a Value>,
}

impl<'a> AssistantMessage<'a> {
    pub(super) const fn new(content: ChunkContent<'a>, tool_calls: &'a [ToolCall]) -> Self {
        Self { role: "assistant", content, name: None, tool_calls: ToolCalls(tool_calls), opaque_body: None }
    }
}

impl Serialize for ChunkContent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Parts(parts) => {
                let mut list = serializer.serialize_seq(Some(parts.len()))?;
                for part in *parts {
                    list.serialize_element(&Part::from(part))?;
                }
                list.end()
            }
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Part<'a> {
    Text {
        r#type: &'static str,
        data: &'a str,
    },
    Media {
        format: &'a str,
        base64_data: &'a str,
        url: &'a str,
        mime_type: &'a str,
        filename: &'a str,
        r#type: &'static str,
        /// Pictures only, and then always: the host fills a missing one with a value that Dify refuses.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'static str>,
    },
}

impl<'a> From<&'a ContentPart> for Part<'a> {
    fn from(part: &'a ContentPart) -> Self {
        match part {
            ContentPart::Text(text) => Self::Text { r#type: "text", data: text },
            ContentPart::Media(media) => Self::Media {
                format: &media.format,
                base64_data: &media.base64_data,
                url: &media.url,
                mime_type: &media.mime_type,
                filename: &media.filename,
                r#type: match media.kind {
                    MediaKind::Image => "image",
                    MediaKind::Audio => "audio",
                    MediaKind::Video => "video",
                    MediaKind::Document => "document",
                },
                detail: (media.kind == MediaKind::Image).then_some(match media.detail {
                    ImageDetail::Low => "low",
                    ImageDetail::High => "high",
                }),
            },
        }
    }
}

/// Always a list, also when empty: Dify refuses null.
struct ToolCalls<'a>(&'a [ToolCall]);

impl Serialize for ToolCalls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Call<'a> {
            id: &'a str,
            r#type: &'static str,
            function: Function<'a>,
        }
        #[derive(Serialize)]
        struct Function<'a> {
            name: &'a str,
            arguments: &'a str,
        }
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for call in self.0 {
            let function = Function { name: &call.name, arguments: &call.arguments };
            list.serialize_element(&Call { id: &call.id, r#type: "function", function })?;
        }
        list.end()
    }
}
