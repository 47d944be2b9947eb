//! A runtime for Dify *model* plugins: transports, sessions, flow control and entities.
//!
//! It knows Dify's plugin protocol and nothing of any provider. A plugin implements [`Provider`] and hands it to the
//! server; `examples/` holds a complete one in a few lines.

pub mod code_block;
pub mod config;
pub mod declaration;
mod dispatch;
pub mod entities;
pub mod error;
pub mod handler;
mod lane;
mod outbox;
pub mod output;
pub mod parameters;
pub mod pricing;
mod probe;
pub mod protocol;
pub mod run;
pub mod server;
pub mod telemetry;
pub mod tokens;
pub mod transport;

pub use config::Settings;
pub use error::{ErrorKind, InvokeError, RuntimeError};
pub use handler::{Context, Provider};
pub use output::LlmOutput;
pub use run::{raise_file_limit, run};
