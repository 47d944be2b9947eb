"""A stock Envoy with the configuration of `.ci/envoy/`, for checks. Standard library only."""

import contextlib
import json
import pathlib
import socket
import string
import subprocess
import tempfile
import threading
import time
import urllib.request

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "envoy"


class Envoy:
    """Runs while the block lasts. `url(listener)` is where it listens, `entry(mark)` what it logged of a request."""

    def __init__(self, program, gateway, hostile):
        self.program, self.gateway, self.hostile = program, gateway, hostile
        self.entries = []
        self._came = threading.Condition()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            # Bound and not listening: whoever connects is refused, and nobody else gets the port.
            refusing = stack.enter_context(socket.socket())
            refusing.bind(("127.0.0.1", 0))
            text = string.Template((FOLDER / "envoy.yaml").read_text()).substitute(
                folder=FOLDER, gateway=self.gateway, hostile=self.hostile, refused=refusing.getsockname()[1])
            (work / "envoy.yaml").write_text(text)
            self.process = subprocess.Popen(
                [self.program, "--config-path", work / "envoy.yaml", "--admin-address-path", work / "admin",
                 "--disable-hot-restart", "--concurrency", "1", "--log-level", "error",
                 "--file-flush-interval-msec", "20"],
                stdout=subprocess.PIPE)
            stack.callback(self._end)
            threading.Thread(target=self._read, daemon=True).start()
            self.listeners = self._find(work / "admin")
            self._stack = stack.pop_all()
            return self

    def __exit__(self, *_):
        self._stack.close()

    def url(self, listener):
        scheme = "https" if listener == "tls" else "http"
        return f"{scheme}://127.0.0.1:{self.listeners[listener]}"

    def entry(self, mark, seconds=10):
        """The log's entry of the request whose path ends in `mark`. It comes when the exchange is over."""
        def found():
            return next((entry for entry in self.entries if (entry["path"] or "").endswith(mark)), None)
        with self._came:
            if not self._came.wait_for(found, timeout=seconds):
                raise TimeoutError(f"Envoy logged nothing that ends in {mark}")
            return found()

    def _read(self):
        for raw in self.process.stdout:
            with self._came:
                self.entries.append(json.loads(raw))
                self._came.notify_all()

    def _find(self, file):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, ValueError, KeyError):
                address = file.read_text().strip()
                # Not through a proxy that the environment may name.
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                with opener.open(f"http://{address}/listeners?format=json", timeout=5) as reply:
                    listeners = json.load(reply)["listener_statuses"]
                with opener.open(f"http://{address}/ready", timeout=5) as reply:
                    if reply.read().strip() == b"LIVE":
                        return {one["name"]: one["local_address"]["socket_address"]["port_value"] for one in listeners}
            time.sleep(0.05)
        raise RuntimeError("Envoy does not start")

    def _end(self):
        self.process.kill()
        self.process.wait(timeout=10)
