"""Puts the package under a real, unmodified Dify plugin daemon and looks at everything that a user could notice.

Usage: daemon.py DAEMON --package FILE --program FILE [--dify PROGRAM] [--slim PROGRAM] [--only PART ...]
(`.ci/check-daemon DAEMON` makes the package and calls this.)

DAEMON is the daemon's program (`cmd/server` of dify-plugin-daemon); `dify` and `slim` are looked for beside it. They
are neither changed nor shipped here. PostgreSQL and Redis must be installed (Debian: postgresql, redis-server); this
starts its own, on loopback, and keeps nothing. Standard library only; Linux, Python 3.12.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

from dify import debugging, figures, hosts, install, refusals, routes, serverless, stopping
from dify.client import Dify
from dify.report import Report
from dify.services import Daemon, Stores, network_is_off
from standin import Gateway

PARTS = ["signatures", "refusals", "routes", "install", "stop", "debugging", "hosts", "serverless", "figures"]


class Bench:
    """What all parts share: the programs, the package, the databases."""

    def __init__(self, options, folder, stores, offline):
        self.root = pathlib.Path(__file__).resolve().parents[2]
        self.folder, self.stores = folder, stores
        self.programs = options
        self.program = options.program
        self.package = options.package
        self.unpacked = folder / "unpacked"
        with zipfile.ZipFile(self.package) as archive:
            archive.extractall(self.unpacked)
        self.identifier = re.search(r"identifier\s+(\S+)", self.package_tool("--out", str(folder / "again.difypkg"))).group(1)
        self.offline = offline
        here = folder / "mount"
        here.mkdir()
        self.may_mount = subprocess.run(["mount", "--bind", here, here], capture_output=True).returncode == 0
        if self.may_mount:
            subprocess.run(["umount", here], check=True)

    def package_tool(self, *arguments, root=None):
        """Runs `package` on the unpacked package; returns what it printed."""
        command = [self.program, "package", "--root", str(root or self.unpacked), "--programs", "any", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def daemon(self, name, **settings):
        """A daemon with a database and a folder of its own."""
        return Daemon(self.stores, self.folder / name, self.programs.daemon, self.programs.dify, self.programs.python,
                      self.programs.uv, **settings)


def run(report, bench, parts):
    """All parts that were asked for."""
    if "signatures" in parts:
        install.check_signatures(report, bench)
    with bench.daemon("plain") as daemon, Gateway(str(bench.program)) as gateway:
        dify = Dify(daemon.port)
        install.check_install(report, dify, daemon, bench)
        if "refusals" in parts:
            refusals.check(report, dify, bench)
        if "routes" in parts:
            routes.check(report, dify, gateway)
        if "stop" in parts:
            stopping.check(report, dify, daemon, gateway)
        if "figures" in parts:
            figures.measure(report, dify, daemon, gateway)
        if "install" in parts:
            install.check_idle(report, daemon)
            install.check_kill(report, dify, daemon, gateway)
            install.check_read_only(report, dify, daemon, gateway, bench)
            install.check_upgrade(report, dify, daemon, gateway, bench)
        if "debugging" in parts:
            debugging.check(report, daemon, gateway, bench)
        if "hosts" in parts:
            hosts.check(report, gateway, bench)
        if "serverless" in parts:
            serverless.check(report, gateway, bench)
    if "figures" in parts:
        for setting in ("on", "off"):
            with bench.daemon(f"probes_{setting}", HIGRESS_STOP_PROBE=setting, REDIS_DB="3") as daemon, Gateway(str(bench.program)) as gateway:
                dify = Dify(daemon.port)
                dify.install(dify.upload(bench.package))
                figures.measure_probes(report, dify, daemon, gateway, f"questions {setting}")


def options():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("daemon", type=pathlib.Path)
    parser.add_argument("--dify", type=pathlib.Path)
    parser.add_argument("--slim", type=pathlib.Path)
    parser.add_argument("--package", type=pathlib.Path, required=True)
    parser.add_argument("--program", type=pathlib.Path, required=True, help="the plugin's program for this machine: the gateway")
    parser.add_argument("--uv", default=shutil.which("uv"))
    parser.add_argument("--python", default=sys.executable, help="Python 3.12")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    found = parser.parse_args()
    found.dify = found.dify or found.daemon.with_name("dify")
    found.slim = found.slim or found.daemon.with_name("slim")
    for name in ("daemon", "dify", "slim", "package", "program"):
        setattr(found, name, getattr(found, name).resolve(strict=True))
    if not found.uv:
        parser.error("uv is needed: pip install uv, or --uv")
    return found


def main():
    asked = options()
    # uv looks for 3.12 by name, and would download one it does not find.
    os.environ["PATH"] = f"{pathlib.Path(asked.python).parent}:{os.environ['PATH']}"
    report, offline = Report(), network_is_off()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dify-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)
        stores = stack.enter_context(Stores(folder))
        run(report, Bench(asked, folder, stores, offline), asked.only)
    return report.result()


if __name__ == "__main__":
    sys.exit(main())
