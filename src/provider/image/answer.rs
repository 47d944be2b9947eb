//! Pictures as Dify takes them.

use super::parameters::OutputFormat;
use crate::gateway::images::Generated;
use crate::provider::errors::TAG;
use crate::runtime::entities::{ContentPart, ImageDetail, LlmUsage, Media, MediaKind};
use crate::runtime::protocol::outbound::LARGEST_VALUE;
use crate::runtime::{InvokeError, LlmOutput};

/// Known picture types by the extension of an address: what it is called, and its media type.
const TYPES: [(&str, &str, &str); 6] = [
    ("png", "png", "image/png"),
    ("jpg", "jpg", "image/jpeg"),
    ("jpeg", "jpeg", "image/jpeg"),
    ("webp", "webp", "image/webp"),
    ("gif", "gif", "image/gif"),
    ("bmp", "bmp", "image/bmp"),
];

/// What a model made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// At least one.
    pub(super) pictures: Vec<Generated>,
    /// Tokens read; image APIs that bill by picture count none.
    pub(super) input_tokens: u64,
    /// Tokens written.
    pub(super) output_tokens: u64,
}

impl Answer {
    /// Pictures that are not counted in tokens.
    pub(super) const fn of(pictures: Vec<Generated>) -> Self {
        Self { pictures, input_tokens: 0, output_tokens: 0 }
    }

    /// The answer's parts: first the URLs as one text, one per line, then the pictures. A picture that came by content
    /// has no URL and is given as a picture in every format.
    pub(super) fn parts(&self, output: OutputFormat) -> Vec<ContentPart> {
        let urls: Vec<&str> = self
            .pictures
            .iter()
            .filter_map(|picture| match picture {
                Generated::Url(url) if output != OutputFormat::Image => Some(url.as_str()),
                Generated::Url(_) | Generated::Base64 { .. } => None,
            })
            .collect();
        let text = (!urls.is_empty()).then(|| ContentPart::Text(urls.join("\n")));
        let files = self
            .pictures
            .iter()
            .enumerate()
            .filter(|(_, picture)| output != OutputFormat::UrlText || matches!(picture, Generated::Base64 { .. }))
            .map(|(position, picture)| ContentPart::Media(file(picture, position + 1)));
        text.into_iter().chain(files).collect()
    }

    /// Sends the answer, every picture as a piece of its own: by content they are large, and a message has a limit.
    pub(super) async fn deliver(
        &self,
        output: OutputFormat,
        usage: LlmUsage,
        mut out: LlmOutput,
    ) -> Result<(), InvokeError> {
        for part in self.parts(output) {
            match part {
                ContentPart::Text(text) => out.text(&text).await?,
                file @ ContentPart::Media(_) => {
                    refuse_if_too_large(std::slice::from_ref(&file), "the picture is made")?;
                    out.parts(vec![file]).await?;
                }
            }
        }
        out.finish(usage, Some("stop".to_owned()), None).await
    }
}

/// Refuses what does not fit into one message: of a call a picture, of a polled task all of them. `made` says what is
/// lost by it.
pub(super) fn refuse_if_too_large(content: &[ContentPart], made: &str) -> Result<(), InvokeError> {
    let size: usize = content
        .iter()
        .map(|part| match part {
            ContentPart::Text(text) => text.len(),
            ContentPart::Media(file) => file.base64_data.len() + file.url.len(),
        })
        .sum();
    if size > LARGEST_VALUE {
        return Err(InvokeError::bad_request(format!(
            "{TAG}{made}, but larger than the 5 MiB that Dify takes in one message. Ask for fewer (n) or smaller (size) \
             pictures."
        )));
    }
    Ok(())
}

fn file(picture: &Generated, number: usize) -> Media {
    let (url, base64_data, filename, media_type) = match picture {
        Generated::Url(url) => (url.clone(), String::new(), filename(url), None),
        Generated::Base64 { data, media_type } => (String::new(), data.clone(), None, Some(*media_type)),
    };
    let extension = filename.as_deref().and_then(|name| name.rsplit_once('.')).map(|(_, end)| end.to_ascii_lowercase());
    let known = TYPES.iter().find(|(end, _, mime)| match media_type {
        Some(media_type) => *mime == media_type,
        None => extension.as_deref() == Some(*end),
    });
    // Nobody says otherwise, and PNG is what these APIs make.
    let (_, format, mime_type) = known.copied().unwrap_or(("png", "png", "image/png"));
    Media {
        kind: MediaKind::Image,
        format: format.to_owned(),
        mime_type: mime_type.to_owned(),
        url,
        base64_data,
        filename: filename.unwrap_or_else(|| format!("image-{number}.{format}")),
        detail: ImageDetail::Low,
    }
}

/// The last segment of an address, if it looks like a file's name.
fn filename(address: &str) -> Option<String> {
    let address = url::Url::parse(address).ok()?;
    let last = address.path_segments()?.next_back()?;
    (last.contains('.') && !last.starts_with('.')).then(|| last.to_owned())
}
