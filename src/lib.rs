//! The Higress AI gateway as a Dify model provider.
//!
//! Three parts, one direction of imports (`docs/ARCHITECTURE.md` is the map):
//!
//! * [`runtime`] speaks Dify's plugin protocol and knows nothing of Higress;
//! * [`gateway`] speaks HTTP, SSE and request signing and knows nothing of Dify;
//! * [`provider`] is the plugin: Dify entities in, gateway calls out. Only it knows both.
//!
//! Beside them [`cli`] holds the commands and [`standin`] a small gateway for development and tests, which
//! imports none of the three parts, so that its signature check shares no line with the signer.

// What a product may not do and a test may. The other lints are in Cargo.toml.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

pub mod cli;
pub mod gateway;
pub mod provider;
pub mod runtime;
pub mod standin;
