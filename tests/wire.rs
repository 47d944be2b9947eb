//! The wire to the host: requests in, answers out.

#[cfg(test)]
#[path = "wire/answers.rs"]
mod answers;
#[cfg(test)]
#[path = "wire/remote.rs"]
mod remote;
#[cfg(test)]
#[path = "wire/requests.rs"]
mod requests;
