//! The commands of the program; without one it is the plugin.

#[expect(clippy::indexing_slicing, reason = "a part of a JSON value that is not there reads as null")]
mod answer;
#[expect(clippy::indexing_slicing, reason = "a part of a JSON value that is not there reads as null")]
mod demo;
mod gateway;
#[expect(clippy::indexing_slicing, reason = "a part of a JSON value that is not there reads as null")]
pub mod host;
#[expect(clippy::indexing_slicing, reason = "a part of a JSON value that is not there reads as null")]
mod invoke;
mod package;
mod plugin;
pub mod requests;
mod secret;
mod terminal;
mod verify;

use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::process::ExitCode;

/// Higress AI gateway as a Dify model provider.
///
/// Without a command this program is the plugin itself: Dify's plugin daemon starts it and talks to it in JSON lines
/// on standard input and output. The commands are for people.
#[derive(Debug, Parser)]
#[command(name = "higress-dify-plugin", version, disable_help_subcommand = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Options),
    Invoke(invoke::Options),
    Gateway(gateway::Options),
    Package(package::Options),
    Verify(verify::Options),
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed (the reason is on standard error), 2 wrong usage.";

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        None => plugin::run_plugin(),
        Some(Command::Demo(options)) => demo::run(&options),
        Some(Command::Invoke(options)) => invoke::run(&options),
        Some(Command::Gateway(options)) => gateway::run(&options),
        Some(Command::Package(options)) => package::run(&options),
        Some(Command::Verify(options)) => verify::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell when standard error is gone.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command's asynchronous part to its end.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
