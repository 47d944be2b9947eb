//! Prompt messages, tools and tool choice, as hosts send them.

use super::super::super::InvokeError;
use super::super::super::entities::{
    Content, ContentPart, ImageDetail, Media, MediaKind, PromptMessage, Role, ToolCall, ToolChoice, ToolDefinition,
};
use super::fields::{Fields, at, kind_of, quoted};
use serde_json::{Map, Value};

/// The conversation.
pub(super) fn prompt_messages(fields: &mut Fields) -> Result<Vec<PromptMessage>, InvokeError> {
    match fields.take("prompt_messages") {
        Value::Array(list) => {
            list.into_iter().enumerate().map(|(index, item)| message(item, index)).collect::<Result<_, _>>()
        }
        Value::Null => Err(InvokeError::bad_request(
            "the request has no conversation: the field `prompt_messages` is missing or null. \
             Check the messages of the calling app",
        )),
        other => Err(at("prompt_messages", &format!("must be a list, not {}", kind_of(&other)))),
    }
}

fn message(value: Value, index: usize) -> Result<PromptMessage, InvokeError> {
    let path = format!("prompt_messages[{index}]");
    let mut fields = Fields::new(value, &path)?;
    let role = match fields.text("role")?.as_str() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        // The Dify plugin daemon stops reading at a message it does not understand and passes an empty one on.
        "" => {
            return Err(InvokeError::bad_request(format!(
                "message {} of the conversation has no role: Dify's plugin daemon could not read it and cut the \
                 conversation there. Usually it is an assistant message whose content is null; give it an empty text",
                index + 1
            )));
        }
        other => {
            let expected = "must be \"system\", \"developer\", \"user\", \"assistant\" or \"tool\"";
            return Err(at(&format!("{path}.role"), &format!("{expected}, not {}", quoted(other))));
        }
    };
    Ok(PromptMessage {
        role,
        content: content(fields.take("content"), &path)?,
        name: Some(fields.text("name")?).filter(|name| !name.is_empty()),
        tool_calls: tool_calls(&mut fields, &path)?,
        tool_call_id: Some(fields.text_or_number("tool_call_id")?).filter(|id| !id.is_empty()),
        opaque_body: Some(fields.take("opaque_body")).filter(|body| !body.is_null()),
    })
}

fn content(value: Value, path: &str) -> Result<Content, InvokeError> {
    match value {
        Value::Null => Ok(Content::Text(String::new())),
        Value::String(text) => Ok(Content::Text(text)),
        Value::Array(parts) => {
            let parts =
                parts.into_iter().enumerate().map(|(index, item)| part(item, &format!("{path}.content[{index}]")));
            parts.collect::<Result<_, _>>().map(Content::Parts)
        }
        other => {
            Err(at(&format!("{path}.content"), &format!("must be a text or a list of parts, not {}", kind_of(&other))))
        }
    }
}

fn part(value: Value, path: &str) -> Result<ContentPart, InvokeError> {
    let mut fields = Fields::new(value, path)?;
    let kind = match fields.text("type")?.as_str() {
        "text" => return fields.text("data").map(ContentPart::Text),
        "image" => MediaKind::Image,
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        "document" => MediaKind::Document,
        other => {
            let expected = "must be \"text\", \"image\", \"audio\", \"video\" or \"document\"";
            return Err(at(&format!("{path}.type"), &format!("{expected}, not {}", quoted(other))));
        }
    };
    Ok(ContentPart::Media(Media {
        kind,
        format: fields.text("format")?,
        mime_type: fields.text("mime_type")?,
        url: fields.text("url")?,
        base64_data: fields.text("base64_data")?,
        filename: fields.text("filename")?,
        // The host writes "" where Dify set nothing.
        detail: if fields.text("detail")? == "high" { ImageDetail::High } else { ImageDetail::Low },
    }))
}

fn tool_calls(fields: &mut Fields, path: &str) -> Result<Vec<ToolCall>, InvokeError> {
    let calls = fields.list("tool_calls")?;
    calls.into_iter().enumerate().map(|(index, call)| tool_call(call, &format!("{path}.tool_calls[{index}]"))).collect()
}

fn tool_call(value: Value, path: &str) -> Result<ToolCall, InvokeError> {
    let mut fields = Fields::new(value, path)?;
    let id = fields.text_or_number("id")?;
    let function = fields.map("function")?;
    let mut function = Fields::new(Value::Object(function), &fields.path("function"))?;
    let name = function.text("name")?;
    let arguments = match function.take("arguments") {
        Value::Null => String::new(),
        Value::String(text) => text,
        // A caller that forgot to encode them: the JSON text is what it meant.
        object @ Value::Object(_) => object.to_string(),
        other => return Err(at(&function.path("arguments"), &format!("must be a text, not {}", kind_of(&other)))),
    };
    Ok(ToolCall { id, name, arguments })
}

/// The tools the model may call.
pub(super) fn tools(fields: &mut Fields) -> Result<Vec<ToolDefinition>, InvokeError> {
    let tools = fields.list("tools")?;
    tools.into_iter().enumerate().map(|(index, tool)| tool_definition(tool, &format!("tools[{index}]"))).collect()
}

fn tool_definition(value: Value, path: &str) -> Result<ToolDefinition, InvokeError> {
    let mut fields = Fields::new(value, path)?;
    let name = fields.text("name")?;
    if name.is_empty() {
        return Err(at(&format!("{path}.name"), "must not be empty"));
    }
    let description = fields.text("description")?;
    let parameters = match fields.take("parameters") {
        Value::Null => Value::Object(Map::new()),
        object @ Value::Object(_) => object,
        other => return Err(at(&format!("{path}.parameters"), &format!("must be an object, not {}", kind_of(&other)))),
    };
    Ok(ToolDefinition { name, description, parameters })
}

/// How the tools are to be used; `None` on hosts that do not say.
pub(super) fn tool_choice(fields: &mut Fields) -> Result<Option<ToolChoice>, InvokeError> {
    let value = fields.take("tool_choice");
    if value.is_null() {
        return Ok(None);
    }
    let mut fields = Fields::new(value, "tool_choice")?;
    match fields.text("mode")?.as_str() {
        "" => Ok(None),
        "auto" => Ok(Some(ToolChoice::Auto)),
        "none" => Ok(Some(ToolChoice::None)),
        "required" => Ok(Some(ToolChoice::Required)),
        "tool" => {
            let name = fields.text("name")?;
            if name.is_empty() {
                return Err(at("tool_choice.name", "must name the tool when `tool_choice.mode` is \"tool\""));
            }
            Ok(Some(ToolChoice::Tool(name)))
        }
        other => {
            let expected = "must be \"auto\", \"none\", \"required\" or \"tool\"";
            Err(at("tool_choice.mode", &format!("{expected}, not {}", quoted(other))))
        }
    }
}
