"""What Dify's API server says to a plugin daemon: management, and calls one by one. Standard library only."""

import http.client
import json
import time
import uuid

from dify.services import SERVER_KEY, wait_for

PLUGIN = "higress/higress"


class Refused(Exception):
    """The daemon answered with an error."""


class Dify:
    """One workspace of a Dify server. `plugin` is the author and name its calls go to."""

    def __init__(self, port, tenant=None, plugin=PLUGIN):
        self.port = port
        self.tenant = tenant or str(uuid.uuid4())
        self.plugin = plugin

    def _send(self, method, path, body=None, content_type="application/json", seconds=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        headers = {"X-Api-Key": SERVER_KEY, "X-Plugin-ID": self.plugin}
        if body is not None:
            headers["Content-Type"] = content_type
        connection.request(method, f"/plugin/{self.tenant}{path}", body, headers)
        return connection, connection.getresponse()

    def manage(self, method, path, body=None, **more):
        """One management call; returns its data."""
        if isinstance(body, dict):
            body = json.dumps(body)
        connection, response = self._send(method, path, body, **more)
        answer = json.loads(response.read())
        connection.close()
        if answer.get("code"):
            raise Refused(answer["message"])
        return answer["data"]

    def upload(self, package, verify=False):
        """Uploads a package; returns its unique identifier."""
        boundary = uuid.uuid4().hex
        with open(package, "rb") as file:
            content = file.read()
        body = (f'--{boundary}\r\nContent-Disposition: form-data; name="verify_signature"\r\n\r\n{str(verify).lower()}\r\n'
                f'--{boundary}\r\nContent-Disposition: form-data; name="dify_pkg"; filename="plugin.difypkg"\r\n'
                'Content-Type: application/octet-stream\r\n\r\n').encode() + content + f"\r\n--{boundary}--\r\n".encode()
        data = self.manage("POST", "/management/install/upload/package", body,
                           content_type=f"multipart/form-data; boundary={boundary}")
        return data["unique_identifier"]

    def install(self, identifier, seconds=180):
        """Installs an uploaded package and waits until it runs; returns the seconds it took."""
        body = {"plugin_unique_identifiers": [identifier], "source": "package", "metas": [{}]}
        return self._task(self.manage("POST", "/management/install/identifiers", body), seconds)

    def upgrade(self, old, new, seconds=180):
        """Replaces one version by another."""
        body = {"original_plugin_unique_identifier": old, "new_plugin_unique_identifier": new, "source": "package", "meta": {}}
        return self._task(self.manage("POST", "/management/install/upgrade", body), seconds)

    def _task(self, task, seconds):
        start = time.monotonic()

        def ended():
            if task.get("all_installed"):
                return True
            state = self.manage("GET", f"/management/install/tasks/{task['task_id']}")
            if state["status"] == "failed":
                raise Refused(state["plugins"][0]["message"])
            return state["status"] == "success"

        wait_for("the installation", ended, seconds)
        return time.monotonic() - start

    def installed(self):
        """The plugins of the workspace."""
        return self.manage("GET", "/management/list?page=1&page_size=100")["list"]

    def uninstall(self):
        """Removes the plugin from the workspace."""
        for each in self.installed():
            if each["plugin_id"] == self.plugin:
                self.manage("POST", "/management/uninstall", {"plugin_installation_id": each["id"]})

    def debugging_key(self):
        """The key that Dify shows to developers."""
        return self.manage("POST", "/debugging/key", {})["key"]

    def call(self, route, data, seconds=60):
        """One call; returns the answers and the error, of which one is missing."""
        body = json.dumps(request(data))
        connection, response = self._send("POST", f"/dispatch/{route}", body, seconds=seconds)
        answers, error = [], None
        for line in response:
            # Events, or for polling and for what the daemon itself refuses, one plain object.
            line = line.removeprefix(b"data: ")
            if line.startswith(b"{"):
                message = json.loads(line)
                if message["code"]:
                    error = error_of(message)
                else:
                    answers.append(message["data"])
        connection.close()
        return answers, error


def request(data):
    """A dispatch body."""
    return {"user_id": "user-1", "data": {"provider": "higress", **data}}


def llm(credentials, model="m", prompt="Say hello", **more):
    """The data of an `llm/invoke` call."""
    return {"model_type": "llm", "model": model, "credentials": credentials, "model_parameters": {}, "tools": [],
            "stop": [], "stream": True, "prompt_messages": [{"role": "user", "content": prompt}], **more}


def text_of(answers):
    """The text of streamed answers."""
    return "".join(answer["delta"]["message"]["content"] for answer in answers)


def error_of(message):
    """The innermost error of a reply as (type, text): the daemon wraps what the plugin said, once or twice."""
    kind, text = "", message["message"]
    while True:
        try:
            inner = json.loads(text)
        except ValueError:
            return kind, text
        if not isinstance(inner, dict) or "message" not in inner:
            return kind, text
        kind, text = inner.get("error_type", kind), inner["message"]
