//! Rules about which files a package holds.

use super::super::archive::Entry;
use super::super::identity::MANIFEST;
use super::super::signature::VERIFICATION;
use super::{Judge, Refusal};

/// The file without which no daemon before 0.5.3 installs a Python plugin.
pub(crate) const REQUIREMENTS: &str = "requirements.txt";

/// Checks names, and that the files without which nothing works are there.
pub(super) fn check(entries: &[Entry]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut refuse = |place: &str, rule: &str, judge| {
        refusals.push(Refusal { place: place.to_owned(), rule: rule.to_owned(), judge });
    };
    let required = [
        (MANIFEST, "is missing: it says what the package is"),
        (REQUIREMENTS, "is missing: the installer finds no dependency file"),
        ("README.md", "is missing: Dify shows it as the plugin's page"),
    ];
    for (path, rule) in required {
        if !entries.iter().any(|entry| entry.path == path) {
            refuse(path, rule, Judge::Daemon);
        }
    }
    for Entry { path, .. } in entries {
        let name = path.rsplit('/').next().unwrap_or(path);
        if path.contains('\\') || path.split('/').any(|part| part == "..") {
            refuse(path, "the name holds a backslash or leads out of the package", Judge::Daemon);
        }
        if path == VERIFICATION {
            refuse(path, "only a signer may add this file", Judge::Project);
        }
        if path == "uv.lock" || path == "pyproject.toml" {
            refuse(path, "would be installed in place of requirements.txt, over the network", Judge::Project);
        }
        let is_key = [".pem", ".key"].iter().any(|ending| name.ends_with(ending));
        if is_key || name == ".env" || path.starts_with(".git/") {
            refuse(path, "does not belong in a package: it may hold a secret; list it in .difyignore", Judge::Project);
        }
    }
    refusals
}
