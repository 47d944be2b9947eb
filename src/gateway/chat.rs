//! OpenAI's chat completions on the wire: what is sent, and what comes back in pieces or whole.
//!
//! Pure: no IO, and no opinion about what a piece means. Replies are read leniently, because a gateway puts many
//! providers behind one shape: anything may be null, missing, empty or of another type.

pub mod chunk;
pub mod json;
pub mod request;
pub mod surrogates;

pub use chunk::{ChatChunk, Choice, Content, Delta, Part, ToolCallDelta, Usage};
pub use request::{ChatRequest, DataUri, FileData, Function, FunctionCall, Message, MessageContent, MessagePart, Tool};

/// Where chat completions are, below a route's base.
pub const PATH: &str = "/v1/chat/completions";

/// The `model` of an answer that Higress' ai-security-guard plugin made.
pub const GUARD_MODEL: &str = "from-security-guard";

/// The text of the event that ends a stream.
pub const DONE: &str = "[DONE]";
