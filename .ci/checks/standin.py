"""The gateway built into the plugin, as a child process for the wider checks."""

import json
import subprocess


class Gateway:
    """Started on a free port; knows the credentials of each of its routes."""

    def __init__(self, binary):
        self.process = subprocess.Popen(
            [binary, "gateway", "--listen", "127.0.0.1:0", "--json"], stdout=subprocess.PIPE, text=True)
        self.about = json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=10)

    def credentials(self, mode):
        """The form's values for one of its routes, by `consumer_auth_mode`."""
        base = self.about["url"]
        consumer = self.about["consumer"]
        if mode == "api_key":
            return {"endpoint_url": f"{base}/key", "consumer_auth_mode": mode, "api_key": consumer["api_key"]}
        if mode == "hmac":
            return {"endpoint_url": f"{base}/hmac", "consumer_auth_mode": mode,
                    "hmac_key": consumer["access_key"], "hmac_secret": consumer["secret"]}
        return {"endpoint_url": f"{base}/open", "consumer_auth_mode": "disabled"}

    def wrong_credentials(self, mode):
        values = self.credentials(mode)
        secret = "api_key" if mode == "api_key" else "hmac_secret"
        return {**values, secret: "wrong"}
