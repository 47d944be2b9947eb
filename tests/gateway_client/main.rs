//! The gateway client against servers in this process that speak raw bytes.

mod faults;
mod server;
mod tls;
mod wire;
