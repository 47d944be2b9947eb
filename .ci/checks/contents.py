"""Checks what a package holds, without the code that made it: order, times, names, and the checksum as the daemon has it.

Usage: contents.py PACKAGE CHECKSUM. Standard library only.
"""

import hashlib
import sys
import zipfile

# What is shipped, by name: a new file at the top must be decided about, in .difyignore or here.
TOP = {"LICENSE", "PRIVACY.md", "README.md", "_assets", "bin", "main.py", "manifest.yaml", "models", "provider", "readme",
       "requirements.txt"}
# What the daemon starts, and what Dify shows.
NEEDED = {"LICENSE", "PRIVACY.md", "README.md", "readme/README_zh_Hans.md", "_assets/icon.svg", "_assets/icon-dark.svg",
          "bin/higress-linux-amd64", "bin/higress-linux-arm64", "main.py", "manifest.yaml", "provider/higress.yaml",
          "requirements.txt"}
KINDS = {"", "md", "py", "svg", "txt", "yaml"}
MAX_BYTES = 15 * 1024 * 1024


def checksum(files):
    """The plugin daemon's: SHA-256 over the sums of path and content of every file, sorted by path."""
    whole = hashlib.sha256()
    for path in sorted(files):
        whole.update(hashlib.sha256(path.encode()).digest() + hashlib.sha256(files[path]).digest())
    return whole.hexdigest()


def main(path, expected):
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        files = {entry.filename: archive.read(entry) for entry in entries}
        size = archive.fp.seek(0, 2)
    names = [entry.filename for entry in entries]
    kind = {name: name.rsplit("/", 1)[-1].rpartition(".")[2] if "." in name.rsplit("/", 1)[-1] else "" for name in names}
    wrong = {
        "names not sorted, or twice": [] if names == sorted(set(names)) else names,
        "directory entries": [name for name in names if name.endswith("/")],
        "times of their own": [entry.filename for entry in entries if entry.date_time != (1980, 1, 1, 0, 0, 0)],
        "shipped, but not expected": [name for name in names if name.split("/")[0] not in TOP or kind[name] not in KINDS],
        "missing": sorted(NEEDED - set(names)),
        "links": [entry.filename for entry in entries if entry.external_attr >> 28 == 0o12],
        "another checksum": [] if checksum(files) == expected else [checksum(files), expected],
        "too large": [] if size < MAX_BYTES else [size],
    }
    for what, found in wrong.items():
        if found:
            print(f"FAIL  {what}:", *found, sep="\n      ")
    largest = sorted(files, key=lambda name: -len(files[name]))[:4]
    print(f"{len(files)} files, {size} bytes packed, {sum(map(len, files.values()))} unpacked; the largest:")
    for name in largest:
        print(f"{len(files[name]):>12}  {name}")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
