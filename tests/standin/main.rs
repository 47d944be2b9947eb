//! The built-in gateway, at its boundary: what it lets in, what it answers, and how it breaks.

mod answers;
mod hostility;
mod http;
mod verifier;
