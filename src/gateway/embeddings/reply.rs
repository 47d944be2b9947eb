//! Replies of the embedding APIs: one vector per input, in the order of the inputs.

use super::super::{Error, ErrorKind, json};
use super::vector::{self, Vector};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};

/// Base64 of all vectors of one reply, in bytes: a thousand vectors of 3,000 numbers. Unpacked they take up to ten
/// times as much.
const MAX_PACKED: usize = 16 << 20;

/// The vectors of one batch.
#[derive(Debug)]
pub struct Reply {
    /// In the order of the request.
    pub vectors: Vec<Box<RawValue>>,
    /// How many numbers each of them holds.
    pub length: usize,
    /// Tokens in all, if the upstream counted.
    pub tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    data: Option<Vec<Entry<'a>>>,
    #[serde(borrow)]
    output: Option<Output<'a>>,
    usage: Option<json::Aside>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    embeddings: Option<Vec<Entry<'a>>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(alias = "text_index")]
    index: Option<Number>,
    #[serde(borrow)]
    embedding: Option<&'a RawValue>,
}

/// Reads the reply to a request for `expected` vectors: `OpenAI`'s `data` or `DashScope`'s `output.embeddings`,
/// whichever came. Every input has exactly one vector, or the reply is refused. Entries go where their `index` says;
/// where no entry has one, they are in the order of the request.
///
/// # Errors
///
/// [`ErrorKind::Decode`](super::super::ErrorKind::Decode) when `body` is no embedding reply or has another number of
/// vectors than `expected`, when an index is outside the request, there twice, or missing beside others, and when a
/// vector is missing, cannot be used (see [`vector::read`]), or is not as long as the first;
/// [`ErrorKind::TooLarge`] for vectors in base64 that are together over 16 MiB.
pub fn decode(body: &[u8], expected: usize) -> Result<Reply, Error> {
    let wire: Wire<'_> = json::read(body)
        .map_err(|error| json::not_promised(format!("the answer is not an embedding reply: {error}")))?;
    let entries = wire
        .data
        .or_else(|| wire.output.and_then(|output| output.embeddings))
        .ok_or_else(|| json::not_promised("the answer holds no vectors: neither `data` nor `output.embeddings`"))?;
    if entries.len() != expected {
        let message = format!("{expected} texts were sent in one request, but {} vectors came back", entries.len());
        return Err(json::not_promised(message).advise("Set max_chunks to 1 if the model takes one text per request"));
    }
    let packed: usize = entries
        .iter()
        .filter_map(|entry| entry.embedding)
        .map(RawValue::get)
        .filter(|raw| raw.starts_with('"'))
        .map(str::len)
        .sum();
    if packed > MAX_PACKED {
        let message = format!("the vectors of the answer are larger than {} MiB in base64", MAX_PACKED >> 20);
        return Err(Error::new(ErrorKind::TooLarge, message).advise("Set max_chunks lower"));
    }
    let vectors = in_order(&entries)?;
    let length = vectors.first().map_or(0, |vector| vector.length);
    if let Some(other) = vectors.iter().find(|vector| vector.length != length) {
        return Err(different_lengths(length, other.length));
    }
    let vectors = vectors.into_iter().map(|vector| vector.json).collect();
    Ok(Reply { vectors, length, tokens: wire.usage.as_ref().and_then(|usage| tokens(&usage.0)) })
}

/// Vectors of one call that no index can hold together.
pub fn different_lengths(one: usize, other: usize) -> Error {
    json::not_promised(format!("vectors of different lengths came back, of {one} and of {other} numbers"))
        .advise("Check that the route leads to one embedding model only")
}

fn in_order(entries: &[Entry<'_>]) -> Result<Vec<Vector>, Error> {
    let unnumbered = entries.iter().all(|entry| entry.index.is_none());
    let mut places: Vec<Option<Vector>> = entries.iter().map(|_| None).collect();
    for (position, entry) in entries.iter().enumerate() {
        let index = match &entry.index {
            Some(index) => index.clone(),
            None if unnumbered => position.into(),
            None => return Err(json::not_promised(format!("vector {position} of the answer has no index"))),
        };
        let place = json::whole_number(&index).and_then(|index| places.get_mut(usize::try_from(index).ok()?));
        let place = place.ok_or_else(|| {
            json::not_promised(format!(
                "the answer holds a vector with index {index}, but only {} texts were sent",
                entries.len()
            ))
        })?;
        let embedding = entry
            .embedding
            .ok_or_else(|| json::not_promised(format!("the answer holds no vector for index {index}")))?;
        let vector = vector::read(embedding)
            .map_err(|flaw| json::not_promised(format!("the vector with index {index} cannot be used: {flaw}")))?;
        if place.replace(vector).is_some() {
            return Err(json::not_promised(format!("the answer holds two vectors with index {index}")));
        }
    }
    // As many entries as places and no place twice: every place is taken.
    Ok(places.into_iter().flatten().collect())
}

fn tokens(usage: &Value) -> Option<u64> {
    let total = json::count(usage, "total_tokens").or_else(|| json::count(usage, "prompt_tokens"));
    total.or_else(|| {
        // DashScope's older multimodal models count pictures beside texts.
        let pictures = json::count(usage, "image_tokens").unwrap_or(0);
        json::count(usage, "input_tokens").map(|texts| texts.saturating_add(pictures))
    })
}
