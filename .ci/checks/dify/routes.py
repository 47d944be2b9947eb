"""Every dispatch route of the daemon that a model provider has, called as Dify's API server calls it."""

import json

from dify.client import llm, text_of

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg=="
PARTS = [{"content": "a cat", "content_type": "text"}, {"content": PIXEL, "content_type": "image"}]
HELLO = [{"role": "user", "content": "Say hello"}]
TOOL = {"name": "get_weather", "description": "The weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
SCHEMA = json.dumps({"schema": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                                "required": ["name", "age"]}, "name": "llm_response"})


def check(report, dify, gateway):
    """Calls everything once, under each authorisation where that matters."""
    report.section("every dispatch route")

    def answered(name, route, data, right):
        answers, error = dify.call(route, data)
        try:
            good = error is None and right(answers)
        except (LookupError, TypeError, ValueError) as wrong:
            good, error = False, repr(wrong)
        report.check(f"{route}: {name}", good, error or answers)
        return answers

    provider = {"credentials": {}}
    answered("no credentials", "model/validate_provider_credentials", provider, lambda a: a == [{"result": True, "credentials": {}}])
    for mode in ("disabled", "api_key", "hmac"):
        check_authorisation(answered, gateway.credentials(mode), mode)
    credentials = {**gateway.credentials("hmac"), "function_calling_type": "tool_call", "structured_output_support": "supported"}
    check_text(answered, credentials)
    check_pictures(answered, gateway.credentials("hmac"))
    check_parts(answered, gateway.credentials("hmac"))
    check_refusals(report, dify, gateway)


def check_authorisation(answered, credentials, mode):
    """Each kind of model under one authorisation."""
    def common(kind):
        return {"model_type": kind, "model": "m", "credentials": credentials}

    for kind in ("llm", "text-embedding", "rerank"):
        answered(f"{kind}, {mode}", "model/validate_model_credentials", common(kind),
                 lambda a: a == [{"result": True, "credentials": credentials}])
        answered(f"{kind}, {mode}", "model/schema", common(kind),
                 lambda a, kind=kind: a[0]["model_schema"]["model_type"] == kind)
    answered(f"streamed, {mode}", "llm/invoke", llm(credentials),
             lambda a: len(a) > 5 and "Say hello" in text_of(a) and a[-1]["delta"]["usage"]["total_tokens"] > 0
             and [x["delta"]["finish_reason"] for x in a if x["delta"]["finish_reason"]] == ["stop"])
    answered(f"whole, {mode}", "llm/invoke", llm(credentials, stream=False),
             lambda a: "Say hello" in text_of(a) and a[-1]["delta"]["usage"]["total_tokens"] > 0)
    answered(f"{mode}", "llm/num_tokens", {**common("llm"), "prompt_messages": HELLO, "tools": []},
             lambda a: a[0]["num_tokens"] > 0)
    answered(f"25 texts, {mode}", "text_embedding/invoke",
             {**common("text-embedding"), "texts": [f"text {n}" for n in range(25)], "input_type": "document"},
             lambda a: len(a[0]["embeddings"]) == 25 and a[0]["usage"]["total_tokens"] > 0)
    answered(f"{mode}", "text_embedding/num_tokens", {**common("text-embedding"), "texts": ["a", "b c d"]},
             lambda a: len(a[0]["num_tokens"]) == 2)
    answered(f"{mode}", "rerank/invoke",
             {**common("rerank"), "query": "red fox", "docs": ["blue sky", "a red fox", "fox"], "score_threshold": None, "top_n": 2},
             lambda a: [document["index"] for document in a[0]["docs"]] == [1, 2])


def check_text(answered, credentials):
    """Tools, a tool's result, structured output, thinking, files."""
    def one_call(answers):
        calls = [call for answer in answers for call in answer["delta"]["message"]["tool_calls"]]
        return (len(calls) == 1 and calls[0]["function"]["name"] == "get_weather" and calls[0]["id"]
                and isinstance(json.loads(calls[0]["function"]["arguments"]), dict))

    asked = answered("tool call, streamed", "llm/invoke", llm(credentials, prompt="Weather in Berlin?", tools=[TOOL]), one_call)
    answered("tool call, whole", "llm/invoke", llm(credentials, prompt="Weather in Berlin?", tools=[TOOL], stream=False), one_call)
    calls = [call for answer in asked for call in answer["delta"]["message"]["tool_calls"]]
    if calls:
        history = [{"role": "user", "content": "Weather in Berlin?"},
                   {"role": "assistant", "content": "", "tool_calls": calls},
                   {"role": "tool", "content": "sunny", "tool_call_id": calls[0]["id"], "name": "get_weather"}]
        answered("tool result", "llm/invoke", llm(credentials, prompt_messages=history, tools=[TOOL]), lambda a: len(text_of(a)) > 0)
    for stream in (True, False):
        answered(f"structured output, stream {stream}".lower(), "llm/invoke",
                 llm(credentials, stream=stream, model_parameters={"response_format": "json_schema", "json_schema": SCHEMA}),
                 lambda a: set(json.loads(text_of(a))) == {"name", "age"})
    picture = [{"role": "user", "content": [
        {"type": "text", "data": "What is this?"},
        {"type": "image", "format": "png", "mime_type": "image/png", "base64_data": PIXEL, "url": "", "detail": "low"}]}]
    answered("a picture in the prompt", "llm/invoke", llm({**credentials, "multimodal_support": "support"}, prompt_messages=picture),
             lambda a: len(text_of(a)) > 0)
    answered("text completion", "llm/invoke", llm({**credentials, "text_model_protocol": "openai_completions"}),
             lambda a: len(text_of(a)) > 0)


def check_pictures(answered, credentials):
    """Image models: at once, as URL and as picture, and polled."""
    image = {**credentials, "llm_usage_scenario": "image_generation"}
    answered("an image's URL", "llm/invoke", llm(image, prompt="A red fox"), lambda a: text_of(a).startswith("http"))
    answered("an image itself", "llm/invoke", llm(image, prompt="A red fox", model_parameters={"output_format": "image"}),
             lambda a: any(part["type"] == "image" for x in a if isinstance(x["delta"]["message"]["content"], list)
                           for part in x["delta"]["message"]["content"]))
    waiting = {**image, "image_model_protocol": "dashscope_async", "advanced_options": '{"polling": true}'}
    state = answered("started", "model/polling/start", llm(waiting, prompt="A red fox", stream=False),
                     lambda a: a[0]["status"] == "running" and a[0]["plugin_state"])
    for attempt in range(10):
        if not state or state[0]["status"] != "running":
            break
        state = answered(f"asked {attempt + 1}", "model/polling/check",
                         {"model_type": "llm", "model": "m", "credentials": waiting, "plugin_state": state[0]["plugin_state"]},
                         lambda a: a[0]["status"] in ("running", "succeeded"))
    answered("is done", "model/polling/start", llm(waiting, prompt="A red fox", stream=False),
             lambda _: state[0]["status"] == "succeeded" and state[0]["result"]["message"]["content"])


def check_parts(answered, credentials):
    """Texts and pictures together."""
    answered("two parts", "multimodal_embedding/invoke",
             {"model_type": "text-embedding", "model": "m", "documents": PARTS, "input_type": "document",
              "credentials": {**credentials, "embedding_model_protocol": "dashscope_multimodal"}},
             lambda a: len(a[0]["embeddings"]) == 2)
    answered("two parts", "multimodal_rerank/invoke",
             {"model_type": "rerank", "model": "qwen3-vl-rerank", "credentials": credentials, "query": PARTS[0], "docs": PARTS,
              "score_threshold": None, "top_n": None},
             lambda a: len(a[0]["docs"]) == 2)


def check_refusals(report, dify, gateway):
    """What is not served, and what the gateway refuses, is said clearly and with the name that Dify acts on."""
    credentials = gateway.credentials("hmac")
    common = {"model": "m", "credentials": credentials}
    for route, data in {
        "tts/invoke": {"model_type": "tts", "content_text": "hello", "voice": "v", "tenant_id": dify.tenant},
        "tts/model/voices": {"model_type": "tts"},
        "speech2text/invoke": {"model_type": "speech2text", "file": "00"},
        "moderation/invoke": {"model_type": "moderation", "text": "hello"},
    }.items():
        answers, (kind, text) = dify.call(route, {**common, **data})
        report.check(f"{route}: refused clearly", not answers and kind == "InvokeBadRequestError" and "does not support" in text,
                     (answers, kind, text))
        report.figure(f"{kind}: {text}")
    refused = {
        "a wrong key": (llm(gateway.wrong_credentials("api_key")), "InvokeAuthorizationError", "401"),
        "a wrong signature": (llm(gateway.wrong_credentials("hmac")), "InvokeAuthorizationError", "Invalid Signature"),
        "a missing secret": (llm({**credentials, "hmac_secret": ""}), "InvokeBadRequestError", "hmac_secret is empty"),
        "a rate limit": (llm(credentials, "fault-429"), "InvokeRateLimitError", "429"),
        "an error in mid-stream": (llm(credentials, "fault-stream-error"), None, "[higress]"),
        "a broken stream": (llm(credentials, "fault-cut"), None, "[higress]"),
    }
    for name, (data, kind, part) in refused.items():
        _, error = dify.call("llm/invoke", data)
        report.check(f"llm/invoke: {name}", error and kind in (None, error[0]) and part in error[1], error)
    _, error = dify.call("model/validate_model_credentials", {"model_type": "llm", "model": "m",
                                                              "credentials": gateway.wrong_credentials("hmac")})
    report.check("model/validate_model_credentials: a wrong signature",
                 error and error[0] == "CredentialsValidateFailedError" and "Invalid Signature" in error[1], error)
