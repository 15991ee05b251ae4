"""Traffic of Bedrock's Converse and ConverseStream."""

from typing import Any

from .exchange import FRAMES, TOOLS, Exchange, Said, dump, frame, usage

CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "us.amazon.nova-pro-v1:0"


def figures(prompt: int = 12, output: int = 6, **more: Any) -> dict[str, Any]:
    return {"inputTokens": prompt, "outputTokens": output, "totalTokens": prompt + output, **more}


def reply(*content: Any, stop: str = "end_turn", usage: Any = None) -> dict[str, Any]:
    return {
        "metrics": {"latencyMs": 551}, "output": {"message": {"content": list(content), "role": "assistant"}},
        "stopReason": stop, "usage": usage or figures(),
    }  # fmt: skip


def ex(name: str, body: Any, said: Said, **more: Any) -> Exchange:
    data = body if isinstance(body, bytes) else dump(body)
    if more.get("stream"):
        more.setdefault("kind", FRAMES)
    model = more.pop("model", CLAUDE)
    if isinstance(body, dict) and "usage" in body:
        more.setdefault("flavour", ("aws", "default"))
    return Exchange(
        name=name, provider="bedrock", model=model, body=data, said=said, options={"region": "us-east-1"}, **more
    )


def delta(at: int, **said: Any) -> bytes:
    return frame("contentBlockDelta", {"contentBlockIndex": at, "delta": said, "p": "abcdefghijk"})


def stop(at: int) -> bytes:
    return frame("contentBlockStop", {"contentBlockIndex": at, "p": "abc"})


def tool(at: int, ident: str, name: str = "get_weather") -> bytes:
    return frame(
        "contentBlockStart",
        {"contentBlockIndex": at, "start": {"toolUse": {"name": name, "toolUseId": ident}}, "p": "ab"},
    )


BEGIN = frame("messageStart", {"p": "abcdefgh", "role": "assistant"})


def end(reason: str = "end_turn", counted: Any = None) -> bytes:
    metadata = {"metrics": {"latencyMs": 700}, "p": "abcd", "usage": counted or figures()}
    return frame("messageStop", {"p": "abcdefghij", "stopReason": reason}) + frame("metadata", metadata)


def stream(name: str, data: bytes, said: Said, **more: Any) -> Exchange:
    return ex(name, data, said, stream=True, **more)


def error(kind: str) -> dict[str, str]:
    return {
        "x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/",
        "x-amzn-requestid": "0f1e",
    }


OSLO = {"city": "Oslo"}

EXCHANGES = [
    ex("hello", reply({"text": "Hello."}), Said(text="Hello.", finish="stop", usage=usage(12, 6))),
    ex(
        "caches", reply({"text": "Hm."}, usage={"inputTokens": 2, "outputTokens": 5, "totalTokens": 1329, "cacheReadInputTokens": 1300, "cacheWriteInputTokens": 22, "cacheReadInputTokenCount": 1300, "cacheWriteInputTokenCount": 22, "serverToolUsage": {}}),
        Said(text="Hm.", finish="stop", usage=usage(1324, 5, 1300, 22)),
    ),
    ex(
        "reasoning_and_tools",
        reply(
            {"reasoningContent": {"reasoningText": {"signature": "EqoB", "text": "Look it up."}}}, {"text": "Looking."},
            {"toolUse": {"input": OSLO, "name": "get_weather", "toolUseId": "tooluse_a"}}, {"toolUse": {"input": {}, "name": "get_weather", "toolUseId": "tooluse_b"}}, stop="tool_use",
        ),
        Said(text="Looking.", reasoning="Look it up.", tools=(("get_weather", OSLO), ("get_weather", {})), finish="tool_calls", usage=usage(12, 6)), request=TOOLS,
    ),
    ex("nova_thinking_tags", reply({"text": "<thinking> The user greets me. </thinking>\n\nHello!"}), Said(text="<thinking> The user greets me. </thinking>\n\nHello!", finish="stop", usage=usage(12, 6)), model=NOVA),
    ex("guardrail", reply({"text": "Sorry, I cannot answer."}, stop="guardrail_intervened", usage=figures(0, 0)), Said(text="Sorry, I cannot answer.", finish="content_filter", usage=usage(0, 0))),
    ex("max_tokens", reply({"text": "One"}, stop="max_tokens"), Said(text="One", finish="length", usage=usage(12, 6))),
    ex("empty", reply(), Said(finish="stop", usage=usage(12, 6))),
    ex("unknown_stop", reply({"text": "A"}, stop="bored"), Said(text="A", finish="stop", usage=usage(12, 6))),
    ex("unknown_block", reply({"hologram": {"x": 1}}, {"text": "A"}), Said(text="A", finish="stop", usage=usage(12, 6))),
    ex("gpt_oss", reply({"reasoningContent": {"reasoningText": {"text": "Short."}}}, {"text": "Hi."}), Said(text="Hi.", reasoning="Short.", finish="stop", usage=usage(12, 6)), model="openai.gpt-oss-120b-1:0"),
    ex("error_throttled", {"message": "Too many tokens, please wait before trying again."}, Said(error={"status": 429, "type": "rate_limit_error", "code": "rate_limit_exceeded", "says": "please wait"}), status=429, headers=error("ThrottlingException")),
    ex("error_too_long", {"message": "The model returned the following errors: prompt is too long: 205000 tokens > 200000 maximum"}, Said(error={"status": 400, "code": "context_length_exceeded"}), status=400, headers=error("ValidationException")),
    ex("error_model", {"message": "The provided model identifier is invalid."}, Said(error={"status": 404, "code": "model_not_found"}), status=400, headers=error("ValidationException")),
    ex("error_key", {"Message": "The security token included in the request is invalid."}, Said(error={"status": 502}), status=403, headers=error("UnrecognizedClientException")),
    ex("error_access", {"message": "You don't have access to the model with the specified model ID."}, Said(error={"status": 502}), status=403, headers=error("AccessDeniedException")),
    ex("error_model_timeout", {"message": "Model processing timed out."}, Said(error={"status": 408, "code": "timeout"}), status=408, headers=error("ModelTimeoutException")),
    ex("error_unavailable", {"message": "Bedrock is unable to process your request."}, Said(error={"status": 503, "type": "server_error"}), status=503, headers=error("ServiceUnavailableException")),
    ex("error_page", b"<html><head><title>503 Service Temporarily Unavailable</title></head></html>", Said(error={"status": 503, "says": "503 Service"}), status=503, kind="text/html"),
    stream("hello", BEGIN + delta(0, text="Hel") + delta(0, text="lo ☂.") + stop(0) + end(), Said(text="Hello ☂.", finish="stop", usage=usage(12, 6))),
    stream(
        "reasoning_text_tools",
        BEGIN + delta(0, reasoningContent={"text": "Look"}) + delta(0, reasoningContent={"text": " up."}) + delta(0, reasoningContent={"signature": "EqoB"}) + stop(0)
        + delta(1, text="") + delta(1, text="Looking.") + stop(1) + tool(2, "tooluse_a") + delta(2, toolUse={"input": '{"city"'}) + delta(2, toolUse={"input": ':"Oslo"}'}) + stop(2)
        + tool(3, "tooluse_b") + stop(3) + end("tool_use"),
        Said(text="Looking.", reasoning="Look up.", tools=(("get_weather", OSLO), ("get_weather", {})), finish="tool_calls", usage=usage(12, 6)), request=TOOLS,
    ),
    stream("gaps_in_indices", BEGIN + delta(0, text="A") + stop(0) + tool(4, "tooluse_a") + delta(4, toolUse={"input": "{}"}) + stop(4) + end("tool_use"), Said(text="A", tools=(("get_weather", {}),), finish="tool_calls", usage=usage(12, 6)), request=TOOLS, model=NOVA),
    stream("no_metadata", BEGIN + delta(0, text="A") + stop(0) + frame("messageStop", {"stopReason": "end_turn"}), Said(text="A", finish="stop")),
    stream("caches", BEGIN + delta(0, text="A") + stop(0) + end(counted=figures(2, 5, cacheReadInputTokens=10, cacheWriteInputTokens=3)), Said(text="A", finish="stop", usage=usage(15, 5, 10, 3))),
    stream("exception_first", frame("throttlingException", {"message": "Too many requests"}, kind="exception"), Said(error={"status": 429, "code": "rate_limit_exceeded", "says": "Too many requests"})),
    stream("exception_later", BEGIN + delta(0, text="Half") + frame("modelStreamErrorException", {"message": "The model broke.", "originalStatusCode": 500, "originalMessage": "x"}, kind="exception"), Said(text="Half", error={"status": 502, "says": "broke"})),
    stream("broken_off", BEGIN + delta(0, text="Half"), Said(text="Half", error={"status": 502})),
    stream("cut_inside_a_frame", BEGIN + delta(0, text="Half") + delta(0, text="lost")[:-9], Said(text="Half", error={"status": 502})),
    stream("bad_checksum", BEGIN + delta(0, text="Half") + delta(0, text="lost")[:-1] + b"\x00", Said(text="Half", error={"status": 502})),
    stream("unknown_event", BEGIN + frame("contentBlockGlow", {"contentBlockIndex": 0}) + delta(0, text="A") + delta(0, glow={"x": 1}) + stop(0) + end(), Said(text="A", finish="stop", usage=usage(12, 6))),
]  # fmt: skip
