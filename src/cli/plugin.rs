//! The program without a command: the plugin.

use crate::provider::{self, Higress};
use crate::runtime::{Settings, run};

/// The first part of the names of settings that the SDK does not have.
const PREFIX: &str = "HIGRESS";

/// Runs the plugin until its host is done with it.
pub(super) fn run_plugin() -> anyhow::Result<()> {
    Ok(run(Higress, provider::declaration, &Settings::load(PREFIX)?)?)
}
