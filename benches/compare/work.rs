//! What a plugin is asked to do: request lines, and the text that must come back.

use serde_json::{Value, json};
use std::sync::Arc;

/// Where a side sends its calls, and how it is asked to.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub provider: &'static str,
    pub credentials: Value,
}

/// A number of equal requests, or of batches of texts.
pub(crate) struct Work {
    count: usize,
    kind: Kind,
}

enum Kind {
    /// The request line without its session id, cut where the id belongs, and the text of each answer.
    Chats { before: String, after: String, text: Arc<str> },
    /// The request lines likewise, one for each batch.
    Embeddings(Vec<(String, String)>),
}

/// How a gateway streams.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// So many chunks, as fast as they go.
    Flood(usize),
    /// So many chunks, one every so many milliseconds.
    Paced(usize, u32),
}

impl Load {
    pub(crate) fn chunks(self) -> usize {
        let (Self::Flood(chunks) | Self::Paced(chunks, _)) = self;
        chunks
    }

    pub(crate) fn model(self) -> String {
        match self {
            Self::Flood(chunks) => format!("flood-{chunks}"),
            Self::Paced(chunks, pace) => format!("pace-{pace}ms-{chunks}"),
        }
    }
}

impl Work {
    /// `streams` streamed answers.
    pub(crate) fn chats(account: &Account, streams: usize, load: Load) -> Self {
        let data = json!({"user_id": "u", "type": "model", "action": "invoke_llm", "provider": account.provider,
            "model_type": "llm", "model": load.model(), "credentials": account.credentials, "model_parameters": {},
            "stop": [], "tools": [], "stream": true, "prompt_messages":
            [{"role": "user", "content": "hi", "name": "", "tool_calls": [], "tool_call_id": ""}]});
        let (before, after) = line(&data);
        let text = (0..load.chunks()).fold(String::new(), |text, number| text + &number.to_string() + " ");
        Self { count: streams, kind: Kind::Chats { before, after, text: text.into() } }
    }

    /// `texts` texts to embed, `batch` in a call.
    pub(crate) fn embeddings(account: &Account, texts: usize, batch: usize) -> Self {
        let texts: Vec<String> = (0..texts).map(|n| format!("text number {n} of {texts}")).collect();
        let lines: Vec<_> = texts
            .chunks(batch)
            .map(|texts| {
                line(&json!({"user_id": "u", "type": "model", "action": "invoke_text_embedding",
                    "provider": account.provider, "model_type": "text-embedding", "model": "embedding",
                    "credentials": account.credentials, "texts": texts, "input_type": "document"}))
            })
            .collect();
        Self { count: lines.len(), kind: Kind::Embeddings(lines) }
    }

    pub(crate) const fn requests(&self) -> usize {
        self.count
    }

    /// The text of each answer, where it is text.
    pub(crate) fn text(&self) -> Option<Arc<str>> {
        match &self.kind {
            Kind::Chats { text, .. } => Some(Arc::clone(text)),
            Kind::Embeddings(_) => None,
        }
    }

    /// The line of request `number`, with its newline.
    pub(crate) fn line(&self, number: usize, session: &str) -> String {
        let (before, after) = match &self.kind {
            Kind::Chats { before, after, .. } => (before, after),
            Kind::Embeddings(lines) => {
                let (before, after) = &lines[number];
                (before, after)
            }
        };
        format!("{before}{session}{after}\n")
    }
}

/// A request line, cut where its session id belongs.
fn line(data: &Value) -> (String, String) {
    let line = json!({"session_id": "SESSION", "conversation_id": null, "message_id": null, "app_id": null,
        "endpoint_id": null, "context": null, "event": "request", "data": data})
    .to_string();
    let (before, after) = line.split_once("SESSION").expect("the id is there");
    (before.to_owned(), after.to_owned())
}
