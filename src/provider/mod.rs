//! The Higress model provider: Dify entities in, gateway calls out.
//!
//! The form and the parameter rules it serves are data: `provider/higress.yaml` and `models/` at the top of the tree.

pub mod credentials;
mod declaration;
pub mod errors;
pub mod headers;
pub mod llm;
pub mod options;
pub mod schema;
pub use declaration::declaration;
