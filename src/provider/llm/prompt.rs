//! A conversation as one prompt, for models that only continue a text.

use super::leading_think;
use crate::provider::errors::TAG;
use crate::runtime::InvokeError;
use crate::runtime::entities::{Content, ContentPart, PromptMessage, Role};

/// The whole conversation as one text. A lone message is its text; several are told apart by who speaks, and the model
/// continues as the assistant.
///
/// # Errors
///
/// A file: a prompt is text only.
pub(super) fn prompt(messages: &[PromptMessage]) -> Result<String, InvokeError> {
    if let [only] = messages {
        return text(&only.content);
    }
    let mut prompt = String::new();
    for message in messages {
        let mut said = text(&message.content)?;
        if message.role == Role::Assistant {
            said = leading_think::split(&said, !message.tool_calls.is_empty()).1.to_owned();
        }
        for call in &message.tool_calls {
            if !said.is_empty() {
                said.push('\n');
            }
            said.extend(["Calling the tool ", &call.name, " with ", &call.arguments]);
        }
        let speaker = match message.role {
            Role::System | Role::Developer => "",
            Role::User => "User: ",
            Role::Assistant => "Assistant: ",
            Role::Tool => "Tool: ",
        };
        if !said.is_empty() {
            prompt.push_str(speaker);
            prompt.push_str(&said);
            prompt.push_str("\n\n");
        }
    }
    prompt.push_str("Assistant:");
    Ok(prompt)
}

fn text(content: &Content) -> Result<String, InvokeError> {
    let parts = match content {
        Content::Text(text) => return Ok(text.clone()),
        Content::Parts(parts) => parts,
    };
    let texts: Option<Vec<&str>> = parts.iter().map(part_text).collect();
    texts.map(|texts| texts.join("\n")).ok_or_else(|| {
        InvokeError::bad_request(format!(
            "{TAG}a file cannot be sent to a text completion: set text_model_protocol to openai_compatible"
        ))
    })
}

fn part_text(part: &ContentPart) -> Option<&str> {
    match part {
        ContentPart::Text(text) => Some(text),
        ContentPart::Media(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::entities::{ImageDetail, Media, MediaKind};

    fn says(role: Role, text: &str) -> PromptMessage {
        let content = Content::Text(text.to_owned());
        PromptMessage { role, content, name: None, tool_calls: Vec::new(), tool_call_id: None, opaque_body: None }
    }

    #[test]
    fn a_lone_message_is_the_prompt() {
        assert_eq!(prompt(&[says(Role::User, "Once upon a time")]).unwrap(), "Once upon a time");
    }

    #[test]
    fn every_message_of_a_conversation_is_in_the_prompt() {
        let messages = [
            says(Role::System, "Be brief."),
            says(Role::User, "Hi"),
            says(Role::Assistant, "<think>x</think>Hello"),
            says(Role::Tool, "42"),
            says(Role::User, "Bye"),
        ];
        let expected = "Be brief.\n\nUser: Hi\n\nAssistant: Hello\n\nTool: 42\n\nUser: Bye\n\nAssistant:";
        assert_eq!(prompt(&messages).unwrap(), expected);
    }

    #[test]
    fn a_file_is_refused() {
        let file = Media {
            kind: MediaKind::Image,
            format: String::new(),
            mime_type: String::new(),
            url: "http://x/a".to_owned(),
            base64_data: String::new(),
            filename: String::new(),
            detail: ImageDetail::Low,
        };
        let message = PromptMessage { content: Content::Parts(vec![ContentPart::Media(file)]), ..says(Role::User, "") };
        assert!(prompt(&[message]).unwrap_err().message.contains("text_model_protocol"));
    }
}
