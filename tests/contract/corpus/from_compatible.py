"""Traffic of providers that speak OpenAI's dialect, each in its own accent."""

from typing import Any

from .exchange import EVENTS, HTML, JSON, TOOLS, Exchange, Said, dump, sse, usage

HEAD = {"id": "chatcmpl-7f3a", "object": "chat.completion.chunk", "created": 1_770_000_000, "model": "m"}
PLAIN = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
U = usage(11, 7)
OSLO = {"city": "Oslo"}
WEATHER = ("get_weather", OSLO)
ROME = ("get_weather", {"city": "Rome"})


def ch(
    delta: Any = None, finish: str | None = None, index: int | None = 0, beside: Any = None, **top: Any
) -> dict[str, Any]:
    """A chunk of one choice; ``beside``: members of the choice, ``top``: of the chunk."""
    choice: dict[str, Any] = {} if index is None else {"index": index}
    choice |= {"delta": {} if delta is None else delta, "finish_reason": finish, **(beside or {})}
    return {**HEAD, "choices": [choice], **top}


def use(counted: Any = PLAIN, **top: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [], "usage": counted, **top}


def said(text: str, **more: Any) -> dict[str, Any]:
    return ch({"content": text}, **more)


ROLE = ch({"role": "assistant", "content": ""})


def call(
    arguments: Any, ident: str | None = "call_a1", name: str | None = "get_weather", index: Any = 0
) -> dict[str, Any]:
    function: dict[str, Any] = {} if name is None else {"name": name}
    if arguments is not None:
        function["arguments"] = arguments
    found: dict[str, Any] = {} if index is None else {"index": index}
    return {**found, **({} if ident is None else {"id": ident, "type": "function"}), "function": function}


def calls(*found: Any, **more: Any) -> dict[str, Any]:
    return ch({"tool_calls": list(found)}, **more)


def reply(
    content: Any = "Hello.", finish: str | None = "stop", counted: Any = PLAIN, message: Any = None, **top: Any
) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **(message or {})},
        "finish_reason": finish,
    }
    return {
        "id": "chatcmpl-7f3a",
        "object": "chat.completion",
        "created": 1_770_000_000,
        "model": "m",
        "choices": [choice],
        "usage": counted,
        **top,
    }


OPTIONS = {"cloudflare": {"account_id": "acc-1"}, "databricks": {"host": "adb-1.example.net"}}
BASES = {"azure": "https://res.openai.azure.com/openai/v1"}


def ex(provider: str, name: str, body: Any, expected: Said, **more: Any) -> Exchange:
    data = body if isinstance(body, bytes) else dump(body)
    if more.get("stream"):
        more.setdefault("kind", EVENTS)
    more.setdefault("options", OPTIONS.get(provider, {}))
    more.setdefault("base_url", BASES.get(provider))
    return Exchange(name=name, provider=provider, model=more.pop("model", "m"), body=data, said=expected, **more)


def stream(provider: str, name: str, events: list[Any], expected: Said, **more: Any) -> Exchange:
    data = sse(*events, end=more.pop("line", "\n\n"), done=more.pop("done", True))
    return ex(provider, name, data, expected, stream=True, **more)


def bad(
    provider: str, name: str, answered: int, body: Any, *, kind: str = JSON, headers: Any = None, **error: Any
) -> Exchange:
    """An error answer with the status ``answered``; the client gets the same one unless ``status`` says otherwise."""
    return ex(
        provider,
        name,
        body,
        Said(error={"status": answered, **error}),
        status=answered,
        kind=kind,
        headers=headers or {},
    )


HELLO = Said(text="Hello.", finish="stop", usage=U)
BOTH = Said(tools=(WEATHER, ROME), finish="tool_calls", usage=U)
RATE: Any = {"type": "rate_limit_error", "code": "rate_limit_exceeded"}
LONG: Any = {"status": 400, "type": "invalid_request_error", "code": "context_length_exceeded"}

GROQ: Any = {
    "x_groq": {
        "id": "req_01jk",
        "usage": {
            "queue_time": 0.1,
            "prompt_tokens": 11,
            "prompt_time": 0.001,
            "completion_tokens": 7,
            "completion_time": 0.02,
            "total_tokens": 18,
            "total_time": 0.021,
        },
    }
}
CACHED = {**PLAIN, "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 3}}

EXCHANGES = [
    # ---- Mistral
    ex("mistral", "magistral", reply([{"type": "thinking", "thinking": [{"type": "text", "text": "Greet "}, {"type": "text", "text": "back."}]}, {"type": "text", "text": "Hello."}]), Said(text="Hello.", reasoning="Greet back.", finish="stop", usage=U), flavour=("mistral", "default")),
    stream("mistral", "magistral", [
        ch({"role": "assistant", "content": ""}), ch({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Greet"}]}]}), ch({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": " back."}]}]}),
        said("Hel"), said("lo.", finish="stop", usage=PLAIN)], Said(text="Hello.", reasoning="Greet back.", finish="stop", usage=U)),
    stream("mistral", "tools", [ch({"role": "assistant", "content": ""}), ch({"content": "", "tool_calls": [call('{"city": "Oslo"}', "D681PevKs"), call('{"city": "Rome"}', "a8Kd0TxWz", index=1)]}, finish="tool_calls", usage=PLAIN)], BOTH, request=TOOLS),
    ex("mistral", "model_length", reply("Cut", "model_length"), Said(text="Cut", finish="length", usage=U)),
    bad("mistral", "rate", 429, {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "param": None, "code": "1300", "raw_status_code": 429}, headers={"retry-after": "5"}, **RATE, retry_after=5, says="Rate limit exceeded"),
    bad("mistral", "rate_short", 429, {"message": "Requests rate limit exceeded"}, **RATE),
    bad("mistral", "invalid", 422, {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "logit_bias"], "msg": "Extra inputs are not permitted", "input": {}}]}, "type": "invalid_request_error", "param": None, "code": None}, type="invalid_request_error", says="Extra inputs"),
    bad("mistral", "key", 401, {"message": "Unauthorized", "request_id": "x1"}, status=502),
    bad("mistral", "no_model", 400, {"object": "error", "message": "Invalid model: mistral-huge", "type": "invalid_model", "param": None, "code": "1500"}, type="invalid_request_error", code="model_not_found"),
    # ---- Groq
    stream("groq", "hello", [ch({"role": "assistant", "content": ""}, x_groq={"id": "req_01jk"}), said("Hel"), said("lo."), ch({}, "stop", **GROQ)], HELLO),
    stream("groq", "reasoning", [ch({"role": "assistant", "content": None}, x_groq={"id": "r"}), ch({"reasoning": "Greet", "channel": "analysis"}), ch({"reasoning": " back."}), said("Hello."), ch({}, "stop", **GROQ), use()], Said(text="Hello.", reasoning="Greet back.", finish="stop", usage=U)),
    stream("groq", "compound_ids", [ch({"role": "assistant", "content": ""}, id="a"), said("Hel", id="b"), said("lo.", id="c"), ch({}, "stop", id="stub", **GROQ)], HELLO),
    stream("groq", "tools", [ROLE, calls(call('{"city":"Oslo"}'), call('{"city":"Rome"}', "call_b2", index=1)), ch({}, "tool_calls", **GROQ)], BOTH, request=TOOLS),
    ex("groq", "tool_failed", sse(ROLE, said("I will")) + b'event: error\ndata: {"error":{"message":"Failed to call a function.","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"<function=x>","status_code":400}}\n\n', Said(text="I will", error={"status": 400, "code": "tool_use_failed", "says": "Failed to call"}), stream=True, request=TOOLS),
    bad("groq", "rate", 429, {"error": {"message": "Rate limit reached for model `x` in organization `o` on tokens per minute (TPM): Limit 6000, Used 5000, Requested 2000. Please try again in 9.98s. Need more tokens? Upgrade at https://console.groq.com/settings/billing", "type": "tokens", "code": "rate_limit_exceeded"}}, headers={"retry-after": "10"}, code="rate_limit_exceeded", retry_after=10),
    bad("groq", "too_large", 413, {"error": {"message": "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce your message size and try again.", "type": "tokens", "code": "rate_limit_exceeded"}}, says="too large"),
    bad("groq", "capacity", 498, {"error": {"message": "Flex tier capacity exceeded.", "type": "capacity"}}, says="capacity"),
    # ---- DeepSeek
    stream("deepseek", "reasoner", [
        ": keep-alive", ": keep-alive", ch({"role": "assistant", "content": None, "reasoning_content": ""}, usage=None), ch({"content": None, "reasoning_content": "Greet"}, usage=None), ch({"content": None, "reasoning_content": " back."}, usage=None),
        ch({"content": "Hel", "reasoning_content": None}, usage=None), ch({"content": "lo.", "reasoning_content": None}, usage=None),
        ch({"content": "", "reasoning_content": None}, "stop", usage={**PLAIN, "prompt_tokens_details": {"cached_tokens": 8}, "completion_tokens_details": {"reasoning_tokens": 3}, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 3})],
        Said(text="Hello.", reasoning="Greet back.", finish="stop", usage=usage(11, 7, 8, 0, 3))),
    ex("deepseek", "waited_with_blank_lines", b"\n\n\n\n" + dump(reply("Hello.", message={"reasoning_content": "Greet."}, counted={**PLAIN, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 3})), Said(text="Hello.", reasoning="Greet.", finish="stop", usage=usage(11, 7, 8)), exact=True),
    ex("deepseek", "out_of_capacity", reply("", "insufficient_system_resource"), Said(error={"status": 503})),
    bad("deepseek", "balance", 402, {"error": {"message": "Insufficient Balance", "type": "unknown_error", "param": None, "code": "invalid_request_error"}}, says="Insufficient Balance"),
    bad("deepseek", "busy", 503, {"error": {"message": "Service is too busy.", "type": "service_unavailable_error", "param": None, "code": "x"}}, says="busy"),
    bad("deepseek", "text_422", 422, b"Failed to deserialize the JSON body into the target type: messages[0]: missing field `role` at line 1", kind="text/plain", type="invalid_request_error", says="missing field"),
    # ---- xAI
    ex("xai", "reasoning_beside", reply("Hello.", counted={"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 118, "prompt_tokens_details": {"text_tokens": 11, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 100, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}, "num_sources_used": 0}, message={"reasoning_content": "Greet."}), Said(text="Hello.", reasoning="Greet.", finish="stop", usage=usage(11, 107, 4, 0, 100))),
    stream("xai", "tools_whole", [ROLE, ch({"reasoning_content": "Greet."}), calls(call('{"city":"Oslo"}')), calls(call('{"city":"Rome"}', "call_b2", index=1)), ch({"content": ""}, "stop"), use()], Said(reasoning="Greet.", tools=(WEATHER, ROME), finish="tool_calls", usage=U), request=TOOLS),
    stream("xai", "empty_finish", [ch({"role": "assistant", "content": "Hel"}, ""), said("lo.", finish=""), ch({}, "stop"), use({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 118, "completion_tokens_details": {"reasoning_tokens": 100}})], Said(text="Hello.", finish="stop", usage=usage(11, 107, 0, 0, 100))),
    bad("xai", "bare_sentence", 400, {"code": "Client specified an invalid argument", "error": "Model grok-9 does not support parameter stop."}, type="invalid_request_error", says="does not support parameter stop"),
    bad("xai", "rate", 429, {"code": "Some resource has been exhausted", "error": "Too many requests for team."}, type="rate_limit_error", says="Too many requests"),
    bad("xai", "key", 400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***. You can obtain an API key from https://console.x.ai."}, status=400, says="Incorrect API key"),
    # ---- Perplexity
    stream("perplexity", "cumulative", [
        {**ch({"role": "assistant", "content": "Hel"}, beside={"message": {"role": "assistant", "content": "Hel"}}, usage={**PLAIN, "completion_tokens": 1, "total_tokens": 12}), "object": "chat.completion", "citations": ["https://a.example"]},
        {**ch({"role": "assistant", "content": "lo."}, beside={"message": {"role": "assistant", "content": "Hello."}}, usage={**PLAIN, "completion_tokens": 2, "total_tokens": 13}), "object": "chat.completion", "citations": ["https://a.example"]},
        {**ch({"role": "assistant", "content": ""}, "stop", beside={"message": {"role": "assistant", "content": "Hello."}}, usage={**PLAIN, "search_context_size": "low", "cost": {"total_cost": 0.006}}), "object": "chat.completion.done", "citations": ["https://a.example"], "search_results": [{"title": "A", "url": "https://a.example", "date": None}]},
    ], HELLO, line="\r\n\r\n", model="sonar"),
    ex("perplexity", "think_tags", reply("<think>\nGreet back.\n</think>\n\nHello.", citations=["https://a.example"], search_results=[]), Said(text="Hello.", reasoning="Greet back.", finish="stop", usage=U), model="sonar-reasoning-pro"),
    bad("perplexity", "html_key", 401, b"<html>\r\n<head><title>401 Authorization Required</title></head></html>", kind=HTML, status=502),
    bad("perplexity", "invalid", 400, {"error": {"message": "After the (optional) system message(s), user or tool message(s) should alternate with assistant message(s).", "type": "invalid_message", "code": 400}}, says="alternate"),
    # ---- OpenRouter
    stream("openrouter", "roles_and_comments", [
        ": OPENROUTER PROCESSING", ch({"role": "assistant", "content": ""}, provider="Anthropic"), ch({"role": "assistant", "content": "", "reasoning": "Greet.", "reasoning_details": [{"type": "reasoning.text", "text": "Greet.", "format": "anthropic-claude-v1", "index": 0}]}),
        ": OPENROUTER PROCESSING", ch({"role": "assistant", "content": "Hello."}), ch({"role": "assistant", "content": ""}, "stop", beside={"native_finish_reason": "end_turn", "logprobs": None}), ch({"role": "assistant", "content": ""}, beside={"native_finish_reason": None}, usage={**CACHED, "cost": 0.00012, "is_byok": False, "cost_details": {"upstream_inference_cost": None}})],
        Said(text="Hello.", reasoning="Greet.", finish="stop", usage=usage(11, 7, 4, 0, 3))),
    stream("openrouter", "fails_later", [ch({"role": "assistant", "content": "Half"}), {**ch({"role": "assistant", "content": ""}, "error", beside={"native_finish_reason": "error"}), "error": {"code": 502, "message": "Provider disconnected", "metadata": {"provider_name": "X"}}}], Said(text="Half", error={"status": 502, "says": "Provider disconnected"})),
    ex("openrouter", "error_inside_200", {"error": {"code": 429, "message": "Provider returned error", "metadata": {"raw": "x is temporarily rate-limited upstream.", "provider_name": "X"}}, "user_id": "user_1"}, Said(error={"status": 429, **RATE, "says": "Provider returned error"})),
    ex("openrouter", "error_in_a_choice", {**reply("", "error"), "choices": [{"index": 0, "error": {"code": 502, "message": "Upstream broke"}, "finish_reason": "error", "message": {"role": "assistant", "content": ""}}]}, Said(error={"status": 502, "says": "Upstream broke"})),
    bad("openrouter", "credits", 402, {"error": {"message": "Insufficient credits. Add more using https://openrouter.ai/settings/credits", "code": 402}}, says="Insufficient credits"),
    bad("openrouter", "number_code", 400, {"error": {"message": "x is not a valid model ID", "code": 400}, "user_id": "u"}, says="not a valid model"),
    # ---- Cerebras
    stream("cerebras", "hello", [ch({"role": "assistant"}), ch({"reasoning": "Greet."}), said("Hel"), said("lo."), ch({}, "stop", usage=PLAIN, time_info={"queue_time": 0.0001, "created": 1_770_000_000})], Said(text="Hello.", reasoning="Greet.", finish="stop", usage=U)),
    bad("cerebras", "flat_busy", 429, {"message": "We're experiencing high traffic right now! Please try again soon.", "type": "too_many_requests_error", "param": "queue", "code": "queue_exceeded"}, type="rate_limit_error", code="queue_exceeded", says="high traffic"),
    bad("cerebras", "flat_length", 400, {"message": "Please reduce the length of the messages or completion. Current length is 10000 while limit is 8192", "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}, **LONG),
    bad("cerebras", "flat_key", 401, {"message": "Wrong API Key", "type": "invalid_request_error", "param": "api_key", "code": "wrong_api_key"}, status=502),
    # ---- Together
    stream("together", "token_ids", [ch({"role": "assistant", "content": "Hel", "token_id": 9906}, beside={"text": "Hel", "seed": None, "logprobs": None}), ch({"content": "lo.", "token_id": 11}, beside={"text": "lo."}), ch({"content": "", "token_id": 128009}, "eos", beside={"text": "", "seed": 12}, usage={**PLAIN, "cached_tokens": 0})], HELLO),
    ex("together", "r1_tags", reply("<think>\nGreet back.\n</think>\n\nHello.", "eos"), Said(text="Hello.", reasoning="Greet back.", finish="stop", usage=U), model="deepseek-ai/DeepSeek-R1"),
    bad("together", "rate", 429, {"id": "nz1", "error": {"message": "You have reached the rate limit specific to this model.", "type": "model_rate_limit", "param": None, "code": None}}, says="rate limit"),
    # ---- Fireworks
    stream("fireworks", "usage_in_finish", [ch({"role": "assistant"}), said("Hel"), said("lo."), ch({}, "stop", usage={**PLAIN, "prompt_tokens_details": {"cached_tokens": 8}})], Said(text="Hello.", finish="stop", usage=usage(11, 7, 8)), model="accounts/fireworks/models/x"),
    bad("fireworks", "not_found", 404, {"error": {"object": "error", "type": "invalid_request_error", "code": "NOT_FOUND", "message": "Model not found, inaccessible, and/or not deployed"}}, says="Model not found"),
    # ---- Moonshot
    stream("moonshot", "usage_in_choice", [ROLE, said("Hello."), ch({}, "stop", beside={"usage": PLAIN})], HELLO),
    stream("moonshot", "tool_ids", [ROLE, ch({"reasoning_content": "Look."}), calls(call("", "functions.get_weather:0")), calls(call('{"city"', None, None)), calls(call(': "Oslo"}', None, None)), calls(call('{"city": "Rome"}', "functions.get_weather:1", index=1)), ch({}, "tool_calls", beside={"usage": PLAIN})], Said(reasoning="Look.", tools=(WEATHER, ROME), finish="tool_calls", usage=U), request=TOOLS),
    bad("moonshot", "quota", 429, {"error": {"message": "Your account is suspended, please check your plan and billing details", "type": "exceeded_current_quota_error"}}, says="suspended"),
    # ---- Z.ai
    stream("zai", "role_in_every_delta", [ch({"role": "assistant", "reasoning_content": "Greet."}), ch({"role": "assistant", "content": "Hel"}), ch({"role": "assistant", "content": "lo."}), ch({"role": "assistant", "content": ""}, "stop", usage={**PLAIN, "prompt_tokens_details": {"cached_tokens": 4}})], Said(text="Hello.", reasoning="Greet.", finish="stop", usage=usage(11, 7, 4))),
    ex("zai", "sensitive", reply("", "sensitive"), Said(finish="content_filter", usage=U)),
    stream("zai", "network_error", [ch({"role": "assistant", "content": "Ha"}), ch({"role": "assistant", "content": ""}, "network_error")], Said(text="Ha", error={"status": 502})),
    bad("zai", "balance", 429, {"error": {"code": "1113", "message": "Insufficient balance or no resource package. Please recharge."}}, says="Insufficient balance"),
    bad("zai", "key", 401, {"error": {"code": "1000", "message": "Authentication Failed"}}, status=502),
    # ---- DashScope
    stream("dashscope", "thinking", [ch({"content": None, "role": "assistant", "reasoning_content": ""}, usage=None), ch({"content": None, "reasoning_content": "Greet."}, usage=None), ch({"content": "Hello.", "reasoning_content": None}, usage=None), ch({"content": "", "reasoning_content": None}, "stop", usage=None), use(CACHED)], Said(text="Hello.", reasoning="Greet.", finish="stop", usage=usage(11, 7, 4, 0, 3))),
    stream("dashscope", "tool_name_repeated", [ch({"content": None, "role": "assistant", "tool_calls": [call("", "call_q1")]}), calls({"index": 0, "id": "", "type": "function", "function": {"arguments": '{"city":'}}), calls({"index": 0, "id": "", "type": "function", "function": {"name": "", "arguments": ' "Oslo"}'}}), ch({"content": ""}, "tool_calls"), use()], Said(tools=(WEATHER,), finish="tool_calls", usage=U), request=TOOLS),
    bad("dashscope", "inspection", 400, {"error": {"code": "data_inspection_failed", "param": None, "message": "Input data may contain inappropriate content.", "type": "data_inspection_failed"}, "id": "x", "request_id": "x"}, says="inappropriate"),
    bad("dashscope", "native_shape", 400, {"code": "InvalidParameter", "message": "Range of input length should be [1, 98304]", "request_id": "r"}, type="invalid_request_error", says="input length"),
    # ---- MiniMax
    ex("minimax", "hello", reply("Hello.", input_sensitive=False, output_sensitive=False, base_resp={"status_code": 0, "status_msg": ""}), HELLO, exact=True),
    ex("minimax", "rate_inside_200", {"id": "x", "choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit exceeded(RPM)"}}, Said(error={"status": 429, **RATE, "says": "rate limit"})),
    ex("minimax", "balance_inside_200", {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, Said(error={"status": 429, "code": "insufficient_quota"})),
    ex("minimax", "params_inside_200", {"base_resp": {"status_code": 2013, "status_msg": "invalid params"}}, Said(error={"status": 400, "type": "invalid_request_error"})),
    ex("minimax", "rate_inside_stream", {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, Said(error={"status": 429}), stream=True, kind=JSON),
    stream("minimax", "think_over_chunks", [ch({"role": "assistant", "content": "<thi"}), said("nk>\nGreet"), said(" back.\n</th"), said("ink>\n\nHel"), said("lo.", finish="stop"), {**use(), "object": "chat.completion", "base_resp": {"status_code": 0, "status_msg": ""}}], Said(text="Hello.", reasoning="Greet back.", finish="stop", usage=U), model="MiniMax-M2"),
    stream("minimax", "whole_message_last", [ch({"role": "assistant", "content": "Hel", "name": "MiniMax AI", "audio_content": ""}), said("lo."), {**HEAD, "object": "chat.completion", "choices": [{"finish_reason": "stop", "index": 0, "message": {"content": "Hello.", "role": "assistant", "name": "MiniMax AI", "audio_content": ""}}], "usage": {"total_tokens": 18, "total_characters": 0, "prompt_tokens": 11, "completion_tokens": 7}, "base_resp": {"status_code": 0, "status_msg": ""}}], HELLO, model="MiniMax-M2", done=False),
    # ---- NVIDIA
    ex("nvidia", "tools_none_content", reply(None, "tool_calls", message={"tool_calls": [call('{"city": "Oslo"}', "chatcmpl-tool-9", index=None)], "reasoning_content": None, "refusal": None}), Said(tools=(WEATHER,), finish="tool_calls", usage=U), request=TOOLS),
    bad("nvidia", "problem", 404, {"type": "urn:inference-service:problem-details:not-found", "title": "Not Found", "status": 404, "detail": "Function 'x': Not found for account 'y'", "instance": "/v2/nvcf"}, kind="application/problem+json", code="model_not_found", says="Not found for account"),
    bad("nvidia", "problem_quota", 402, {"type": "urn:nvcf-worker-service:problem-details:payment-required", "title": "Payment Required", "status": 402, "detail": "Account 'x': Cloud credits expired"}, code="insufficient_quota", says="credits expired"),
    # ---- SambaNova, DeepInfra, Hugging Face
    stream("sambanova", "empty_end", [ROLE, said("Hello."), ch({"content": ""}, "stop"), use({**PLAIN, "acceptance_rate": 4.2, "completion_tokens_per_sec": 400.1})], HELLO),
    bad("sambanova", "bare", 429, b"Rate limit exceeded", kind="text/plain", **RATE),
    stream("deepinfra", "cost", [ch({"role": "assistant", "content": ""}), said("Hello."), ch({"content": ""}, "stop"), use({**PLAIN, "estimated_cost": 0.00001})], HELLO),
    bad("deepinfra", "detail", 422, {"detail": [{"loc": ["body", "messages"], "msg": "field required", "type": "value_error.missing"}]}, type="invalid_request_error", says="field required"),
    bad("deepinfra", "detail_object", 401, {"detail": {"error": "User not authenticated"}}, status=502),
    bad("huggingface", "sentence", 402, {"error": "You have exceeded your monthly included credits for Inference Providers. Subscribe to PRO to get 20x more monthly included credits."}, code="insufficient_quota", says="monthly included"),
    bad("huggingface", "loading", 503, {"error": "Model x is currently loading", "estimated_time": 20.0}, type="server_error", says="loading"),
    # ---- Cloudflare, Databricks
    ex("cloudflare", "native_answer", {"result": {"response": "Hello.", "usage": PLAIN}, "success": True, "errors": [], "messages": []}, HELLO),
    ex("cloudflare", "native_stream", sse({"response": "Hel", "p": "abc"}, {"response": "lo."}, {"response": "", "usage": PLAIN}, done=True), Said(text="Hello.", finish="stop", usage=U), stream=True),
    bad("cloudflare", "native_error", 400, {"errors": [{"message": "AiError: No such model @cf/x", "code": 5007}], "success": False, "result": {}, "messages": []}, says="No such model"),
    ex("databricks", "reasoning_parts", reply([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Greet.", "signature": "EqQ"}]}, {"type": "text", "text": "Hello."}]), Said(text="Hello.", reasoning="Greet.", finish="stop", usage=U)),
    stream("databricks", "reasoning_parts", [ch({"role": "assistant", "content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Greet"}]}]}), ch({"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": ".", "signature": "Eq"}]}]}), ch({"content": "Hello."}), ch({"content": ""}, "stop", usage=PLAIN)], Said(text="Hello.", reasoning="Greet.", finish="stop", usage=U)),
    bad("databricks", "limit", 429, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "REQUEST_LIMIT_EXCEEDED: Exceeded workspace rate limit."}, type="rate_limit_error", says="Exceeded workspace"),
    # ---- local servers
    stream("vllm", "reasoning_renamed", [ch({"role": "assistant", "content": ""}), ch({"reasoning": "Gre"}), ch({"reasoning": "et."}), said("Hello."), ch({"content": ""}, "stop", beside={"stop_reason": None, "token_ids": None}), use()], Said(text="Hello.", reasoning="Greet.", finish="stop", usage=U)),
    stream("vllm", "continuous_usage", [ch({"role": "assistant", "content": ""}, usage={"prompt_tokens": 11, "completion_tokens": 0, "total_tokens": 11}), said("Hello.", usage={"prompt_tokens": 11, "completion_tokens": 6, "total_tokens": 17}), ch({}, "stop", usage=PLAIN), use()], HELLO),
    stream("vllm", "fails_later", [ROLE, said("Half"), {"error": {"message": "EngineCore encountered an issue.", "type": "InternalServerError", "param": None, "code": 500}}], Said(text="Half", error={"status": 500, "says": "EngineCore"})),
    bad("vllm", "flat_length", 400, {"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.", "type": "BadRequestError", "param": None, "code": 400}, **LONG),
    ex("ollama", "reasoning", reply("Hello.", message={"reasoning": "Greet."}, system_fingerprint="fp_ollama"), Said(text="Hello.", reasoning="Greet.", finish="stop", usage=U)),
    stream("ollama", "same_index_says_stop", [ch({"role": "assistant", "content": "", "tool_calls": [call('{"city":"Oslo"}', "call_x1")]}), ch({"role": "assistant", "content": "", "tool_calls": [call('{"city":"Rome"}', "call_x2")]}), ch({"role": "assistant", "content": ""}, "stop"), use()], BOTH, request=TOOLS),
    bad("ollama", "native_error", 404, {"error": "model 'x' not found"}, code="model_not_found", says="not found"),
    stream("lmstudio", "no_done_no_usage", [ch({"role": "assistant", "content": "Hello."}), ch({}, "stop")], Said(text="Hello.", finish="stop"), done=False),
    ex("lmstudio", "error_event", sse(ROLE) + b'event: error\ndata: {"error":{"message":"The model has crashed without additional information."},"message":"The model has crashed without additional information."}\n\n', Said(error={"says": "crashed"}), stream=True),
    stream("llamacpp", "timings", [ch({"role": "assistant", "content": None}), said("Hello."), ch({}, "stop", timings={"prompt_n": 11, "predicted_per_second": 90.2}), use(timings={"prompt_n": 11})], HELLO),
    bad("llamacpp", "loading", 503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}, says="Loading model"),
    bad("llamacpp", "length", 400, {"error": {"code": 400, "message": "the request exceeds the available context size, try increasing it", "type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096}}, says="context size"),
    # ---- GitHub, Azure
    bad("github", "too_large", 413, {"error": {"code": "tokens_limit_reached", "message": "Request body too large for gpt-4o model. Max size: 8000 tokens.", "details": "x"}}, says="too large"),
    stream("azure", "filter_first", [
        {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}]},
        ch({"role": "assistant", "content": "", "refusal": None}, beside={"content_filter_results": {}, "logprobs": None}), said("Hello.", beside={"content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}), ch({}, "stop", beside={"content_filter_results": {}}), use()],
        HELLO, exact=True),
    stream("azure", "filtered_later", [ROLE, said("He"), ch({}, "content_filter", beside={"content_filter_results": {"violence": {"filtered": True, "severity": "high"}}})], Said(text="He", finish="content_filter")),
    bad("azure", "content_filter", 400, {"error": {"message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", "type": None, "param": "prompt", "code": "content_filter", "status": 400, "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}}}}, code="content_filter", says="filtered"),
    bad("azure", "front_door", 401, {"statusCode": 401, "message": "Unauthorized. Access token is missing, invalid, audience is incorrect."}, status=502),
    bad("azure", "rate", 429, {"error": {"code": "429", "message": "Requests to the ChatCompletions_Create Operation have exceeded token rate limit. Please retry after 8 seconds."}}, headers={"retry-after": "8", "retry-after-ms": "7612"}, says="rate limit"),
    # ---- anybody behind a proxy
    stream("nebius", "indices_missing", [ch({"role": "assistant", "content": None}, index=None), calls(call('{"city":', index=None), index=None), calls(call('"Oslo"}', None, None, index=None), index=None), calls(call('{"city":"Rome"}', "call_b2", index=None), index=None), ch({}, "tool_calls", index=None), use()], BOTH, request=TOOLS),
    stream("novita", "indices_from_one", [ROLE, calls(call("", index=1)), calls(call('{"city":"Oslo"}', None, None, 1)), calls(call('{"city":"Rome"}', "call_b2", index=2)), ch({}, "tool_calls"), use()], BOTH, request=TOOLS),
    stream("siliconflow", "interleaved", [ROLE, calls(call("")), calls(call("", "call_b2", index=1)), calls(call('{"city":', None, None)), calls(call('{"city":', None, None, 1)), calls(call('"Oslo"}', None, None)), calls(call('"Rome"}', None, None, 1)), ch({}, "tool_calls"), use()], BOTH, request=TOOLS),
    stream("chutes", "arguments_as_object", [ROLE, calls(call({"city": "Oslo"})), calls(call(None, "call_b2", "now", 1)), ch({}, "stop"), use()], Said(tools=(WEATHER, ("now", {})), finish="tool_calls", usage=U), request=TOOLS),
    stream("hyperbolic", "finish_missing", [ROLE, said("Hello."), use()], HELLO),
    stream("baseten", "crlf_comments", [": ping", ROLE, ":", said("Hel"), said("lo."), ch({}, "stop"), use()], HELLO, line="\r\n\r\n", exact=True),
    stream("friendli", "broken_off", [ROLE, said("Half")], Said(text="Half", error={"status": 502}), done=False),
    stream("parasail", "empty_deltas", [ROLE, ch({}), ch({"content": ""}), ch({"content": None}), said("Hello."), ch({}), ch({}, "stop"), use()], HELLO, exact=True),
    ex("siliconflow", "bare_string", dump("Invalid token"), Said(error={"status": 502}), status=401),
    ex("novita", "reason", {"code": 400, "reason": "INVALID_REQUEST_BODY", "message": "invalid request body", "metadata": {}}, Said(error={"status": 400, "type": "invalid_request_error", "says": "invalid request body"}), status=400),
    ex("nebius", "detail", {"detail": "The model `x` does not exist."}, Said(error={"status": 404, "code": "model_not_found", "says": "does not exist"}), status=404),
    ex("hyperbolic", "arguments_empty", reply("", "stop", message={"tool_calls": [call("", index=None)]}), Said(tools=(("get_weather", {}),), finish="tool_calls", usage=U), request=TOOLS),
    ex("featherless", "id_and_type_missing", reply(None, "function_call", message={"tool_calls": [{"function": {"name": "get_weather", "arguments": OSLO}}]}), Said(tools=(WEATHER,), finish="tool_calls", usage=U), request=TOOLS),
    ex("venice", "page_inside_200", b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>", Said(error={"status": 502}), kind=HTML),
    ex("scaleway", "gateway_page", b"<html><head><title>504 Gateway Time-out</title></head></html>", Said(error={"status": 504, "says": "504 Gateway"}), status=504, kind=HTML),
]  # fmt: skip

CLEAN = sse(ROLE, said("Gr"), said("üße ☃"), ch({}, "stop"), use(), done=True)
CLEAN_TOOLS = sse(
    ROLE,
    calls(call("")),
    calls(call('{"city":', None, None)),
    calls(call('"Oslo"}', None, None)),
    ch({}, "tool_calls"),
    use(CACHED),
    done=True,
)
VERBOSE: dict[str, Any] = {
    "service_tier": "default",
    "system_fingerprint": "fp_1",
    "usage": None,
    "obfuscation": "aB3x",
}
LOGPROBS: dict[str, Any] = {
    "logprobs": {
        "content": [{"token": "Hel", "logprob": -0.1, "bytes": [72, 101, 108], "top_logprobs": []}],
        "refusal": None,
    }
}
CLEAN_VERBOSE = sse(
    ch({"role": "assistant", "content": "", "refusal": None}, beside={"logprobs": None}, **VERBOSE),
    ch({"content": "Hel"}, beside=LOGPROBS, **VERBOSE),
    ch({"content": "lo."}, beside={"logprobs": None}, **VERBOSE),
    ch({}, "length", beside={"logprobs": None}, **VERBOSE),
    use({**CACHED, "total_tokens": 18}, service_tier="default"),
    done=True,
)
ODD_SPACES = b'{ "id":"x" , "object":"chat.completion","created":1770000000,"model":"m",\n "choices":[{"index":0,"message":{"role":"assistant","content":"\\u00dc \\ud83d\\ude00"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}, "unknown_member":{"a":1.50}}\n'
CLEAN_PROVIDERS = (
    "openai", "azure", "mistral", "groq", "together", "fireworks", "deepseek", "xai", "perplexity", "openrouter", "cerebras", "sambanova",
    "nvidia", "deepinfra", "huggingface", "cloudflare", "databricks", "moonshot", "zai", "dashscope", "minimax", "novita", "vllm", "ollama",
    "lmstudio", "llamacpp", "github", "vercel",
)  # fmt: skip
for provider in CLEAN_PROVIDERS:
    EXCHANGES += [
        ex(provider, "clean", CLEAN, Said(text="Grüße ☃", finish="stop", usage=U), stream=True, exact=True),
        ex(
            provider,
            "clean_tools",
            CLEAN_TOOLS,
            Said(tools=(WEATHER,), finish="tool_calls", usage=usage(11, 7, 4, 0, 3)),
            stream=True,
            exact=True,
            request=TOOLS,
        ),
        ex(
            provider,
            "clean_verbose",
            CLEAN_VERBOSE,
            Said(text="Hello.", finish="length", usage=usage(11, 7, 4, 0, 3)),
            stream=True,
            exact=True,
        ),
        ex(provider, "clean", ODD_SPACES, Said(text="Ü 😀", finish="stop", usage=U), exact=True),
    ]
