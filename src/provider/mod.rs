//! The Higress model provider: Dify entities in, gateway calls out.
//!
//! The form and the parameter rules it serves are data: `provider/higress.yaml` and `models/` at the top of the tree.

pub mod credentials;
pub mod embedding;
pub mod errors;
mod exchange;
pub mod headers;
pub mod image;
pub mod options;
pub mod rerank;
pub mod schema;
