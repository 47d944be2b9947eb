//! What a chat request asks for.

use super::words;
use serde_json::Value;

/// A chat request, read.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    /// The last thing the user said.
    pub(super) prompt: String,
    /// Files in the last thing the user said.
    pub(super) files: usize,
    /// Whether reasoning is asked for, in any of the spellings providers know.
    pub(super) thinking: bool,
    /// The tool to call, unless its result is there already.
    pub(super) tool: Option<Tool>,
    /// What tools answered after the user spoke.
    pub(super) tool_results: Vec<String>,
    pub(super) format: Format,
    pub(super) max_tokens: Option<usize>,
    pub(super) prompt_tokens: usize,
}

/// A tool to call.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) parameters: Value,
    /// Offered as `functions`, the older form.
    pub(super) legacy: bool,
}

/// What the answer should look like.
#[derive(Debug)]
pub(super) enum Format {
    Text,
    Object,
    Schema(Value),
}

impl Question {
    /// Reads a request; `None` when it has no messages.
    pub(super) fn read(body: &Value) -> Option<Self> {
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty())?;
        let asked = messages.iter().rposition(|message| message["role"] == "user");
        let after = messages.get(asked.map_or(0, |at| at + 1)..).unwrap_or_default();
        let tool_results: Vec<String> = after
            .iter()
            .filter(|message| message["role"] == "tool" || message["role"] == "function")
            .map(|message| text(&message["content"]))
            .collect();
        let content = asked.and_then(|at| messages.get(at)).map_or(&Value::Null, |message| &message["content"]);
        Some(Self {
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            stream: body["stream"] == true,
            include_usage: body["stream_options"]["include_usage"] == true,
            prompt: text(content),
            files: content.as_array().into_iter().flatten().filter(|part| is_file(part)).count(),
            thinking: thinking(body),
            tool: if tool_results.is_empty() { tool(body) } else { None },
            tool_results,
            format: format(body),
            max_tokens: limit(body),
            prompt_tokens: messages.iter().map(|message| words::tokens(&text(&message["content"]))).sum(),
        })
    }
}

/// The text of a content: itself, or its text parts.
pub(super) fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

fn is_file(part: &Value) -> bool {
    part.is_object() && part["text"].is_null()
}

fn limit(body: &Value) -> Option<usize> {
    let limit = body["max_tokens"].as_u64().or_else(|| body["max_completion_tokens"].as_u64())?;
    usize::try_from(limit).ok()
}

fn thinking(body: &Value) -> bool {
    let effort = body["reasoning_effort"].as_str();
    body["enable_thinking"] == true
        || body["chat_template_kwargs"]["enable_thinking"] == true
        || body["chat_template_kwargs"]["thinking"] == true
        || body["thinking"]["type"] == "enabled"
        || effort.is_some_and(|effort| effort != "none" && effort != "minimal")
}

/// The tool the request insists on, else the first it offers; none when it wants none.
fn tool(body: &Value) -> Option<Tool> {
    if body["tool_choice"] == "none" || body["function_call"] == "none" {
        return None;
    }
    let insisted = body["tool_choice"]["function"]["name"].as_str();
    let tools = body["tools"].as_array().into_iter().flatten().map(|tool| (&tool["function"], false));
    let functions = body["functions"].as_array().into_iter().flatten().map(|function| (function, true));
    let mut offered = tools.chain(functions);
    let (function, legacy) = match insisted {
        Some(name) => offered.find(|(function, _)| function["name"] == name)?,
        None => offered.next()?,
    };
    Some(Tool { name: function["name"].as_str()?.to_owned(), parameters: function["parameters"].clone(), legacy })
}

fn format(body: &Value) -> Format {
    let format = &body["response_format"];
    match format["type"].as_str() {
        Some("json_object") => Format::Object,
        Some("json_schema") => Format::Schema(format["json_schema"]["schema"].clone()),
        _ => Format::Text,
    }
}
