//! The conversation, as the upstream reads it.

use super::{leading_think, media};
use crate::gateway::chat::request::ToolCall as WireToolCall;
use crate::gateway::chat::{FunctionCall, Message, MessageContent, MessagePart};
use crate::provider::credentials::{MultimodalFormat, ToolMode};
use crate::provider::options::ReasoningHistory;
use crate::runtime::InvokeError;
use crate::runtime::entities::{Content, ContentPart, PromptMessage, Role, ToolCall};
use std::borrow::Cow;

/// How a conversation is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    pub(super) tools: ToolMode,
    pub(super) format: MultimodalFormat,
    pub(super) history: ReasoningHistory,
}

/// The messages in order.
///
/// # Errors
///
/// A file that cannot be sent.
pub(super) fn convert(messages: &[PromptMessage], dialect: Dialect) -> Result<Vec<Message<'_>>, InvokeError> {
    let mut converted = Vec::with_capacity(messages.len());
    for message in messages {
        match message.role {
            Role::Assistant => assistant(message, dialect, &mut converted)?,
            Role::Tool => converted.push(tool(message, messages, dialect)?),
            Role::System => converted.push(plain("system", message, dialect)?),
            Role::Developer => converted.push(plain("developer", message, dialect)?),
            Role::User => converted.push(plain("user", message, dialect)?),
        }
    }
    Ok(converted)
}

fn plain<'a>(role: &'static str, message: &'a PromptMessage, dialect: Dialect) -> Result<Message<'a>, InvokeError> {
    Ok(Message {
        name: filled(message.name.as_ref()),
        ..Message::new(role, content(&message.content, dialect.format)?)
    })
}

fn filled(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// Text, or parts. A list of nothing but text becomes one text: not every upstream, and no search plugin of the
/// gateway, reads lists.
fn content(content: &Content, format: MultimodalFormat) -> Result<MessageContent<'_>, InvokeError> {
    let parts = match content {
        Content::Text(text) => return Ok(MessageContent::Text(Cow::Borrowed(text))),
        Content::Parts(parts) => parts,
    };
    if let [ContentPart::Text(text)] = parts.as_slice() {
        return Ok(MessageContent::Text(Cow::Borrowed(text)));
    }
    let texts: Option<Vec<&str>> = parts.iter().map(text_of).collect();
    if let Some(texts) = texts {
        return Ok(MessageContent::Text(Cow::Owned(texts.join("\n"))));
    }
    let parts = parts.iter().map(|part| match part {
        ContentPart::Text(text) => Ok(MessagePart::Text { text: Cow::Borrowed(text.as_str()) }),
        ContentPart::Media(file) => media::part(file, format),
    });
    Ok(MessageContent::Parts(parts.collect::<Result<_, _>>()?))
}

fn text_of(part: &ContentPart) -> Option<&str> {
    match part {
        ContentPart::Text(text) => Some(text),
        ContentPart::Media(_) => None,
    }
}

fn assistant<'a>(
    message: &'a PromptMessage,
    dialect: Dialect,
    converted: &mut Vec<Message<'a>>,
) -> Result<(), InvokeError> {
    let mut wire = plain("assistant", message, dialect)?;
    let thinking = take_thinking(&mut wire.content, !message.tool_calls.is_empty());
    if dialect.history == ReasoningHistory::ReasoningContent {
        wire.reasoning_content = thinking.filter(|thinking| !thinking.is_empty());
    }
    match dialect.tools {
        ToolMode::Tools => {
            wire.tool_calls = message.tool_calls.iter().map(wire_call).collect();
            converted.push(wire);
        }
        ToolMode::Functions => {
            // The older shape has one call per message.
            let mut calls = message.tool_calls.iter();
            wire.function_call = calls.next().map(function_call);
            converted.push(wire);
            converted.extend(calls.map(|call| {
                let function_call = Some(function_call(call));
                Message { function_call, ..Message::new("assistant", MessageContent::Text(Cow::Borrowed(""))) }
            }));
        }
        ToolMode::None => {
            let calls = message.tool_calls.iter().map(|call| {
                let call = function_call(call);
                format!("Calling the tool {} with {}", call.name, call.arguments)
            });
            append(&mut wire.content, &calls.collect::<Vec<_>>());
            converted.push(wire);
        }
    }
    Ok(())
}

/// Takes leading thinking out of an assistant's message. With tool calls behind it, it may have been left unclosed by
/// an older plugin.
fn take_thinking<'a>(content: &mut MessageContent<'a>, calls_follow: bool) -> Option<Cow<'a, str>> {
    let text = match content {
        MessageContent::Text(text) => text,
        MessageContent::Parts(parts) => match parts.first_mut()? {
            MessagePart::Text { text } => text,
            _ => return None,
        },
    };
    match text {
        Cow::Borrowed(whole) => {
            let (thinking, rest) = leading_think::split(whole, calls_follow);
            *text = Cow::Borrowed(rest);
            thinking.map(Cow::Borrowed)
        }
        Cow::Owned(whole) => {
            let (thinking, rest) = leading_think::split(whole, calls_follow);
            let (thinking, rest) = (thinking.map(str::to_owned), rest.to_owned());
            *text = Cow::Owned(rest);
            thinking.map(Cow::Owned)
        }
    }
}

fn append(content: &mut MessageContent<'_>, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let lines = lines.join("\n");
    match content {
        MessageContent::Text(text) if text.is_empty() => *text = Cow::Owned(lines),
        MessageContent::Text(text) => {
            let text = text.to_mut();
            text.push('\n');
            text.push_str(&lines);
        }
        MessageContent::Parts(parts) => parts.push(MessagePart::Text { text: Cow::Owned(lines) }),
    }
}

fn wire_call(call: &ToolCall) -> WireToolCall<'_> {
    WireToolCall { id: &call.id, kind: "function", function: function_call(call) }
}

/// Upstreams read arguments as JSON, so none are `{}`.
fn function_call(call: &ToolCall) -> FunctionCall<'_> {
    let arguments = if call.arguments.trim().is_empty() { "{}" } else { call.arguments.as_str() };
    FunctionCall { name: &call.name, arguments }
}

fn tool<'a>(
    message: &'a PromptMessage,
    messages: &'a [PromptMessage],
    dialect: Dialect,
) -> Result<Message<'a>, InvokeError> {
    let content = content(&message.content, dialect.format)?;
    let id = filled(message.tool_call_id.as_ref());
    let called = || {
        let mut calls = messages.iter().flat_map(|message| &message.tool_calls).rev();
        calls.find(|call| id == Some(call.id.as_str())).map(|call| call.name.as_str())
    };
    Ok(match dialect.tools {
        ToolMode::Tools => Message { tool_call_id: id, ..Message::new("tool", content) },
        ToolMode::Functions => {
            let name = filled(message.name.as_ref()).or_else(called);
            Message { name, ..Message::new("function", content) }
        }
        ToolMode::None => {
            let name = filled(message.name.as_ref()).or_else(called);
            let heading =
                name.map_or_else(|| "Result of a tool:".to_owned(), |name| format!("Result of the tool {name}:"));
            let content = match content {
                MessageContent::Text(text) => MessageContent::Text(Cow::Owned(format!("{heading}\n{text}"))),
                MessageContent::Parts(mut parts) => {
                    parts.insert(0, MessagePart::Text { text: Cow::Owned(heading) });
                    MessageContent::Parts(parts)
                }
            };
            Message::new("user", content)
        }
    })
}

#[cfg(test)]
mod tests;
