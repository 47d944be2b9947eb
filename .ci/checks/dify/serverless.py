"""A daemon that runs plugins as serverless functions, and the program behind its HTTP interface.

The platform between the two is closed; a small one stands in for it here: it starts `python -m main` of the unpacked
package, as the platform's image does, and tells the daemon its address.
"""

import asyncio
import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time

from dify.client import Dify, llm, text_of
from dify.services import accepts, free_ports, stop, wait_for
from dify.streams import Streams, numbers


class Function:
    """The package as a serverless function, while the block lasts."""

    def __init__(self, bench, **environment):
        self.bench = bench
        [self.port] = free_ports(1)
        self.environment = {**os.environ, "INSTALL_METHOD": "serverless", "SERVERLESS_HOST": "127.0.0.1",
                            "SERVERLESS_PORT": str(self.port), **environment}

    def __enter__(self):
        with open(self.bench.folder / "function.log", "ab") as log:
            self.process = subprocess.Popen([self.bench.programs.python, "-m", "main"], cwd=self.bench.unpacked,
                                            env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("the function", lambda: accepts(self.port), 20)
        return self

    def __exit__(self, *_):
        stop(self.process, seconds=40)

    def get(self, path):
        """Status and body of a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, body

    def invoke(self, data, session="s-1", pieces=1):
        """Posts one invocation, its body in chunks; returns the response, still open, and its connection."""
        line = json.dumps({"session_id": session, "event": "request", "data": {"type": "model", "provider": "higress", "user_id": "u", **data}}).encode()
        size = -(-len(line) // pieces)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", f"/invoke?action={data['action']}", iter([line[at:at + size] for at in range(0, len(line), size)]),
                           {"Content-Type": "application/json", "Accept": "text/event-stream", "Dify-Plugin-Session-ID": session},
                           encode_chunked=True)
        return connection, connection.getresponse()


def messages(response):
    """What a response says, message by message."""
    for line in response:
        if line.strip():
            yield json.loads(line)["data"]


class Platform(http.server.ThreadingHTTPServer):
    """What the daemon asks for functions."""

    def __init__(self, function):
        super().__init__(("127.0.0.1", 0), _PlatformHandler)
        self.function, self.launched = function, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _PlatformHandler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def _answer(self, body, content_type="application/json"):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # noqa: N802
        function = {"ID": "f1", "Name": "higress", "ResourceName": "higress", "Status": {"State": "running"},
                    "Endpoint": f"http://127.0.0.1:{self.server.function.port}"}
        self._answer(json.dumps({"error": "", "Items": [function] if self.server.launched else []}).encode())

    def do_POST(self):  # noqa: N802
        self._read_body()
        if self.path == "/ping":
            return self._answer(b'"pong"')
        self.server.launched += 1
        endpoint = f"endpoint=http://127.0.0.1:{self.server.function.port},name=higress,id=f1"
        stages = [("start", "success", ""), ("build", "success", ""), ("run", "success", endpoint), ("end", "success", "")]
        lines = [json.dumps({"Stage": stage, "Obj": "", "State": state, "Message": text}) for stage, state, text in stages]
        self._answer("".join(f"data: {line}\n\n" for line in lines).encode(), "text/event-stream")

    def _read_body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            self.rfile.read(size + 2)
        self.rfile.readline()


def check(report, gateway, bench):
    """The HTTP interface by itself, then behind a daemon."""
    report.section("serverless")
    check_interface(report, gateway, bench)
    check_idle_limit(report, gateway, bench)
    with Function(bench) as function:
        platform = Platform(function)
        settings = {"PLATFORM": "serverless", "DIFY_PLUGIN_SERVERLESS_CONNECTOR_URL": f"http://127.0.0.1:{platform.server_port}",
                    "DIFY_PLUGIN_SERVERLESS_CONNECTOR_API_KEY": "unused", "REDIS_DB": "2"}
        with bench.daemon("serverless", **settings) as daemon:
            check_daemon(report, Dify(daemon.port), gateway, bench, platform)
        platform.shutdown()


def check_interface(report, gateway, bench):
    """Routes, streaming, leaving, draining."""
    credentials = gateway.credentials("hmac")
    with Function(bench) as function:
        report.check("/health is OK", function.get("/health") == (200, b"OK"), function.get("/health"))
        report.check("/ is below 500", function.get("/")[0] < 500, function.get("/"))
        connection, response = function.invoke({"action": "invoke_llm", **llm(credentials, "pace-100ms-20")}, pieces=9)
        started = time.monotonic()
        arrived, answers, kinds = [], [], []
        for message in messages(response):
            arrived.append(time.monotonic() - started)
            kinds.append(message["type"])
            if message["type"] == "stream":
                answers.append(message["data"])
        connection.close()
        report.check("a body in chunks is read, the answer is whole", text_of(answers) == numbers(20) and kinds[-1] == "end", (kinds, answers[-1:]))
        report.check("it is streamed", arrived[-1] - arrived[0] > 1.5, arrived)
        refused, response = function.invoke({"action": "invoke_llm", **llm(gateway.wrong_credentials("hmac"))})
        kinds = [message["type"] for message in messages(response)]
        report.check("a failure is one error, then the end", kinds == ["error", "end"], kinds)
        refused.close()
        connection = http.client.HTTPConnection("127.0.0.1", function.port, timeout=10)
        connection.request("POST", "/invoke", b"no JSON")
        report.check("a body that is no invocation is refused", connection.getresponse().status in (400, 500))
        connection.close()

        aborted = gateway.stats()["aborted"]
        connection, response = function.invoke({"action": "invoke_llm", **llm(credentials, "pace-100ms-3000")})
        next(messages(response))
        connection.sock.shutdown(socket.SHUT_RDWR)
        started = time.monotonic()
        wait_for("the upstream's end", lambda: gateway.stats()["aborted"] > aborted, 10)
        report.check("a client that leaves ends the upstream call at once", time.monotonic() - started < 2, time.monotonic() - started)
        report.figure(f"noticed after {time.monotonic() - started:.2f} s")

        connection, response = function.invoke({"action": "invoke_llm", **llm(credentials, "pace-100ms-40")})
        reader = messages(response)
        answers = [next(reader)["data"]]
        # What a balancer keeps open, and a request that never becomes one: neither is a call.
        idle, half = (socket.create_connection(("127.0.0.1", function.port)) for _ in range(2))
        half.sendall(b"POST /invoke HT")
        function.process.send_signal(signal.SIGTERM)
        wait_for("no more connections", lambda: not takes_calls(function), 5)
        answers += [message["data"] for message in reader if message["type"] == "stream"]
        report.check("SIGTERM lets a running answer end whole", text_of(answers) == numbers(40), text_of(answers))
        connection.close()
        report.check("and then ends the process with 0, whoever is still connected", function.process.wait(10) == 0, function.process.returncode)
        idle.close()
        half.close()


def takes_calls(function):
    """Whether a new call would be heard."""
    try:
        return accepts(function.port)
    except OSError:
        return False


def check_idle_limit(report, gateway, bench):
    """An upstream that is silent for longer than the platform waits."""
    with Function(bench, MAX_REQUEST_TIMEOUT="3") as function:
        started = time.monotonic()
        connection, response = function.invoke({"action": "invoke_llm", **llm(gateway.credentials("hmac"), "pace-60000ms-1")})
        heard = list(messages(response))
        connection.close()
        seconds = time.monotonic() - started
        report.check("silence up to the limit ends in an error, not in nothing",
                     [message["type"] for message in heard][-2:] == ["error", "end"] and seconds < 4.5, (seconds, heard[-2:]))
        report.figure(f"after {seconds:.1f} s of 3: {heard[-2]['data'].get('message') if len(heard) > 1 else heard}")


def check_daemon(report, dify, gateway, bench, platform):
    """The same through the daemon."""
    credentials = gateway.credentials("hmac")
    dify.install(dify.upload(bench.package))
    report.check("the daemon launches the package as a function", platform.launched == 1, platform.launched)
    for stream in (True, False):
        answers, error = dify.call("llm/invoke", llm(credentials, stream=stream))
        report.check(f"llm/invoke, stream {stream}".lower(), not error and "Say hello" in text_of(answers), (answers, error))
    texts = [f"text {n} " + "x" * 1000 for n in range(200)]
    answers, error = dify.call("text_embedding/invoke", {"model_type": "text-embedding", "model": "m", "credentials": credentials,
                                                         "texts": texts, "input_type": "document"})
    report.check("text_embedding/invoke of 200 texts", not error and len(answers[0]["embeddings"]) == 200, error)
    _, error = dify.call("llm/invoke", llm(gateway.wrong_credentials("hmac")))
    report.check("a wrong signature", error and error[0] == "InvokeAuthorizationError", error)
    [stream] = asyncio.run(Streams(dify).whole(llm(credentials, "pace-200ms-100"), 1))
    report.check("an answer of 20 s is whole: no questions are asked here", stream.text() == numbers(100), bytes(stream.bytes[-500:]))
    asyncio.run(_leave(report, dify, gateway, credentials))


async def _leave(report, dify, gateway, credentials):
    aborted = gateway.stats()["aborted"]
    _, transport, _ = await Streams(dify).open(llm(credentials, "pace-100ms-3000"))
    await asyncio.sleep(1)
    transport.abort()
    started = time.monotonic()
    while gateway.stats()["aborted"] == aborted and time.monotonic() - started < 10:
        await asyncio.sleep(0.05)
    seconds = time.monotonic() - started
    report.check("a client of the daemon that leaves ends the upstream call at once", seconds < 2, seconds)
    report.figure(f"noticed after {seconds:.2f} s")
