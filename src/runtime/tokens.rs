//! Estimates of token counts with GPT-2's vocabulary, as the `dify_plugin` SDK makes them.
//!
//! An upstream's own usage is the truth; an estimate is for upstreams that give none and for Dify's questions before
//! a call. The vocabulary (some 30 ms and 15 MB) is loaded by the first count.

use super::entities::{Content, ContentPart, PromptMessage, Role, ToolCall, ToolDefinition};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};

/// From this many characters on, the count is the number of characters, as in the SDK.
const LONG_TEXT: usize = 100_000;

/// Texts over this many bytes are counted on the blocking pool: below it a count takes about a millisecond.
const INLINE_BYTES: usize = 16 * 1024;

/// Whether the vocabulary is there.
static LOADED: AtomicBool = AtomicBool::new(false);

/// How many tokens `text` has. Names of special tokens, for example `<|endoftext|>`, are ordinary text here.
///
/// Takes about 0.1 ms per KB; the first call also loads the vocabulary. In async code use [`count_texts`].
pub fn count_text(text: &str) -> u64 {
    if text.is_empty() {
        return 0;
    }
    if text.len() >= LONG_TEXT {
        let characters = text.chars().count();
        if characters >= LONG_TEXT {
            return characters as u64;
        }
    }
    let count = tiktoken_rs::r50k_base_singleton().count_ordinary(text) as u64;
    LOADED.store(true, Ordering::Relaxed);
    count
}

/// How many tokens a conversation has: 3 per message, each of its values, 1 more per name, 3 for the answer to come,
/// and the tools. Files count nothing.
pub fn count_messages(messages: &[PromptMessage], tools: &[ToolDefinition]) -> u64 {
    const PER_MESSAGE: u64 = 3;
    const PER_ANSWER: u64 = 3;
    let messages: u64 = messages.iter().map(|message| PER_MESSAGE + count_message(message)).sum();
    let tools: u64 = tools.iter().map(count_tool).sum();
    messages + tools + PER_ANSWER
}

fn count_message(message: &PromptMessage) -> u64 {
    const PER_NAME: u64 = 1;
    let role = match message.role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let content = match &message.content {
        Content::Text(text) => count_text(text),
        Content::Parts(parts) => count_text(&text_of(parts)),
    };
    let calls: u64 = message.tool_calls.iter().map(count_tool_call).sum();
    let id = message.tool_call_id.as_deref().map_or(0, count_text);
    let name = message.name.as_deref().map_or(0, |name| count_text(name) + PER_NAME);
    count_text(role) + content + calls + id + name
}

fn text_of(parts: &[ContentPart]) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        ContentPart::Text(text) => Some(text.as_str()),
        ContentPart::Media(_) => None,
    });
    texts.collect()
}

fn count_tool_call(call: &ToolCall) -> u64 {
    let keys: u64 = ["id", "type", "function", "function", "name", "arguments"].into_iter().map(count_text).sum();
    keys + count_text(&call.id) + count_text(&call.name) + count_text(&call.arguments)
}

/// Keys and values of the definition, and of its schema one level down, weighed as the SDK weighs them.
fn count_tool(tool: &ToolDefinition) -> u64 {
    const PER_LIST_ITEM: u64 = 3;
    let mut count: u64 =
        ["type", "function", "function", "name", "description", "parameters"].into_iter().map(count_text).sum();
    count += count_text(&tool.name) + count_text(&tool.description);
    if let Some(title) = tool.parameters.get("title") {
        count += count_text("title") + count_value(title);
    }
    count += count_text("type") + tool.parameters.get("type").map_or(0, count_value);
    let items =
        |list: &Value| list.as_array().into_iter().flatten().map(|item| PER_LIST_ITEM + count_value(item)).sum::<u64>();
    if let Some(properties) = tool.parameters.get("properties").and_then(Value::as_object) {
        count += count_text("properties");
        for (name, property) in properties {
            count += count_text(name);
            for (key, value) in property.as_object().into_iter().flatten() {
                count += count_text(key);
                count += if key == "enum" { items(value) } else { count_text(key) + count_value(value) };
            }
        }
    }
    if let Some(required) = tool.parameters.get("required") {
        count += count_text("required") + items(required);
    }
    count
}

fn count_value(value: &Value) -> u64 {
    match value {
        Value::String(text) => count_text(text),
        other => count_text(&other.to_string()),
    }
}

/// [`count_text`] for each text, without holding up other calls.
pub async fn count_texts(texts: Vec<String>) -> Vec<u64> {
    let bytes = texts.iter().map(String::len).sum();
    let fallback = texts.iter().map(|text| text.chars().count() as u64).collect();
    off_thread(bytes, fallback, move || texts.iter().map(|text| count_text(text)).collect()).await
}

/// [`count_messages`] without holding up other calls.
pub async fn count_conversation(messages: Vec<PromptMessage>, tools: Vec<ToolDefinition>) -> u64 {
    let text: usize = messages.iter().map(text_bytes).sum();
    let tool_bytes: usize = tools.iter().map(|tool| tool.description.len() + tool.parameters.to_string().len()).sum();
    let bytes = text + tool_bytes;
    off_thread(bytes, bytes as u64, move || count_messages(&messages, &tools)).await
}

fn text_bytes(message: &PromptMessage) -> usize {
    let content = match &message.content {
        Content::Text(text) => text.len(),
        Content::Parts(parts) => parts
            .iter()
            .map(|part| match part {
                ContentPart::Text(text) => text.len(),
                ContentPart::Media(_) => 0,
            })
            .sum(),
    };
    content + message.tool_calls.iter().map(|call| call.arguments.len()).sum::<usize>()
}

/// Counts here or, when there is much to count or the vocabulary must be loaded, on the blocking pool. `fallback` stands
/// in when the pool is gone (the process ends) or the count failed.
async fn off_thread<T: Send + 'static>(bytes: usize, fallback: T, count: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes <= INLINE_BYTES && LOADED.load(Ordering::Relaxed) {
        return count();
    }
    tokio::task::spawn_blocking(count).await.unwrap_or(fallback)
}

#[cfg(test)]
mod tests;
