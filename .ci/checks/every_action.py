"""Sends every model action to a plugin over pipes and expects an answer to each. Standard library only.

Usage: every_action.py GATEWAY-PROGRAM COMMAND...
COMMAND starts the plugin in the current folder as the daemon would (for example `.venv/bin/python -m main`);
GATEWAY-PROGRAM is the native program whose built-in gateway answers it, with signed requests.
"""

import os
import sys

from host import Plugin
from standin import Gateway

PIXEL = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg==")
PARTS = [{"content": "a cat", "content_type": "text"}, {"content": PIXEL, "content_type": "image"}]
HELLO = [{"role": "user", "content": "Say hello", "name": None}]


def requests(auth):
    """Name, request and what must be in the last answer, for every action."""
    text = {**auth, "llm_usage_scenario": "text_generation"}
    image = {**auth, "llm_usage_scenario": "image_generation"}
    many = {**auth, "embedding_model_protocol": "dashscope_multimodal"}
    seeing = {**auth, "gateway_model_name": "qwen3-vl-rerank"}
    waiting = {**image, "image_model_protocol": "dashscope_async", "advanced_options": '{"polling": true}'}

    def llm(credentials, action="invoke_llm", **more):
        return {"action": action, "model_type": "llm", "model": "m", "credentials": credentials, "prompt_messages": HELLO,
                "model_parameters": {}, "tools": None, "stop": None, **more}

    def other(action, kind, credentials=auth, **more):
        return {"action": action, "model_type": kind, "model": "m", "credentials": credentials, **more}

    yield "provider credentials", {"action": "validate_provider_credentials", "credentials": {}}, "result"
    for what, kind, credentials in (("text model", "llm", text), ("image model", "llm", image),
                                    ("embedding model", "text-embedding", auth), ("rerank model", "rerank", auth)):
        yield f"{what}, saved", other("validate_model_credentials", kind, credentials), "result"
        yield f"{what}, its schema", other("get_ai_model_schemas", kind, credentials), "model_schema"
    yield "text, streamed", llm(text, stream=True), "delta"
    yield "text, whole", llm(text, stream=False), "delta"
    yield "text, counted", llm(text, "get_llm_num_tokens"), "num_tokens"
    yield "image", llm(image, stream=True), "delta"
    yield "image, polled", llm(waiting, "start_polling"), "plugin_state"
    yield "embedding", other("invoke_text_embedding", "text-embedding", texts=["a", "b"], input_type="document"), "embeddings"
    yield "embedding, counted", other("get_text_embedding_num_tokens", "text-embedding", texts=["a", "b"]), "num_tokens"
    yield "embedding of parts", other("invoke_multimodal_embedding", "text-embedding", many, documents=PARTS,
                                      input_type="document"), "embeddings"
    yield "rerank", other("invoke_rerank", "rerank", query="a", docs=["a", "b"], score_threshold=None, top_n=1), "docs"
    yield "rerank of parts", other("invoke_multimodal_rerank", "rerank", seeing, query=PARTS[0], docs=PARTS,
                                   score_threshold=None, top_n=None), "docs"


def main(program, command):
    failed = []
    with Gateway(program) as gateway:
        plugin = Plugin(command)
        if not plugin.ready.wait(60):
            print("FAIL  no heartbeat")
            plugin.process.kill()
            return 1
        print(f"ok    first heartbeat after {plugin.first_heartbeat * 1000:.0f} ms")
        if "-m" in command:  # a launcher must be gone: the daemon knows the plugin by the process that it started
            runs = os.readlink(f"/proc/{plugin.process.pid}/exe")
            print("FAIL " if "python" in runs else "ok   ", f"process {plugin.process.pid} has become {runs}")
            failed += ["launcher"] if "python" in runs else []

        def call(name, request, expected):
            stream, error = plugin.call({"type": "model", "user_id": "u", "provider": "higress", **request}, 60)
            right = error is None and bool(stream) and expected in stream[-1]
            print("ok   " if right else "FAIL ", name, "" if right else error or stream)
            if not right:
                failed.append(name)
            return stream

        for name, request, expected in requests(gateway.credentials("hmac")):
            stream = call(name, request, expected)
            if request["action"] == "start_polling" and stream:
                again = {key: request[key] for key in ("model_type", "model", "credentials")}
                call("image, asked again",
                     {"action": "check_polling", "plugin_state": stream[-1].get("plugin_state"), **again}, "status")
        code = plugin.close()
        print("FAIL " if code else "ok   ", "a closed input ends the process with", code)
        failed += ["exit"] if code else []
    print(f"{len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
