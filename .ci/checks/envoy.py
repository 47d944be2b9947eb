"""Calls through a stock Envoy: what a proxy does to requests and answers, and what a person then reads.

Usage: envoy.py PROGRAM ENVOY
PROGRAM is the plugin and its built-in gateway, ENVOY the proxy's program. Standard library only.

Each call carries a number in its query, which Envoy logs: the log tells that the proxy did what the case is about
(status, flags such as NR for "no route", protocol), and the id under which it did. Errors are compared in full.
"""

import json
import re
import subprocess
import sys
import time
import urllib.request

from host import Plugin
from proxy import FOLDER, Envoy
from standin import CONSUMER

APISIX = {"hmac_dialect": "apisix"}
UNREACHED = "The gateway does not reach the model service: check its address and health in the gateway."
NO_ROUTE = ("No route of the gateway matches this address and model{id}. Check the base path and host of the endpoint "
            "URL, and that a route of the gateway admits this model name.")
SLOW = "The model took longer than the gateway waits: raise the route's time-out, or stream the answer."
SMALLER = "Send less (fewer or smaller files), or raise the gateway's body limit (connectionBufferLimits)."
RESET = "upstream connect error or disconnect/reset before headers. reset reason: "

# Path as typed behind the route's prefix, and as it reaches the gateway: the plugin sends what Envoy makes of it.
PATHS = [
    ("/./x", "/x"),
    ("/a/../b", "/b"),
    ("/%6Dodel%7e", "/model~"),
    ("/a|b^", "/a%7Cb%5E"),
    ("\\x", "/x"),
    ("/a b", "/a%20b"),
    ("/你", "/%E4%BD%A0"),
    ("/%zz", "/%25zz"),
    ("/a'b;c=d,e", "/a'b;c=d,e"),
    ("//x", "//x"),
    ("/a%2Fb", "/a%2Fb"),
    ("/a%5cb", "/a%5cb"),
]


class Checks:
    """The plugin behind a proxy in front of the gateway, and a count of what held."""

    def __init__(self, plugin, envoy, gateway):
        self.plugin, self.envoy, self.gateway = plugin, envoy, gateway
        self.authority = (FOLDER / "test-only.authority.pem").read_text()
        self.calls = self.passed = self.failed = 0
        # What the gateway answers when nothing stands in front of it.
        self.scripted = text(self.plugin.answer(self.start("", "/open")[0])[0])

    def expect(self, name, **pairs):
        """Passes if in each pair what is and what should be are equal."""
        wrong = {what: pair for what, pair in pairs.items() if pair[0] != pair[1]}
        if not wrong:
            self.passed += 1
            print("ok   ", name)
            return
        self.failed += 1
        print("FAIL ", name)
        for what, (is_, should) in wrong.items():
            print(f"      {what} is     {is_!r}\n      {what} should {should!r}")

    def start(self, listener, path, model="m", signed=None, **more):
        """Starts a call on a route; `signed` names the options of a signature. Gives its session and its mark."""
        self.calls += 1
        mark = f"?case={self.calls}"
        options = {**(signed or {}), **more.pop("options", {})}
        if listener == "tls":
            options["ca_pem"] = self.authority
        base = self.envoy.url(listener) if listener else self.gateway
        credentials = {"endpoint_url": f"{base}{path}{mark}",
                       "consumer_auth_mode": "disabled" if signed is None else "hmac",
                       **(CONSUMER["hmac"] if signed is not None else {}),
                       "advanced_options": json.dumps(options), **more.pop("credentials", {})}
        request = {"action": "invoke_llm", "model_type": "llm", "prompt_messages": [
            {"role": "user", "content": more.pop("prompt", "hi"), "name": None}],
            "model_parameters": {}, "tools": None, "stop": None, "stream": True, **more}
        session = self.plugin.send({"type": "model", "user_id": "u", "provider": "higress", "model": model,
                                    "credentials": credentials, **request})
        return session, mark

    def call(self, *where, **what):
        """Makes a call. Gives its results, its error, and what Envoy logged of it."""
        session, mark = self.start(*where, **what)
        stream, error = self.plugin.answer(session)
        return stream, error, self.envoy.entry(mark)

    def answer(self, name, *where, protocol="HTTP/1.1", **what):
        """A call that must be answered in full."""
        stream, error, entry = self.call(*where, **what)
        self.expect(name, error=(error, None), text=(text(stream), self.scripted),
                    protocol=(entry["protocol"], protocol))

    def refusal(self, name, kind, words, flags, *where, shown="", protocol="HTTP/1.1", **what):
        """A call that must fail in these words. `{id}` stands for the request's id as Envoy logged
        it, in parentheses, and `{bare}` for the id alone."""
        stream, error, entry = self.call(*where, **what)
        words = "[higress] " + words.replace("{id}", f" (request_id={entry['id']})").replace("{bare}", str(entry["id"]))
        error = error or {}
        self.expect(name, kind=(error.get("error_type"), kind), words=(error.get("message"), words),
                    flags=(entry["flags"], flags), protocol=(entry["protocol"], protocol),
                    text=(text(stream)[:len(shown)] if shown else text(stream), shown))

    def seen(self, mark):
        """The request as it reached the gateway."""
        with OPENER.open(f"{self.gateway}/standin/requests", timeout=5) as reply:
            return next(one for one in reversed(json.load(reply)) if one["target"].endswith(mark))


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def text(stream):
    """The text of a streamed answer."""
    return "".join(one["delta"]["message"]["content"] or "" for one in stream)


def routes_and_protocols(checks):
    """Signatures hold on either protocol, and where the route rewrites the path behind the check."""
    checks.answer("a rewritten prefix", "plain", "/rewritten")
    for name, route, signed in (("x-ca", "/hmac", {}), ("apisix", "/apisix", APISIX)):
        digest = {**signed, "content_md5": True}
        checks.answer(f"{name}: HTTP/1.1", "plain", route, signed=signed)
        checks.answer(f"{name}: HTTP/1.1, body signed too", "plain", route, signed=digest)
        checks.answer(f"{name}: HTTP/2 over TLS", "tls", route, signed=signed, protocol="HTTP/2")
        checks.answer(f"{name}: HTTP/2 over TLS, body signed too", "tls", route, signed=digest, protocol="HTTP/2")
        checks.answer(f"{name}: checked, then rewritten", "checked", route, signed=signed)
    wrong = {"hmac_secret": "wrong"}
    checks.refusal("x-ca: checked, wrong secret", "InvokeAuthorizationError",
                   "400 credential refused by the gateway: Invalid Signature{id}. Gateway and plugin signed the same "
                   "text, so the secret is wrong.", "UAEX", "checked", "/hmac", signed={}, credentials=wrong)
    checks.refusal("apisix: checked, wrong secret", "InvokeAuthorizationError",
                   "401 credential refused by the gateway: client request can't be validated: Invalid signature{id}. "
                   "Check the secret, and that nothing on the way changes path or signed headers.",
                   "UAEX", "checked", "/apisix", signed=APISIX, credentials=wrong)
    # Many streams share one connection.
    started = [checks.start("tls", "/hmac", signed={}) for _ in range(32)]
    answers = [checks.plugin.answer(session) for session, _ in started]
    entries = [checks.envoy.entry(mark) for _, mark in started]
    checks.expect("32 signed streams at once on one HTTP/2 connection",
                  errors=([error for _, error in answers if error], []),
                  texts=({text(stream) for stream, _ in answers}, {checks.scripted}),
                  connections=(len({entry["connection"] for entry in entries}), 1))


def paths(checks):
    """What is signed is what the gateway sees, however the path was typed."""
    for listener in ("plain", "tls"):
        for typed, expected in PATHS:
            for prefix, signed in (("/hmac", {}), ("/apisix", APISIX)):
                _, error, entry = checks.call(listener, prefix + typed, signed=signed)
                mark = "?" + entry["path"].rpartition("?")[2]
                seen = checks.seen(mark)
                # Nothing is served there, and the signature is checked before that is known.
                words = ("[higress] 404 request refused by the provider: Not Found "
                         f"(request_id={entry['id']}). Check the endpoint URL and the model's name.")
                checks.expect(f"{listener} {prefix}{typed}", consumer=(seen["consumer"], "demo"),
                              target=(seen["target"], f"{prefix}{expected}/v1/chat/completions{mark}"),
                              words=((error or {}).get("message"), words))
    for typed, sent, arrived in (("//x", "//x", "/x"), ("/a%2Fb", "/a%2Fb", "/a/b")):
        _, error, entry = checks.call("tidy", "/hmac" + typed, signed={})
        mark = f"/v1/chat/completions?case={checks.calls}"
        words = (f"[higress] 400 credential refused by the provider: Invalid Signature (request_id={entry['id']}). The "
                 f"signed texts differ first in line 10 (path): sent `/hmac{sent}{mark}`, the gateway saw "
                 f"`/hmac{arrived}{mark}`; something on the way changes it.")
        checks.expect(f"a proxy that turns {typed} into {arrived} is told of",
                      words=((error or {}).get("message"), words))
    checks.refusal("a proxy that refuses %2F", "InvokeBadRequestError",
                   "400 request refused by the gateway: Bad Request. Compare the parameters of the app and the "
                   "model's settings with what the provider accepts.", "-", "strict", "/hmac/a%2Fb", signed={})


def bodies(checks):
    """Answers that the proxy compresses, and those that it must not."""
    texts = ["a" * 50] * 64
    for listener, protocol in (("plain", "HTTP/1.1"), ("tls", "HTTP/2")):
        stream, error, entry = checks.call(listener, "/hmac", signed={}, action="invoke_text_embedding",
                                           model_type="text-embedding", texts=texts, input_type="document")
        vectors = stream[0]["embeddings"] if stream else []
        checks.expect(f"vectors in gzip over {protocol}", error=(error, None), encoding=(entry["encoding"], "gzip"),
                      vectors=(len(vectors), len(texts)), same=(len({json.dumps(v) for v in vectors}), 1))
        stream, error, entry = checks.call(listener, "/hmac", signed={}, stream=False, prompt="word " * 2000)
        checks.expect(f"a whole answer in gzip over {protocol}", error=(error, None),
                      encoding=(entry["encoding"], "gzip"), whole=("word " * 1999 in text(stream), True))
        stream, error, entry = checks.call(listener, "/hmac", signed={}, prompt="word " * 2000)
        checks.expect(f"a stream is not compressed over {protocol}", error=(error, None),
                      encoding=(entry["encoding"], None), whole=("word " * 1999 in text(stream), True))


def refusals(checks):
    """What the proxy answers itself, and what becomes of the service's own answers behind it."""
    down, bad = "InvokeServerUnavailableError", "InvokeBadRequestError"
    for listener, protocol in (("plain", "HTTP/1.1"), ("tls", "HTTP/2")):
        def case(name, kind, words, flags, path, listener=listener, protocol=protocol, **what):
            checks.refusal(f"{name} over {protocol}", kind, words, flags, listener, path, protocol=protocol, **what)
        case("404: no route", bad, "404 request refused by the gateway: " + NO_ROUTE, "NR", "/nowhere")
        case("413: over the buffer's limit", bad,
             "413 request refused by the gateway: Payload Too Large{id}. " + SMALLER, "-", "/small",
             prompt="x" * 200_000)
        case("503: no such cluster", down, "503 server error of the gateway: The gateway has no service behind this "
             "route{id}. " + UNREACHED, "NC", "/no-cluster")
        case("503: no healthy host", down, "503 server error of the gateway: no healthy upstream{id}. " + UNREACHED,
             "UH", "/no-host")
        case("503: connection refused", down,
             f"503 server error of the gateway: {RESET}remote connection failure{{id}}. " + UNREACHED, "UF", "/refused")
        case("503: overflow", down, f"503 server error of the gateway: {RESET}overflow{{id}}. " + UNREACHED, "UO",
             "/overflow")
        case("503: reset before the answer", down,
             f"503 server error of the gateway: {RESET}connection termination{{id}}. " + UNREACHED, "UC", "/hostile/reset")
        case("504: the route's time-out", down,
             "504 server error of the gateway: upstream request timeout{id}. " + SLOW, "UT", "/impatient", model="fault-stall")
        case("504: idle before the answer", down, "504 server error of the gateway: stream timeout{id}. " + SLOW, "SI",
             "/idle", model="fault-stall")
        case("301: to https", bad, f"301 request refused by the gateway: redirected to "
             f"{checks.envoy.url(listener).replace('http:', 'https:')}/moved/v1/chat/completions{{id}}. Redirects are "
             "not followed: write the final address into the endpoint URL, with https if it asks for it.", "-", "/moved")
        checks.answer(f"within the rate limit over {protocol}", listener, "/limited", protocol=protocol)
        wait = ("429 rate limited by the gateway: local_rate_limited{id}. Try again later, or raise the limit in the "
                "gateway.")
        _, error, entry = checks.call(listener, "/limited")
        words, _, seconds = (error or {}).get("message", "").rpartition(" Try again in ")
        checks.expect(f"429: the local rate limit over {protocol}", kind=((error or {}).get("error_type"),
                      "InvokeRateLimitError"), flags=(entry["flags"], "RL"),
                      words=(words, "[higress] " + wait.replace("{id}", f" (request_id={entry['id']})")),
                      seconds=(bool(re.fullmatch(r"[1-9]\d* s\.", seconds)), True))
        case("429: the provider's limit", "InvokeRateLimitError", "429 rate limited by the provider: Rate limit "
             "reached for requests (code=rate_limit_exceeded, request_id={bare}). Send fewer requests at once, or raise "
             "the limit of the account. Try again in 7 s.", "-", "/open",
             model="fault-429")
        case("500: the provider's failure", down, "500 server error of the provider: The server had an error while "
             "processing your request (code=internal_error, request_id={bare}). Try again later; the logs of the "
             "gateway and the provider know more.", "-", "/open", model="fault-500")
        case("404: the provider's, empty", bad, "404 request refused by the provider: Not Found{id}. Check the "
             "endpoint URL and the model's name.", "-", "/open", model="fault-404-empty")


def broken_streams(checks):
    """Answers that end before their time: what came is shown, and the rest is told."""
    cut = ("answer broken off by the provider: The answer broke off before its end: {reason}{id}. Try again; if it "
           "happens again, look at the gateway's log and its time-outs.")
    for listener, protocol, gone, reason in (
            ("plain", "HTTP/1.1", "DC", "unexpected EOF during chunk size line"),
            ("tls", "HTTP/2", "DR", "stream error received: unexpected internal error encountered")):
        def case(name, words, flags, path, shown, listener=listener, protocol=protocol, **what):
            checks.refusal(f"{name} over {protocol}", "InvokeConnectionError", words, flags, listener, path,
                           shown=shown, protocol=protocol, **what)
        half = checks.scripted[:20]
        case("idle in mid-stream", cut.replace("{reason}", reason), "SI", "/idle", half, model="fault-stall-stream")
        case("cut by the provider in mid-stream", cut.replace("{reason}", reason), "UPE", "/open", half,
             model="fault-cut")
        case("reset in mid-stream", cut.replace("{reason}", reason), "UPE", "/hostile/reset-900", "Ein Fuchs")
        case("silence in mid-stream, our own limit",
             "no answer in time from the provider: The answer stopped: nothing more came for 0.5 s (idle_timeout){id}. "
             "Try again, or raise idle_timeout in advanced_options.", gone, "/open", half,
             model="fault-stall-stream", options={"idle_timeout": 0.5})
        # The connection, or the next one, serves the next call.
        checks.answer(f"the call behind it over {protocol}", listener, "/hmac", signed={}, protocol=protocol)


def connections(checks):
    """Connections that the proxy closes, ids that it does not name, headers that it does not take."""
    for _ in range(3):
        checks.answer("a connection that the proxy closes when it is idle", "forgetful", "/hmac", signed={})
        # The proxy's own time-out, which nothing tells of.
        time.sleep(0.5)
    checks.refusal("an answer without an id", "InvokeBadRequestError", "404 request refused by the gateway: "
                   + NO_ROUTE.replace("{id}", ""), "NR", "forgetful", "/nowhere")
    session, _ = checks.start("strict", "/open", credentials={"extra_headers": json.dumps({"x-long": "y" * 3000})})
    _, error = checks.plugin.answer(session)
    words = ("[higress] 431 request refused by the gateway: Request Header Fields Too Large. Send fewer or shorter "
             "extra headers.")
    checks.expect("431: headers over the limit", words=((error or {}).get("message"), words))


def gateways(program):
    """The built-in gateway and its hostile twin, as one process."""
    process = subprocess.Popen([program, "gateway", "--listen", "127.0.0.1:0", "--hostile", "127.0.0.1:0",
                                "--piece-delay", "2"], stdout=subprocess.PIPE, text=True)
    urls = []
    for line in process.stdout:
        urls += re.findall(r" at (http://127\.0\.0\.1:\d+)", line)
        if len(urls) == 2:
            return process, urls
    raise RuntimeError("the gateway did not print its addresses")


def main(program, envoy):
    process, (gateway, hostile) = gateways(program)
    try:
        with Envoy(envoy, gateway.rpartition(":")[2], hostile.rpartition(":")[2]) as proxy:
            plugin = Plugin([program])
            if not plugin.ready.wait(60):
                raise RuntimeError("the plugin does not start")
            checks = Checks(plugin, proxy, gateway)
            for group in (routes_and_protocols, paths, bodies, refusals, broken_streams, connections):
                group(checks)
            checks.expect("a closed input ends the plugin", code=(plugin.close(), 0))
    finally:
        process.kill()
        process.wait(timeout=10)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
