//! The wire: what the host sends and what it gets back.

pub mod request;
pub mod response;
