//! Text generation at its boundaries: streams in, what Dify gets out; requests as they leave; whole calls.

#[path = "text/calls.rs"]
mod calls;
#[path = "text/corpus.rs"]
mod corpus;
#[path = "text/server.rs"]
mod server;
