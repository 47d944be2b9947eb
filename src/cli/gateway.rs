//! `gateway`: the built-in stand-in for a Higress gateway, until it is interrupted.

use super::block_on;
use super::terminal::{Color, Screen, Style};
use crate::runtime::raise_file_limit;
use crate::standin::auth::Access;
use crate::standin::{Config, ROUTES, SPECIAL_MODELS, Standin, hostile, spawn};
use anyhow::Context as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Runs a small stand-in for a Higress gateway until it is interrupted.
///
/// It checks API keys and signatures exactly as Higress does, and refuses in the same words. Behind it there is no
/// model: answers are scripted, made from the request and the same every time. Use it to try the plugin, to develop
/// against and to test: model names make it fail or hurry on demand, and --hostile breaks HTTP itself.
///
/// GET /standin/stats tells what happened in numbers, GET /standin/requests shows the last requests as they came.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Where to listen; port 0 takes a free one, which is printed
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Also listen here as a hostile gateway, which breaks HTTP itself: resets, stalls, endless answers, bombs.
    /// The first part of the path says how
    #[arg(long, value_name = "ADDR")]
    hostile: Option<SocketAddr>,
    /// Milliseconds between two pieces of a streamed answer
    #[arg(long, value_name = "MS", default_value_t = 15)]
    piece_delay: u64,
    /// How many seconds the date of a signed request may be off; 0 leaves dates unchecked
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    date_offset: u64,
    /// When to colour the output
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
}

/// Runs until SIGINT or SIGTERM.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    raise_file_limit();
    block_on(serve(options))
}

async fn serve(options: &Options) -> anyhow::Result<()> {
    let config = Config {
        listen: options.listen,
        piece_delay: Duration::from_millis(options.piece_delay),
        date_offset: (options.date_offset > 0).then(|| Duration::from_secs(options.date_offset)),
        ..Config::default()
    };
    let taken = |addr| format!("cannot listen at {addr}; choose another address or port 0");
    let standin = spawn(config.clone()).with_context(|| taken(options.listen))?;
    let hostile = match options.hostile {
        Some(addr) => Some(hostile::spawn(addr).await.with_context(|| taken(addr))?),
        None => None,
    };
    // From here on a signal ends it in order.
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut screen = Screen::new(options.color);
    introduce(&mut screen, &standin, &config)?;
    if let Some(hostile) = &hostile {
        introduce_hostile(&mut screen, hostile)?;
    }
    screen.line(Style::Dim, "\nCtrl-C ends it.")?;
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    standin.shutdown().await?;
    Ok(())
}

fn introduce(screen: &mut Screen, standin: &Standin, config: &Config) -> io::Result<()> {
    screen.line(Style::Title, &format!("Stand-in for a Higress gateway at http://{}", standin.addr()))?;
    screen.line(Style::Dim, "No model is behind it: answers are scripted. Not for production.\n")?;
    screen.line(Style::Title, "Routes (type one into the form as the endpoint)")?;
    for (_, access) in ROUTES {
        screen.line(Style::Plain, &format!("  {:<36} {}", standin.url(access), needs(access)))?;
    }
    screen.line(Style::Title, "\nConsumers")?;
    for consumer in &config.consumers {
        let may = if consumer.allowed { "" } else { "   (known, and let in nowhere)" };
        let text = format!(
            "  {:<6} API key {}   access key {}   secret {}{may}",
            consumer.name, consumer.api_key, consumer.access_key, consumer.secret
        );
        screen.line(Style::Plain, &text)?;
    }
    screen.line(Style::Title, "\nModel names that do something special")?;
    for (name, what) in SPECIAL_MODELS {
        screen.line(Style::Plain, &format!("  {name:<24} {what}"))?;
    }
    Ok(())
}

const fn needs(access: Access) -> &'static str {
    match access {
        Access::Open => "asks for nothing",
        Access::Key => "asks for an API key (key-auth)",
        Access::Hmac => "asks for an x-ca-* signature (hmac-auth)",
        Access::Apisix => "asks for Authorization: Signature (hmac-auth-apisix)",
    }
}

fn introduce_hostile(screen: &mut Screen, gateway: &hostile::Hostile) -> io::Result<()> {
    screen.line(
        Style::Title,
        &format!("\nHostile gateway at http://{} (the path's first part says how)", gateway.addr()),
    )?;
    for (name, what) in hostile::BEHAVIOURS {
        screen.line(Style::Plain, &format!("  /{name:<23} {what}"))?;
    }
    Ok(())
}
