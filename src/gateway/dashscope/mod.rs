//! `DashScope`'s image APIs: one that answers with the picture, and tasks that are submitted and asked for. All pure.
//!
//! Sources: Alibaba Cloud Model Studio, "Qwen-Image", "Wan text-to-image", "Asynchronous task management".

mod generation;
mod task;

#[cfg(test)]
mod tests;

pub use generation::{GENERATION_PATH, Parameters, Prompt, decode, generation};
pub use task::{Status, Task, check, submission};
