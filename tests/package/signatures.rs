//! Signing in the daemon's third-party format, and checking it.

use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Output;

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::fixture::{Plugin, program, text, unzip};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/package").join(name)
}

fn verify(package: &Path, key: &str) -> Output {
    program().arg("verify").arg(package).arg("--key").arg(fixture(key)).output().unwrap()
}

/// Expects `verify` to fail over `bytes` and say why.
fn assert_bad(plugin: &Plugin, bytes: &[u8], expected: &str) {
    let path = plugin.out("bad.difypkg");
    std::fs::write(&path, bytes).unwrap();
    let output = verify(&path, "test-only.public.pem");
    assert!(!output.status.success(), "accepted: {}", text(&output.stdout));
    assert!(text(&output.stderr).contains(expected), "expected {expected:?} in {}", text(&output.stderr));
}

fn signed(plugin: &Plugin) -> Vec<u8> {
    plugin.packaged(&["--sign", fixture("test-only.private.pem").to_str().unwrap()]).0
}

/// Copies an archive with its comment; `change` returns what to write for each file, or nothing to leave it out.
fn rewritten(bytes: &[u8], change: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut old = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut new = ZipWriter::new(Cursor::new(Vec::new()));
    new.set_raw_comment(old.comment().into()).unwrap();
    for index in 0..old.len() {
        let mut file = old.by_index(index).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut data = Vec::new();
        file.read_to_end(&mut data).unwrap();
        if let Some(data) = change(&name, data) {
            new.start_file(name, SimpleFileOptions::default()).unwrap();
            new.write_all(&data).unwrap();
        }
    }
    new.finish().unwrap().into_inner()
}

#[test]
fn a_signed_package_verifies_and_says_who_it_is() {
    let plugin = Plugin::new();
    let files = unzip(&signed(&plugin));
    assert_eq!(files[".verification.dify.json"], br#"{"authorized_category":"community"}"#);
    let output = verify(&plugin.out("out.difypkg"), "test-only.public.pem");
    assert!(output.status.success(), "{}", text(&output.stderr));
    // What `dify plugin checksum` prints for the sample plugin with the verification file.
    let identifier = "someone/sample:0.1.0@6c7a3d368aca96ffd153b4a0d94479c2deae020a3eec04960cb93243fc5eb629";
    assert!(text(&output.stdout).contains(identifier), "{}", text(&output.stdout));
}

#[test]
fn a_package_signed_by_the_dify_command_line_verifies() {
    let output = verify(&fixture("signed-by-dify.zip"), "test-only.public.pem");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = verify(&fixture("signed-by-dify.zip"), "another.public.pem");
    assert!(text(&output.stderr).contains("bad signature"), "{}", text(&output.stderr));
}

#[test]
fn a_time_of_the_source_makes_signing_reproducible() {
    let sign = |plugin: &Plugin| {
        let mut command = program();
        command.env("SOURCE_DATE_EPOCH", "1767225600").arg("package").arg("--root").arg(plugin.root());
        command.arg("--out").arg(plugin.out("p")).arg("--sign").arg(fixture("test-only.private.pem"));
        assert!(command.output().unwrap().status.success());
        std::fs::read(plugin.out("p")).unwrap()
    };
    assert_eq!(sign(&Plugin::new()), sign(&Plugin::new()));
}

#[test]
fn what_was_changed_after_signing_does_not_verify() {
    let plugin = Plugin::new();
    let bytes = signed(&plugin);
    let same = rewritten(&bytes, |_, data| Some(data));
    std::fs::write(plugin.out("same.difypkg"), same).unwrap();
    assert!(verify(&plugin.out("same.difypkg"), "test-only.public.pem").status.success(), "only packed anew");

    let edit = |name: &str, data: Vec<u8>| Some(if name == "main.py" { b"import os".to_vec() } else { data });
    assert_bad(&plugin, &rewritten(&bytes, edit), "bad signature");
    assert_bad(&plugin, &rewritten(&bytes, |name, data| (name != "LICENSE").then_some(data)), "bad signature");
}

#[test]
fn what_is_no_signed_package_is_said_plainly() {
    let plugin = Plugin::new();
    assert_bad(&plugin, b"PK is not enough", "not a package: no zip archive");
    assert_bad(&plugin, &plugin.packaged(&[]).0, "the package is not signed");
    assert_bad(&plugin, &[signed(&plugin), b"more".to_vec()].concat(), "something follows the end of the archive");

    let mut folders = ZipWriter::new(Cursor::new(Vec::new()));
    folders.add_directory("provider/", SimpleFileOptions::default()).unwrap();
    assert_bad(&plugin, &folders.finish().unwrap().into_inner(), "a directory entry, which the plugin daemon cannot");
}

#[test]
fn two_files_of_one_name_do_not_verify() {
    let plugin = Plugin::new();
    // Renamed in place, in the file's own header and in the directory: readers disagree which of the two is meant.
    plugin.put("aequirements.txt", "# evil\n");
    let mut doubled = signed(&plugin);
    let name = b"aequirements.txt";
    while let Some(at) = doubled.windows(name.len()).position(|window| window == name) {
        doubled[at] = b'r';
    }
    assert_bad(&plugin, &doubled, "two files of one name");
}

#[test]
fn a_key_of_another_kind_is_refused_and_never_shown() {
    let plugin = Plugin::new();
    let secret = "c2VjcmV0LWtleS1ieXRlcw==";
    for (kind, expected) in [
        ("PRIVATE KEY", "not one PEM block of kind RSA PRIVATE KEY"),
        ("RSA PRIVATE KEY", "the private key is refused"),
    ] {
        let path = plugin.out("key.pem");
        std::fs::write(&path, format!("-----BEGIN {kind}-----\n{secret}\n-----END {kind}-----\n")).unwrap();
        let refusal = plugin.refused(&["--sign", path.to_str().unwrap()]);
        assert!(refusal.contains(expected), "{refusal}");
        assert!(!refusal.contains(secret));
    }
}
