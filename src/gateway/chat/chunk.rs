//! What comes back: a piece of a stream, or a whole answer, which has the same shape.

use super::super::json::{self, Unreadable};
use super::json::{FromAny, Int, List, Maybe, Text, from_any, from_object};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One event of a stream, or one whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ChatChunk<'a> {
    /// Who answered; gateways put names of their own here, so it is never compared with the model asked for.
    #[serde(borrow)]
    pub model: Text<'a>,
    /// The pieces.
    #[serde(borrow)]
    pub choices: List<Choice<'a>>,
    /// What it cost, so far or in all.
    pub usage: Maybe<Usage>,
    /// The detail that Higress' ai-security-guard puts beside an answer it made.
    #[serde(borrow)]
    pub x_higress_guardrail: Option<&'a RawValue>,
    #[serde(borrow, rename = "denyMessage")]
    deny_message: Option<&'a RawValue>,
    #[serde(borrow, rename = "blockedDetails")]
    blocked_details: Option<&'a RawValue>,
    error: Filled,
}

/// A piece of the answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Choice<'a> {
    /// In a stream.
    #[serde(borrow)]
    pub delta: Maybe<Delta<'a>>,
    /// In a whole answer. Boxed, as what is rare in a stream is: the pieces of a stream are moved about a lot.
    #[serde(borrow)]
    pub message: Maybe<Box<Delta<'a>>>,
    /// In a text completion.
    #[serde(borrow)]
    pub text: Text<'a>,
    /// Why the answer ended; empty until it does.
    #[serde(borrow)]
    pub finish_reason: Text<'a>,
    /// What it cost, where Moonshot's models say it.
    pub usage: Maybe<Box<Usage>>,
}

/// What a piece adds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Delta<'a> {
    /// Text, or parts.
    #[serde(borrow)]
    pub content: Content<'a>,
    /// Why the model will not answer.
    #[serde(borrow)]
    pub refusal: Text<'a>,
    /// Pictures that some upstreams put beside the text.
    #[serde(borrow)]
    pub images: List<Part<'a>>,
    /// Calls of tools, in pieces.
    #[serde(borrow)]
    pub tool_calls: List<ToolCallDelta<'a>>,
    /// The older shape of a call, in pieces.
    #[serde(borrow)]
    pub function_call: Maybe<Box<FunctionDelta<'a>>>,
    #[serde(borrow)]
    reasoning_content: Text<'a>,
    #[serde(borrow)]
    reasoning: Text<'a>,
    #[serde(borrow)]
    reasoning_details: List<ReasoningDetail<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReasoningDetail<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    summary: Text<'a>,
}

/// Text, or parts.
#[derive(Debug)]
pub enum Content<'a> {
    /// Plain text; empty when there is none.
    Text(Cow<'a, str>),
    /// Parts in order.
    Parts(Vec<Part<'a>>),
}

/// A part of a content list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Part<'a> {
    /// Text.
    #[serde(borrow)]
    pub text: Text<'a>,
    /// Thinking, as Mistral's models give it.
    #[serde(borrow)]
    pub thinking: Content<'a>,
    #[serde(borrow)]
    image_url: ImageUrl<'a>,
    #[serde(borrow)]
    image: Text<'a>,
}

#[derive(Debug, Default)]
struct ImageUrl<'a>(Text<'a>);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct UrlObject<'a> {
    #[serde(borrow)]
    url: Text<'a>,
}

/// An element of a content list.
#[derive(Debug, Default)]
enum AnyPart<'a> {
    /// A part without its object.
    Text(Cow<'a, str>),
    Part(Box<Part<'a>>),
    /// Something that says nothing.
    #[default]
    Nothing,
}

/// A piece of a call of a tool.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ToolCallDelta<'a> {
    /// Which call of the answer.
    pub index: Int,
    /// Its id; often only in the first piece.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// What is called.
    #[serde(borrow)]
    pub function: Maybe<FunctionDelta<'a>>,
}

/// A piece of a function's name and arguments.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FunctionDelta<'a> {
    /// Its name; often only in the first piece.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// JSON text, in pieces; some upstreams send the object itself.
    #[serde(borrow)]
    pub arguments: Arguments<'a>,
}

/// A piece of a call's arguments.
#[derive(Debug, Default)]
pub struct Arguments<'a>(pub Cow<'a, str>);

/// Token counts, in the names of either API family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Usage {
    #[serde(rename = "prompt_tokens")]
    prompt: Int,
    #[serde(rename = "completion_tokens")]
    completion: Int,
    #[serde(rename = "total_tokens")]
    total: Int,
    #[serde(rename = "input_tokens")]
    input: Int,
    #[serde(rename = "output_tokens")]
    output: Int,
}

/// Whether something stands in a field: not null, not empty.
#[derive(Debug, Default)]
struct Filled(bool);

impl<'a> ChatChunk<'a> {
    /// Reads one event's data or one whole body. JSON that is not an object is none.
    /// Halves of characters must be repaired before: see [`super::surrogates::repair`].
    ///
    /// # Errors
    ///
    /// [`Unreadable::Json`] when `json` is not JSON that can be read, or has a known field of an object twice (see
    /// [`Unreadable::is_repeated_key`]). [`Unreadable::TooManyParts`] when it holds more objects and lists than
    /// [`json::MAX_NESTED`].
    pub fn decode(json: &'a str) -> Result<Option<Self>, Unreadable> {
        json::read_text::<Maybe<Self>>(json).map(|chunk| chunk.0)
    }

    /// Whether Higress' ai-security-guard made this answer.
    pub fn is_guarded(&self) -> bool {
        self.model.as_str() == super::GUARD_MODEL
            || self.x_higress_guardrail.is_some_and(|detail| detail.get().starts_with('{'))
    }

    /// Whether this is what the guard says of a blocked conversation and nothing else, as on routes whose bodies the
    /// gateway leaves as they are.
    pub fn is_denial(&self) -> bool {
        self.choices.0.is_empty() && (self.deny_message.is_some() || self.blocked_details.is_some())
    }

    /// Whether this may report an error, or be something else than a piece of an answer: it has a field `error`, or
    /// no choices and no usage. What it is then, is read from the whole of it.
    pub fn is_suspicious(&self) -> bool {
        self.error.0 || (self.choices.0.is_empty() && self.usage.0.is_none())
    }
}

impl<'a> Delta<'a> {
    /// The thinking in this piece, taken out. Upstreams that fill several fields repeat themselves, so the first counts.
    pub fn take_reasoning(&mut self) -> Cow<'a, str> {
        for field in [&mut self.reasoning_content, &mut self.reasoning] {
            if !field.is_empty() {
                return std::mem::take(field).0;
            }
        }
        let mut details = std::mem::take(&mut self.reasoning_details).0.into_iter();
        let text = |detail: ReasoningDetail<'a>| if detail.text.is_empty() { detail.summary.0 } else { detail.text.0 };
        let first = details.next().map(text).unwrap_or_default();
        details.map(text).fold(first, |joined, more| joined + more)
    }
}

impl<'a> Part<'a> {
    /// The picture of this part: a URL or a data URI.
    pub fn take_image(&mut self) -> Option<Cow<'a, str>> {
        std::mem::take(&mut self.image_url.0).non_empty().or_else(|| std::mem::take(&mut self.image).non_empty())
    }
}

impl Usage {
    /// Tokens read.
    pub fn prompt(self) -> Option<u64> {
        self.prompt.count().or(self.input.count())
    }

    /// Tokens written.
    pub fn completion(self) -> Option<u64> {
        self.completion.count().or(self.output.count())
    }

    /// Tokens in all.
    pub fn total(self) -> Option<u64> {
        self.total.count()
    }
}

impl Default for Content<'_> {
    fn default() -> Self {
        Self::Text(Cow::Borrowed(""))
    }
}

impl<'de> FromAny<'de> for Content<'de> {
    fn from_text(text: Cow<'de, str>) -> Self {
        Self::Text(text)
    }
    fn from_seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        let mut parts: Vec<Part<'de>> = Vec::new();
        // A list of millions of texts must not become millions of parts.
        let mut text_goes_on = false;
        while let Some(element) = seq.next_element()? {
            let is_text = matches!(element, AnyPart::Text(_));
            match element {
                AnyPart::Text(text) => match parts.last_mut() {
                    Some(last) if text_goes_on => last.text.0 += text,
                    _ => parts.push(Part { text: Text(text), ..Part::default() }),
                },
                AnyPart::Part(part) => parts.push(*part),
                AnyPart::Nothing => continue,
            }
            text_goes_on = is_text;
        }
        Ok(Self::Parts(parts))
    }
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Ok(Self::Parts(vec![from_object(map)?]))
    }
}

impl<'de> FromAny<'de> for AnyPart<'de> {
    fn from_text(text: Cow<'de, str>) -> Self {
        Self::Text(text)
    }
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        from_object(map).map(Self::Part)
    }
}

impl<'de> FromAny<'de> for ImageUrl<'de> {
    fn from_text(url: Cow<'de, str>) -> Self {
        Self(Text(url))
    }
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        from_object(map).map(|object: UrlObject<'de>| Self(object.url))
    }
}

impl<'de> FromAny<'de> for Filled {
    fn from_text(text: Cow<'de, str>) -> Self {
        Self(!text.is_empty())
    }
    fn from_seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        let mut filled = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            filled = true;
        }
        Ok(Self(filled))
    }
    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut filled = false;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            filled = true;
        }
        Ok(Self(filled))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_any(deserializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for AnyPart<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_any(deserializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ImageUrl<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_any(deserializer)
    }
}

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_any(deserializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Arguments<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        let text = if raw.starts_with('"') {
            serde_json::from_str::<Text<'de>>(raw).map_err(serde::de::Error::custom)?.0
        } else if raw == "null" {
            Cow::Borrowed("")
        } else {
            Cow::Borrowed(raw)
        };
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests;
