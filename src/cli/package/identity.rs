//! What the plugin daemon calls a package: `author/name:version@checksum`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::archive::Entry;

/// Name of the file that says what a package is.
pub(crate) const MANIFEST: &str = "manifest.yaml";

/// The part of a manifest that names the plugin.
#[derive(Debug, Deserialize)]
pub(crate) struct Identity {
    pub(crate) author: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// Where the source is; a wheel's metadata links to it.
    pub(crate) repo: Option<String>,
}

impl Identity {
    /// Reads the identity from the manifest among `entries`.
    pub(crate) fn of(entries: &[Entry]) -> anyhow::Result<Self> {
        let manifest = entries.iter().find(|entry| entry.path == MANIFEST).with_context(|| format!("no {MANIFEST}"))?;
        serde_norway::from_slice(&manifest.data).with_context(|| format!("{MANIFEST} cannot be read"))
    }

    /// `author/name:version@checksum`, the daemon's unique identifier.
    pub(crate) fn unique(&self, checksum: &str) -> String {
        format!("{}/{}:{}@{checksum}", self.author, self.name, self.version)
    }
}

/// The daemon's checksum, in hex: SHA-256 over SHA-256(path) and SHA-256(content) of every file, sorted by path.
/// It says nothing about order, times or compression, so signing tools may rewrite the archive.
/// Source: Dify plugin daemon, `CalculateChecksum`.
pub(crate) fn checksum(entries: &[Entry]) -> String {
    let sorted: BTreeMap<&str, &[u8]> =
        entries.iter().map(|entry| (entry.path.as_str(), entry.data.as_slice())).collect();
    let mut whole = Sha256::new();
    for (path, data) in sorted {
        whole.update(Sha256::digest(path));
        whole.update(Sha256::digest(data));
    }
    hex(&whole.finalize())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
