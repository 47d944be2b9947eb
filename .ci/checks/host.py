"""A host for the plugin, over pipes, for the wider checks: sends invocations as the Dify daemon does and collects the
answers session by session. Standard library only."""

import json
import os
import queue
import subprocess
import threading
import time
import uuid


class Plugin:
    """The plugin as a child process that speaks the stdio protocol."""

    def __init__(self, command, cwd=None, env=None):
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, "INSTALL_METHOD": "local", **(env or {})},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        self.lines = []
        self.sessions = {}
        self.ready = threading.Event()
        self.first_heartbeat = None
        self._write = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for raw in self.process.stdout:
            line = raw.decode("utf-8").strip()
            if not line:
                continue
            message = json.loads(line)
            self.lines.append(line)
            if message["event"] == "heartbeat" and not self.ready.is_set():
                self.first_heartbeat = time.monotonic() - self.started
                self.ready.set()
            if message["event"] == "session":
                self.sessions.setdefault(message["session_id"], queue.Queue()).put(message["data"])

    def send(self, data, **envelope):
        """Sends one request; returns its session id."""
        session = envelope.pop("session_id", None) or str(uuid.uuid4())
        self.sessions.setdefault(session, queue.Queue())
        line = {"session_id": session, "conversation_id": None, "message_id": None, "app_id": None,
                "endpoint_id": None, "context": None, "event": "request", "data": data, **envelope}
        with self._write:
            self.process.stdin.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            self.process.stdin.flush()
        return session

    def answer(self, session, seconds=30):
        """All messages of a session up to its `end`: (stream objects, error or None)."""
        stream, error = [], None
        deadline = time.monotonic() + seconds
        while True:
            message = self.sessions[session].get(timeout=max(0.01, deadline - time.monotonic()))
            if message["type"] == "stream":
                stream.append(message["data"])
            elif message["type"] == "error":
                error = message["data"]
            elif message["type"] == "end":
                return stream, error

    def call(self, data, seconds=30, **envelope):
        return self.answer(self.send(data, **envelope), seconds)

    def close(self, seconds=35):
        self.process.stdin.close()
        code = self.process.wait(timeout=seconds)
        self._reader.join(timeout=5)
        return code
