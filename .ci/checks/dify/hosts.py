"""The daemon's own command line and `slim` run the same package, and lose nothing by the questions that long calls ask."""

import json
import os
import shutil
import subprocess
import threading

from dify.client import llm, text_of
from dify.services import stop
from dify.streams import numbers

LONG = "pace-200ms-100"  # 20 s: several questions are asked


def check(report, gateway, bench):
    """Both hosts."""
    report.section("dify plugin run")
    check_run(report, gateway, bench)
    report.section("slim")
    check_slim(report, gateway, bench)


class PluginRun:
    """`dify plugin run` over pipes."""

    def __init__(self, bench):
        environment = {**os.environ, "UV_PATH": bench.programs.uv, "PYTHON_INTERPRETER_PATH": bench.programs.python,
                       "UV_INDEX_URL": "http://127.0.0.1:9/simple"}
        self.log = open(bench.folder / "plugin-run.log", "wb")
        self.process = subprocess.Popen([bench.programs.dify, "plugin", "run", bench.package, "-m", "stdio", "-r", "json", "-l"],
                                        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.answers, self.errors, self.ends = {}, {}, {}
        self.ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            if not line.startswith("{"):
                continue
            message = json.loads(line)
            kind, number = message["type"], message.get("invoke_id", "")
            if kind == "plugin_ready":
                self.ready.set()
            elif kind == "plugin_response":
                self.answers[number].append(message["response"])
            elif kind == "error" and number:
                self.errors[number] = message["response"]
            elif kind == "plugin_invoke_end":
                self.ends[number].set()

    def send(self, number, action, request):
        self.answers[number], self.ends[number] = [], threading.Event()
        line = {"invoke_id": number, "type": "model", "action": action, "request": {"provider": "higress", **request}}
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def answer(self, number, seconds=60):
        ended = self.ends[number].wait(seconds)
        return ended, self.answers[number], self.errors.get(number)


def check_run(report, gateway, bench):
    """Streamed, whole, long."""
    credentials = gateway.credentials("hmac")
    run = PluginRun(bench)
    try:
        if not report.check("the package starts", run.ready.wait(120)):
            return
        run.send("1", "validate_provider_credentials", {"credentials": {}})
        run.send("2", "invoke_llm", llm(credentials))
        run.send("3", "invoke_llm", llm(credentials, stream=False))
        run.send("4", "invoke_llm", llm(credentials, LONG))
        run.send("5", "invoke_llm", llm(gateway.wrong_credentials("hmac")))
        _, answers, error = run.answer("1")
        report.check("validate_provider_credentials", answers == [{"result": True, "credentials": {}}], (answers, error))
        for number, name in (("2", "streamed"), ("3", "whole")):
            ended, answers, error = run.answer(number)
            report.check(f"invoke_llm, {name}", ended and not error and "Say hello" in text_of(answers), (answers, error))
        ended, answers, error = run.answer("4")
        report.check("invoke_llm for 20 s, streamed", ended and not error and text_of(answers) == numbers(100), (text_of(answers), error))
        ended, answers, error = run.answer("5")
        report.check("invoke_llm, a wrong signature", ended and "InvokeAuthorizationError" in json.dumps(error), error)
    finally:
        stop(run.process)
        run.log.close()


def check_slim(report, gateway, bench):
    """One process a call, its input closed at once."""
    author, _, rest = bench.identifier.partition("/")
    folder = bench.folder / "slim"
    shutil.copytree(bench.unpacked, folder / author / rest.replace(":", "-"))
    environment = {**os.environ, "SLIM_MODE": "local", "SLIM_FOLDER": str(folder), "SLIM_PYTHON_PATH": bench.programs.python,
                   "SLIM_UV_PATH": bench.programs.uv, "SLIM_PIP_MIRROR_URL": "http://127.0.0.1:9/simple"}

    def call(action, data):
        arguments = json.dumps({"data": {"provider": "higress", **data}})
        done = subprocess.run([bench.programs.slim, "-id", bench.identifier, "-action", action, "-args", arguments],
                              env=environment, capture_output=True, text=True, timeout=120)
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        chunks = [event["data"] for event in events if event["event"] == "chunk"]
        errors = [event["data"] for event in events if event["event"] == "error"]
        return chunks, errors, [event["event"] for event in events][-1:], done.stderr[-500:]

    credentials = gateway.credentials("hmac")
    chunks, errors, last, log = call("validate_provider_credentials", {"credentials": {}})
    report.check("validate_provider_credentials", chunks and not errors and last == ["done"], (chunks, errors, last, log))
    for name, stream in (("streamed", True), ("whole", False)):
        chunks, errors, last, log = call("invoke_llm", llm(credentials, stream=stream))
        report.check(f"invoke_llm, {name}", not errors and last == ["done"] and "Say hello" in text_of(chunks), (chunks, errors, last, log))
    chunks, errors, last, log = call("invoke_llm", llm(credentials, LONG))
    report.check("invoke_llm for 20 s, streamed", not errors and last == ["done"] and text_of(chunks) == numbers(100), (errors, last, log))
    chunks, errors, last, log = call("invoke_llm", llm(gateway.wrong_credentials("hmac")))
    report.check("invoke_llm, a wrong signature", not chunks and "InvokeAuthorizationError" in json.dumps(errors), (chunks, errors, last, log))
    shown = subprocess.run([bench.programs.slim, "extract", "-path", bench.package], env=environment, capture_output=True, text=True)
    report.check("slim extract shows the declaration", '"higress"' in shown.stdout, shown.stdout[:500])
