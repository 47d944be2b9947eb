//! A plugin process from start to end.

use super::config::InstallMethod;
use super::declaration::{Declaration, DeclarationError};
use super::server::{Outcome, ServeOptions, Stop, serve};
use super::transport::serverless::{self, ServerlessSettings};
use super::transport::tcp::{self, RemoteAddress, RemoteError, RemoteSettings};
use super::transport::{Outbox, stdio};
use super::{Provider, RuntimeError, Settings, telemetry};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Runs `provider` as a plugin until its host ends it. `declaration` is only asked for where the plugin registers
/// itself.
///
/// SIGTERM and SIGINT let running calls finish, for 30 s at most; a second one ends the process at once.
///
/// # Errors
///
/// When the plugin cannot start, is refused by its host, or its host is gone. The text is for the operator.
pub fn run<P: Provider>(
    provider: P,
    declaration: impl FnOnce() -> Result<Declaration, DeclarationError>,
    settings: &Settings,
) -> Result<(), RuntimeError> {
    match settings.install_method {
        InstallMethod::Local => with_runtime(async |stop| {
            // First of all: its heartbeat tells the host that the plugin is there.
            let connection = stdio::connect(settings.heartbeat_interval)
                .map_err(|error| RuntimeError::Start("take over stdin and stdout", error))?;
            prepare(settings, Some(connection.outbox.clone()))?;
            match serve(Arc::new(provider), connection, options(settings), stop).await {
                Outcome::InputEnded | Outcome::Stopped => Ok(()),
                Outcome::OutputClosed => Err(RuntimeError::OutputClosed),
            }
        }),
        InstallMethod::Remote => {
            prepare(settings, None)?;
            let address = RemoteAddress::pick(
                settings.remote_install_url.as_deref(),
                &settings.remote_install_host,
                settings.remote_install_port,
            )
            .map_err(RemoteError::from)?;
            let key = settings.remote_install_key.clone();
            let remote = RemoteSettings::new(address, key, settings.heartbeat_interval)?;
            let declaration = declaration()?;
            let provider = Arc::new(provider);
            with_runtime(async |stop: Stop| {
                let session = |connection| {
                    let serving = serve(Arc::clone(&provider), connection, options(settings), stop.clone());
                    async move {
                        serving.await;
                    }
                };
                tokio::select! {
                    ended = tcp::run(&remote, &declaration, &stop.gently, session) => Ok(ended?),
                    () = stop.now.cancelled() => Ok(()),
                }
            })
        }
        InstallMethod::Serverless => {
            prepare(settings, None)?;
            let serving = ServerlessSettings { silence: settings.max_request_timeout, max_calls: settings.max_worker };
            // The closed connection is the signal here, and the host takes every other line for an error.
            let options = ServeOptions { probe: false, notices: false, ..options(settings) };
            let provider = Arc::new(provider);
            with_runtime(async |stop: Stop| {
                let failed = |error| RuntimeError::Start("serve HTTP at SERVERLESS_HOST:SERVERLESS_PORT", error);
                let address = (settings.serverless_host.as_str(), settings.serverless_port);
                let listener = TcpListener::bind(address).await.map_err(failed)?;
                let (gently, now) = (stop.gently, stop.now);
                // Each call's input ends behind its one line, so a call is served to its end without being told.
                let session = move |connection| {
                    let serving = serve(Arc::clone(&provider), connection, options, Stop::default());
                    async move {
                        serving.await;
                    }
                };
                tokio::select! {
                    () = serverless::run(listener, serving, &gently, session) => {}
                    () = grace_is_over(&gently) => {}
                    () = now.cancelled() => {}
                }
                Ok(())
            })
        }
    }
}

const fn options(settings: &Settings) -> ServeOptions {
    ServeOptions {
        max_sessions: settings.max_worker,
        session_ceiling: settings.session_ceiling,
        probe: settings.stop_probe,
        notices: true,
    }
}

async fn grace_is_over(gently: &tokio_util::sync::CancellationToken) {
    gently.cancelled().await;
    tokio::time::sleep(super::server::GRACE).await;
}

/// What every kind of plugin process needs before it serves.
fn prepare(settings: &Settings, host: Option<Outbox>) -> Result<(), RuntimeError> {
    telemetry::install(settings, host)?;
    // What a panic says may quote a request; where it happened does not.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!("internal error: a panic at {place}");
    }));
    raise_file_limit();
    Ok(())
}

/// Lets the process open as many files as the system allows without asking: thousands of calls need thousands of
/// connections, and the usual soft limit is 1,024.
pub fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // The hard limit is always allowed, so this does not fail; if it does, the old limit serves as before.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Runs `work` on a runtime of its own, which does not wait for tasks that are left when it has ended.
fn with_runtime(work: impl AsyncFnOnce(Stop) -> Result<(), RuntimeError>) -> Result<(), RuntimeError> {
    let runtime = Runtime::new().map_err(|error| RuntimeError::Start("start the runtime", error))?;
    let result = runtime.block_on(async {
        let stop = Stop::default();
        // Before any work: a host that has heard from the plugin may end it at once.
        listen_for_signals(&stop).map_err(|error| RuntimeError::Start("listen for signals", error))?;
        work(stop).await
    });
    runtime.shutdown_background();
    result
}

/// From here on signals reach `stop`.
fn listen_for_signals(stop: &Stop) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stop.gently.is_cancelled() {
                stop.now.cancel();
            } else {
                stop.gently.cancel();
            }
        }
    });
    Ok(())
}
