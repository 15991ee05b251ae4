"""Traffic of Gemini: AI Studio and Vertex."""

from typing import Any

from .exchange import EVENTS, TOOLS, Exchange, Said, dump, sse, usage

FLASH = "gemini-2.5-flash"
THREE = "gemini-3-pro-preview"


def part(*parts: Any, finish: str | None = "STOP", index: int | None = 0, **beside: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, **beside}
    if finish:
        candidate["finishReason"] = finish
    if index is not None:
        candidate["index"] = index
    return candidate


def reply(*candidates: Any, **figures: Any) -> dict[str, Any]:
    counted = {"promptTokenCount": 8, "candidatesTokenCount": 5, "totalTokenCount": 13, **figures}
    return {
        "candidates": list(candidates),
        "usageMetadata": {name: value for name, value in counted.items() if value is not None},
        "modelVersion": FLASH,
        "responseId": "q3vXaO2tL8",
    }


def ex(name: str, body: Any, said: Said, **more: Any) -> Exchange:
    provider, model = more.pop("provider", "gemini"), more.pop("model", FLASH)
    data = body if isinstance(body, bytes) else dump(body)
    if more.get("stream"):
        more.setdefault("kind", EVENTS)
    if provider == "vertex":
        more.setdefault("options", {"project": "p-1", "location": "us-central1"})
    if more.get("status", 200) == 200 and isinstance(body, dict) and "usageMetadata" in body:
        more.setdefault("flavour", ("google", "default"))
    return Exchange(name=name, provider=provider, model=model, body=data, said=said, **more)


def stream(name: str, frames: list[Any], said: Said, **more: Any) -> Exchange:
    return ex(name, sse(*frames, end="\r\n\r\n"), said, stream=True, **more)


def error(code: int, status: str, message: str, *details: Any) -> dict[str, Any]:
    return {
        "error": {"code": code, "message": message, "status": status, **({"details": list(details)} if details else {})}
    }


def call(name: str, args: Any = None, **beside: Any) -> dict[str, Any]:
    function: dict[str, Any] = {"name": name}
    if args is not None:
        function["args"] = args
    return {"functionCall": function, **beside}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "23.4s"}
DAILY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [
        {"quotaMetric": "m", "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "250"}
    ],
}
OSLO = {"city": "Oslo"}
WEATHER = ("get_weather", OSLO)

EXCHANGES = [
    ex("hello", reply(part({"text": "Hello there."})), Said(text="Hello there.", finish="stop", usage=usage(8, 5))),
    ex(
        "thinking",
        reply(part({"text": "**Counting**\n\nOne, two.", "thought": True}, {"text": "Two.", "thoughtSignature": "CpQBAQ=="}), candidatesTokenCount=2, thoughtsTokenCount=61, totalTokenCount=71),
        Said(text="Two.", reasoning="**Counting**\n\nOne, two.", finish="stop", usage=usage(8, 63, 0, 0, 61)),
    ),
    ex(
        "cached_prompt",
        reply(part({"text": "Yes."}), promptTokenCount=5000, cachedContentTokenCount=4096, candidatesTokenCount=2, totalTokenCount=5002,
              promptTokensDetails=[{"modality": "TEXT", "tokenCount": 5000}], cacheTokensDetails=[{"modality": "TEXT", "tokenCount": 4096}]),
        Said(text="Yes.", finish="stop", usage=usage(5000, 2, 4096)),
    ),
    ex(
        "tool_says_stop", reply(part(call("get_weather", OSLO, thoughtSignature="CiQBcg=="))),
        Said(tools=(WEATHER,), finish="tool_calls", usage=usage(8, 5)), model=THREE, request=TOOLS,
    ),
    ex(
        "parallel_without_ids", reply(part({"text": "Both."}, call("get_weather", OSLO), call("get_weather", {"city": "Rome"}), call("get_weather"))),
        Said(text="Both.", tools=(WEATHER, ("get_weather", {"city": "Rome"}), ("get_weather", {})), finish="tool_calls", usage=usage(8, 5)), request=TOOLS,
    ),
    ex(
        "prompt_blocked", {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 11, "totalTokenCount": 11}, "modelVersion": FLASH},
        Said(finish="content_filter", usage=usage(11, 0)),
    ),
    ex(
        "safety_without_content", reply({"finishReason": "SAFETY", "index": 0, "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}]}, candidatesTokenCount=None, totalTokenCount=8),
        Said(finish="content_filter", usage=usage(8, 0)),
    ),
    ex(
        "thought_it_all_away", reply({"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}, candidatesTokenCount=None, thoughtsTokenCount=90, totalTokenCount=98),
        Said(finish="length", usage=usage(8, 90, 0, 0, 90)),
    ),
    ex("empty_content_object", reply({"content": {}, "finishReason": "STOP"}, candidatesTokenCount=0, totalTokenCount=8), Said(finish="stop", usage=usage(8, 0))),
    ex("recitation", reply(part({"text": "It was the"}, finish="RECITATION")), Said(text="It was the", finish="content_filter", usage=usage(8, 5))),
    ex("malformed_call", reply({"content": {"role": "model", "parts": []}, "finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Malformed function call: print("}), Said(error={"status": 502}), request=TOOLS),
    ex("unknown_reason", reply(part({"text": "Well."}, finish="PONDERED")), Said(text="Well.", finish="stop", usage=usage(8, 5))),
    ex(
        "tool_use_prompt",
        reply(part({"text": "Sunny."}, groundingMetadata={"groundingChunks": [{"web": {"uri": "https://w.example/a", "title": "w"}}], "groundingSupports": [{"segment": {"endIndex": 6, "text": "Sunny."}, "groundingChunkIndices": [0]}]}),
              toolUsePromptTokenCount=100, totalTokenCount=113),
        Said(text="Sunny.", finish="stop", usage=usage(108, 5)), request={"web_search_options": {}},
    ),
    ex("code_execution", reply(part({"text": "Running."}, {"executableCode": {"language": "PYTHON", "code": "print(4)"}}, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "4\n"}}, {"text": " It is 4."})), Said(text="Running. It is 4.", finish="stop", usage=usage(8, 5))),
    ex("vertex_hello", {**reply(part({"text": "Hallo."}, index=None, avgLogprobs=-0.03), trafficType="ON_DEMAND"), "createTime": "2026-06-01T10:00:00.1Z"}, Said(text="Hallo.", finish="stop", usage=usage(8, 5)), provider="vertex"),
    # ---- errors
    ex("error_key", error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}), Said(error={"status": 502}), status=400),
    ex("error_rate", error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", RETRY), Said(error={"status": 429, "type": "rate_limit_error", "code": "rate_limit_exceeded", "retry_after": 24}), status=429),
    ex("error_daily", error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details.", DAILY, RETRY), Said(error={"status": 429, "code": "insufficient_quota"}), status=429),
    ex("error_array", dump([error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")]), Said(error={"status": 503, "type": "server_error", "code": "overloaded", "says": "overloaded"}), status=503),
    ex("error_too_long", error(400, "INVALID_ARGUMENT", "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."), Said(error={"status": 400, "code": "context_length_exceeded"}), status=400),
    ex("error_model", error(404, "NOT_FOUND", "models/gemini-9 is not found for API version v1beta"), Said(error={"status": 404, "code": "model_not_found"}), status=404),
    ex("error_location", error(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), Said(error={"says": "User location"}), status=400),
    ex("error_vertex_denied", dump([error(403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied")]), Said(error={"status": 502}), status=403, provider="vertex"),
    # ---- streams
    stream(
        "hello", [reply(part({"text": "Hel"}, finish=None), candidatesTokenCount=1, totalTokenCount=9), reply(part({"text": "lo ☃ there."}), promptTokenCount=7, candidatesTokenCount=4, totalTokenCount=11)],
        Said(text="Hello ☃ there.", finish="stop", usage=usage(7, 4)),
    ),
    stream(
        "thinking_then_signature",
        [
            reply(part({"text": "Thinking", "thought": True}, finish=None), candidatesTokenCount=None, thoughtsTokenCount=20, totalTokenCount=28),
            reply(part({"text": " more.", "thought": True}, finish=None), candidatesTokenCount=None, thoughtsTokenCount=40, totalTokenCount=48),
            reply(part({"text": "Answer."}, finish=None), candidatesTokenCount=2, thoughtsTokenCount=40, totalTokenCount=50),
            reply(part({"text": "", "thoughtSignature": "EjQKMg=="}), candidatesTokenCount=2, thoughtsTokenCount=40, totalTokenCount=50),
        ],
        Said(text="Answer.", reasoning="Thinking more.", finish="stop", usage=usage(8, 42, 0, 0, 40)), model=THREE,
    ),
    stream(
        "calls_in_two_frames",
        [reply(part(call("get_weather", OSLO, thoughtSignature="Ci=="), finish=None)), reply(part(call("get_weather", {"city": "Rome"}), finish=None)), reply(part({"text": ""}))],
        Said(tools=(WEATHER, ("get_weather", {"city": "Rome"})), finish="tool_calls", usage=usage(8, 5)), model=THREE, request=TOOLS,
    ),
    stream("finish_then_usage_only", [reply(part({"text": "Hi."})), {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11}}], Said(text="Hi.", finish="stop", usage=usage(9, 2))),
    stream("no_usage", [{"candidates": [part({"text": "Hi."})]}], Said(text="Hi.", finish="stop")),
    stream("blocked", [{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}}], Said(finish="content_filter", usage=usage(4, 0))),
    stream("safety_later", [reply(part({"text": "He took"}, finish=None)), reply({"finishReason": "SAFETY", "index": 0})], Said(text="He took", finish="content_filter", usage=usage(8, 5))),
    stream("error_first", [error(503, "UNAVAILABLE", "The model is overloaded.")], Said(error={"status": 503, "code": "overloaded"})),
    stream("error_later", [reply(part({"text": "Half"}, finish=None)), error(500, "INTERNAL", "An internal error has occurred.")], Said(text="Half", error={"status": 500, "says": "internal error"})),
    stream("broken_off", [reply(part({"text": "Half"}, finish=None))], Said(text="Half", error={"status": 502})),
    stream("vertex_hello", [reply(part({"text": "Guten "}, finish=None, index=None)), reply(part({"text": "Tag."}, index=None))], Said(text="Guten Tag.", finish="stop", usage=usage(8, 5)), provider="vertex"),
    ex("error_array_inside_200", dump([error(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", RETRY)]), Said(error={"status": 429}), stream=True, kind="application/json"),
]  # fmt: skip
