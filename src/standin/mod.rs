//! The built-in gateway: a small stand-in for Higress, for development, tests and the demo.
//!
//! It checks every API key and every signature as the gateway's plugins do ([`auth`]), and then plays the provider:
//! answers are scripted, deterministic and made from the request. Model names starting with `fault-`, `pace-`,
//! `flood-` and `batch-limit-` make it misbehave or hurry on demand. [`hostile`] is a second server that breaks HTTP
//! itself.
//!
//! It imports nothing of this project's other parts: what the signer believes is not what the verifier believes.

#[expect(clippy::indexing_slicing, reason = "a part of a JSON value that is not there reads as null")]
mod answer;
pub mod auth;
mod config;
pub mod hostile;
mod listener;
mod record;
mod reply;
mod script;
mod server;
mod stats;

pub use config::{Config, Consumer, ROUTES};
pub use record::Recorded;
pub use server::{Standin, spawn};
pub use stats::Snapshot;

/// The model names that make the stand-in do something special, and what they do.
pub const SPECIAL_MODELS: &[(&str, &str)] = answer::SPECIAL_MODELS;
