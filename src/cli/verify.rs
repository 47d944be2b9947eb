//! `verify`: checks the signature of a package.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use chrono::DateTime;
use clap::Args;

use super::package::identity::{self, Identity};
use super::package::{archive, read_key, signature};

/// What to verify, and against which key.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The package
    file: PathBuf,
    /// The signer's RSA public key (PEM, PKCS#1, as `dify signature generate` writes it)
    #[arg(long, value_name = "PUB")]
    key: PathBuf,
}

/// Prints what the package is and when it was signed.
///
/// # Errors
/// Not a package, not signed, signed with another key, or changed since.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let name = options.file.display();
    let bytes = fs::read(&options.file).with_context(|| format!("cannot read {name}"))?;
    let (entries, comment) = archive::read(&bytes).with_context(|| name.to_string())?;
    let time = signature::verify(&entries, &comment, &read_key(&options.key)?).with_context(|| name.to_string())?;
    let signed = DateTime::from_timestamp(time, 0).map_or_else(|| time.to_string(), |time| time.to_rfc3339());
    let unique = Identity::of(&entries)?.unique(&identity::checksum(&entries));
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "identifier  {unique}")?;
    writeln!(stdout, "signed      {signed}")?;
    Ok(())
}
