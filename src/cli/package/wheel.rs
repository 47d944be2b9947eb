//! Python wheels that carry the program.
//!
//! A wheel's `data/scripts` land in the environment's `bin` folder with mode 0755, which is where the launcher looks
//! first. Source: the binary distribution format of the Python packaging specifications.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::archive::{self, Entry};
use super::identity::{self, Identity};

/// The name under which the program is installed from an index.
pub(crate) const DISTRIBUTION: &str = "higress-dify-runtime";

/// The program's name in `bin`; the launcher looks for it.
const PROGRAM: &str = "higress-dify-plugin";

/// File name and bytes of the wheel that carries `program`, built for `machine` (`x86_64` or `aarch64`).
///
/// The tags claim what a static program fulfils: any glibc from 2.17 on, and any musl.
pub(crate) fn build(
    identity: &Identity,
    machine: &str,
    program: &[u8],
    licence: &[u8],
) -> anyhow::Result<(String, Vec<u8>)> {
    let version = &identity.version;
    let stem = format!("{}-{version}", DISTRIBUTION.replace('-', "_"));
    let platforms =
        [format!("manylinux_2_17_{machine}"), format!("manylinux2014_{machine}"), format!("musllinux_1_1_{machine}")];
    let info = format!("{stem}.dist-info");
    let tags = platforms.each_ref().map(|platform| format!("Tag: py3-none-{platform}")).join("\n");
    let source = identity.repo.as_ref().map(|url| format!("Project-URL: Source, {url}\n")).unwrap_or_default();
    let metadata = format!(
        "Metadata-Version: 2.4\nName: {DISTRIBUTION}\nVersion: {version}\n\
         Summary: Native program of the Higress model provider plugin for Dify\n\
         License-Expression: Apache-2.0\nLicense-File: LICENSE\n{source}Requires-Python: >=3.8\n"
    );
    let wheel = format!(
        "Wheel-Version: 1.0\nGenerator: {PROGRAM} {}\nRoot-Is-Purelib: false\n{tags}\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut entries = vec![
        Entry::program(format!("{stem}.data/scripts/{PROGRAM}"), program),
        Entry::file(format!("{info}/METADATA"), metadata),
        Entry::file(format!("{info}/WHEEL"), wheel),
        Entry::file(format!("{info}/licenses/LICENSE"), licence),
    ];
    let mut record: Vec<_> = entries
        .iter()
        .map(|Entry { path, data, .. }| {
            format!("{path},sha256={},{}", URL_SAFE_NO_PAD.encode(Sha256::digest(data)), data.len())
        })
        .collect();
    record.push(format!("{info}/RECORD,,\n"));
    entries.push(Entry::file(format!("{info}/RECORD"), record.join("\n")));
    Ok((format!("{stem}-py3-none-{}.whl", platforms.join(".")), archive::write(&entries, "")?))
}

/// The requirements of a package whose program comes as these wheels: this version and these very files, so that an
/// index that serves anything else under the name is refused.
pub(crate) fn requirements(identity: &Identity, wheels: &[(String, Vec<u8>)]) -> String {
    let sums: String =
        wheels.iter().map(|(_, wheel)| [" --hash=sha256:", &identity::hex(&Sha256::digest(wheel))].concat()).collect();
    format!("{DISTRIBUTION}=={}{sums}\n", identity.version)
}
