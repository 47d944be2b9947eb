//! Text: `/v1/chat/completions` and `/v1/completions`.

use super::fill::fill;
use super::question::{Format, Question, Tool};
use super::{Ask, load, words};
use crate::standin::reply::Reply;
use crate::standin::script::{Ending, Script};
use axum::http::StatusCode;
use serde_json::{Value, json};

/// The last event of a stream.
pub(super) const DONE: &str = "data: [DONE]\n\n";
/// Every answer is from the same moment, so that answers are the same every time.
const CREATED: u64 = 1_767_225_600;

/// What is going to be said.
struct Answer {
    reasoning: String,
    text: String,
    call: Option<(Tool, String)>,
    finish: &'static str,
}

/// `/v1/chat/completions`
pub(super) fn chat(ask: &Ask<'_>, body: &Value) -> Reply {
    let Some(question) = Question::read(body) else {
        let text = "failed to process request body: no message found in the request body";
        return Reply::gateway_text(StatusCode::INTERNAL_SERVER_ERROR, text);
    };
    if let Some(load) = load::read(&question.model) {
        return if question.stream { load.events() } else { whole(ask, &question, &load.answer()) };
    }
    let answer = compose(&question);
    if question.stream {
        Reply::events(Script::events(events(ask, &question, answer), ask.piece_delay, Ending::Clean))
    } else {
        let message = message(&answer);
        let (finish, tokens) = (answer.finish, answer.tokens());
        Reply::ok(&completion(ask, &question, &message, finish, tokens))
    }
}

/// `/v1/completions`
pub(super) fn completions(ask: &Ask<'_>, body: &Value) -> Reply {
    let prompt = match &body["prompt"] {
        Value::Array(prompts) => prompts.first().and_then(Value::as_str).unwrap_or_default(),
        prompt => prompt.as_str().unwrap_or_default(),
    };
    if prompt.is_empty() {
        return Reply::openai_error(StatusCode::BAD_REQUEST, "missing_required_parameter", "prompt is empty");
    }
    let mut body = body.clone();
    body["messages"] = json!([{"role": "user", "content": prompt}]);
    let Some(question) = Question::read(&body) else { return Reply::empty(StatusCode::BAD_REQUEST) };
    let answer = compose(&question);
    let envelope = |text: &str, finish: Option<&str>| {
        json!({
            "id": format!("cmpl-standin-{}", ask.number), "object": "text_completion", "created": CREATED,
            "model": question.model,
            "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": finish}],
        })
    };
    if !question.stream {
        let mut whole = envelope(&answer.text, Some(answer.finish));
        whole["usage"] = usage(&question, answer.tokens());
        return Reply::ok(&whole);
    }
    let mut events: Vec<String> =
        words::pieces(&answer.text).into_iter().map(|text| event(&envelope(text, None))).collect();
    events.push(event(&envelope("", Some(answer.finish))));
    if question.include_usage {
        let mut last = envelope("", None);
        last["choices"] = json!([]);
        last["usage"] = usage(&question, answer.tokens());
        events.push(event(&last));
    }
    events.push(DONE.to_owned());
    Reply::events(Script::events(events, ask.piece_delay, Ending::Clean))
}

/// The events of a whole answer to any question, for faults to spoil.
pub(super) fn sample_events(ask: &Ask<'_>, body: &Value) -> Vec<String> {
    Question::read(body).map(|question| events(ask, &question, compose(&question))).unwrap_or_default()
}

impl Answer {
    fn tokens(&self) -> usize {
        let call = self.call.as_ref().map_or(0, |(_, arguments)| words::tokens(arguments));
        words::tokens(&self.reasoning) + words::tokens(&self.text) + call
    }
}

/// Decides what to say: call the tool that is offered, or answer in the form that is asked for.
fn compose(question: &Question) -> Answer {
    let prompt = question.prompt.trim();
    let reasoning = if question.thinking {
        match &question.tool {
            Some(tool) => format!("The question is “{prompt}”. The tool {} can tell.", tool.name),
            None => format!("The question is “{prompt}”. A scripted answer will do."),
        }
    } else {
        String::new()
    };
    if let Some(tool) = &question.tool {
        let arguments = fill(&tool.parameters, prompt).to_string();
        let finish = if tool.legacy { "function_call" } else { "tool_calls" };
        let tool = Tool { name: tool.name.clone(), parameters: Value::Null, legacy: tool.legacy };
        return Answer { reasoning, text: String::new(), call: Some((tool, arguments)), finish };
    }
    let said = match question.tool_results.as_slice() {
        [] => scripted(question, prompt),
        results => format!("To your question “{prompt}” the tool answered: {}.", results.join("; ")),
    };
    let text = match &question.format {
        Format::Text => said,
        Format::Object => json!({"question": prompt, "answer": said}).to_string(),
        Format::Schema(schema) => fill(schema, prompt).to_string(),
    };
    let pieces = words::pieces(&text);
    match question.max_tokens {
        Some(limit) if limit < pieces.len() => {
            let text = pieces.into_iter().take(limit).collect();
            Answer { reasoning, text, call: None, finish: "length" }
        }
        _ => Answer { reasoning, text, call: None, finish: "stop" },
    }
}

fn scripted(question: &Question, prompt: &str) -> String {
    let seen = match question.files {
        0 => String::new(),
        1 => " with one file".to_owned(),
        files => format!(" with {files} files"),
    };
    format!("You asked{seen}: “{prompt}”. This answer is scripted: the gateway is a stand-in and asked no model.")
}

fn whole(ask: &Ask<'_>, question: &Question, text: &str) -> Reply {
    let message = json!({"role": "assistant", "content": text});
    Reply::ok(&completion(ask, question, &message, "stop", words::tokens(text)))
}

fn completion(ask: &Ask<'_>, question: &Question, message: &Value, finish: &str, tokens: usize) -> Value {
    json!({
        "id": format!("chatcmpl-standin-{}", ask.number), "object": "chat.completion", "created": CREATED,
        "model": question.model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": usage(question, tokens),
    })
}

fn message(answer: &Answer) -> Value {
    let mut message = json!({"role": "assistant", "content": answer.text});
    if !answer.reasoning.is_empty() {
        message["reasoning_content"] = json!(answer.reasoning);
    }
    if let Some((tool, arguments)) = &answer.call {
        message["content"] = Value::Null;
        let function = json!({"name": tool.name, "arguments": arguments});
        if tool.legacy {
            message["function_call"] = function;
        } else {
            message["tool_calls"] = json!([{"id": "call_1", "type": "function", "function": function}]);
        }
    }
    message
}

/// A stream as providers write it: a role first, reasoning, text or a call in pieces, the reason, then the usage.
fn events(ask: &Ask<'_>, question: &Question, answer: Answer) -> Vec<String> {
    let chunk = |choices: Value| {
        json!({
            "id": format!("chatcmpl-standin-{}", ask.number), "object": "chat.completion.chunk", "created": CREATED,
            "model": question.model, "choices": choices,
        })
    };
    let tokens = answer.tokens();
    let mut deltas = vec![json!({"role": "assistant", "content": ""})];
    deltas.extend(words::pieces(&answer.reasoning).into_iter().map(|piece| json!({"reasoning_content": piece})));
    deltas.extend(words::pieces(&answer.text).into_iter().map(|piece| json!({"content": piece})));
    if let Some((tool, arguments)) = answer.call {
        deltas.extend(call_deltas(&tool, &arguments));
    }
    let mut events: Vec<String> = deltas
        .into_iter()
        .map(|delta| event(&chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]))))
        .collect();
    events.push(event(&chunk(json!([{"index": 0, "delta": {}, "finish_reason": answer.finish}]))));
    if question.include_usage {
        let mut last = chunk(json!([]));
        last["usage"] = usage(question, tokens);
        events.push(event(&last));
    }
    events.push(DONE.to_owned());
    events
}

/// A call in three pieces: who, and the arguments in two halves without a name.
fn call_deltas(tool: &Tool, arguments: &str) -> Vec<Value> {
    let half = arguments.char_indices().nth(arguments.chars().count() / 2).map_or(0, |(at, _)| at);
    let (first, second) = arguments.split_at(half);
    if tool.legacy {
        return vec![
            json!({"function_call": {"name": tool.name, "arguments": ""}}),
            json!({"function_call": {"arguments": first}}),
            json!({"function_call": {"arguments": second}}),
        ];
    }
    let part = |function: Value| json!({"tool_calls": [{"index": 0, "function": function}]});
    let mut head = part(json!({"name": tool.name, "arguments": ""}));
    head["tool_calls"][0]["id"] = json!("call_1");
    head["tool_calls"][0]["type"] = json!("function");
    vec![head, part(json!({"arguments": first})), part(json!({"arguments": second}))]
}

fn usage(question: &Question, completion: usize) -> Value {
    json!({
        "prompt_tokens": question.prompt_tokens, "completion_tokens": completion,
        "total_tokens": question.prompt_tokens + completion,
    })
}

/// One event of a stream.
pub(super) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}
