#!/usr/bin/env python3
"""Stands in for the plugin daemon's `slim`: one call of an unpacked plugin, as that program makes it. Standard library only.

Usage: slim.py -id IDENTIFIER -action ACTION, with `{"data": {…}}` on stdin. SLIM_FOLDER holds the unpacked packages, each
under its identifier with `-` for `:`; SLIM_PYTHON_PATH starts them. Prints one JSON event a line: `chunk` for each message
of the plugin, then `done` or `error`. Like `slim` it closes the plugin's stdin behind the only request.
"""

import argparse
import json
import os
import subprocess
import sys
import uuid


def event(name, data=None):
    print(json.dumps({"event": name, "data": data}, ensure_ascii=False), flush=True)


def session_messages(plugin, session):
    """What the plugin says in the session, up to its end; silence of a plugin that stops early is an error."""
    for line in plugin.stdout:
        message = json.loads(line)
        if message["event"] == "error":
            yield {"type": "error", "data": message["data"]}
            return
        if message["event"] == "session" and message["session_id"] == session:
            yield message["data"]
            if message["data"]["type"] in ("end", "error"):
                return
    yield {"type": "error", "data": {"error_type": "PluginExit", "message": "the plugin stopped in the middle of a call", "args": {}}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-id", required=True)
    parser.add_argument("-action", required=True)
    options = parser.parse_args()
    folder = os.path.join(os.environ["SLIM_FOLDER"], options.id.replace(":", "-"))
    session = str(uuid.uuid4())
    data = {**json.load(sys.stdin)["data"], "user_id": "", "type": "model", "action": options.action}
    request = {"session_id": session, "tenant_id": str(uuid.UUID(int=0)), "conversation_id": None, "message_id": None,
               "app_id": None, "endpoint_id": None, "context": {}, "event": "request", "data": data}
    with subprocess.Popen(
        [os.environ["SLIM_PYTHON_PATH"], "-B", "-m", "main"], cwd=folder, env={**os.environ, "INSTALL_METHOD": "local"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as plugin:
        plugin.stdin.write(json.dumps(request).encode() + b"\n")
        plugin.stdin.close()
        for message in session_messages(plugin, session):
            match message["type"]:
                case "stream":
                    event("chunk", message["data"])
                case "end":
                    event("done")
                case "error":
                    event("error", {"code": "PLUGIN_EXEC_ERROR", "message": json.dumps(message["data"], ensure_ascii=False)})
        plugin.kill()


if __name__ == "__main__":
    main()
