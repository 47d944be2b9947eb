//! Text generation at its boundaries: streams in, what Dify gets out; requests as they leave; whole calls.

#[path = "text/caller.rs"]
mod caller;
#[path = "text/calls.rs"]
mod calls;
#[path = "text/conversations.rs"]
mod conversations;
#[path = "text/corpus.rs"]
mod corpus;
#[path = "text/harness.rs"]
mod harness;
#[path = "text/learning.rs"]
mod learning;
#[path = "text/replies.rs"]
mod replies;
#[path = "text/saving.rs"]
mod saving;
#[path = "text/server.rs"]
mod server;
#[path = "text/tools.rs"]
mod tools;
