//! Which files of a folder belong to the package.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::archive::Entry;

/// Where programs for the supported machines lie.
pub(crate) const PROGRAMS: &str = "bin/";

/// Reads the files under `root` that are not ignored, sorted by path.
///
/// `.difyignore` decides, or `.gitignore` where there is none. Links to files are followed, as the daemon's packager
/// does.
///
/// # Errors
/// A file that cannot be read, a link to a folder, or a name that is not UTF-8.
pub(crate) fn collect(root: &Path) -> anyhow::Result<Vec<Entry>> {
    let rules = rules(root)?;
    let mut entries = Vec::new();
    walk(root, "", &rules, &mut entries)?;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Reads the ignore file as the plugin daemon does: lines are trimmed, and a negated line has no effect at all.
fn rules(root: &Path) -> anyhow::Result<Gitignore> {
    let mut builder = GitignoreBuilder::new(root);
    let text = fs::read_to_string(root.join(".difyignore")).or_else(|_| fs::read_to_string(root.join(".gitignore")));
    for line in text.unwrap_or_default().lines().map(str::trim) {
        if !line.starts_with('!') {
            builder.add_line(None, line).with_context(|| format!("ignore pattern {line:?}"))?;
        }
    }
    Ok(builder.build()?)
}

fn walk(folder: &Path, prefix: &str, rules: &Gitignore, entries: &mut Vec<Entry>) -> anyhow::Result<()> {
    for found in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let found = found?;
        let path = found.path();
        let Ok(name) = found.file_name().into_string() else {
            bail!("{}: the name is not UTF-8", path.display());
        };
        let relative = format!("{prefix}{name}");
        let is_folder = found.file_type()?.is_dir();
        if rules.matched(&relative, is_folder).is_ignore() {
            continue;
        }
        if is_folder {
            walk(&path, &format!("{relative}/"), rules, entries)?;
        } else {
            let data = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let executable = relative.starts_with(PROGRAMS);
            entries.push(Entry { path: relative, data, executable });
        }
    }
    Ok(())
}
