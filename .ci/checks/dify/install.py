"""A package from upload to removal: signatures, installation without a network, a killed process, a read-only folder,
an upgrade with answers on their way."""

import asyncio
import contextlib
import os
import pathlib
import shutil
import subprocess
import threading
import time

from dify.client import Dify, Refused, llm, text_of
from dify.services import cpu_seconds, kill, peak_memory, wait_for
from dify.streams import Streams, numbers


def check_signatures(report, bench):
    """A daemon that verifies takes the package signed with the key it was given, and no other."""
    report.section("signatures")
    keys = bench.root / "tests/fixtures/package"
    signed = bench.folder / "signed.difypkg"
    bench.package_tool("--sign", str(keys / "test-only.private.pem"), "--out", str(signed))
    verifying = {"FORCE_VERIFYING_SIGNATURE": "true", "THIRD_PARTY_SIGNATURE_VERIFICATION_ENABLED": "true", "REDIS_DB": "1"}
    for trusted, accepted in (("test-only", True), ("another", False)):
        public = {"THIRD_PARTY_SIGNATURE_VERIFICATION_PUBLIC_KEYS": str(keys / f"{trusted}.public.pem")}
        with bench.daemon(f"verifying_{accepted}".lower(), **verifying, **public) as daemon:
            dify = Dify(daemon.port)
            for name, package, right in (("signed", signed, accepted), ("unsigned", bench.package, False)):
                text = "accepted"
                try:
                    dify.upload(package)
                except Refused as refused:
                    text = str(refused)
                verdict = "accepted" if right else "bad signature"
                report.check(f"the daemon trusts the {'right' if accepted else 'wrong'} key, {name}: {verdict}", verdict in text, text)
            if accepted:
                dify.install(dify.upload(signed))
                answers, error = dify.call("model/validate_provider_credentials", {"credentials": {}})
                report.check("the signed package runs", answers and not error, error)


def check_install(report, dify, daemon, bench):
    """Upload, install, list."""
    report.section("upload, install, list")
    identifier = dify.upload(bench.package)
    printed = bench.identifier
    report.check("the daemon's identifier is the one that `package` printed", identifier == printed, (identifier, printed))
    dify.manage("GET", f"/management/fetch/manifest?plugin_unique_identifier={identifier}")
    seconds = dify.install(identifier)
    [installed] = dify.installed()
    report.check("it is listed", installed["plugin_unique_identifier"] == identifier, installed)
    [process] = daemon.plugin_processes()
    program = os.readlink(f"/proc/{process}/exe")
    report.check("the daemon's process is the program itself", "higress-linux" in program or "memfd" in program, program)
    report.figure(f"installed {'without any network' if bench.offline else 'with an unreachable index'} in {seconds:.1f} s; "
                  f"{peak_memory(process):.0f} MiB at its peak so far")
    return identifier


def check_kill(report, dify, daemon, gateway):
    """A killed process comes back, and calls made meanwhile are answered."""
    report.section("kill -9")
    [old] = daemon.plugin_processes()
    waits, failures = [], []

    def call():
        started = time.monotonic()
        answers, error = dify.call("llm/invoke", llm(gateway.credentials("hmac")))
        waits.append(time.monotonic() - started)
        if error or not text_of(answers):
            failures.append(error)

    kill(old)
    callers = [threading.Thread(target=call) for _ in range(20)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    report.check("20 calls made after kill -9 are all answered", not failures, failures)
    [new] = wait_for("a new process", daemon.plugin_processes, 30)
    report.check("by a new process", new != old)
    report.figure(f"the slowest of them after {max(waits):.1f} s: the daemon looks for dead plugins every 5 s")


@contextlib.contextmanager
def _read_only(folder):
    """Mounts a folder on itself, read-only and without execution."""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro,noexec", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def check_read_only(report, dify, daemon, gateway, bench):
    """The unpacked package on a read-only, noexec mount: the launcher runs the program from memory."""
    report.section("a read-only, noexec mount of the unpacked package")
    if not bench.may_mount:
        report.figure("skipped: mounting is not permitted here")
        return
    [old] = daemon.plugin_processes()
    folder = os.readlink(f"/proc/{old}/cwd")
    with _read_only(folder):
        report.check("nothing can be written there", not os.access(pathlib.Path(folder) / "main.py", os.W_OK))
        kill(old)
        answers, error = dify.call("llm/invoke", llm(gateway.credentials("hmac")))
        report.check("a call is answered", answers and not error, error)
        [new] = daemon.plugin_processes()
        report.check("the program runs from memory", "memfd" in os.readlink(f"/proc/{new}/exe"), os.readlink(f"/proc/{new}/exe"))
    kill(new)
    answers, error = dify.call("llm/invoke", llm(gateway.credentials("hmac")))
    report.check("and from its file again afterwards", answers and not error, error)


def older_package(bench, version="0.0.9"):
    """The same plugin as an earlier version."""
    root = bench.folder / "older"
    shutil.copytree(bench.unpacked, root)
    manifest = root / "manifest.yaml"
    lines = [f"version: {version}" if line.startswith("version: ") else line for line in manifest.read_text("utf-8").splitlines()]
    manifest.write_text("\n".join(lines) + "\n", "utf-8")
    out = bench.folder / "older.difypkg"
    bench.package_tool("--out", str(out), root=root)
    return out


def check_upgrade(report, dify, daemon, gateway, bench):
    """An upgrade while answers are on their way: the old process finishes them, the new one takes the rest."""
    report.section("upgrade, and removal")
    dify.uninstall()
    wait_for("no process", lambda: not daemon.plugin_processes(), 30)
    old = dify.upload(older_package(bench))
    dify.install(old)
    [old_process] = daemon.plugin_processes()
    slow = llm(gateway.credentials("hmac"), "pace-100ms-120")
    running = []
    thread = threading.Thread(target=lambda: running.extend(asyncio.run(Streams(dify).whole(slow, 20))))
    thread.start()
    wait_for("the streams", lambda: gateway.stats()["requests_in_flight"] >= 20, 10)
    new = dify.upload(bench.package)
    dify.upgrade(old, new)
    report.check("the new version is listed", [each["plugin_unique_identifier"] for each in dify.installed()] == [new])
    thread_alive = thread.is_alive()
    answers, error = dify.call("llm/invoke", llm(gateway.credentials("hmac")))
    report.check("the new one answers while the old one still streams", answers and not error and thread_alive, (error, thread_alive))
    thread.join()
    whole = sum(stream.text() == numbers(120) for stream in running)
    report.check("20 answers of the old one end whole", whole == 20, whole)
    wait_for("the old process ends", lambda: old_process not in daemon.plugin_processes(), 60)
    report.check("the old process is gone, one new one is there", len(daemon.plugin_processes()) == 1, daemon.plugin_processes())
    dify.uninstall()
    started = time.monotonic()
    wait_for("the process ends", lambda: not daemon.plugin_processes(), 30)
    report.check("removing the plugin ends its process", not dify.installed())
    report.figure(f"{time.monotonic() - started:.1f} s after the removal")


def check_idle(report, daemon):
    """A plugin that nobody calls costs nothing."""
    [process] = daemon.plugin_processes()
    before = cpu_seconds(process)
    time.sleep(5)
    used = cpu_seconds(process) - before
    report.check("an idle plugin uses no processor time", used < 0.05, used)
