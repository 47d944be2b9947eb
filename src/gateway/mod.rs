//! How to call a route of a Higress gateway: HTTP, SSE, request signing. Nothing of Dify.
//!
//! A [`Route`] says where and as whom, a [`Call`] says what; [`send`] gives a [`Reply`] or an [`Error`] that says what
//! failed, where, and what to do.

pub mod auth;
pub mod call;
pub mod chat;
pub mod completions;
pub mod dashscope;
pub mod embeddings;
pub mod endpoint;
pub mod error;
pub mod images;
mod json;
pub mod options;
pub mod rerank;
pub mod sse;

pub use auth::Auth;
pub use call::{Accept, Call, Reply, Route, send};
pub use endpoint::Endpoint;
pub use error::{Error, ErrorKind, Origin};
pub use options::TransportOptions;
pub use sse::{Event, Events};
