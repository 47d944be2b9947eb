//! Which files of a folder belong to the package.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use super::archive::Entry;
use super::glob::Glob;

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
    let text = fs::read(root.join(".difyignore")).or_else(|_| fs::read(root.join(".gitignore"))).unwrap_or_default();
    let rules: Vec<_> = String::from_utf8_lossy(&text).lines().filter_map(Rule::parse).collect();
    let mut entries = Vec::new();
    walk(root, "", &rules, &mut entries)?;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn walk(folder: &Path, prefix: &str, rules: &[Rule], entries: &mut Vec<Entry>) -> anyhow::Result<()> {
    for found in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let found = found?;
        let path = found.path();
        let Ok(name) = found.file_name().into_string() else {
            bail!("{}: the name is not UTF-8", path.display());
        };
        let relative = format!("{prefix}{name}");
        let is_folder = found.file_type()?.is_dir();
        if rules.iter().any(|rule| rule.ignores(&relative, is_folder)) {
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

/// One line of an ignore file, as the plugin daemon understands it. That is nearly Git's way; where the two differ (a
/// negated line has no effect, `[!a]` negates nothing, `**` beside other characters matches nothing) the daemon's counts,
/// so that `dify plugin package` packs the same files.
#[derive(Debug)]
struct Rule {
    /// The names of the path, one after the other. A single one is looked for at every depth.
    parts: Vec<Part>,
    only_folders: bool,
}

#[derive(Debug)]
enum Part {
    /// What stands before a slash at the beginning, or between two.
    Nothing,
    /// `**`
    Folders,
    Name(Glob),
    /// What matches nothing.
    Never,
}

impl Rule {
    /// The rule of a line; `None` for an empty one, a comment, and a negated one.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!']) {
            return None;
        }
        let (pattern, only_folders) = line.strip_suffix('/').map_or((line, false), |pattern| (pattern, true));
        let parts = if pattern.contains('/') {
            pattern.split('/').map(Part::parse).collect()
        } else {
            vec![Part::name(pattern)]
        };
        Some(Self { parts, only_folders })
    }

    /// Whether a file or folder is left out. Called for a folder before what is in it.
    fn ignores(&self, path: &str, is_folder: bool) -> bool {
        let mut names = path.split('/');
        if let [part] = &self.parts[..] {
            let Some(depth) = names.clone().position(|name| part.is(name)) else { return false };
            return !self.only_folders || is_folder || depth + 1 < names.count();
        }
        let (mut matched, mut any_depth) = (false, false);
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Nothing => any_depth = false,
                Part::Folders if index + 1 == self.parts.len() => break,
                Part::Folders => any_depth = true,
                Part::Never => return false,
                Part::Name(_) if any_depth => {
                    any_depth = false;
                    if names.clone().next().is_none() {
                        return false;
                    }
                    matched = names.any(|name| part.is(name));
                }
                Part::Name(_) => {
                    if !names.next().is_some_and(|name| part.is(name)) {
                        return false;
                    }
                    matched = true;
                }
            }
        }
        matched && !(self.only_folders && !is_folder && names.next().is_none())
    }
}

impl Part {
    fn parse(part: &str) -> Self {
        match part {
            "" => Self::Nothing,
            "**" => Self::Folders,
            _ if part.contains("**") => Self::Never,
            _ => Self::name(part),
        }
    }

    fn name(pattern: &str) -> Self {
        Glob::parse(pattern).map_or(Self::Never, Self::Name)
    }

    fn is(&self, name: &str) -> bool {
        matches!(self, Self::Name(glob) if glob.matches(name))
    }
}
