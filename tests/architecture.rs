//! The direction of imports, as `docs/ARCHITECTURE.md` draws it: `runtime` and `gateway` know nothing of each other,
//! `provider` knows both, `standin` knows none, and only `cli` knows all.

use std::fs;
use std::path::{Path, PathBuf};

/// For each part, the parts it may name besides itself.
const ALLOWED: &[(&str, &[&str])] = &[
    ("runtime", &[]),
    ("gateway", &[]),
    ("standin", &[]),
    ("provider", &["runtime", "gateway"]),
    ("cli", &["runtime", "gateway", "provider", "standin"]),
];

#[test]
fn no_part_imports_against_the_direction() {
    let mut breaches = Vec::new();
    for (part, allowed) in ALLOWED {
        for file in rust_files(&source().join(part)) {
            let text = fs::read_to_string(&file).expect("a source file is readable");
            for (number, line) in text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
                for named in parts_named(line) {
                    if named != *part && !allowed.contains(&named) {
                        breaches.push(format!("{}:{}: {part} names {named}", file.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(breaches.is_empty(), "imports against the direction:\n{}", breaches.join("\n"));
}

#[test]
fn every_part_is_listed() {
    let mut folders: Vec<String> = fs::read_dir(source())
        .expect("src is readable")
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    let mut listed: Vec<&str> = ALLOWED.iter().map(|(part, _)| *part).collect();
    listed.sort_unstable();
    assert_eq!(folders, listed, "a part without a rule");
}

#[test]
fn the_scan_sees_every_way_to_name_a_part() {
    assert_eq!(parts_named("use crate::gateway::Error;"), ["gateway"]);
    assert_eq!(parts_named("use crate::{gateway::Error, runtime};"), ["runtime", "gateway"]);
    assert_eq!(parts_named("    let x = crate::provider::llm::invoke(a);"), ["provider"]);
    assert_eq!(parts_named("use super::super::runtime::Context;"), ["runtime"]);
    assert_eq!(parts_named("use crate::cli;"), ["cli"]);
    assert!(parts_named("let gateway = 1; tokio::runtime::Handle::current();").is_empty());
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a part is a folder").filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The parts a line names: `crate::part`, `super::super::part`, and the members of `crate::{…}`.
fn parts_named(line: &str) -> Vec<&'static str> {
    let braced = line.contains("crate::{");
    ALLOWED
        .iter()
        .map(|(part, _)| *part)
        .filter(|part| {
            let direct = [format!("crate::{part}"), format!("super::super::{part}")];
            let named = direct.iter().any(|path| {
                line.match_indices(path.as_str()).any(|(at, _)| {
                    let after = line[at + path.len()..].chars().next();
                    !after.is_some_and(|next| next.is_alphanumeric() || next == '_')
                })
            });
            let member = braced
                && [format!("{part}::"), format!("{part},"), format!("{part}}}")]
                    .iter()
                    .any(|m| line.contains(m.as_str()));
            named || member
        })
        .collect()
}
