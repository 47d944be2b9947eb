//! Zip files that come out the same, byte for byte, for the same contents.

use std::io::{Cursor, Read, Write};

use anyhow::{Context, bail, ensure};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// The most bytes the plugin daemon unpacks from one package (`MAX_PLUGIN_PACKAGE_SIZE`).
pub(crate) const MAX_UNPACKED_BYTES: u64 = 52_428_800;

/// A zip's closing record: how it begins, its length without the comment, and where in it the number of entries stands.
const END_RECORD: &[u8] = b"PK\x05\x06";
const END_RECORD_BYTES: usize = 22;
const END_RECORD_ENTRIES: usize = 10;

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Path from the root of the archive, with `/` between its parts.
    pub(crate) path: String,
    /// The file's bytes.
    pub(crate) data: Vec<u8>,
    /// Whether the archive marks it executable. The daemon does not look; `unzip` and wheel installers do.
    pub(crate) executable: bool,
}

impl Entry {
    /// A plain file.
    pub(crate) fn file(path: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), data: data.into(), executable: false }
    }

    /// A program.
    pub(crate) fn program(path: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), data: data.into(), executable: true }
    }
}

/// Writes `entries` in the order given, with fixed times and no directory entries: the daemon's decoder reads a
/// directory entry as a file and fails.
///
/// # Errors
/// Two entries of one name, or a size that zip cannot hold.
pub(crate) fn write(entries: &[Entry], comment: &str) -> anyhow::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.set_raw_comment(comment.as_bytes().into()).context("the archive comment does not fit")?;
    for entry in entries {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(if entry.executable { 0o755 } else { 0o644 });
        zip.start_file(&entry.path, options).with_context(|| format!("cannot pack {}", entry.path))?;
        zip.write_all(&entry.data).with_context(|| format!("cannot pack {}", entry.path))?;
    }
    Ok(zip.finish().context("cannot finish the archive")?.into_inner())
}

/// Reads an archive back: its files in archive order, and its comment.
///
/// # Errors
/// Not a zip and nothing else, a directory entry, two entries of one name, or more than [`MAX_UNPACKED_BYTES`] unpacked.
pub(crate) fn read(bytes: &[u8]) -> anyhow::Result<(Vec<Entry>, String)> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).context("not a package: no zip archive")?;
    let comment = String::from_utf8(zip.comment().to_vec()).context("the archive comment is not UTF-8")?;
    let end = bytes.len().saturating_sub(comment.len() + END_RECORD_BYTES);
    ensure!(
        bytes.get(end..).is_some_and(|end| end.starts_with(END_RECORD)),
        "something follows the end of the archive"
    );
    // The reader keeps the last of two entries of one name where others keep the first, so such an archive means
    // different things to different readers.
    let at = end + END_RECORD_ENTRIES;
    let declared = bytes.get(at..at + 2).and_then(|field| Some(u16::from_le_bytes(field.try_into().ok()?)));
    ensure!(declared.map(usize::from) == Some(zip.len()), "the archive holds two files of one name");

    let mut entries = Vec::with_capacity(zip.len());
    let mut left = MAX_UNPACKED_BYTES;
    for index in 0..zip.len() {
        let file = zip.by_index(index).context("the archive is damaged")?;
        let path = file.name().context("the archive holds a name that is not UTF-8")?.into_owned();
        if path.ends_with('/') {
            bail!("{path}: a directory entry, which the plugin daemon cannot read");
        }
        let executable = file.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        let mut data = Vec::new();
        file.take(left + 1).read_to_end(&mut data).with_context(|| format!("{path}: damaged"))?;
        left = left
            .checked_sub(data.len() as u64)
            .with_context(|| format!("more than {MAX_UNPACKED_BYTES} bytes unpacked, the plugin daemon's limit"))?;
        entries.push(Entry { path, data, executable });
    }
    Ok((entries, comment))
}
