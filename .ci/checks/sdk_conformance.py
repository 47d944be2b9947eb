"""Puts the plugin between the Python SDK's own request models and its own result entities, for every action.

Usage: sdk_conformance.py BINARY. Needs `dify_plugin` from PyPI. The gateway is the one built into the binary."""

import base64
import sys

import yaml
from dify_plugin.core.entities.plugin import request as requests
from dify_plugin.core.entities.plugin.setup import PluginConfiguration
from dify_plugin.core.server.__base.writer_entities import StreamOutputMessage
from dify_plugin.entities.model import AIModelEntity, EmbeddingInputType, ModelType
from dify_plugin.entities.model.llm import LLMPollingResult, LLMResultChunk
from dify_plugin.entities.model.message import (
    AssistantPromptMessage, ImagePromptMessageContent, PromptMessageTool, SystemPromptMessage,
    TextPromptMessageContent, ToolPromptMessage, UserPromptMessage,
)
from dify_plugin.entities.model.provider import ProviderEntity
from dify_plugin.entities.model.rerank import MultiModalRerankResult, RerankResult
from dify_plugin.entities.model.text_embedding import MultiModalContent, MultiModalEmbeddingResult, TextEmbeddingResult
from host import Plugin
from standin import Gateway

PIXEL = base64.b64encode(bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082")).decode()
WEATHER = PromptMessageTool(name="get_weather", description="Current weather", parameters={
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
ERRORS = {"InvokeConnectionError", "InvokeServerUnavailableError", "InvokeRateLimitError", "InvokeAuthorizationError",
          "InvokeBadRequestError", "CredentialsValidateFailedError"}

passed = failed = 0


def check(name, condition, detail=""):
    global passed, failed
    if condition:
        passed += 1
        print(f"ok    {name}")
    else:
        failed += 1
        print(f"FAIL  {name}: {detail}")


def call(plugin, model, name):
    """Sends one of the SDK's request models; its session must end, and every line must be the SDK's envelope."""
    before = len(plugin.lines)
    stream, error = plugin.call(model.model_dump(mode="json"))
    for line in plugin.lines[before:]:
        StreamOutputMessage.model_validate_json(line)
    if error is not None:
        check(f"{name}: error is well-formed", error["error_type"] in ERRORS and isinstance(error["message"], str)
              and len(error["args"]) <= 10, error)
    return stream, error


def succeeds(plugin, model, name, entity, unwrap=lambda stream: stream):
    stream, error = call(plugin, model, name)
    if error is not None:
        check(name, False, error)
        return []
    parsed = [entity.model_validate(item) for item in unwrap(stream)]
    check(name, len(parsed) > 0, "no result")
    return parsed


def llm(credentials, messages, **extra):
    fields = {"model_parameters": {}, "stop": None, "tools": None, **extra}
    return requests.ModelInvokeLLMRequest(
        user_id="u-42", provider="higress", model_type=ModelType.LLM, model="my-model",
        credentials=credentials, prompt_messages=messages, **fields)


def text_of(chunks):
    return "".join(chunk.delta.message.content for chunk in chunks if isinstance(chunk.delta.message.content, str))


def text(plugin, credentials, mode):
    greeting = [SystemPromptMessage(content="Be brief."), UserPromptMessage(content="Say hello to Ada")]
    for stream in (True, False):
        name = f"{mode}: invoke_llm stream={stream}"
        chunks = succeeds(plugin, llm(credentials, greeting, stream=stream, model_parameters={"temperature": 0.7}),
                          name, LLMResultChunk)
        if not chunks:
            continue
        check(f"{name}: text", text_of(chunks) != "")
        check(f"{name}: usage once, last", [c.delta.usage is not None for c in chunks] == [False] * (len(chunks) - 1) + [True])
        check(f"{name}: index", [c.delta.index for c in chunks] == list(range(len(chunks))))
        check(f"{name}: finish reason", chunks[-1].delta.finish_reason == "stop", chunks[-1])
    with_tools = {**credentials, "function_calling_type": "tool_call", "agent_thought_support": "supported"}
    question = [UserPromptMessage(content="Weather in Paris?")]
    chunks = succeeds(plugin, llm(with_tools, question, tools=[WEATHER], model_parameters={"enable_thinking": True}),
                      f"{mode}: invoke_llm with a tool and thinking", LLMResultChunk)
    calls = [c for chunk in chunks for c in chunk.delta.message.tool_calls]
    check(f"{mode}: one whole tool call", len(calls) == 1 and calls[0].function.name == "get_weather", calls)
    thinking = text_of(chunks)
    check(f"{mode}: thinking is closed", thinking.count("<think>") == thinking.count("</think>") == 1, thinking)
    if calls:
        history = question + [AssistantPromptMessage(content="", tool_calls=calls),
                              ToolPromptMessage(content="18 degrees", tool_call_id=calls[0].id, name="get_weather")]
        chunks = succeeds(plugin, llm(with_tools, history, tools=[WEATHER]), f"{mode}: invoke_llm with tool history", LLMResultChunk)
        check(f"{mode}: tool history gives text", text_of(chunks) != "")
    picture = [UserPromptMessage(content=[
        TextPromptMessageContent(data="What is this?"),
        ImagePromptMessageContent(format="png", mime_type="image/png", base64_data=PIXEL)])]
    succeeds(plugin, llm({**credentials, "multimodal_support": "support"}, picture), f"{mode}: invoke_llm with a picture", LLMResultChunk)
    tokens = requests.ModelGetLLMNumTokens(
        user_id="u", provider="higress", model_type=ModelType.LLM, model="m", credentials=credentials,
        prompt_messages=greeting, tools=None)
    stream, error = call(plugin, tokens, f"{mode}: get_llm_num_tokens")
    check(f"{mode}: get_llm_num_tokens", error is None and stream[0]["num_tokens"] > 0, (stream, error))


def image(plugin, credentials, mode):
    prompt = [UserPromptMessage(content="A red fox")]
    chunks = succeeds(plugin, llm(credentials, prompt), f"{mode}: image as URL", LLMResultChunk)
    check(f"{mode}: image URL", text_of(chunks).startswith("http"), text_of(chunks))
    chunks = succeeds(plugin, llm(credentials, prompt, model_parameters={"output_format": "image"}),
                      f"{mode}: image as part", LLMResultChunk)
    parts = [part for chunk in chunks if isinstance(chunk.delta.message.content, list) for part in chunk.delta.message.content]
    check(f"{mode}: one image part", len(parts) == 1 and isinstance(parts[0], ImagePromptMessageContent), parts)


def polling(plugin, credentials):
    waiting = {**credentials, "image_model_protocol": "dashscope_async", "advanced_options": '{"polling": true}'}
    start = requests.ModelStartPollingRequest(
        user_id="u", provider="higress", model_type=ModelType.LLM, model="wanx", credentials=waiting,
        prompt_messages=[UserPromptMessage(content="A red fox")], model_parameters={}, stop=None, tools=None)
    answers = succeeds(plugin, start, "start_polling", LLMPollingResult)
    for _ in range(20):
        if not answers or answers[0].status != "running":
            break
        check_again = requests.ModelCheckPollingRequest(
            user_id="u", provider="higress", model_type=ModelType.LLM, model="wanx", credentials=waiting,
            plugin_state=answers[0].plugin_state)
        answers = succeeds(plugin, check_again, "check_polling", LLMPollingResult)
    check("polling succeeds", bool(answers) and answers[0].status == "succeeded", answers)


def embedding(plugin, credentials, mode):
    def request(texts):
        return requests.ModelInvokeTextEmbeddingRequest(
            user_id="u-42", provider="higress", model_type=ModelType.TEXT_EMBEDDING, model="my-embedding",
            credentials=credentials, texts=texts, input_type=EmbeddingInputType.DOCUMENT)
    texts = [f"text number {n}" for n in range(25)]
    result = succeeds(plugin, request(texts), f"{mode}: invoke_text_embedding", TextEmbeddingResult)
    check(f"{mode}: one vector per text", bool(result) and len(result[0].embeddings) == 25)
    alone = succeeds(plugin, request(texts[7:8]), f"{mode}: invoke_text_embedding of one", TextEmbeddingResult)
    check(f"{mode}: the same vector alone", bool(result and alone) and alone[0].embeddings[0] == result[0].embeddings[7])
    nothing = succeeds(plugin, request([]), f"{mode}: invoke_text_embedding of none", TextEmbeddingResult)
    check(f"{mode}: no vectors for no texts", bool(nothing) and nothing[0].embeddings == [])
    counts = requests.ModelGetTextEmbeddingNumTokens(
        user_id="u", provider="higress", model_type=ModelType.TEXT_EMBEDDING, model="m", credentials=credentials, texts=["a", "b c d"])
    stream, error = call(plugin, counts, f"{mode}: get_text_embedding_num_tokens")
    check(f"{mode}: get_text_embedding_num_tokens", error is None and len(stream[0]["num_tokens"]) == 2, (stream, error))


def multimodal(plugin, embedding_credentials, rerank_credentials):
    both = [MultiModalContent(content="a cat", content_type="text"), MultiModalContent(content=PIXEL, content_type="image")]
    request = requests.ModelInvokeMultimodalEmbeddingRequest(
        user_id="u", provider="higress", model="mm", documents=both,
        credentials={**embedding_credentials, "embedding_model_protocol": "dashscope_multimodal"})
    result = succeeds(plugin, request, "invoke_multimodal_embedding", MultiModalEmbeddingResult)
    check("invoke_multimodal_embedding: two vectors", bool(result) and len(result[0].embeddings) == 2)
    request = requests.ModelInvokeMultimodalRerankRequest(
        user_id="u", provider="higress", model="qwen3-vl-rerank", credentials=rerank_credentials,
        query=both[0], docs=both, score_threshold=None, top_n=None)
    result = succeeds(plugin, request, "invoke_multimodal_rerank", MultiModalRerankResult)
    check("invoke_multimodal_rerank: two documents", bool(result) and len(result[0].docs) == 2)


def rerank(plugin, credentials, mode):
    for model in ("gte-rerank-v2", "qwen3-rerank"):
        request = requests.ModelInvokeRerankRequest(
            user_id="u", provider="higress", model_type=ModelType.RERANK, model="my-rerank",
            credentials={**credentials, "gateway_model_name": model},
            query="red fox", docs=["blue sky", "a red fox", "fox"], score_threshold=None, top_n=2)
        result = succeeds(plugin, request, f"{mode}: invoke_rerank {model}", RerankResult)
        check(f"{mode}: {model}: best two, best first",
              bool(result) and [d.index for d in result[0].docs] == [1, 2] and result[0].docs[0].text == "a red fox", result)


def schema_and_validation(plugin, models, mode):
    for model_type, credentials in models:
        schema = requests.ModelGetAIModelSchemas(
            user_id="u", provider="higress", model_type=model_type, model="my-model", credentials=credentials)
        succeeds(plugin, schema, f"{mode}: get_ai_model_schemas {model_type.value}", AIModelEntity,
                 lambda stream: [stream[0]["model_schema"]])
        save = requests.ModelValidateModelCredentialsRequest(
            user_id="u", provider="higress", model_type=model_type, model="my-model", credentials=credentials)
        stream, error = call(plugin, save, f"{mode}: validate_model_credentials {model_type.value}")
        check(f"{mode}: validate_model_credentials {model_type.value}",
              error is None and stream == [{"result": True, "credentials": credentials}], (stream, error))


def refusals(plugin, wrong, mode):
    """A wrong secret: an authorization error at run time, a validation error on save."""
    _, error = call(plugin, llm(wrong, [UserPromptMessage(content="hi")]), f"{mode}: refused")
    check(f"{mode}: refused as authorization", error and error["error_type"] == "InvokeAuthorizationError", error)
    save = requests.ModelValidateModelCredentialsRequest(
        user_id="u", provider="higress", model_type=ModelType.LLM, model="m", credentials=wrong)
    _, error = call(plugin, save, f"{mode}: refused on save")
    check(f"{mode}: refused on save", error and error["error_type"] == "CredentialsValidateFailedError", error)


def declarations(root):
    with open(f"{root}/manifest.yaml", encoding="utf-8") as file:
        PluginConfiguration(**yaml.safe_load(file))
    with open(f"{root}/provider/higress.yaml", encoding="utf-8") as file:
        provider = ProviderEntity(**yaml.safe_load(file))
    forms = provider.model_credential_schema.credential_form_schemas
    check("the SDK reads the manifest and the provider form", 16 <= len(forms) <= 32, len(forms))


def main(binary, root):
    declarations(root)
    with Gateway(binary) as gateway:
        plugin = Plugin([binary])
        check("first heartbeat", plugin.ready.wait(10))
        for mode in ("disabled", "api_key", "hmac"):
            auth = gateway.credentials(mode)
            text_credentials = {**auth, "llm_usage_scenario": "text_generation"}
            image_credentials = {**auth, "llm_usage_scenario": "image_generation"}
            text(plugin, text_credentials, mode)
            image(plugin, image_credentials, mode)
            embedding(plugin, auth, mode)
            rerank(plugin, auth, mode)
            schema_and_validation(plugin, [
                (ModelType.LLM, text_credentials), (ModelType.LLM, image_credentials),
                (ModelType.TEXT_EMBEDDING, auth), (ModelType.RERANK, auth)], mode)
        for mode in ("api_key", "hmac"):
            refusals(plugin, gateway.wrong_credentials(mode), mode)
        polling(plugin, {**gateway.credentials("hmac"), "llm_usage_scenario": "image_generation"})
        multimodal(plugin, gateway.credentials("hmac"), gateway.credentials("hmac"))
        provider = requests.ModelValidateProviderCredentialsRequest(user_id="u", provider="higress", credentials={})
        stream, error = call(plugin, provider, "validate_provider_credentials")
        check("validate_provider_credentials", error is None and stream == [{"result": True, "credentials": {}}], (stream, error))
        check("a closed input ends the process with 0", plugin.close() == 0)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "."))
