//! A plugin's whole life: settings, a transport, the server, the end.

use super::config::{InstallMethod, Settings};
use super::declaration::{Declaration, DeclarationError};
use super::server::{Limits, serve};
use super::transport::tcp::{self, RemoteAddress, RemoteError, RemoteSettings};
use super::transport::{serverless, stdio};
use super::{Provider, telemetry};
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Why a plugin could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Remote debugging was refused or is not set up.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The HTTP address cannot be used.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The plugin's own declaration is not one.
    #[error("the plugin's declaration is refused: {0}")]
    Declaration(#[from] DeclarationError),
    /// A stream or the runtime failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs `provider` until its host ends it: the whole program of a plugin. Blocks the thread. `declaration` is asked for
/// only where the host does not read the package itself, so that it costs a start nothing.
///
/// # Errors
///
/// When there is no way to the host.
pub fn run<P: Provider>(
    provider: P,
    declaration: impl FnOnce() -> Result<Declaration, DeclarationError>,
    settings: &Settings,
) -> Result<(), RunError> {
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        telemetry::start(settings);
        let stop = CancellationToken::new();
        tokio::select! {
            outcome = connect(Arc::new(provider), declaration, settings, &stop) => outcome,
            // The second signal: whoever sends it will not wait for the first.
            outcome = signals(&stop) => Ok(outcome?),
        }
    });
    // Nothing that still runs has anybody to answer to.
    runtime.shutdown_background();
    outcome
}

async fn connect<P: Provider>(
    provider: Arc<P>,
    declaration: impl FnOnce() -> Result<Declaration, DeclarationError>,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let probe = settings.stop_probe && settings.install_method != InstallMethod::Serverless;
    let limits = Limits { max_sessions: settings.max_worker, probe, stop: stop.clone(), ..Limits::default() };
    match settings.install_method {
        InstallMethod::Local => {
            let connection = stdio::connect(settings.heartbeat_interval)?;
            let outbox = connection.outbox.clone();
            telemetry::set_host(outbox.clone());
            serve(provider, connection, &limits).await;
            outbox.finish();
            tokio::select! {
                () = outbox.flushed() => {}
                () = outbox.closed() => {}
            }
            Ok(())
        }
        InstallMethod::Remote => {
            let url = settings.remote_install_url.as_deref();
            let address = RemoteAddress::pick(url, &settings.remote_install_host, settings.remote_install_port)
                .map_err(RemoteError::from)?;
            let key = settings.remote_install_key.clone();
            let remote = RemoteSettings::new(address, key, settings.heartbeat_interval)?;
            let serve_one = |connection| serve(Arc::clone(&provider), connection, &limits);
            Ok(tcp::run(&remote, &declaration()?, stop, serve_one).await?)
        }
        InstallMethod::Serverless => {
            let address = format!("{}:{}", settings.serverless_host, settings.serverless_port);
            let listener = TcpListener::bind(&address).await.map_err(|source| RunError::Listen { address, source })?;
            let http = serverless::ServerlessSettings {
                silence: settings.max_request_timeout,
                max_calls: settings.max_worker,
            };
            let grace = limits.grace;
            let limits = Arc::new(limits);
            let serve_one = move |connection| {
                let (provider, limits) = (Arc::clone(&provider), Arc::clone(&limits));
                async move { serve(provider, connection, &limits).await }
            };

            tokio::select! {
                outcome = serverless::run(listener, http, stop, serve_one) => Ok(outcome?),
                () = async { stop.cancelled().await; tokio::time::sleep(grace).await } => Ok(()),
            }
        }
    }
}

/// Cancels `stop` at the first SIGTERM or SIGINT; resolves at the second.
async fn signals(stop: &CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for _ in 0..2 {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    }
    Ok(())
}

/// Thousands of streams need thousands of sockets; the soft limit is often 1024.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Refused where the hard limit is above what the kernel allows; the soft limit then stays as it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
