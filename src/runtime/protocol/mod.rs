//! The wire: what the host sends and what it gets back.

pub mod envelope;
pub mod outbound;
pub mod request;
pub mod response;
