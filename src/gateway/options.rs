//! How connections are made and how long is waited.

use std::time::Duration;

/// Transport settings of a route. Routes with equal TLS, proxy and connect settings share one connection pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportOptions {
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// From sending the request to the first byte of the answer.
    pub first_byte_timeout: Duration,
    /// Between two reads of the answer.
    pub idle_timeout: Duration,
    /// For the whole call, retries included.
    pub total_timeout: Duration,
    /// How often a call that failed before its first byte may be sent again.
    pub retries: u32,
    /// Whether the gateway's certificate is checked.
    pub tls_verify: bool,
    /// A private certificate authority, PEM.
    pub ca_pem: Option<String>,
    /// A proxy URL without a password; otherwise the environment's.
    pub proxy: Option<String>,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(300),
            total_timeout: Duration::from_secs(600),
            retries: 0,
            tls_verify: true,
            ca_pem: None,
            proxy: None,
        }
    }
}
