//! Answers as one block of JSON or XML, for models without a mode for it.
//!
//! Dify apps ask for it with the parameter `response_format` set to exactly `JSON` or `XML`. The conversation is
//! changed so that the model continues an opened code block, and the fences are taken out of the answer. Rules and
//! stop sequences are those of the `dify_plugin` SDK.

use super::entities::{Content, ContentPart, PromptMessage, Role};
use serde_json::{Map, Value};

/// What the block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeBlock {
    /// A JSON object.
    Json,
    /// An XML document.
    Xml,
}

impl CodeBlock {
    /// Takes `response_format` out of `parameters` when it asks for a block; any other value stays where it is.
    pub fn take(parameters: &mut Map<String, Value>) -> Option<Self> {
        let block = match parameters.get("response_format")?.as_str()? {
            "JSON" => Self::Json,
            "XML" => Self::Xml,
            _ => return None,
        };
        parameters.remove("response_format");
        Some(block)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Xml => "XML",
        }
    }

    /// Changes the conversation so that the model writes the block, and adds the stop sequences that end it.
    ///
    /// A leading system message becomes the instructions inside ours; without one, ours is put in front. The last user
    /// message ends with the opening fence; when the conversation does not end with one, a user message is added.
    pub fn ask(self, messages: &mut Vec<PromptMessage>, stop: &mut Vec<String>) {
        stop.extend(["\n```".to_owned(), "```\n".to_owned()]);
        match messages.first_mut() {
            Some(first) if first.role == Role::System => {
                let instructions = text_of(&first.content);
                first.content = Content::Text(self.instruction(&instructions));
            }
            _ => {
                let name = self.name();
                let instruction = self.instruction(&format!("Please output a valid {name} object."));
                messages.insert(0, message(Role::System, instruction));
            }
        }
        let fence = format!("```{}\n", self.name());
        match messages.last_mut() {
            Some(last) if last.role == Role::User => append(&mut last.content, &fence),
            _ => messages.push(message(Role::User, fence)),
        }
    }

    fn instruction(self, instructions: &str) -> String {
        let name = self.name();
        format!(
            "Follow the instructions below and answer with one valid {name} object and nothing else.\n\
             Its structure is the one the instructions describe. If they describe none, use \
             {{\"answer\": \"$your_answer\"}} or its {name} equivalent.\n\n\
             <instructions>\n{instructions}\n</instructions>\n"
        )
    }
}

fn message(role: Role, text: String) -> PromptMessage {
    let content = Content::Text(text);
    PromptMessage { role, content, name: None, tool_calls: Vec::new(), tool_call_id: None, opaque_body: None }
}

fn text_of(content: &Content) -> String {
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

fn append(content: &mut Content, fence: &str) {
    match content {
        Content::Text(text) => {
            text.push('\n');
            text.push_str(fence);
        }
        Content::Parts(parts) => {
            let text = parts.iter_mut().rev().find_map(|part| match part {
                ContentPart::Text(text) => Some(text),
                ContentPart::Media(_) => None,
            });
            match text {
                Some(text) => {
                    text.push('\n');
                    text.push_str(fence);
                }
                None => parts.push(ContentPart::Text(fence.to_owned())),
            }
        }
    }
}

/// Takes the fences out of an answer, piece by piece. Where the pieces are cut makes no difference.
///
/// An answer that begins with a backtick is a complete code block: only what stands inside the first one passes.
/// Any other answer continues the block that the prompt opened: it passes without its fences.
#[derive(Debug, Clone, Default)]
pub struct CodeBlockFilter {
    state: State,
    /// Backticks in a row that wait for what follows them: at most two.
    backticks: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Start,
    /// Complete block: before its opening fence.
    Opening,
    /// Complete block: behind its opening fence, up to the end of the line.
    Language,
    /// Complete block: its text.
    Inside,
    /// Complete block: behind its closing fence.
    Done,
    /// Continued block: its text.
    Continued,
    /// Continued block: behind a fence, up to the next white space.
    Word,
}

const FENCE: usize = 3;

impl CodeBlockFilter {
    /// A filter for one answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// The part of `piece`, and of what waited before it, that passes now; may be empty.
    pub fn push(&mut self, piece: &str) -> String {
        let mut out = String::with_capacity(piece.len());
        for character in piece.chars() {
            self.step(character, &mut out);
        }
        out
    }

    /// What still waited when the answer ended: one or two backticks that were no fence.
    pub fn finish(self) -> String {
        match self.state {
            State::Inside | State::Continued => "`".repeat(self.backticks),
            _ => String::new(),
        }
    }

    fn step(&mut self, character: char, out: &mut String) {
        if self.state == State::Start {
            self.state = if character == '`' { State::Opening } else { State::Continued };
        }
        match self.state {
            State::Language if character == '\n' => self.state = State::Inside,
            State::Word if character.is_whitespace() => self.state = State::Continued,
            State::Start | State::Done | State::Language | State::Word => {}
            State::Opening | State::Inside | State::Continued if character == '`' => {
                self.backticks += 1;
                if self.backticks == FENCE {
                    self.backticks = 0;
                    self.state = match self.state {
                        State::Opening => State::Language,
                        State::Inside => State::Done,
                        _ => State::Word,
                    };
                }
            }
            State::Opening => self.backticks = 0,
            State::Inside | State::Continued => {
                out.extend(std::iter::repeat_n('`', self.backticks));
                self.backticks = 0;
                out.push(character);
            }
        }
    }
}

#[cfg(test)]
mod tests;
