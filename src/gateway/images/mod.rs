//! Pictures: how one is written into a request, how one comes back, and `OpenAI`'s image API.

mod openai;
mod picture;

#[cfg(test)]
mod tests;

pub use openai::{EDITS_PATH, Edit, GENERATIONS_PATH, Generation, Reply, decode, edit, generation};
pub use picture::{Generated, OpenAiPart, Picture};
