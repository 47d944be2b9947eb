//! The demo on the screen, or as lines of JSON.

use super::steps::{Chapter, Expected, Step};
use crate::cli::answer::Answer;
use crate::cli::host::Host;
use crate::cli::terminal::{Color, Screen, Style};
use crate::standin::{Recorded, Standin};
use serde_json::{Value, json};
use std::io;
use std::time::Duration;

/// Where the right column starts.
const INDENT: usize = 15;
/// Headers beside `x-…` that say who is calling.
const TELLING: [&str; 5] = ["authorization", "date", "content-md5", "digest", "apikey"];
/// The header that a repeated signature is reduced to.
const SIGNATURE: &str = "x-ca-signature";

/// Shows the demo.
#[derive(Debug)]
pub(super) struct Show {
    json: bool,
    screen: Screen,
    /// Whether the pieces of this answer are labelled already.
    answering: bool,
    /// Whether a string to sign was shown in full: once is enough.
    string_shown: bool,
}

impl Show {
    pub(super) fn new(json: bool, color: Color) -> Self {
        let color = if json { Color::Never } else { color };
        Self { json, screen: Screen::new(color), answering: false, string_shown: false }
    }

    pub(super) fn start(&mut self, standin: &Standin, host: &Host, ready: Duration) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let process = host.process_id().unwrap_or_default();
        self.screen.line(Style::Title, "The Higress model provider for Dify, at work")?;
        self.screen.line(Style::Dim, &format!("gateway  the built-in stand-in at http://{}", standin.addr()))?;
        let plugin = format!("plugin   process {process}, first heartbeat after {}", ms(ready));
        self.screen.line(Style::Dim, &plugin)?;
        self.screen.line(Style::Dim, "host     this command, in Dify's place")
    }

    pub(super) fn chapter(&mut self, chapter: &Chapter) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        self.screen.line(Style::Title, &format!("\n━━ {} ━━ {}", chapter.title, chapter.endpoint))
    }

    pub(super) fn asked(&mut self, number: u32, step: &Step) -> io::Result<()> {
        self.answering = false;
        if self.json {
            return Ok(());
        }
        let action = step.data["action"].as_str().unwrap_or_default();
        self.screen.write(Style::Title, &format!("\n{number:>2}  {}", step.title))?;
        self.screen.line(Style::Dim, &format!("  {action} · {}", step.data["model"].as_str().unwrap_or_default()))?;
        self.labelled("asked", Style::Plain, &step.asked)
    }

    /// What the gateway has received so far.
    pub(super) fn received(&mut self, calls: &[Recorded]) -> io::Result<()> {
        let Some(call) = calls.first().filter(|_| !self.json) else { return Ok(()) };
        let more = if calls.len() > 1 { format!("  (and {} more)", calls.len() - 1) } else { String::new() };
        self.labelled("received", Style::Signed, &format!("{} {}{more}", call.method, call.shown_target()))?;
        let reduced = self.string_shown;
        for (name, value) in call.shown_headers() {
            let shown = if reduced {
                name == SIGNATURE || name == "authorization"
            } else {
                name.starts_with("x-") || TELLING.contains(&name.as_str())
            };
            if shown {
                self.screen.line(Style::Signed, &format!("{:INDENT$}{name}: {value}", ""))?;
            }
        }
        if let Some(string) = call.string_to_sign.as_ref().filter(|_| !self.string_shown) {
            self.string_shown = true;
            self.labelled("signed", Style::Signed, &string.replace('\n', "⏎\n"))?;
        }
        if let Some(consumer) = &call.consumer {
            self.labelled("caller", Style::Plain, &format!("{consumer}, says the gateway"))?;
        }
        Ok(())
    }

    /// A piece of text, as it comes.
    pub(super) fn piece(&mut self, text: &str) -> io::Result<()> {
        if self.json || text.is_empty() {
            return Ok(());
        }
        if !self.answering {
            self.answering = true;
            self.label("answer")?;
        }
        self.screen.flow(Style::Plain, INDENT, text)
    }

    pub(super) fn answered(
        &mut self,
        number: u32,
        chapter: &Chapter,
        step: &Step,
        answer: &Answer,
        calls: &[Recorded],
        problem: Option<&str>,
    ) -> io::Result<()> {
        if self.json {
            let line = record(number, chapter, step, answer, calls, problem).to_string();
            return self.screen.line(Style::Plain, &line);
        }
        self.screen.end_flow()?;
        for call in &answer.tool_calls {
            let function = &call["function"];
            let text = format!("{} {}", text(&function["name"]), text(&function["arguments"]));
            self.labelled("calls", Style::Plain, &text)?;
        }
        for picture in &answer.pictures {
            self.labelled("picture", Style::Plain, picture)?;
        }
        for line in summary(step.expected, &answer.result) {
            self.labelled("answer", Style::Plain, &line)?;
        }
        if let Some(error) = &answer.error {
            self.labelled("error", Style::Plain, &error.kind)?;
            self.labelled("", Style::Plain, &error.message)?;
        }
        match problem {
            None if answer.error.is_some() => self.labelled("✓", Style::Good, "refused, as it should be"),
            None => self.labelled("✓", Style::Good, &figures(answer, calls)),
            Some(problem) => self.labelled("✗", Style::Bad, problem),
        }
    }

    pub(super) fn end(&mut self, done: u32, good: u32) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let style = if good == done { Style::Good } else { Style::Bad };
        self.screen.line(style, &format!("\n{good} of {done} answers are what they should be."))
    }

    fn label(&mut self, label: &str) -> io::Result<()> {
        let style = match label {
            "✓" => Style::Good,
            "✗" => Style::Bad,
            _ => Style::Dim,
        };
        self.screen.write(style, &format!("    {label:<width$}", width = INDENT - 4))
    }

    fn labelled(&mut self, label: &str, style: Style, text: &str) -> io::Result<()> {
        self.label(label)?;
        self.screen.flow(style, INDENT, text)?;
        self.screen.end_flow()
    }
}

/// What an answer without text says.
fn summary(expected: Expected, result: &Value) -> Vec<String> {
    match expected {
        Expected::Saved if result["result"] == true => vec!["the model may be saved".to_owned()],
        Expected::Schema => {
            let schema = &result["model_schema"];
            let names = |list: &Value, name: fn(&Value) -> &Value| {
                let names: Vec<&str> =
                    list.as_array().into_iter().flatten().filter_map(|item| name(item).as_str()).collect();
                names.join(", ")
            };
            vec![
                format!("features: {}", names(&schema["features"], |feature| feature)),
                format!("parameters: {}", names(&schema["parameter_rules"], |rule| &rule["name"])),
            ]
        }
        Expected::Vectors(_) => {
            let vectors: Vec<Vec<f64>> = serde_json::from_value(result["embeddings"].clone()).unwrap_or_default();
            vec![likeness(&vectors)]
        }
        Expected::Documents(_) => {
            let documents = result["docs"].as_array().into_iter().flatten();
            documents
                .map(|doc| format!("{:.3}  {}", doc["score"].as_f64().unwrap_or_default(), text(&doc["text"])))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// How many numbers each vector has, and how alike the first is to the others.
fn likeness(vectors: &[Vec<f64>]) -> String {
    let Some((first, others)) = vectors.split_first() else { return String::new() };
    let mut parts = vec![format!("{} vectors of {} numbers", vectors.len(), first.len())];
    for (index, other) in others.iter().enumerate() {
        let product: f64 = first.iter().zip(other).map(|(one, another)| one * another).sum();
        parts.push(format!("text 1 and {} are {product:.2} alike", index + 2));
    }
    parts.join("; ")
}

fn figures(answer: &Answer, calls: &[Recorded]) -> String {
    let mut figures = Vec::new();
    if let Some(status) = calls.last().and_then(|call| call.status) {
        figures.push(format!("gateway {status}"));
    }
    if let Some(first) = answer.first {
        figures.push(format!("first chunk {}", ms(first)));
    }
    if answer.chunks > 1 {
        figures.push(format!("{} chunks in {}", answer.chunks, ms(answer.total)));
    }
    if let Some(tokens) = answer.tokens() {
        figures.push(format!("{tokens} tokens"));
    }
    if let Some(reason) = answer.result["delta"]["finish_reason"].as_str() {
        figures.push(reason.to_owned());
    }
    figures.join(" · ")
}

/// One invocation as JSON.
fn record(
    number: u32,
    chapter: &Chapter,
    step: &Step,
    answer: &Answer,
    calls: &[Recorded],
    problem: Option<&str>,
) -> Value {
    let gateway: Vec<Value> = calls
        .iter()
        .map(|call| {
            json!({
                "method": call.method, "target": call.shown_target(), "headers": call.shown_headers(),
                "string_to_sign": call.string_to_sign, "consumer": call.consumer, "status": call.status,
            })
        })
        .collect();
    json!({
        "step": number, "auth": chapter.title, "title": step.title, "ok": problem.is_none(), "problem": problem,
        "request": without_secrets(&step.data),
        "gateway": gateway,
        "chunks": answer.chunks,
        "time_to_first_chunk_ms": answer.first.map(|first| first.as_secs_f64() * 1e3),
        "duration_ms": answer.total.as_secs_f64() * 1e3,
        "text": answer.text, "tool_calls": answer.tool_calls, "pictures": answer.pictures,
        "usage": answer.usage, "result": without_secrets(&answer.result),
        "error": answer.error.as_ref().map(|error| json!({"error_type": error.kind, "message": error.message})),
    })
}

/// A request, or the answer to saving a model, with the form's secrets replaced.
fn without_secrets(data: &Value) -> Value {
    let mut data = data.clone();
    for name in ["api_key", "hmac_secret"] {
        if let Some(secret) = data.get_mut("credentials").and_then(|credentials| credentials.get_mut(name)) {
            *secret = json!("••••••••");
        }
    }
    data
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
