//! Rerank: `DashScope`'s nested and flat form, and the `/v1/rerank` of Cohere, Jina and vLLM. All pure.

use super::images::{OpenAiPart, Picture};
use super::{Error, json};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[cfg(test)]
mod tests;

/// How a request is written. A reply is read by its own shape: gateways convert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `{model, input: {query, documents}, parameters}` on `DashScope`'s own path.
    DashScopeNested,
    /// `{model, query, documents, top_n}` on `/v1/reranks`.
    DashScopeFlat,
    /// `{model, query, documents, top_n}` on `/v1/rerank`; pictures as Jina takes them.
    Jina,
    /// The same on `/v1/rerank`; pictures as vLLM takes them.
    Vllm,
}

impl Form {
    /// Where requests of this form go.
    pub const fn path(self) -> &'static str {
        match self {
            Self::DashScopeNested => "/api/v1/services/rerank/text-rerank/text-rerank",
            Self::DashScopeFlat => "/v1/reranks",
            Self::Jina | Self::Vllm => "/v1/rerank",
        }
    }
}

/// A query or a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// Plain text.
    Text(&'a str),
    /// A picture.
    Picture(Picture<'a>),
}

/// What to order by what.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The upstream's name of the model.
    pub model: &'a str,
    /// What to look for.
    pub query: Item<'a>,
    /// Where to look.
    pub documents: &'a [Item<'a>],
    /// How many are wanted.
    pub top_n: Option<usize>,
    /// Whether documents are written as objects that say what they hold. Plain texts are written as texts otherwise.
    pub typed_documents: bool,
}

/// The body of a request.
///
/// # Errors
///
/// [`ErrorKind::Config`](super::ErrorKind::Config) when the request cannot be written as JSON.
pub fn encode(form: Form, request: &Request<'_>) -> Result<Bytes, Error> {
    match form {
        Form::DashScopeNested => json::body(&Nested {
            model: request.model,
            input: NestedInput { query: Written::named(request.query, false), documents: Written::documents(request) },
            parameters: NestedParameters { return_documents: true, top_n: request.top_n },
        }),
        Form::DashScopeFlat | Form::Jina => json::body(&Flat {
            model: request.model,
            query: Written::named(request.query, false),
            documents: Written::documents(request),
            top_n: request.top_n,
        }),
        Form::Vllm => json::body(&Flat {
            model: request.model,
            query: match request.query {
                Item::Text(text) => Written::Text(text),
                picture @ Item::Picture(_) => Written::Content { content: vec![part(picture)] },
            },
            documents: if request.typed_documents {
                Written::Content { content: request.documents.iter().copied().map(part).collect() }
            } else {
                Written::documents(request)
            },
            top_n: request.top_n,
        }),
    }
}

#[derive(Serialize)]
struct Nested<'a> {
    model: &'a str,
    input: NestedInput<'a>,
    parameters: NestedParameters,
}

#[derive(Serialize)]
struct NestedInput<'a> {
    query: Written<'a>,
    documents: Written<'a>,
}

#[derive(Serialize)]
struct NestedParameters {
    return_documents: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_n: Option<usize>,
}

#[derive(Serialize)]
struct Flat<'a> {
    model: &'a str,
    query: Written<'a>,
    documents: Written<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_n: Option<usize>,
}

/// How items are written. They are borrowed: they may be large.
#[derive(Serialize)]
#[serde(untagged)]
enum Written<'a> {
    Text(&'a str),
    NamedText { text: &'a str },
    NamedPicture { image: Picture<'a> },
    Content { content: Vec<OpenAiPart<'a>> },
    List(Vec<Self>),
}

impl<'a> Written<'a> {
    fn documents(request: &Request<'a>) -> Self {
        Self::List(request.documents.iter().map(|document| Self::named(*document, request.typed_documents)).collect())
    }

    const fn named(item: Item<'a>, typed: bool) -> Self {
        match item {
            Item::Text(text) if typed => Self::NamedText { text },
            Item::Text(text) => Self::Text(text),
            Item::Picture(image) => Self::NamedPicture { image },
        }
    }
}

const fn part(item: Item<'_>) -> OpenAiPart<'_> {
    match item {
        Item::Text(text) => OpenAiPart::text(text),
        Item::Picture(picture) => OpenAiPart::picture(picture),
    }
}

/// The score of one document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The document's position in the request.
    pub index: usize,
    /// As the upstream gave it.
    pub score: f64,
}

/// The scores of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// In the order of the answer, every index once and inside the request.
    pub scores: Vec<Scored>,
    /// How many entries were left out because their index was outside the request.
    pub out_of_range: usize,
    /// How many entries were left out because their index had come before.
    pub repeated: usize,
    /// Tokens in all, if the upstream counted.
    pub total_tokens: Option<u64>,
}

/// Reads the reply to a request with `documents` documents: `results`, `output.results`, `data` or a bare list,
/// whichever came, with `relevance_score` or `score`.
///
/// # Errors
///
/// [`ErrorKind::Decode`](super::ErrorKind::Decode) when `body` is no rerank reply or holds none of those lists, or when
/// an entry has no index or no finite score. An index outside the request or there twice is
/// no error beside good ones: it is counted.
pub fn decode(body: &[u8], documents: usize) -> Result<Reply, Error> {
    let not_rerank = |error| json::not_promised(format!("the answer is not a rerank reply: {error}"));
    let (entries, usage) = if body.trim_ascii_start().starts_with(b"[") {
        (json::read(body).map_err(not_rerank)?, None)
    } else {
        let wire: Wire<'_> = json::read(body).map_err(not_rerank)?;
        let entries = wire
            .results
            .or_else(|| wire.output.and_then(|output| output.results))
            .or(wire.data)
            .ok_or_else(|| json::not_promised("the answer holds no `results`"))?;
        (entries, wire.usage.or(wire.meta))
    };
    let mut reply = Reply {
        scores: Vec::new(),
        out_of_range: 0,
        repeated: 0,
        total_tokens: usage.as_ref().and_then(|usage| tokens(&usage.0)),
    };
    let mut seen = vec![false; documents];
    for entry in &entries {
        let (index, score) = entry.read()?;
        match index.and_then(|index| seen.get_mut(index).map(|seen| (index, seen))) {
            None => reply.out_of_range += 1,
            Some((_, true)) => reply.repeated += 1,
            Some((index, seen)) => {
                *seen = true;
                reply.scores.push(Scored { index, score });
            }
        }
    }
    if reply.scores.is_empty() && reply.out_of_range > 0 {
        let message = format!("the answer orders other documents than the {documents} that were sent");
        return Err(json::not_promised(message));
    }
    Ok(reply)
}

#[derive(serde::Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    results: Option<Vec<Entry<'a>>>,
    #[serde(borrow)]
    output: Option<Output<'a>>,
    #[serde(borrow)]
    data: Option<Vec<Entry<'a>>>,
    usage: Option<json::Aside>,
    /// Cohere counts here.
    meta: Option<json::Aside>,
}

#[derive(serde::Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    results: Option<Vec<Entry<'a>>>,
}

#[derive(serde::Deserialize)]
struct Entry<'a> {
    index: Option<serde_json::Number>,
    #[serde(borrow)]
    relevance_score: Option<&'a RawValue>,
    #[serde(borrow)]
    score: Option<&'a RawValue>,
}

impl Entry<'_> {
    /// The index, if it can be one at all, and the score, read by the standard library because it rounds exactly.
    fn read(&self) -> Result<(Option<usize>, f64), Error> {
        let index = self.index.as_ref().ok_or_else(|| json::not_promised("a result of the answer has no index"))?;
        let score = self
            .relevance_score
            .or(self.score)
            .and_then(|raw| raw.get().parse::<f64>().ok())
            .filter(|score| score.is_finite())
            .ok_or_else(|| json::not_promised(format!("the result for document {index} has no score")))?;
        Ok((json::whole_number(index).and_then(|index| usize::try_from(index).ok()), score))
    }
}

/// Tokens in all, of `usage` or of Cohere's `meta`.
fn tokens(usage: &Value) -> Option<u64> {
    json::count(usage, "total_tokens").or_else(|| {
        // Cohere: `meta.tokens.input_tokens`, where it says so at all.
        json::count(usage.get("tokens")?, "input_tokens")
    })
}
