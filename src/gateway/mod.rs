//! How to call a route of a Higress gateway: HTTP, SSE, request signing. Nothing of Dify.
//!
//! A [`Route`] says where and as whom, a [`Call`] says what; [`send`] gives a [`Reply`] or an [`Error`] that says what
//! failed, where, and what to do.

pub mod auth;
mod body;
pub mod call;
pub mod chat;
pub mod completions;
pub mod dashscope;
mod deadline;
mod diagnose;
pub mod embeddings;
pub mod endpoint;
pub mod error;
mod error_body;
pub mod error_table;
mod escape;
mod held;
mod hints;
pub mod images;
pub mod json;
pub mod learned;
pub mod limiter;
pub mod options;
mod pool;
mod redact;
mod reply_meta;
mod request;
pub mod rerank;
mod retry;
pub mod sse;
mod transport;

pub use auth::Auth;
pub use body::MAX_BODY;
pub use call::{Accept, Call, Content, Reply, Route, send};
pub use deadline::Deadline;
pub use endpoint::Endpoint;
pub use error::{Error, ErrorKind, Origin};
pub use options::TransportOptions;
pub use reply_meta::ReplyMeta;
pub use retry::LONGEST_PAUSE;
pub use sse::{Event, Events};
