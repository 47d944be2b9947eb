//! What a package holds, and that it always comes out the same.

use std::io::Cursor;

use zip::{DateTime, ZipArchive};

use crate::fixture::{Plugin, unzip};

/// What `dify plugin checksum` prints for the sample plugin.
const CHECKSUM: &str = "498b32ad483485dc1ca577cafae9fb0b970c5671c196590f51a21f6f767be928";

fn names(bytes: &[u8]) -> Vec<String> {
    unzip(bytes).into_keys().collect()
}

#[test]
fn the_same_contents_give_the_same_bytes() {
    let one = Plugin::new();
    let other = Plugin::new();
    // Written later, in another order: neither may show.
    let main = std::fs::read(other.root().join("main.py")).unwrap();
    other.remove("main.py");
    other.put("main.py", main);
    assert_eq!(one.packaged(&[]).0, other.packaged(&[]).0);
}

#[test]
fn files_are_sorted_with_fixed_times_and_without_folders() {
    let (bytes, _) = Plugin::new().packaged(&[]);
    let mut zip = ZipArchive::new(Cursor::new(&bytes)).unwrap();
    let mut found = Vec::new();
    for index in 0..zip.len() {
        let file = zip.by_index(index).unwrap();
        assert_eq!(file.last_modified(), Some(DateTime::DEFAULT));
        found.push(file.name().unwrap().into_owned());
    }
    let expected = [
        "LICENSE",
        "README.md",
        "_assets/icon.svg",
        "bin/higress-linux-amd64",
        "bin/higress-linux-arm64",
        "main.py",
        "manifest.yaml",
        "provider/sample.yaml",
        "requirements.txt",
    ];
    assert_eq!(found, expected);
}

#[test]
fn size_count_checksum_and_identifier_are_printed() {
    let (bytes, printed) = Plugin::new().packaged(&[]);
    for line in [
        format!("size        {} bytes", bytes.len()),
        "files       9".to_owned(),
        format!("checksum    {CHECKSUM}"),
        format!("identifier  someone/sample:0.1.0@{CHECKSUM}"),
        "signed      no".to_owned(),
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line:?} is not in {printed:?}");
    }
}

#[test]
fn difyignore_decides_what_is_left_out() {
    let plugin = Plugin::new();
    plugin.put(".difyignore", "# comment\n/.*\n/target\n  *.log  \nnotes/\ndeep/**/draft.md\n!kept.log\n");
    for path in ["target/x", "a.log", "kept.log", "sub/b.log", "sub/notes/c", "deep/er/still/draft.md", ".hidden"] {
        plugin.put(path, "no");
    }
    for path in ["sub/target/y", "notes", "deep/er/final.md"] {
        plugin.put(path, "yes");
    }
    let names = names(&plugin.packaged(&[]).0);
    let extra: Vec<_> = names.iter().filter(|name| name.contains("deep") || name.contains("notes")).collect();
    assert_eq!(extra, ["deep/er/final.md", "notes"]);
    assert!(names.contains(&"sub/target/y".to_owned()));
    assert!(names.iter().all(|name| {
        let ending = std::path::Path::new(name).extension();
        ending.is_none_or(|ending| ending != "log") && !name.starts_with('.') && !name.starts_with("target")
    }));
}

/// Found by packing the same folder with `dify plugin package`.
#[test]
fn what_git_and_the_daemon_read_differently_is_read_as_the_daemon_does() {
    for (pattern, left_out) in [
        ("abc[!0-9]", &["abc1"][..]),
        ("abc[^0-9]", &["abcz"]),
        ("{foo,bar}", &[]),
        ("foo\\", &[]),
        ("[a", &[]),
        ("/**.note", &[]),
        ("**.note", &["foo.note", "sub/foo.note"]),
        ("sub/**", &["sub/deep/foo", "sub/foo.note"]),
        ("**/deep/foo", &["sub/deep/foo"]),
        ("sub/*/foo", &["sub/deep/foo"]),
        ("deep/foo", &[]),
        ("deep/", &["sub/deep/foo"]),
        ("foo.note/", &[]),
        ("\u{e9}", &[]),
    ] {
        let plugin = Plugin::new();
        let all = ["abc1", "abcz", "foo.note", "sub/deep/foo", "sub/foo.note"];
        for path in all {
            plugin.put(path, "");
        }
        plugin.put(".difyignore", pattern);
        let packed = names(&plugin.packaged(&[]).0);
        let missing: Vec<_> = all.into_iter().filter(|path| !packed.iter().any(|name| name == path)).collect();
        assert_eq!(missing, left_out, "{pattern}");
    }
}

#[test]
fn an_ignore_file_that_is_not_utf_8_still_decides() {
    let plugin = Plugin::new();
    plugin.put(".difyignore", b"# \xe9\nscratch\n");
    plugin.put("scratch", "no");
    assert!(!names(&plugin.packaged(&[]).0).contains(&"scratch".to_owned()));
}

#[test]
fn gitignore_decides_where_there_is_no_difyignore() {
    let plugin = Plugin::new();
    plugin.put(".gitignore", "scratch\n");
    plugin.put("scratch", "no");
    let names = names(&plugin.packaged(&[]).0);
    assert!(!names.contains(&"scratch".to_owned()));
    assert!(names.contains(&".gitignore".to_owned()), "dot files are only left out by a pattern");
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_is_packed_as_the_file() {
    let plugin = Plugin::new();
    std::os::unix::fs::symlink(plugin.root().join("LICENSE"), plugin.root().join("COPYING")).unwrap();
    let files = unzip(&plugin.packaged(&[]).0);
    assert_eq!(files["COPYING"], files["LICENSE"]);
}

#[test]
fn a_package_over_the_limit_is_refused_with_its_largest_files() {
    let plugin = Plugin::new();
    // Pseudo-random, so that it does not compress away.
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(1 << 20)
    .collect();
    plugin.put("_assets/huge.bin", noise);
    let refusal = plugin.refused(&["--max-size", "1"]);
    assert!(refusal.contains("at most 1048576") && refusal.contains("_assets/huge.bin"), "{refusal}");
    plugin.packaged(&["--max-size", "2"]);
}

#[test]
fn more_than_the_daemon_unpacks_is_refused_even_when_it_compresses_well() {
    let plugin = Plugin::new();
    plugin.put("_assets/zeros.bin", vec![0; 52_428_800]);
    let refusal = plugin.refused(&[]);
    assert!(refusal.contains("at most 52428800") && refusal.contains("[plugin daemon]"), "{refusal}");
}
