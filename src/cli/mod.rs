//! The commands of the program; without one it is the plugin.

mod package;
mod verify;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Higress AI gateway as a Dify model provider. Without a command it is the plugin.
#[derive(Debug, Parser)]
#[command(name = "higress-dify-plugin", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the package that Dify installs
    Package(package::Options),
    /// Check the signature of a package
    Verify(verify::Options),
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Some(Command::Package(options)) => package::run(&options),
        Some(Command::Verify(options)) => verify::run(&options),
        None => Ok(()),
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
