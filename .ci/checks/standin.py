"""The gateway built into the program, for checks. Standard library only."""

import json
import re
import subprocess
import urllib.request

CONSUMER = {"api_key": {"api_key": "sk-demo-0001"},
            "hmac": {"hmac_key": "demo-key-0001", "hmac_secret": "demo-secret-0001"}}
ROUTES = {"disabled": "open", "api_key": "key", "hmac": "hmac"}


class Gateway:
    """`PROGRAM gateway` on a free port, while the block lasts. It prints its address first."""

    def __init__(self, program):
        self.command = [program] if isinstance(program, str) else list(program)

    def __enter__(self):
        self.process = subprocess.Popen(
            [*self.command, "gateway", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                self.url = found.group()
                return self
        raise RuntimeError("the gateway did not print its address")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=10)

    def stats(self):
        """Its counters."""
        with urllib.request.urlopen(f"{self.url}/standin/stats", timeout=10) as answer:
            return json.load(answer)

    def credentials(self, mode):
        """What a person fills in for a route with this kind of authentication."""
        return {"endpoint_url": f"{self.url}/{ROUTES[mode]}", "consumer_auth_mode": mode, **CONSUMER.get(mode, {})}

    def wrong_credentials(self, mode):
        """The same with a secret that is not the consumer's."""
        wrong = {name: f"{value}-wrong" for name, value in CONSUMER[mode].items() if name != "hmac_key"}
        return {**self.credentials(mode), **wrong}
