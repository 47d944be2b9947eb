//! What documents name is there: the tests that hold what they say, and the files of the map.

use std::fs;
use std::path::{Path, PathBuf};

/// The heading of a column of tests.
const TEST: &str = "test";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// The rows of the tables whose last column is one of tests, under their headings.
fn rows(document: &str) -> Vec<Vec<&str>> {
    let mut rows = Vec::new();
    let mut columns: Option<Vec<&str>> = None;
    for line in document.lines() {
        match (line.starts_with("| "), &columns) {
            (false, _) if line.starts_with("|-") => {}
            (false, _) => columns = None,
            (true, None) => columns = Some(cells(line)),
            (true, Some(names)) if names.last() == Some(&TEST) => {
                let row = cells(line);
                assert_eq!(row.len(), names.len(), "{line}");
                rows.push(row);
            }
            (true, Some(_)) => {}
        }
    }
    rows
}

/// The names of tests in a cell: `file::test`.
fn names(cell: &str) -> impl Iterator<Item = (&str, &str)> {
    cell.split('`').skip(1).step_by(2).map(|name| name.rsplit_once("::").expect(name))
}

#[test]
fn every_row_names_tests_that_exist() {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    rust_files(&root().join("tests"), &mut files);
    let files: Vec<_> = files.into_iter().map(|path| (fs::read_to_string(&path).unwrap(), path)).collect();
    for (name, least) in [("COMPARISON", 40), ("RELIABILITY", 60)] {
        let document = fs::read_to_string(root().join(format!("docs/{name}.md"))).unwrap();
        let rows = rows(&document);
        assert!(rows.len() >= least, "{} rows in {name}", rows.len());
        for row in rows {
            let cell = row.last().unwrap();
            assert!(names(cell).next().is_some(), "no test holds: {}", row[0]);
            for (module, test) in names(cell) {
                let exists = files.iter().any(|(text, path)| {
                    let in_module = path.with_extension("").components().any(|part| part.as_os_str() == module);
                    in_module && text.contains(&format!("fn {test}("))
                });
                assert!(exists, "{name}: there is no test {module}::{test}");
            }
        }
    }
}

/// The files that a document names in code quotes: those with a slash or an extension of ours. `{a,b}` are two.
fn named_files(document: &str) -> Vec<String> {
    let quoted = document.split('`').skip(1).step_by(2);
    let is_file = |name: &str| name.contains('/') || Path::new(name).extension().is_some_and(|rust| rust == "rs");
    let names = quoted.filter(|name| !name.contains([' ', ':']) && is_file(name));
    names
        .flat_map(|name| match name.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
            Some((before, (list, behind))) => list.split(',').map(|part| format!("{before}{part}{behind}")).collect(),
            None => vec![name.to_owned()],
        })
        .collect()
}

#[test]
fn every_file_of_the_map_exists() {
    let mut sources = Vec::new();
    rust_files(&root().join("src"), &mut sources);
    let document = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let names = named_files(&document);
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        // By the file's whole name, or by the end of it where the sentence is about one part of the program.
        let exists = sources.iter().any(|path| path.ends_with(&name))
            || ["", "src", "src/runtime"].iter().any(|folder| root().join(folder).join(&name).exists());
        assert!(exists, "there is no {name}");
    }
}
