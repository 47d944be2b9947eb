"""Start the native plugin program in place of this Python process.

The Dify plugin daemon runs a plugin as ``python -m main``. This launcher replaces that process by the program built
for the machine, so process id, pipes and environment stay what the daemon gave. It prints nothing to stdout: that is
the protocol's.
"""

import os
import sys

PROGRAM = "higress-dify-plugin"
ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}
MFD_EXEC = 0x10  # since Linux 6.3, which may be set up to make files in memory non-executable unless told


def candidates():
    """Where the program may be: a wheel puts it beside the interpreter, the package carries it in ``bin``."""
    yield os.path.join(os.path.dirname(sys.executable), PROGRAM)
    machine = os.uname().machine if hasattr(os, "uname") else "unknown"
    name = "higress-{}-{}".format(sys.platform, ARCHITECTURES.get(machine, machine))
    yield os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", name)


def run(path):
    """Become the program at `path`; return only by raising why that is impossible."""
    arguments = [path, *sys.argv[1:]]
    try:
        os.execv(path, arguments)
    except PermissionError:
        pass  # a package has no mode bits: the daemon unpacks every file as 0644
    try:
        os.chmod(path, 0o755)
        os.execv(path, arguments)
    except OSError:
        pass  # not our file, a read-only file system, or one mounted noexec
    try:
        memory = os.memfd_create(PROGRAM, os.MFD_CLOEXEC | MFD_EXEC)
    except OSError:
        memory = os.memfd_create(PROGRAM)
    with open(path, "rb", buffering=0) as source:
        while block := source.read(1 << 20):
            while block:
                block = block[os.write(memory, block) :]
    os.execve(memory, arguments, os.environ)


def main():
    reasons = []
    for path in candidates():
        try:
            run(path)
        except (OSError, AttributeError) as error:  # AttributeError: no memfd_create on this system
            reasons.append("{}: {}".format(path, getattr(error, "strerror", None) or error))
    sys.stderr.write("{}: no program could be started: {}\n".format(PROGRAM, "; ".join(reasons)))
    return 126


if __name__ == "__main__":
    sys.exit(main())
