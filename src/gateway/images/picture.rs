//! One picture.

use serde::{Serialize, Serializer};

/// A picture for a request: an address, a `data:` URL, or plain standard base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture<'a>(pub &'a str);

impl<'a> Picture<'a> {
    /// Whether only its address is known.
    pub fn is_remote(&self) -> bool {
        self.0.starts_with("http://") || self.0.starts_with("https://") || self.0.starts_with("oss://")
    }

    /// Its content in base64, unless only its address is known.
    pub fn base64(&self) -> Option<&'a str> {
        if self.is_remote() {
            None
        } else if self.0.starts_with("data:") {
            self.0.split_once(";base64,").map(|(_, content)| content)
        } else {
            Some(self.0)
        }
    }
}

/// As a URL: base64 becomes a `data:` URL whose media type is read off the first bytes. Put together only as it is
/// written: a picture may be large.
impl Serialize for Picture<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_remote() || self.0.starts_with("data:") {
            serializer.serialize_str(self.0)
        } else {
            serializer.collect_str(&format_args!("data:{};base64,{}", media_type(self.0), self.0))
        }
    }
}

/// The media type of a picture by the base64 of its first bytes; PNG where they say nothing.
pub(super) fn media_type(base64: &str) -> &'static str {
    match base64 {
        _ if base64.starts_with("/9j/") => "image/jpeg",
        _ if base64.starts_with("R0lGOD") => "image/gif",
        _ if base64.starts_with("UklGR") => "image/webp",
        _ if base64.starts_with("Qk") => "image/bmp",
        _ if base64.starts_with("SUkq") || base64.starts_with("TU0A") => "image/tiff",
        _ => "image/png",
    }
}

/// A part of a chat message as `OpenAI` writes it; vLLM takes it in embeddings and rerank as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OpenAiPart<'a> {
    /// Plain text.
    Text {
        /// The text.
        text: &'a str,
    },
    /// A picture.
    ImageUrl {
        /// Where it is.
        image_url: ImageUrl<'a>,
    },
}

/// The object around a picture's URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageUrl<'a> {
    url: Picture<'a>,
}

impl<'a> OpenAiPart<'a> {
    /// A part that is plain text.
    pub const fn text(text: &'a str) -> Self {
        Self::Text { text }
    }

    /// A part that is a picture.
    pub const fn picture(picture: Picture<'a>) -> Self {
        Self::ImageUrl { image_url: ImageUrl { url: picture } }
    }
}

/// A picture a model has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Generated {
    /// Where it can be fetched, usually for a day.
    Url(String),
    /// Its content in standard base64.
    Base64 {
        /// The content.
        data: String,
        /// For example `image/png`.
        media_type: &'static str,
    },
}

impl Generated {
    /// From what an API calls a URL: a `data:` URL is content, an address is one of HTTP; nothing else is a picture.
    pub(in crate::gateway) fn from_url(url: &str) -> Option<Self> {
        if url.starts_with("data:") {
            return Self::from_base64(url);
        }
        let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase())?;
        matches!(scheme.as_str(), "http" | "https").then(|| Self::Url(url.to_owned()))
    }

    /// From content in base64, which some write as a `data:` URL.
    pub(in crate::gateway) fn from_base64(text: &str) -> Option<Self> {
        let data = match text.strip_prefix("data:") {
            Some(rest) => rest.strip_prefix("image/")?.split_once(";base64,")?.1,
            None => text,
        };
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\r' | b'\n');
        let whole = !data.is_empty() && data.bytes().all(is_base64);
        whole.then(|| Self::Base64 { data: data.to_owned(), media_type: media_type(data) })
    }
}
