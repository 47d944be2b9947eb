//! The comparison with the Python plugin names the tests that hold it: each of them exists.

use std::fs;
use std::path::{Path, PathBuf};

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

/// The rows of the document's tables, without headings.
fn rows() -> Vec<Vec<String>> {
    let document = fs::read_to_string(root().join("docs/COMPARISON.md")).unwrap();
    let rows = document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| the Python plugin |"));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
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
    let rows = rows();
    assert!(rows.len() > 40, "{} rows", rows.len());
    for row in rows {
        assert_eq!(row.len(), 3, "{row:?}");
        assert!(names(&row[2]).next().is_some(), "no test holds: {}", row[0]);
        for (module, test) in names(&row[2]) {
            let exists = files.iter().any(|(text, path)| {
                let in_module = path.with_extension("").components().any(|part| part.as_os_str() == module);
                in_module && text.contains(&format!("fn {test}("))
            });
            assert!(exists, "there is no test {module}::{test}");
        }
    }
}
