//! Connections, shared by all routes with equal TLS, proxy and connect settings.

use super::{Endpoint, Error, ErrorKind, TransportOptions};
use reqwest::{Certificate, Client, Proxy, redirect};
use std::collections::{HashMap, HashSet};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

/// Shorter than the 180 s after which a Higress gateway closes an idle connection.
const IDLE: Duration = Duration::from_secs(90);
/// Distinct settings of one process; more means that somebody changes them all the time.
const MAX_CLIENTS: usize = 64;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    connect_timeout: Duration,
    tls_verify: bool,
    ca_pem: Option<String>,
    proxy: Option<String>,
}

static CLIENTS: LazyLock<Mutex<HashMap<Key, Client>>> = LazyLock::new(Mutex::default);
static UNVERIFIED: LazyLock<Mutex<HashSet<Endpoint>>> = LazyLock::new(Mutex::default);

/// The client for these settings, made at the first call: loading certificates takes some milliseconds.
pub(super) fn client(endpoint: &Endpoint, options: &TransportOptions) -> Result<Client, Error> {
    if !options.tls_verify {
        warn_once(endpoint);
    }
    let key = Key {
        connect_timeout: options.connect_timeout,
        tls_verify: options.tls_verify,
        ca_pem: options.ca_pem.clone(),
        proxy: options.proxy.clone(),
    };
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = clients.get(&key) {
        return Ok(client.clone());
    }
    let client = build(options)?;
    if clients.len() >= MAX_CLIENTS {
        clients.clear();
    }
    clients.insert(key, client.clone());
    Ok(client)
}

fn build(options: &TransportOptions) -> Result<Client, Error> {
    // Fails only when another provider was installed before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = |what: &str, error: reqwest::Error| {
        Error::new(ErrorKind::Config, format!("{what}: {}", error.without_url()))
            .advise("Correct the advanced options of the model")
    };
    let mut builder = Client::builder()
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(IDLE)
        // A redirected request would carry a signature that is wrong there.
        .redirect(redirect::Policy::none())
        // A container without a certificate bundle still reaches public gateways.
        .tls_certs_merge(
            webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|der| Certificate::from_der(der).ok()),
        );
    if let Some(pem) = &options.ca_pem {
        let own =
            Certificate::from_pem_bundle(pem.as_bytes()).map_err(|e| config("`ca_pem` is no PEM certificate", e))?;
        if own.is_empty() {
            return Err(Error::new(ErrorKind::Config, "`ca_pem` holds no certificate")
                .advise("Paste the whole PEM block, from BEGIN CERTIFICATE to END CERTIFICATE"));
        }
        builder = builder.tls_certs_merge(own);
    }
    if !options.tls_verify {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    if let Some(proxy) = &options.proxy {
        builder = builder.proxy(Proxy::all(proxy).map_err(|e| config("`proxy` is no proxy address", e))?);
    }
    builder.build().map_err(|e| config("The connection settings cannot be used", e))
}

fn warn_once(endpoint: &Endpoint) {
    let mut warned = UNVERIFIED.lock().unwrap_or_else(PoisonError::into_inner);
    if warned.len() < 1024 && warned.insert(endpoint.clone()) {
        tracing::warn!(
            "the certificate of {endpoint} is not checked (`tls_verify` is false): anybody on the way can read and change the traffic"
        );
    }
}
