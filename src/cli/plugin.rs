//! The program without a command: the plugin.

use std::io::Write as _;
use std::process::ExitCode;

/// Runs the plugin until its host is done with it.
// WIRING: becomes `crate::provider::run_plugin()`.
pub(super) fn run() -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: the plugin is not wired up in this build");
    ExitCode::FAILURE
}
