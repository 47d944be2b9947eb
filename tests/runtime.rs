//! The runtime at its boundary: lines in, lines out.

#[cfg(test)]
#[path = "runtime/flow.rs"]
mod flow;
#[cfg(test)]
#[path = "runtime/outputs.rs"]
mod outputs;
#[cfg(test)]
#[path = "runtime/process.rs"]
mod process;
#[cfg(test)]
#[path = "runtime/sessions.rs"]
mod sessions;
#[cfg(test)]
#[path = "runtime/stopping.rs"]
mod stopping;
#[cfg(test)]
#[path = "runtime/support.rs"]
mod support;
