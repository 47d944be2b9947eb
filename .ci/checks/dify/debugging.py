"""Remote debugging: the program dials the daemon with the key that the daemon gives out."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import time

from dify.client import Dify, llm, text_of
from dify.services import cpu_seconds, stop, wait_for


class Debugged:
    """The program under remote debugging, while the block lasts; its log is collected."""

    def __init__(self, bench, name, environment=None, cwd=None):
        self.command, self.log, self.cwd = [bench.program], bench.folder / f"{name}.log", cwd
        clean = {key: value for key, value in os.environ.items() if key not in ("INSTALL_METHOD", "REMOTE_INSTALL_URL")}
        self.environment = {**clean, **(environment or {})}

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, cwd=self.cwd or self.log.parent,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def __exit__(self, *_):
        stop(self.process)

    def says(self, text):
        """Whether its log holds `text`."""
        return text in self.log.read_text("utf-8", "replace")


def remote(daemon, key):
    """The environment of a developer's terminal."""
    return {"INSTALL_METHOD": "remote", "REMOTE_INSTALL_URL": f"127.0.0.1:{daemon.debug_port}", "REMOTE_INSTALL_KEY": key}


def _listed(dify):
    return [each for each in dify.installed() if each["source"] == "remote"]


def _answers(dify, gateway):
    answers, error = dify.call("llm/invoke", llm(gateway.credentials("hmac")))
    return not error and "Say hello" in text_of(answers)


def _comes_back(dify, gateway):
    """A call now, where a call is refused while nobody is connected."""
    with contextlib.suppress(OSError, ValueError):
        return _answers(dify, gateway)


def check(report, daemon, gateway, bench):
    """Everything about remote debugging."""
    report.section("remote debugging")
    dify = Dify(daemon.port)
    key = dify.debugging_key()
    with Debugged(bench, "debugged", remote(daemon, key)) as debugged:
        [listed] = wait_for("the debugged plugin", lambda: _listed(dify), 20)
        report.check("it is listed as remote, under its own name", listed["plugin_id"] == dify.plugin, listed["plugin_id"])
        declared = listed["declaration"]
        model = declared["model"]
        report.check("its model types and form are there",
                     set(model["supported_model_types"]) == {"llm", "text-embedding", "rerank"}
                     and len(model["model_credential_schema"]["credential_form_schemas"]) > 16, model)
        icon = declared["icon"]
        report.check("its icon was taken over", icon and _asset(dify, icon), icon)
        report.check("a call is answered", wait_for("a call", lambda: _answers(dify, gateway), 10))
        check_reconnection(report, dify, daemon, gateway, bench, debugged, key)
    report.check("SIGTERM ends it with 0", debugged.process.returncode == 0, debugged.process.returncode)
    check_keys(report, dify, daemon, gateway, bench)
    check_file(report, dify, daemon, gateway, bench)
    check_beside_installed(report, daemon, gateway, bench)


def _asset(dify, name):
    connection, response = dify._send("GET", f"/asset/{name}")
    content = response.read()
    connection.close()
    return response.status == 200 and b"<svg" in content


def check_reconnection(report, dify, daemon, gateway, bench, debugged, key):
    """The daemon goes away for a while."""
    stop(daemon.process)
    wait_for("the loss is noticed", lambda: debugged.says("Trying again"), 20)
    before, started = cpu_seconds(debugged.process.pid), time.monotonic()
    time.sleep(20)
    used, waited = cpu_seconds(debugged.process.pid) - before, time.monotonic() - started
    report.check("waiting for a daemon costs no processor time", used <= 0.05, used)
    report.figure(f"{used * 1000:.0f} ms of processor time in {waited:.0f} s without a daemon")
    started = time.monotonic()
    daemon.start()
    came_back = wait_for("it comes back", lambda: _comes_back(dify, gateway), 90)
    report.check("when the daemon is back, it registers again by itself", came_back and debugged.process.poll() is None)
    report.figure(f"answered {time.monotonic() - started:.1f} s after the daemon's start")
    # The key runs out: connections that stand go on, and the next one is refused.
    bench.stores.redis_command("FLUSHDB")
    report.check("with its key expired it goes on while the connection stands", _answers(dify, gateway))
    daemon.process.send_signal(signal.SIGKILL)
    daemon.process.wait()
    daemon.start()
    code = debugged.process.wait(90)
    report.check("and ends at the next connection, with the daemon's words", code != 0 and debugged.says("handshake failed, invalid key"),
                 (code, debugged.log.read_text()[-500:]))
    report.check("the key is in no log line", not debugged.says(key))
    debugged.__enter__()
    debugged.process.wait(20)
    new_key = dify.debugging_key()
    debugged.environment["REMOTE_INSTALL_KEY"] = new_key
    debugged.__enter__()
    report.check("with a new key it serves again", wait_for("a call", lambda: _comes_back(dify, gateway), 20) and new_key != key)


def check_keys(report, dify, daemon, gateway, bench):
    """A key that is wrong, missing."""
    for name, key, text in (("a wrong key", "00000000-0000-4000-8000-000000000000", "handshake failed, invalid key"),
                            ("no key", "", "REMOTE_INSTALL_KEY")):
        started = time.monotonic()
        with Debugged(bench, "refused", remote(daemon, key)) as debugged:
            code = debugged.process.wait(20)
        report.check(f"{name} stops it at once, with the reason", code != 0 and debugged.says(text) and time.monotonic() - started < 5,
                     (code, debugged.log.read_text()))
        report.figure(f"{name}: exit {code} after {time.monotonic() - started:.1f} s: {debugged.log.read_text().strip()[-200:]}")


def check_file(report, dify, daemon, gateway, bench):
    """The developer's loop: `.env` made from the example, two values filled in, the program started beside it."""
    folder = pathlib.Path(bench.folder / "developer")
    folder.mkdir()
    shutil.copy(bench.root / ".env.example", folder / ".env")
    lines = (folder / ".env").read_text("utf-8").splitlines()
    filled = {"REMOTE_INSTALL_URL": f"127.0.0.1:{daemon.debug_port}", "REMOTE_INSTALL_KEY": dify.debugging_key()}
    text = "".join(f"{name}={filled[name]}\n" if (name := line.partition("=")[0]) in filled else f"{line}\n" for line in lines)
    (folder / ".env").write_text(text, "utf-8")
    for attempt in ("first", "second"):
        with Debugged(bench, "file", cwd=folder) as debugged:
            came = wait_for("a call", lambda: _comes_back(dify, gateway), 30)
            report.check(f".env alone is enough, {attempt} start", came and debugged.process.poll() is None)
            wait_for("the words", lambda: debugged.says("registered at the Dify host"), 10)
        started = time.monotonic()
        wait_for("the daemon forgets it", lambda: not _listed(dify), 20)
        report.figure(f"taken off the list {time.monotonic() - started:.2f} s after its end")


def check_beside_installed(report, daemon, gateway, bench):
    """A workspace that has the package installed and is then used for debugging: what this daemon makes of it is for
    the README to say."""
    dify = Dify(daemon.port)
    dify.install(dify.upload(bench.package))
    [installed] = daemon.plugin_processes()
    before = cpu_seconds(installed)
    with Debugged(bench, "beside", remote(daemon, dify.debugging_key())) as debugged:
        wait_for("the words", lambda: debugged.says("registered at the Dify host"), 10)
        for _ in range(50):
            answers, error = dify.call("llm/invoke", llm(gateway.credentials("hmac")))
        answering = "the installed package" if cpu_seconds(installed) > before + 0.02 else "the debugged program"
        sources = [(each["source"], each["plugin_unique_identifier"][:22]) for each in dify.installed()]
        report.figure(f"installed and debugged at once: listed {sources}; {answering} answers")
    time.sleep(3)
    report.figure(f"after the debugging: listed {[each['source'] for each in dify.installed()]}")
