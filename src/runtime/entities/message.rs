//! Prompt messages and message parts.

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions of the app.
    System,
    /// Instructions of the app, in the newer spelling of some models.
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool's answer.
    Tool,
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said; null arrives as empty text.
    pub content: Content,
    /// The speaker's name, if any.
    pub name: Option<String>,
    /// Calls the assistant made in this message.
    pub tool_calls: Vec<ToolCall>,
    /// The call a tool message answers.
    pub tool_call_id: Option<String>,
    /// Provider data that Dify carries along unread.
    pub opaque_body: Option<serde_json::Value>,
}

/// Text, or a list of parts.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Parts in order.
    Parts(Vec<ContentPart>),
}

/// One part of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum ContentPart {
    /// Plain text.
    Text(String),
    /// A file.
    Media(Media),
}

/// What kind of file a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// Sound.
    Audio,
    /// A film.
    Video,
    /// A document, for example a PDF.
    Document,
}

/// A file, by URL or by content: exactly one of `url` and `base64_data` is normally filled.
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    /// What it is.
    pub kind: MediaKind,
    /// Extension without dot, for example `png`; may be empty.
    pub format: String,
    /// MIME type; may be empty.
    pub mime_type: String,
    /// Where it is.
    pub url: String,
    /// What it is, in standard base64 without a `data:` prefix.
    pub base64_data: String,
    /// Its name; may be empty.
    pub filename: String,
    /// How closely the model should look (images only).
    pub detail: ImageDetail,
}

/// How closely a model looks at a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageDetail {
    /// Coarse and cheap.
    #[default]
    Low,
    /// Every detail.
    High,
}

/// A call of a tool, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// Unique in its message.
    pub id: String,
    /// The tool.
    pub name: String,
    /// JSON text.
    pub arguments: String,
}
