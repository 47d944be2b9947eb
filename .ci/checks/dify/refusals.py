"""Mutated copies of the package: what the daemon's command line or its upload refuses, `package` refuses, and says why;
and what it ignores is what the command line ignores."""

import shutil
import subprocess
import zipfile

from dify.client import Refused

# The smallest thing that `package` takes for a program of amd64: the real one would be packed again and again.
PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(11) + (62).to_bytes(2, "little") + bytes(44)
MANIFEST, PROVIDER = "manifest.yaml", "provider/higress.yaml"
FIELD = "  credential_form_schemas:\n"
# File, what is replaced, and by what. None removes the file.
REFUSED = [
    (MANIFEST, "author: higress", "author: Higress"), (MANIFEST, "author: higress\n", ""),
    (MANIFEST, "author: higress", "author: 11111111-1111-4111-8111-111111111111"),
    (MANIFEST, "name: higress\n", "name: hi.gress\n"), (MANIFEST, "version: 0.", "version: v0."),
    (MANIFEST, "type: plugin\n", ""), (MANIFEST, "label:\n  en_US:", "label:\n  de_DE:"),
    (MANIFEST, "icon: icon.svg", "icon: gone.svg"), (MANIFEST, "icon: icon.svg\n", ""),
    (MANIFEST, "T00:00:00Z", "T00:00:00"), (MANIFEST, "T00:00:00Z", " 00:00:00Z"), (MANIFEST, "T00:00:00Z", "t00:00:00z"),
    (MANIFEST, "memory: 268435456", "memory: 0"), (MANIFEST, "memory: 268435456", "memory: lots"),
    (MANIFEST, "permission: {}", "permission: some"), (MANIFEST, "permission: {}", "permission: {tool: []}"),
    (MANIFEST, "    - provider/higress.yaml", "    - provider/gone.yaml"), (MANIFEST, "- arm64", "- riscv64"),
    (MANIFEST, "language: python", "language: rust"), (MANIFEST, "- utilities", "- gateway"),
    (MANIFEST, "repo: https://", "repo: not "), (MANIFEST, "privacy: PRIVACY.md", "privacy: []"),
    (MANIFEST, "type: plugin", "type: plugin\ntype: plugin"), (MANIFEST, None, None),
    (PROVIDER, "  zh_Hans: icon.svg", "  zh_Hans: gone.svg"), (PROVIDER, "required: true", "required: maybe"),
    (PROVIDER, "label:\n  en_US: Higress AI Gateway\n", "label: []\nx:\n"), (PROVIDER, FIELD, FIELD + "    - text\n"),
    (PROVIDER, "provider: higress\n", "provider: higress\nmodels: {llm: {position: gone.yaml}}\n"),
    (PROVIDER, "provider: higress\n", "provider: higress\nmodels: {llm: {predefined: ['models/[.yaml']}}\n"), (PROVIDER, None, None),
]
ACCEPTED = [
    (MANIFEST, "T00:00:00Z", "T00:00:00.123+08:00"), (MANIFEST, "- utilities", "- utilities\n  - agent"),
    (MANIFEST, "repo: https://", "repo: ssh://git@"), (MANIFEST, "icon_dark: icon-dark.svg\n", ""),
    (MANIFEST, "permission: {}", "permission: {storage: {enabled: true, size: 1024}}"),
    (PROVIDER, "    - variable: advanced_options", "    - variable: " + "v" * 255), ("models/ä b.txt", "", "x"),
]
IGNORED = ["*.svg.bak", "abc[!0-9]", "abc[^0-9]", "{foo,bar}", "foo\\", "[a", "sub/**", "**/deep/foo", "sub/*/foo", "deep/", "/deep", "/**.note",
           "**.note", "!foo.note", "# foo.note", " foo.note ", "foo?note", "sub/deep/", "**/sub/", "\\#x"]


class _Copies:
    """Copies of the package, and what each judge makes of them."""

    def __init__(self, bench, dify):
        self.bench, self.dify, self.folder = bench, dify, bench.folder / "mutated"

    def copy(self, edits=()):
        """A fresh copy with these edits."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.bench.unpacked, self.folder)
        for program in (self.folder / "bin").iterdir():
            program.unlink()
        (self.folder / "bin/higress-linux-amd64").write_bytes(PROGRAM)
        for path, old, new in edits:
            file = self.folder / path
            if old is None:
                file.unlink()
                continue
            text = file.read_text("utf-8") if old else ""
            assert old in text, (path, old)
            file.write_text(text.replace(old, new, 1) if old else new, "utf-8")

    def package(self):
        """Our package and what was said."""
        out = self.bench.folder / "ours.difypkg"
        out.unlink(missing_ok=True)
        command = [self.bench.program, "package", "--root", self.folder, "--programs", "any", "--out", out]
        done = subprocess.run(command, capture_output=True, text=True)
        return (out if done.returncode == 0 else None), done.stderr

    def command_line(self):
        """The package of the daemon's command line, if it makes one."""
        out = self.bench.folder / "theirs.difypkg"
        out.unlink(missing_ok=True)
        subprocess.run([self.bench.programs.dify, "plugin", "package", self.folder, "-o", out], capture_output=True)
        return out if out.exists() else None

    def uploaded(self):
        """Whether the daemon takes the files as they are."""
        out = self.bench.folder / "raw.difypkg"
        with zipfile.ZipFile(out, "w") as archive:
            for file in sorted(self.folder.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(self.folder))
        try:
            return bool(self.dify.upload(out))
        except Refused:
            return False


def check(report, dify, bench):
    """All copies."""
    report.section("what `package` refuses")
    copies = _Copies(bench, dify)
    for edit in REFUSED:
        copies.copy([edit])
        (ours, said), theirs, uploaded = copies.package(), copies.command_line(), copies.uploaded()
        report.check(f"{edit[0]}: {edit[1]!r} as {edit[2]!r}: refused by both sides", not ours and "would be refused:" in said and not (theirs and uploaded),
                     (said, theirs, uploaded))
    for edit in ACCEPTED:
        copies.copy([edit])
        (ours, said), theirs, uploaded = copies.package(), copies.command_line(), copies.uploaded()
        report.check(f"{edit[0]}: {edit[1]!r} as {edit[2][:60]!r}: taken by both sides", ours and theirs and uploaded, (said, theirs, uploaded))
    copies.copy([(path, "", "x") for path in ("abc1", "abcz", "foo.note", "a.svg.bak")])
    (copies.folder / "sub/deep").mkdir(parents=True)
    for path in ("sub/deep/foo", "sub/foo.note", "deep"):
        (copies.folder / path).write_text("x")
    for pattern in IGNORED:
        (copies.folder / ".difyignore").write_text(f"{pattern}\n")
        packed = [set(zipfile.ZipFile(out).namelist()) if out else None for out in (copies.package()[0], copies.command_line())]
        report.check(f".difyignore with {pattern!r}: the same files", packed[0] and packed[0] == packed[1], packed)
