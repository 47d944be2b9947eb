//! The wire to the host: requests in, answers out.

#[path = "wire/answers.rs"]
mod answers;
#[path = "wire/requests.rs"]
mod requests;
