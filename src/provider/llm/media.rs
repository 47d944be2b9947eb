//! Files in messages, in the dialect of the provider, and pictures in answers.

use crate::gateway::chat::request::{File, ImageUrl, InputAudio, Url};
use crate::gateway::chat::{DataUri, FileData, MessagePart};
use crate::provider::credentials::MultimodalFormat;
use crate::provider::errors::TAG;
use crate::runtime::InvokeError;
use crate::runtime::entities::{ImageDetail, Media, MediaKind};
use std::borrow::Cow;

/// A file as a part of a message.
///
/// Pictures are the same in both dialects. Films are `video_url`, which is DashScope's part and that of the
/// self-hosted engines; OpenAI has none. Sound is bare base64 for OpenAI and a URL or data URI for `DashScope`.
/// Documents are OpenAI's `file`.
///
/// # Errors
///
/// A bad request for a file that the dialect cannot carry: nothing is left out in silence.
pub(super) fn part(media: &Media, format: MultimodalFormat) -> Result<MessagePart<'_>, InvokeError> {
    let data = data(media)?;
    Ok(match media.kind {
        MediaKind::Image => MessagePart::ImageUrl { image_url: ImageUrl { url: data, detail: detail(media.detail) } },
        MediaKind::Video => MessagePart::VideoUrl { video_url: Url { url: data } },
        MediaKind::Document => {
            let filename = (!media.filename.is_empty()).then_some(Cow::Borrowed(media.filename.as_str()));
            let filename = filename.or_else(|| {
                let extension = media.format.trim_start_matches('.');
                (!extension.is_empty()).then(|| Cow::Owned(format!("document.{extension}")))
            });
            MessagePart::File { file: File { file_data: data, filename } }
        }
        MediaKind::Audio => {
            let data = match format {
                MultimodalFormat::DashScope => data,
                MultimodalFormat::OpenAi => FileData::AsIs(bare_base64(media)?),
            };
            MessagePart::InputAudio { input_audio: InputAudio { data, format: audio_format(media)? } }
        }
    })
}

/// Where a file is, or what it is.
fn data(media: &Media) -> Result<FileData<'_>, InvokeError> {
    if !media.url.is_empty() {
        return Ok(FileData::AsIs(&media.url));
    }
    if media.base64_data.is_empty() {
        return Err(unsendable(media, "has neither an address nor a content"));
    }
    if media.base64_data.starts_with("data:") {
        return Ok(FileData::AsIs(&media.base64_data));
    }
    Ok(FileData::Inline(DataUri { mime_type: mime_type(media), base64: &media.base64_data }))
}

fn bare_base64(media: &Media) -> Result<&str, InvokeError> {
    let inline = |text: &'_ str| text.starts_with("data:");
    let text = if media.url.is_empty() { media.base64_data.as_str() } else { media.url.as_str() };
    if inline(text) {
        return text
            .split_once(";base64,")
            .map(|(_, data)| data)
            .ok_or_else(|| unsendable(media, "is a data URI without base64"));
    }
    if media.base64_data.is_empty() {
        return Err(unsendable(
            media,
            "is given by address, and OpenAI's format carries sound only by content: set Dify's \
             MULTIMODAL_SEND_FORMAT to base64, or multimodal_format to dashscope if the provider reads it",
        ));
    }
    Ok(&media.base64_data)
}

fn unsendable(media: &Media, problem: &str) -> InvokeError {
    let kind = match media.kind {
        MediaKind::Image => "picture",
        MediaKind::Audio => "sound",
        MediaKind::Video => "film",
        MediaKind::Document => "document",
    };
    let name: String = media.filename.chars().take(80).collect();
    let name = if name.is_empty() { name } else { format!(" {name:?}") };
    InvokeError::bad_request(format!("{TAG}the {kind}{name} {problem}"))
}

const fn detail(detail: ImageDetail) -> &'static str {
    match detail {
        ImageDetail::Low => "low",
        ImageDetail::High => "high",
    }
}

fn mime_type(media: &Media) -> Cow<'_, str> {
    if !media.mime_type.is_empty() {
        return Cow::Borrowed(&media.mime_type);
    }
    let extension = media.format.trim_start_matches('.').to_ascii_lowercase();
    match (media.kind, extension.as_str()) {
        (MediaKind::Document, "pdf") => Cow::Borrowed("application/pdf"),
        (MediaKind::Document, "txt" | "md" | "csv" | "html") => Cow::Borrowed("text/plain"),
        (MediaKind::Document, _) => Cow::Borrowed("application/octet-stream"),
        (MediaKind::Image, "jpg" | "") => Cow::Borrowed("image/jpeg"),
        (MediaKind::Image, other) => Cow::Owned(format!("image/{other}")),
        (MediaKind::Audio, "mp3" | "") => Cow::Borrowed("audio/mpeg"),
        (MediaKind::Audio, other) => Cow::Owned(format!("audio/{other}")),
        (MediaKind::Video, "") => Cow::Borrowed("video/mp4"),
        (MediaKind::Video, other) => Cow::Owned(format!("video/{other}")),
    }
}

/// The name of a sound's format, as OpenAI and `DashScope` write it: from Dify's extension, else from the MIME type, else
/// from the file's name.
fn audio_format(media: &Media) -> Result<Cow<'_, str>, InvokeError> {
    let given = [media.format.trim_start_matches('.'), subtype(&media.mime_type), extension(&media.filename)];
    let given = given.into_iter().chain([extension(media.url.split(['?', '#']).next().unwrap_or_default())]);
    let name = given.into_iter().find(|name| !name.is_empty());
    let name = name.ok_or_else(|| unsendable(media, "has neither a format nor a MIME type nor an extension"))?;
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("x-").or_else(|| name.strip_prefix("vnd.")).unwrap_or(&name);
    Ok(match name {
        "mpeg" | "mpga" | "mp3" | "mpeg3" => Cow::Borrowed("mp3"),
        "wav" | "wave" => Cow::Borrowed("wav"),
        "mp4" | "m4a" | "mp4a-latm" => Cow::Borrowed("m4a"),
        other => Cow::Owned(other.to_owned()),
    })
}

fn subtype(mime_type: &str) -> &str {
    let essence = mime_type.split(';').next().unwrap_or_default().trim();
    essence.strip_prefix("audio/").unwrap_or_default()
}

fn extension(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.').map(|(_, extension)| extension).filter(|extension| extension.len() <= 5).unwrap_or_default()
}

/// A picture of an answer: a URL or a data URI.
pub(super) fn picture(address: Cow<'_, str>) -> Media {
    let inline = address.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    let (mime_type, url, base64_data) = if let Some((mime_type, data)) = inline {
        (mime_type.to_owned(), String::new(), data.to_owned())
    } else {
        let path = address.split(['?', '#']).next().unwrap_or_default();
        let format = match extension(path).to_ascii_lowercase().as_str() {
            "jpg" | "jpeg" => "jpeg",
            "webp" => "webp",
            "gif" => "gif",
            _ => "png",
        };
        (format!("image/{format}"), address.into_owned(), String::new())
    };
    let format = mime_type.strip_prefix("image/").unwrap_or("png").to_owned();
    let filename = if url.is_empty() { format!("image.{format}") } else { file_name(&url) };
    Media { kind: MediaKind::Image, format, mime_type, url, base64_data, filename, detail: ImageDetail::Low }
}

fn file_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
