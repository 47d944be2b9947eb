//! The tables, and their places in the documentation.

use std::path::Path;

/// Named parts of the report. Each is printed when it is there.
#[derive(Default)]
pub(crate) struct Report(Vec<(&'static str, String)>);

impl Report {
    pub(crate) fn add(&mut self, name: &'static str, text: String) {
        println!("{text}");
        self.0.push((name, text));
    }

    /// Replaces what stands between the marks `<!-- compare:NAME -->` and `<!-- /compare:NAME -->` of a document.
    pub(crate) fn write(&self, file: &Path) {
        let mut document = std::fs::read_to_string(file).expect("the document is there");
        for (name, text) in &self.0 {
            let (open, close) = (format!("<!-- compare:{name} -->\n"), format!("<!-- /compare:{name} -->"));
            let start = document.find(&open).expect("an opening mark") + open.len();
            let end = start + document[start..].find(&close).expect("a closing mark");
            document.replace_range(start..end, text);
        }
        std::fs::write(file, document).expect("the document is writable");
    }
}
