//! A small plugin that everybody accepts, in a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub(crate) const MANIFEST: &str = "\
version: 0.1.0
type: plugin
author: someone
name: sample
label: {en_US: Sample, zh_Hans: 样例}
description: {en_US: A sample plugin}
icon: icon.svg
created_at: 2026-08-01T00:00:00Z
resource: {memory: 268435456, permission: {}}
plugins: {models: [provider/sample.yaml]}
meta:
  version: 0.0.1
  arch: [amd64, arm64]
  runner: {language: python, version: '3.12', entrypoint: main}
tags: [utilities]
repo: https://example.com/sample
";

pub(crate) const PROVIDER: &str = "\
provider: sample
label: {en_US: Sample}
icon_small: {en_US: icon.svg}
supported_model_types: [llm, text-embedding]
configurate_methods: [customizable-model]
model_credential_schema:
  model: {label: {en_US: Model}}
  credential_form_schemas:
  - variable: mode
    label: {en_US: Mode}
    type: select
    required: true
    default: chat
    options:
    - {label: {en_US: Chat}, value: chat}
    - {label: {en_US: Text}, value: text, show_on: [{variable: mode, value: chat}]}
";

/// A 64-bit ELF header for a machine, with one program header of the given type.
pub(crate) fn elf(machine: u16, header: u32) -> Vec<u8> {
    let mut file = vec![0; 64 + 56];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[18..20].copy_from_slice(&machine.to_le_bytes());
    file[32..40].copy_from_slice(&64_u64.to_le_bytes());
    file[54..56].copy_from_slice(&56_u16.to_le_bytes());
    file[56..58].copy_from_slice(&1_u16.to_le_bytes());
    file[64..68].copy_from_slice(&header.to_le_bytes());
    file
}

pub(crate) const AMD64: u16 = 62;
pub(crate) const ARM64: u16 = 183;
pub(crate) const LOAD: u32 = 1;
pub(crate) const INTERPRETER: u32 = 3;

/// The plugin's folder, and a place for what is built from it.
pub(crate) struct Plugin {
    root: TempDir,
    out: TempDir,
}

impl Plugin {
    pub(crate) fn new() -> Self {
        let plugin = Self { root: TempDir::new().unwrap(), out: TempDir::new().unwrap() };
        plugin.put("manifest.yaml", MANIFEST);
        plugin.put("provider/sample.yaml", PROVIDER);
        plugin.put("_assets/icon.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>");
        plugin.put("README.md", "# Sample\n");
        plugin.put("LICENSE", "Apache License 2.0\n");
        plugin.put("main.py", "raise SystemExit(126)\n");
        plugin.put("requirements.txt", "# nothing\n");
        plugin.put("bin/higress-linux-amd64", elf(AMD64, LOAD));
        plugin.put("bin/higress-linux-arm64", elf(ARM64, LOAD));
        plugin
    }

    pub(crate) fn put(&self, path: &str, contents: impl AsRef<[u8]>) {
        let file = self.root.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, contents).unwrap();
    }

    /// Replaces text in a file; it must be there.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.root.path().join(path)).unwrap();
        assert!(text.contains(from), "{path} does not hold {from:?}");
        self.put(path, text.replacen(from, to, 1));
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.root.path().join(path)).unwrap();
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn out(&self, name: &str) -> PathBuf {
        self.out.path().join(name)
    }

    /// Runs `package` with further arguments.
    pub(crate) fn package(&self, arguments: &[&str]) -> Output {
        let mut command = program();
        command.arg("package").arg("--root").arg(self.root.path()).arg("--out").arg(self.out("out.difypkg"));
        command.args(arguments).output().unwrap()
    }

    /// The package that must come out, and what was printed.
    pub(crate) fn packaged(&self, arguments: &[&str]) -> (Vec<u8>, String) {
        let output = self.package(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        (fs::read(self.out("out.difypkg")).unwrap(), text(&output.stdout))
    }

    /// What must be said against the package; nothing may be written.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let _ = fs::remove_file(self.out("out.difypkg"));
        let output = self.package(arguments);
        assert!(!output.status.success(), "accepted: {}", text(&output.stdout));
        assert!(!self.out("out.difypkg").exists(), "a refused package was written");
        text(&output.stderr)
    }
}

/// The program under test, without the caller's settings.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_higress-dify-plugin"));
    command.env_remove("SOURCE_DATE_EPOCH");
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The files of a zip by name.
pub(crate) fn unzip(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..zip.len())
        .map(|index| {
            let mut file = zip.by_index(index).unwrap();
            let mut data = Vec::new();
            file.read_to_end(&mut data).unwrap();
            (file.name().unwrap().into_owned(), data)
        })
        .collect()
}
