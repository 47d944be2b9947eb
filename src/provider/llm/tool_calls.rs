//! Tool calls put together from their pieces.

use crate::gateway::chat::chunk::{FunctionDelta, ToolCallDelta};
use crate::gateway::chat::surrogates::{repair, settle};
use crate::gateway::{Error, ErrorKind};
use crate::runtime::entities::ToolCall;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashSet};
use uuid::Uuid;

/// Most calls of one answer.
const MAX_CALLS: usize = 1024;

/// Most bytes of all calls together.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// How much of unusable arguments an error shows, in characters.
const MAX_EXCERPT: usize = 200;

/// The calls of one answer so far.
#[derive(Debug, Default)]
pub(super) struct ToolCalls {
    calls: Vec<Call>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Call {
    index: Option<i64>,
    id: String,
    name: String,
    arguments: String,
}

impl Call {
    /// Whether nothing can follow: a piece of an object is never an object.
    fn is_complete(&self) -> bool {
        self.arguments.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(&self.arguments).is_ok()
    }

    /// Whether a piece with a name is of another call than this complete one: by its id, or without one by its name
    /// and an object of its own.
    fn differs(&self, id: &str, delta: &FunctionDelta<'_>) -> bool {
        if !id.is_empty() && !self.id.is_empty() {
            return self.id != id;
        }
        let arguments = delta.arguments.0.trim();
        let repeated = self.name == delta.name.as_str() && (self.arguments == arguments || self.arguments == "{}");
        arguments.starts_with('{') && !repeated
    }
}

impl ToolCalls {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Adds the pieces of one event.
    ///
    /// # Errors
    ///
    /// When the calls grow over a bound.
    pub(super) fn merge(&mut self, deltas: Vec<ToolCallDelta<'_>>) -> Result<(), Error> {
        let several = deltas.len() > 1;
        for (position, delta) in deltas.into_iter().enumerate() {
            let function = delta.function.0.unwrap_or_default();
            let position = several.then_some(position);
            let at = self.find(delta.index.0, delta.id.as_str(), position, &function);
            self.add(at, delta.index.0, delta.id.as_str(), &function)?;
        }
        Ok(())
    }

    /// Adds a piece in the older shape, which has at most one call.
    pub(super) fn merge_function(&mut self, delta: &FunctionDelta<'_>) -> Result<(), Error> {
        let at = self.find(None, "", None, delta);
        self.add(at, None, "", delta)
    }

    /// The call that a piece belongs to: by index, then by id, then by position; none when it begins a new one.
    fn find(&self, index: Option<i64>, id: &str, position: Option<usize>, delta: &FunctionDelta<'_>) -> Option<usize> {
        let last = |wanted: &dyn Fn(&Call) -> bool| self.calls.iter().rposition(wanted);
        if index.is_some() {
            let at = last(&|call| call.index == index)?;
            let call = self.calls.get(at)?;
            // Some upstreams give every call the index 0: behind a complete call, a name with another id, or with
            // another call, begins a new one.
            let begins = !delta.name.is_empty() && call.is_complete() && call.differs(id, delta);
            return (!begins).then_some(at);
        }
        if !id.is_empty() {
            if let Some(at) = last(&|call| call.id == id) {
                return Some(at);
            }
            // The id may come behind the first piece of its call, which has the name.
            let at = self.calls.len().checked_sub(1)?;
            let nameless = delta.name.is_empty() && self.calls.get(at)?.id.is_empty();
            return nameless.then_some(at);
        }
        let at = position.or_else(|| self.calls.len().checked_sub(1))?;
        let call = self.calls.get(at)?;
        let renamed = !call.name.is_empty() && call.name != delta.name.as_str();
        let begins = !delta.name.is_empty() && (renamed || call.is_complete());
        // A list of pieces that all begin new calls goes behind the calls there are.
        (!begins).then_some(at)
    }

    fn add(&mut self, at: Option<usize>, index: Option<i64>, id: &str, delta: &FunctionDelta<'_>) -> Result<(), Error> {
        let (name, arguments) = (delta.name.as_str(), &*delta.arguments.0);
        self.bytes += id.len() + name.len() + arguments.len();
        if self.bytes > MAX_BYTES || self.calls.len() > MAX_CALLS {
            return Err(Error::new(ErrorKind::TooLarge, "The model's tool calls are larger than 8 MiB"));
        }
        let at = at.unwrap_or_else(|| {
            self.calls.push(Call { index, ..Call::default() });
            self.calls.len() - 1
        });
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        add_name(&mut call.name, name, call.arguments.is_empty());
        // An object that is complete already is repeated by some upstreams, and by others begun anew behind `{}`.
        if call.arguments.trim() == "{}" && !arguments.trim().is_empty() {
            call.arguments.clear();
        }
        if call.arguments != arguments || !call.is_complete() {
            call.arguments.push_str(arguments);
        }
        Ok(())
    }

    /// The calls, each whole, in the order of their indices. A missing or repeated id is replaced by one of our own;
    /// empty arguments become `{}`, because agents read them as JSON.
    ///
    /// # Errors
    ///
    /// A call that names no tool; a call whose arguments are no JSON, most often because the answer was cut: to call the
    /// tool with a part of them would be worse than to fail. `cut` says that the answer ended at its token limit.
    pub(super) fn finish(self, cut: bool) -> Result<Vec<ToolCall>, Error> {
        let mut ids = HashSet::new();
        let mut ordered: BTreeMap<(bool, i64), Vec<Call>> = BTreeMap::new();
        for call in self.calls {
            ordered.entry((call.index.is_none(), call.index.unwrap_or_default())).or_default().push(call);
        }
        let calls = ordered.into_values().flatten().filter(|call| !call.name.is_empty() || !call.arguments.is_empty());
        calls
            .map(|call| {
                if call.name.is_empty() {
                    return Err(Error::new(ErrorKind::Decode, "the model called a tool and did not say which")
                        .advise("Try again, or use a model that is better at calling tools"));
                }
                let arguments = arguments(&call, cut)?;
                let id = if !call.id.is_empty() && ids.insert(call.id.clone()) {
                    call.id
                } else {
                    format!("call_{}", Uuid::new_v4().simple())
                };
                Ok(ToolCall { id, name: settle(&call.name).into_owned(), arguments })
            })
            .collect()
    }

    /// Everything the model wrote in calls, for an estimate of its length.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.calls.iter().flat_map(|call| [call.name.as_str(), call.arguments.as_str()])
    }
}

/// A name comes once, or repeated in every piece, or grows, or comes in pieces before any arguments.
fn add_name(name: &mut String, piece: &str, growing: bool) {
    if name.is_empty() || (growing && piece.starts_with(name.as_str())) {
        if !piece.is_empty() {
            piece.clone_into(name);
        }
    } else if growing && name != piece {
        name.push_str(piece);
    }
}

/// The object that `text` is in quotes.
fn quoted_object(text: &str) -> Option<String> {
    let inner: String = serde_json::from_str(text).ok()?;
    (inner.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(&inner).is_ok()).then_some(inner)
}

/// The arguments as JSON text. Some models write the object as a text in quotes, which agents cannot read.
fn arguments(call: &Call, cut: bool) -> Result<String, Error> {
    let settled = settle(&call.arguments);
    // Escapes of the arguments themselves, which stand escaped in the event: half of a character is no JSON.
    let repaired = repair(settled.trim());
    let repaired = settle(&repaired);
    let text = repaired.as_ref();
    // Checked without being read: what a model writes may take a hundred times its length in memory.
    match serde_json::from_str::<IgnoredAny>(text) {
        _ if matches!(text, "" | "null") => Ok("{}".to_owned()),
        Ok(_) => Ok(quoted_object(text).unwrap_or_else(|| text.to_owned())),
        Err(_) if cut => {
            let message = format!("the call of the tool {} was cut off by the token limit", call.name);
            Err(Error::new(ErrorKind::BadRequest, message).advise("Raise max_tokens, or ask for less at once"))
        }
        Err(_) => {
            let excerpt: String = text.chars().take(MAX_EXCERPT).collect();
            let message = format!("the model's arguments for the tool {} are not valid JSON: {excerpt}", call.name);
            Err(Error::new(ErrorKind::Decode, message)
                .advise("Try again, or use a model that is better at calling tools"))
        }
    }
}

#[cfg(test)]
mod tests;
