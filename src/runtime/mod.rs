//! A runtime for Dify *model* plugins: transports, sessions, flow control and entities.
//!
//! It knows Dify's plugin protocol and nothing of any provider. A plugin implements [`Provider`] and hands it to the
//! server; `examples/` holds a complete one in a few lines.

pub mod code_block;
pub mod declaration;
pub mod entities;
pub mod error;
pub mod handler;
mod lane;
mod outbox;
pub mod output;
pub mod parameters;
pub mod pricing;
pub mod protocol;
pub mod tokens;
pub mod transport;

pub use error::{ErrorKind, InvokeError};
pub use handler::{Context, Provider};
pub use output::LlmOutput;
