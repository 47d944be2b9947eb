//! What the plugin daemon, its command line, remote debugging and Dify's API refuse, checked before they see it.
//!
//! None of the four checks everything: the daemon's upload looks at names and files, the command line at the
//! manifest's fields, remote debugging at every field of the provider too, the API at versions. A package that passes
//! here passes all of them. Source: Dify plugin daemon, `ManifestValidate`, `CheckAssetsValid` and the `validate` tags
//! of `plugin_declaration.go` and `model_declaration.go`.

mod fields;
mod files;
mod manifest;
mod program;
mod provider;

use std::fmt;

use super::archive::{Entry, MAX_UNPACKED_BYTES};
pub(crate) use files::REQUIREMENTS;
pub(crate) use program::{MACHINES, Programs};

/// A rule that a package breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The file, and the field in it.
    pub(crate) place: String,
    /// The rule, as a requirement.
    pub(crate) rule: String,
    /// Who refuses the package for it.
    pub(crate) judge: Judge,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.place, self.rule, self.judge)
    }
}

/// Who refuses a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judge {
    /// Upload to the plugin daemon, or its installer.
    Daemon,
    /// `dify plugin package`, and remote debugging.
    CommandLine,
    /// Remote debugging, which checks every field of the declaration.
    RemoteDebugging,
    /// Dify's API, which reads the declaration from the daemon.
    Api,
    /// This project: the package would install and then not work, or give something away.
    Project,
}

impl fmt::Display for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Daemon => "plugin daemon",
            Self::CommandLine => "dify plugin package, remote debugging",
            Self::RemoteDebugging => "remote debugging",
            Self::Api => "Dify API",
            Self::Project => "this project",
        })
    }
}

/// Every rule that the files of a package break, in the order in which they were met.
pub(crate) fn check(entries: &[Entry], programs: Programs) -> Vec<Refusal> {
    let mut refusals = files::check(entries);
    refusals.extend(manifest::check(entries));
    refusals.extend(program::check(entries, programs));
    refusals
}

/// Whether the sizes are what every consumer takes: `packed` bytes of archive against `limit`, and the sum of the
/// files against the daemon's own limit.
pub(crate) fn check_size(entries: &[Entry], packed: u64, limit: u64) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let unpacked: u64 = entries.iter().map(|entry| entry.data.len() as u64).sum();
    if unpacked > MAX_UNPACKED_BYTES {
        refusals.push(Refusal {
            place: "the files".to_owned(),
            rule: format!("{unpacked} bytes unpacked; at most {MAX_UNPACKED_BYTES}. The largest: {}", largest(entries)),
            judge: Judge::Daemon,
        });
    }
    if packed > limit {
        refusals.push(Refusal {
            place: "the package".to_owned(),
            rule: format!("{packed} bytes; at most {limit}. The largest files: {}", largest(entries)),
            judge: if packed > MAX_UNPACKED_BYTES { Judge::Daemon } else { Judge::Project },
        });
    }
    refusals
}

fn largest(entries: &[Entry]) -> String {
    let mut sizes: Vec<_> = entries.iter().map(|entry| (entry.data.len(), entry.path.as_str())).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    sizes.iter().take(3).map(|(size, path)| format!("{path} ({size})")).collect::<Vec<_>>().join(", ")
}
