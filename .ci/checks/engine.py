"""Runs the example apps in Dify's workflow engine, which calls the plugin out of its unpacked package.

Usage: engine.py PROGRAM PACKAGE SLIM EXAMPLES

PROGRAM is the native program whose built-in gateway answers, to signed requests only; PACKAGE is a .difypkg; SLIM is the
program through which the engine calls plugins, the plugin daemon's own or the stand-in beside this file; EXAMPLES is the
folder of the apps. Needs `graphon` from PyPI, the engine inside Dify.
"""

import copy
import json
import logging
import os
import pathlib
import re
import sys
import tempfile
import time
import urllib.request
import zipfile

import yaml
from graphon import dsl
from graphon.dsl import LoadStatus
from graphon.engine_events import (
    GraphRunFailedEvent, GraphRunPartialSucceededEvent, GraphRunSucceededEvent, NodeRunExceptionEvent, NodeRunFailedEvent,
    NodeRunStreamChunkEvent, NodeRunSucceededEvent,
)
from standin import Gateway

# As the plugin daemon reads identifiers: Dify asks it for each dependency of an imported app, and it refuses others.
IDENTIFIER = re.compile(r"higress/higress:(\d{1,4}(?:\.\d{1,4}){1,3})@[a-f0-9]{32,64}")
PROVIDER = "higress/higress/higress"
SCHEMA = {"type": "object", "additionalProperties": False, "required": ["city", "days"],
          "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}

passed = failed = 0


def check(name, condition, detail=""):
    global passed, failed
    if condition:
        passed += 1
        print(f"ok    {name}")
    else:
        failed += 1
        print(f"FAIL  {name}: {detail}")


class Run:
    """One run of an app: its events, when each came, and what became of it."""

    def __init__(self, app, inputs, values, plugins):
        credentials = {"model_credentials": [{"vendor": "higress", "values": values}],
                       "slim": {"mode": "local", "plugin_folder": str(plugins), "python_path": sys.executable}}
        engine = dsl.loads(yaml.safe_dump(app), credentials=credentials, start_inputs=inputs)
        self.events = []
        try:
            self.events.extend((time.monotonic(), event) for event in engine.run())
        except RuntimeError as error:  # behind the event that says so
            assert isinstance(self.events[-1][1], GraphRunFailedEvent), error
        self.end = self.events[-1][1]
        self.outputs = dict(getattr(self.end, "outputs", None) or {})

    def of(self, kind, node=None):
        return [event for _, event in self.events if isinstance(event, kind) and node in (None, event.node_id)]

    def node(self, node):
        """The outputs of a node that succeeded."""
        events = self.of(NodeRunSucceededEvent, node)
        return events[0].node_run_result.outputs if events else {}

    def failure(self, node):
        """What a node failed with."""
        events = self.of(NodeRunExceptionEvent, node) + self.of(NodeRunFailedEvent, node)
        return events[0].error if events else ""

    def pieces(self):
        """The pieces of the streamed answer and when each came."""
        chunks = [(at, event.chunk) for at, event in self.events if isinstance(event, NodeRunStreamChunkEvent)]
        return [(at, piece) for at, piece in chunks if piece]

    def __str__(self):
        return f"{self.end!r}"


def node(app, name):
    return next(node for node in app["workflow"]["graph"]["nodes"] if node["id"] == name)["data"]


def changed(app, model=None, **data):
    """The chat flow with another model, and more settings of its LLM node."""
    app = copy.deepcopy(app)
    node(app, "llm").update(data)
    if model:
        node(app, "llm")["model"]["name"] = model
    return app


def with_fail_branch(app):
    """The chat flow with a way out of its LLM node for failures, drawn as Dify draws it."""
    app = changed(app, error_strategy="fail-branch")
    graph = app["workflow"]["graph"]
    apology = copy.deepcopy(next(node for node in graph["nodes"] if node["id"] == "answer"))
    apology["id"] = "apology"
    apology["data"].update(title="Apology", answer="It failed: {{#llm.error_message#}}")
    graph["nodes"].append(apology)
    edge = copy.deepcopy(next(edge for edge in graph["edges"] if edge["id"] == "llm-answer"))
    edge.update(id="llm-apology", target="apology", sourceHandle="fail-branch")
    graph["edges"].append(edge)
    return app


def importable(apps, manifest):
    """What Dify's import looks at."""
    for name, app in apps.items():
        check(f"{name}: an app", app["kind"] == "app" and app["app"]["mode"] in ("workflow", "advanced-chat", "agent-chat"))
        # A string, not a number, and no newer than the servers that are around: a newer one has to be confirmed.
        check(f"{name}: a version of the format", app["version"] == "0.3.0", app["version"])
        values = [dependency["value"] for dependency in app["dependencies"] if dependency["type"] == "marketplace"]
        identifiers = [value["marketplace_plugin_unique_identifier"] for value in values]
        found = [IDENTIFIER.fullmatch(identifier) for identifier in identifiers]
        check(f"{name}: names the plugin, and no other", len(app["dependencies"]) == 1 and all(found), identifiers)
        check(f"{name}: names this version", all(match and match[1] == manifest["version"] for match in found), identifiers)


def inspected(apps):
    """What the engine says of each without running it."""
    plans = {name: dsl.inspect(yaml.safe_dump(app)) for name, app in apps.items()}
    for name in ("image_workflow", "chat_flow"):
        check(f"{name}: the engine can load it", plans[name].load_status == LoadStatus.LOADABLE, plans[name].load_reason)
    plan, agent = plans["customer_service_agent"], apps["customer_service_agent"]
    # The engine runs no agents of this kind; it reads the file and says so.
    check("agent: the engine reads it", plan.load_status == LoadStatus.UNSUPPORTED and "agent-chat" in plan.load_reason, plan)
    check("agent: its dependency is the plugin", [IDENTIFIER.fullmatch(d.plugin_unique_identifier) is not None
                                                  for d in plan.dependencies] == [True], plan.dependencies)
    config = agent["model_config"]
    rerank = config["dataset_configs"]["reranking_model"]
    check("agent: its model is the plugin's", config["model"]["provider"] == PROVIDER and config["model"]["mode"] == "chat")
    check("agent: it calls tools as functions", config["agent_mode"]["enabled"]
          and config["agent_mode"]["strategy"] == "function_call" and len(config["agent_mode"]["tools"]) > 0)
    check("agent: its knowledge is reranked by the plugin", config["dataset_configs"]["reranking_enable"]
          and rerank["reranking_provider_name"] == PROVIDER and bool(rerank["reranking_model_name"]), rerank)


def image(app, text, picture, plugins):
    prompt = "A red fox in the snow"
    run = Run(app, {"prompt": prompt}, {**text, **picture}, plugins)
    url = str(run.outputs.get("url", ""))
    check("image workflow: succeeds", isinstance(run.end, GraphRunSucceededEvent), run)
    check("image workflow: Markdown of the prompt and the URL", run.outputs.get("markdown") == f"![{prompt}]({url})", run.outputs)
    opened = urllib.request.urlopen(url, timeout=10).read(8) if url.startswith("http") else b""
    check("image workflow: the URL is a picture's", opened == b"\x89PNG\r\n\x1a\n", url)


def chat(app, text, plugins):
    question = "Where does the fox sleep?"
    run = Run(app, {"query": question}, text, plugins)
    answer, pieces = str(run.outputs.get("answer", "")), run.pieces()
    check("chat flow: succeeds", isinstance(run.end, GraphRunSucceededEvent), run)
    check("chat flow: the question reached the model", question in answer, answer)
    check("chat flow: the streamed pieces are the answer, in order", answer and "".join(piece for _, piece in pieces) == answer, pieces)
    usage = run.node("llm").get("usage", {})
    check("chat flow: tokens are counted", usage.get("prompt_tokens", 0) > 0 and usage.get("completion_tokens", 0) > 0, usage)
    check("chat flow: it stopped by itself", run.node("llm").get("finish_reason") == "stop", run.node("llm"))

    # Twenty pieces, one every 60 ms: each must leave when it comes.
    run = Run(changed(app, model="pace-60ms-20"), {"query": question}, text, plugins)
    times = [at for at, piece in run.pieces()]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    check("streaming: one by one", len(times) == 20, run.pieces())
    check("streaming: as they come", len(gaps) > 0 and times[-1] - times[0] > 0.9 and max(gaps) < 0.5, gaps)


def structured(app, text, plugins):
    settings = {"structured_output_enabled": True, "structured_output": {"schema": SCHEMA}}
    run = Run(changed(app, **settings), {"query": "Lisbon"}, {**text, "structured_output_support": "supported"}, plugins)
    found = run.node("llm").get("structured_output")
    right = isinstance(found, dict) and set(found) == set(SCHEMA["required"]) and isinstance(found["days"], int)
    check("structured output: an object that keeps to the schema", right, found or run)
    check("structured output: the text is the same object", right and json.loads(run.node("llm")["text"]) == found, run)
    run = Run(changed(app, **settings), {"query": "Lisbon"}, text, plugins)
    check("structured output: a model without it is refused before the call",
          "Structured output is not supported" in run.failure("llm"), run)


def errors(app, text, wrong, plugins):
    run = Run(changed(with_fail_branch(app), model="fault-429"), {"query": "Hi"}, text, plugins)
    check("error branch: taken", isinstance(run.end, GraphRunPartialSucceededEvent) and run.node("apology") and not run.node("answer"), run)
    answer = str(run.outputs.get("answer", ""))
    check("error branch: the answer says what failed", answer.startswith("It failed: ") and "[higress] 429" in answer
          and "InvokeRateLimitError" in answer, answer)
    run = Run(with_fail_branch(app), {"query": "Hi"}, text, plugins)
    check("error branch: not taken without an error", isinstance(run.end, GraphRunSucceededEvent) and not run.node("apology"), run)
    run = Run(changed(with_fail_branch(app), model="fault-cut"), {"query": "Hi"}, text, plugins)
    check("error branch: taken when a stream breaks off", "InvokeConnectionError" in run.failure("llm") and run.node("apology"), run)
    run = Run(with_fail_branch(app), {"query": "Hi"}, wrong, plugins)
    check("error branch: taken when the signature is refused", "InvokeAuthorizationError" in run.failure("llm"), run)
    check("error branch: a secret is in no error", wrong["hmac_secret"] not in str(run.events))

    default = {"error_strategy": "default-value", "default_value": [{"key": "text", "type": "string", "value": "Nobody is in."}]}
    run = Run(changed(app, model="fault-503", **default), {"query": "Hi"}, text, plugins)
    check("default value: taken", run.outputs.get("answer") == "Nobody is in.", run)
    check("default value: the error is kept", "InvokeServerUnavailableError" in run.failure("llm"), run.failure("llm"))

    run = Run(changed(app, model="fault-context-length"), {"query": "Hi"}, text, plugins)
    check("no way out: the run fails with the model's words", isinstance(run.end, GraphRunFailedEvent)
          and "InvokeBadRequestError" in run.end.error and "context length" in run.end.error, run)


def signed(gateway):
    """The gateway's side: who called, and how."""
    with urllib.request.urlopen(f"{gateway.url}/standin/requests", timeout=10) as answer:
        calls = [call for call in json.load(answer) if call["method"] == "POST"]
    check("gateway: it was called", len(calls) >= 10, len(calls))
    check("gateway: every call was signed", all("x-ca-signature" in dict(call["headers"]) for call in calls))
    refused = [call for call in calls if call["consumer"] is None]
    check("gateway: every call but the one with a wrong secret came from the consumer",
          len(refused) == 1 and {call["consumer"] for call in calls} == {None, "demo"}, [call["consumer"] for call in calls])


def unpack(package, identifier, plugins):
    """As the daemon unpacks it: files without mode bits."""
    folder = plugins / identifier.replace(":", "-")
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    return folder


def main(program, package, slim, examples):
    os.environ["SLIM_BINARY_PATH"] = slim
    logging.getLogger("graphon").setLevel(logging.CRITICAL)  # failures are wanted here, and looked at
    apps = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(pathlib.Path(examples).glob("*.yml"))}
    with tempfile.TemporaryDirectory() as folder, Gateway(program) as gateway:
        plugins = pathlib.Path(folder)
        identifier = apps["chat_flow"]["dependencies"][0]["value"]["marketplace_plugin_unique_identifier"]
        unpacked = unpack(package, identifier, plugins)
        text = {**gateway.credentials("hmac"), "llm_usage_scenario": "text_generation"}
        picture = {"llm_usage_scenario": "image_generation"}
        importable(apps, yaml.safe_load((unpacked / "manifest.yaml").read_text(encoding="utf-8")))
        inspected(apps)
        image(apps["image_workflow"], text, picture, plugins)
        chat(apps["chat_flow"], text, plugins)
        structured(apps["chat_flow"], text, plugins)
        errors(apps["chat_flow"], text, {**text, **gateway.wrong_credentials("hmac")}, plugins)
        signed(gateway)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
