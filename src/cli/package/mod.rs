//! `package`: builds the `.difypkg` that Dify installs; the same contents always give the same bytes.

pub(crate) mod archive;
mod glob;
pub(crate) mod identity;
mod ignore;
mod rules;
pub(crate) mod signature;
mod wheel;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use chrono::Utc;
use clap::Args;

use archive::Entry;
use identity::Identity;
use rules::{Programs, Refusal};

/// Bytes that everybody takes: `slim` downloads no more, and the limit of older Dify APIs is the same.
const DEFAULT_MAX_MIB: u64 = 15;

/// What to package, and how.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The plugin's folder: where manifest.yaml is
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
    /// The package to write [default: <name>-<version>.difypkg]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Sign with this RSA key (PEM, PKCS#1, as `dify signature generate` writes it)
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// Programs that must be in bin/
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Programs::Both)]
    programs: Programs,
    /// Write the programs as Python wheels into this folder, and a package that requires them instead of holding them
    #[arg(long, value_name = "DIR")]
    wheels: Option<PathBuf>,
    /// Refuse a package larger than this
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_MAX_MIB)]
    max_size: u64,
}

/// Builds the package and prints what it is.
///
/// # Errors
/// Every rule that the package breaks, or a file that cannot be read or written. Nothing is written then.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut entries = ignore::collect(&options.root)?;
    refuse(&rules::check(&entries, options.programs))?;
    let identity = Identity::of(&entries)?;
    let wheels = match options.wheels {
        Some(_) => split_wheels(&identity, &mut entries)?,
        None => Vec::new(),
    };
    let comment = match &options.sign {
        Some(path) => signature::sign(&mut entries, &read_key(path)?, signing_time()?)?,
        None => String::new(),
    };
    let bytes = archive::write(&entries, &comment)?;
    refuse(&rules::check_size(&entries, bytes.len() as u64, options.max_size.saturating_mul(1024 * 1024)))?;

    if let Some(folder) = &options.wheels {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for (name, wheel) in &wheels {
            write(&folder.join(name), wheel)?;
        }
    }
    let out =
        options.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}-{}.difypkg", identity.name, identity.version)));
    write(&out, &bytes)?;

    let checksum = identity::checksum(&entries);
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "package     {}", out.display())?;
    writeln!(stdout, "size        {} bytes", bytes.len())?;
    writeln!(stdout, "files       {}", entries.len())?;
    writeln!(stdout, "checksum    {checksum}")?;
    writeln!(stdout, "identifier  {}", identity.unique(&checksum))?;
    writeln!(stdout, "signed      {}", if options.sign.is_some() { "yes" } else { "no" })?;
    for (name, wheel) in &wheels {
        writeln!(stdout, "wheel       {name} ({} bytes)", wheel.len())?;
    }
    Ok(())
}

/// Takes the programs out of `entries` and into wheels, and makes the package require them.
fn split_wheels(identity: &Identity, entries: &mut Vec<Entry>) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    ensure!(!identity.version.contains('-'), "a wheel needs a version of three plain numbers");
    let licence = entries.iter().find(|entry| entry.path == "LICENSE").context("a wheel needs the LICENSE file")?;
    let mut wheels = Vec::new();
    for machine in rules::MACHINES {
        if let Some(program) = entries.iter().find(|entry| entry.path == machine.path) {
            wheels.push(wheel::build(identity, machine.name, &program.data, &licence.data)?);
        }
    }
    entries.retain(|entry| !entry.path.starts_with(ignore::PROGRAMS));
    for entry in entries.iter_mut().filter(|entry| entry.path == rules::REQUIREMENTS) {
        entry.data = wheel::requirements(identity, &wheels).into_bytes();
    }
    Ok(wheels)
}

/// Reads a key file.
///
/// # Errors
/// A file that cannot be read; the message names it and holds nothing of it.
pub(crate) fn read_key(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read the key {}", path.display()))
}

/// Now, or the time of the source where a reproducible build gives one (`SOURCE_DATE_EPOCH`).
fn signing_time() -> anyhow::Result<i64> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.parse().context("SOURCE_DATE_EPOCH is no number of seconds"),
        Err(_) => Ok(Utc::now().timestamp()),
    }
}

fn refuse(refusals: &[Refusal]) -> anyhow::Result<()> {
    if refusals.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = refusals.iter().map(|refusal| format!("  {refusal}")).collect();
    bail!("the package would be refused:\n{}", lines.join("\n"))
}

/// Writes a file whole or not at all: a package cut off half-way must not be taken for one.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    fs::write(&partial, bytes)
        .and_then(|()| fs::rename(&partial, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
