//! Embedding and rerank at their boundary: what Dify asks, what a gateway is sent, what Dify gets.

#[path = "retrieval/batches.rs"]
mod batches;
#[path = "retrieval/embedding.rs"]
mod embedding;
#[path = "retrieval/multimodal.rs"]
mod multimodal;
#[path = "retrieval/rerank.rs"]
mod rerank;
#[path = "retrieval/scripted.rs"]
mod scripted;
