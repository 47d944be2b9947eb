//! The connection pools: one HTTP client for each distinct set of TLS, proxy and connect settings.
//!
//! A client is built when the first call needs it, since reading the system's certificates takes many milliseconds.

use super::{Endpoint, Error, ErrorKind, TransportOptions};
use reqwest::{Certificate, Client, Proxy};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Clients kept; above it the one that was used the longest ago goes.
const MAX_CLIENTS: usize = 64;
/// Below the 180 s after which a Higress gateway closes an idle connection.
const POOL_IDLE: Duration = Duration::from_secs(90);
/// Idle connections kept for each host: a burst of so many streams opens none anew.
const MAX_IDLE: usize = 1024;
/// HTTP/2 windows: one stream that nobody reads holds back at most this much, and a connection carries many such.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 32 << 20;
/// Endpoints remembered for the warning about unchecked certificates.
const MAX_WARNED: usize = 1024;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Settings {
    connect_timeout: Duration,
    tls_verify: bool,
    ca_pem: Option<String>,
    proxy: Option<String>,
}

#[derive(Default)]
struct Clients {
    by_settings: HashMap<Settings, (Arc<OnceCell<Client>>, u64)>,
    uses: u64,
}

static CLIENTS: LazyLock<Mutex<Clients>> = LazyLock::new(Mutex::default);
static WARNED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// The client for `options`.
///
/// # Errors
/// [`ErrorKind::Config`] for a certificate or proxy that cannot be read.
pub(super) async fn client(options: &TransportOptions, endpoint: &Endpoint) -> Result<Client, Error> {
    if !options.tls_verify {
        warn_once(endpoint);
    }
    let settings = Settings {
        connect_timeout: options.connect_timeout,
        tls_verify: options.tls_verify,
        ca_pem: options.ca_pem.clone(),
        proxy: options.proxy.clone(),
    };
    let cell = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner).cell(&settings);
    let built = cell.get_or_try_init(|| async move {
        // Reads files: not on the threads that keep the streams going.
        tokio::task::spawn_blocking(move || build(&settings))
            .await
            .map_err(|_| Error::new(ErrorKind::Config, "The HTTP client could not be built"))?
    });
    built.await.cloned()
}

impl Clients {
    fn cell(&mut self, settings: &Settings) -> Arc<OnceCell<Client>> {
        self.uses += 1;
        if let Some((cell, used)) = self.by_settings.get_mut(settings) {
            *used = self.uses;
            return Arc::clone(cell);
        }
        if self.by_settings.len() >= MAX_CLIENTS {
            let oldest =
                self.by_settings.iter().min_by_key(|(_, (_, used))| *used).map(|(settings, _)| settings.clone());
            oldest.and_then(|settings| self.by_settings.remove(&settings));
        }
        let cell = Arc::new(OnceCell::new());
        self.by_settings.insert(settings.clone(), (Arc::clone(&cell), self.uses));
        cell
    }
}

fn build(settings: &Settings) -> Result<Client, Error> {
    // Fails only if another part of the process chose a provider before, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(MAX_IDLE)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        // A redirected request would carry a signature of another path, and a credential to another host.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false);
    builder = if settings.tls_verify {
        // Mozilla's roots beside the system's: a container often has none.
        let mozilla = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|der| Certificate::from_der(der).ok());
        builder.tls_certs_merge(mozilla.chain(private_roots(settings)?))
    } else {
        builder.tls_danger_accept_invalid_certs(true)
    };
    if let Some(proxy) = &settings.proxy {
        let proxy = Proxy::all(proxy).map_err(|_| {
            Error::new(ErrorKind::Config, "The proxy in advanced_options is no URL")
                .advise("Write it as http://host:port or socks5://host:port")
        })?;
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| match settings.ca_pem {
        Some(_) => bad_ca(),
        None => Error::new(ErrorKind::Config, format!("The HTTP client could not be built: {}", error.without_url())),
    })
}

fn private_roots(settings: &Settings) -> Result<Vec<Certificate>, Error> {
    let Some(pem) = &settings.ca_pem else { return Ok(Vec::new()) };
    match Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        _ => Err(bad_ca()),
    }
}

fn bad_ca() -> Error {
    Error::new(ErrorKind::Config, "ca_pem in advanced_options holds no valid certificate")
        .advise("Paste the certificate authority in PEM form, with its BEGIN and END lines")
}

fn warn_once(endpoint: &Endpoint) {
    let name = endpoint.to_string();
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if warned.contains(&name) {
        return;
    }
    if warned.len() < MAX_WARNED {
        warned.insert(name);
    }
    drop(warned);
    tracing::warn!(%endpoint, "the gateway's certificate is not checked: tls_verify is off");
}
