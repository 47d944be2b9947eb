//! What the picture should show, out of a conversation.

use crate::gateway::images::Picture;
use crate::provider::errors::refused;
use crate::runtime::InvokeError;
use crate::runtime::entities::{Content, ContentPart, Media, MediaKind, PromptMessage, Role};

/// The prompt and the pictures to change.
#[derive(Debug, PartialEq)]
pub(super) struct ImagePrompt<'a> {
    /// Never blank.
    pub(super) text: String,
    media: Vec<&'a Media>,
}

impl<'a> ImagePrompt<'a> {
    /// Reads the last turn of the user; earlier turns are other pictures. With `with_system` the system prompt comes
    /// first, on lines of its own.
    pub(super) fn read(messages: &'a [PromptMessage], with_system: bool) -> Result<Self, InvokeError> {
        let last = messages.iter().rev().find(|message| message.role == Role::User);
        let last = last.ok_or_else(|| refused("prompt", "is missing: the conversation has no message of the user"))?;
        let mut media = Vec::new();
        for part in parts(&last.content) {
            if let ContentPart::Media(file) = part {
                if file.kind != MediaKind::Image {
                    return Err(refused(
                        "prompt",
                        "holds a file that is not a picture; image models take pictures only",
                    ));
                }
                media.push(file);
            }
        }
        let words = text(&last.content);
        if words.trim().is_empty() {
            return Err(refused("prompt", "is empty: say in the last message what the picture should show"));
        }
        let mut lines: Vec<String> = Vec::new();
        if with_system {
            let system = messages.iter().filter(|message| matches!(message.role, Role::System | Role::Developer));
            lines.extend(system.map(|message| text(&message.content)).filter(|text| !text.trim().is_empty()));
        }
        lines.push(words);
        Ok(Self { text: lines.join("\n"), media })
    }

    /// The pictures to change, in order; none means a new one is wanted.
    pub(super) fn pictures(&self) -> Vec<Picture<'a>> {
        self.media
            .iter()
            .map(|file| Picture(if file.base64_data.is_empty() { &file.url } else { &file.base64_data }))
            .collect()
    }
}

fn parts(content: &Content) -> &[ContentPart] {
    match content {
        Content::Text(_) => &[],
        Content::Parts(parts) => parts,
    }
}

fn text(content: &Content) -> String {
    match content {
        Content::Text(text) => text.clone(),
        Content::Parts(parts) => {
            let texts = parts.iter().filter_map(|part| match part {
                ContentPart::Text(text) => Some(text.as_str()),
                ContentPart::Media(_) => None,
            });
            texts.collect::<Vec<_>>().join("\n")
        }
    }
}
