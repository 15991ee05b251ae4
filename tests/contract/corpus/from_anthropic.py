"""Traffic of Anthropic's Messages API."""

from typing import Any

from .exchange import EVENTS, HTML, TOOLS, Exchange, Said, dump, sse, usage

HAIKU = "claude-haiku-4-5"
OPUS = "claude-opus-5"


def message(*blocks: Any, stop: str | None = "end_turn", model: str = HAIKU, **figures: Any) -> dict[str, Any]:
    return {
        "model": model, "id": "msg_01AbCdEfGhJkLmNpQrStUvWx", "type": "message", "role": "assistant", "content": list(blocks),
        "stop_reason": stop, "stop_sequence": None, "stop_details": None,
        "usage": {
            "input_tokens": 14, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 9, "service_tier": "standard", "inference_geo": "not_available", **figures,
        },
    }  # fmt: skip


def start(model: str = HAIKU, **figures: Any) -> dict[str, Any]:
    begun = message(stop=None, model=model, **{"output_tokens": 1, **figures})
    return {"type": "message_start", "message": begun}


def opened(at: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": at, "content_block": block}


def delta(at: int, kind: str, **said: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": at, "delta": {"type": kind, **said}}


def text_delta(at: int, said: str) -> dict[str, Any]:
    return delta(at, "text_delta", text=said)


def shut(at: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": at}


def end(stop: str | None = "end_turn", **figures: Any) -> list[dict[str, Any]]:
    return [
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop, "stop_sequence": None, "stop_details": None},
            "usage": {"output_tokens": 9, **figures},
        },
        {"type": "message_stop"},
    ]


TEXT = {"type": "text", "text": ""}
PING = {"type": "ping"}
FLAVOUR = ("anthropic", "default")


def ex(name: str, body: Any, said: Said, **more: Any) -> Exchange:
    model = more.pop("model", HAIKU)
    data = body if isinstance(body, bytes) else dump(body)
    if more.get("status", 200) == 200 and not more.get("stream") and isinstance(body, dict) and "usage" in body:
        more.setdefault("flavour", FLAVOUR)
    if more.get("stream"):
        more.setdefault("kind", EVENTS)
    return Exchange(name=name, provider="anthropic", model=model, body=data, said=said, **more)


def stream(name: str, events: list[Any], said: Said, **more: Any) -> Exchange:
    ends = more.pop("line", "\n\n")
    return ex(name, sse(*events, named=True, end=ends), said, stream=True, **more)


def error(kind: str, message: str, **more: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011CabcDEF", **more}


SEARCH: list[dict[str, Any]] = [
    {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": {"query": "river length"}},
    {
        "type": "web_search_tool_result", "tool_use_id": "srvtoolu_01",
        "content": [{"type": "web_search_result", "title": "Rivers", "url": "https://rivers.example/1", "encrypted_content": "Eo8", "page_age": None}],
    },
]  # fmt: skip
CITED: dict[str, Any] = {
    "type": "text", "text": "It is 1,233 km long.",
    "citations": [{
        "type": "web_search_result_location", "url": "https://rivers.example/1", "title": "Rivers",
        "encrypted_index": "Eo8B", "cited_text": "1,233 km",
    }],
}  # fmt: skip

EXCHANGES = [
    ex("hello", message({"type": "text", "text": "Good morning."}), Said(text="Good morning.", finish="stop", usage=usage(14, 9))),
    ex(
        "caches",
        message({"type": "text", "text": "Yes."}, input_tokens=21, cache_creation_input_tokens=188, cache_read_input_tokens=9311, output_tokens=4,
                cache_creation={"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 88}),
        Said(text="Yes.", finish="stop", usage=usage(9520, 4, 9311, 188)),
    ),
    ex(
        "thinking_and_tool",
        message(
            {"type": "thinking", "thinking": "The user wants weather.", "signature": "EqQBCgYIBxgC"},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "toolu_01A", "name": "get_weather", "input": {"city": "Zürich"}, "caller": {"type": "direct"}},
            stop="tool_use", output_tokens=88, output_tokens_details={"thinking_tokens": 31},
        ),
        Said(text="Let me look.", reasoning="The user wants weather.", tools=(("get_weather", {"city": "Zürich"}),), finish="tool_calls", usage=usage(14, 88, 0, 0, 31)),
        request=TOOLS,
    ),
    ex(
        "two_tools_no_text",
        message(
            {"type": "tool_use", "id": "toolu_01A", "name": "get_weather", "input": {"city": "Oslo"}},
            {"type": "tool_use", "id": "toolu_01B", "name": "get_weather", "input": {}},
            stop="tool_use",
        ),
        Said(tools=(("get_weather", {"city": "Oslo"}), ("get_weather", {})), finish="tool_calls", usage=usage(14, 9)),
        request=TOOLS,
    ),
    ex("empty_content", message(output_tokens=2), Said(finish="stop", usage=usage(14, 2))),
    ex("cut_by_max_tokens", message({"type": "text", "text": "Once upon"}, stop="max_tokens"), Said(text="Once upon", finish="length", usage=usage(14, 9))),
    ex("stop_sequence", {**message({"type": "text", "text": "1, 2"}, stop="stop_sequence"), "stop_sequence": "3"}, Said(text="1, 2", finish="stop", usage=usage(14, 9))),
    ex(
        "refusal",
        {**message(stop="refusal", output_tokens=1), "stop_details": {"type": "refusal", "category": "cyber", "explanation": "This asks for harm."}},
        Said(finish="content_filter", usage=usage(14, 1)),
        model=OPUS,
    ),
    ex("window_exceeded", message({"type": "text", "text": "so far"}, stop="model_context_window_exceeded"), Said(text="so far", finish="length", usage=usage(14, 9))),
    ex("unknown_stop_reason", message({"type": "text", "text": "Fine."}, stop="satisfied"), Said(text="Fine.", finish="stop", usage=usage(14, 9))),
    ex(
        "redacted_thinking", message({"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix"}, {"type": "text", "text": "Done."}),
        Said(text="Done.", finish="stop", usage=usage(14, 9)),
    ),
    ex(
        "web_search", message({"type": "text", "text": "I searched. "}, *SEARCH, CITED, server_tool_use={"web_search_requests": 1, "web_fetch_requests": 0}, input_tokens=10_682, output_tokens=122),
        Said(text="I searched. It is 1,233 km long.", finish="stop", usage=usage(10_682, 122)),
        request={"web_search_options": {}},
    ),
    ex(
        "new_block_type", message({"type": "hologram", "shape": "cube"}, {"type": "text", "text": "Look."}),
        Said(text="Look.", finish="stop", usage=usage(14, 9)),
    ),
    ex(
        "usage_with_nulls",
        message({"type": "text", "text": "Hm."}, cache_creation_input_tokens=None, cache_read_input_tokens=None, cache_creation=None, server_tool_use=None, service_tier=None),
        Said(text="Hm.", finish="stop", usage=usage(14, 9)),
    ),
    # ---- errors
    ex("error_key", error("authentication_error", "invalid x-api-key"), Said(error={"status": 502}), status=401),
    ex("error_overloaded", error("overloaded_error", "Overloaded"), Said(error={"status": 503, "type": "server_error", "code": "overloaded", "says": "Overloaded"}), status=529),
    ex(
        "error_rate", error("rate_limit_error", "This request would exceed your organization's rate limit of 50 requests per minute."),
        Said(error={"status": 429, "type": "rate_limit_error", "code": "rate_limit_exceeded", "retry_after": 37, "says": "50 requests"}),
        status=429, headers={"retry-after": "37", "anthropic-ratelimit-requests-limit": "50"},
    ),
    ex(
        "error_too_long", error("invalid_request_error", "prompt is too long: 213462 tokens > 200000 maximum"),
        Said(error={"status": 400, "type": "invalid_request_error", "code": "context_length_exceeded", "says": "213462"}), status=400,
    ),
    ex("error_not_found", error("not_found_error", "model: claude-nope-1"), Said(error={"status": 404, "code": "model_not_found", "says": "claude-nope-1"}), status=404),
    ex("error_billing", error("billing_error", "Your credit balance is too low."), Said(error={"status": 402, "code": "insufficient_quota", "says": "credit balance"}), status=402),
    ex(
        "error_page", b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body></html>\r\n",
        Said(error={"status": 502, "type": "server_error", "says": "502 Bad Gateway"}), status=502, kind=HTML,
    ),
    ex("error_cdn_520", b"error code: 520", Said(error={"status": 520, "type": "server_error", "says": "520"}), status=520, kind="text/plain"),
    # ---- streams
    stream(
        "hello",
        [start(), opened(0, TEXT), PING, text_delta(0, "Good"), text_delta(0, " morning."), shut(0), *end()],
        Said(text="Good morning.", finish="stop", usage=usage(14, 9)),
    ),
    stream(
        "split_characters",
        [start(), opened(0, TEXT), text_delta(0, "Grüße 👩‍👩‍👧 "), text_delta(0, "東京"), shut(0), *end()],
        Said(text="Grüße 👩‍👩‍👧 東京", finish="stop", usage=usage(14, 9)),
    ),
    stream(
        "crlf", [start(), PING, opened(0, TEXT), text_delta(0, "a\r\nb\n\nc"), shut(0), *end()],
        Said(text="a\r\nb\n\nc", finish="stop", usage=usage(14, 9)), line="\r\n\r\n",
    ),
    stream(
        "thinking_and_two_tools",
        [
            start(OPUS, input_tokens=3, cache_read_input_tokens=1500, cache_creation_input_tokens=40), PING,
            opened(0, {"type": "thinking", "thinking": "", "signature": ""}), delta(0, "thinking_delta", thinking="Two"),
            delta(0, "thinking_delta", thinking=" cities."), delta(0, "thinking_delta", thinking=""),
            delta(0, "signature_delta", signature="EuYBCkQYAiJA"), shut(0),
            opened(1, TEXT), text_delta(1, "Both:"), shut(1),
            opened(2, {"type": "tool_use", "id": "toolu_01A", "name": "get_weather", "input": {}}), delta(2, "input_json_delta", partial_json=""),
            delta(2, "input_json_delta", partial_json='{"ci'), delta(2, "input_json_delta", partial_json='ty": "Ålesund"}'), shut(2),
            opened(3, {"type": "tool_use", "id": "toolu_01B", "name": "get_weather", "input": {}}), delta(3, "input_json_delta", partial_json=""), shut(3),
            *end("tool_use", output_tokens=102, output_tokens_details={"thinking_tokens": 12}),
        ],
        Said(
            text="Both:", reasoning="Two cities.", tools=(("get_weather", {"city": "Ålesund"}), ("get_weather", {})), finish="tool_calls",
            usage=usage(1543, 102, 1500, 40, 12),
        ),
        model=OPUS, request=TOOLS,
    ),
    stream(
        "cumulative_usage_corrects",
        [start(input_tokens=1, output_tokens=3), opened(0, TEXT), text_delta(0, "ok"), shut(0), *end(input_tokens=2095, cache_read_input_tokens=50, cache_creation_input_tokens=0, output_tokens=7)],
        Said(text="ok", finish="stop", usage=usage(2145, 7, 50)),
    ),
    stream(
        "search_in_the_middle",
        [
            start(), opened(0, TEXT), text_delta(0, "Searching."), shut(0),
            opened(1, {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": {}}), delta(1, "input_json_delta", partial_json=""),
            delta(1, "input_json_delta", partial_json='{"query": "x"}'), shut(1), opened(2, SEARCH[1]), shut(2),
            opened(3, {**TEXT, "citations": []}), delta(3, "citations_delta", citation=CITED["citations"][0]), text_delta(3, "Found."), shut(3),
            *end(output_tokens=60, server_tool_use={"web_search_requests": 1}),
        ],
        Said(text="Searching.Found.", finish="stop", usage=usage(14, 60)),
        request={"web_search_options": {}},
    ),
    stream(
        "arguments_cut_by_max_tokens",
        [start(), opened(0, {"type": "tool_use", "id": "toolu_01A", "name": "get_weather", "input": {}}), delta(0, "input_json_delta", partial_json='{"city": "Os'), shut(0), *end("max_tokens")],
        Said(tools=(("get_weather", '{"city": "Os'),), finish="length", usage=usage(14, 9)), request=TOOLS,
    ),
    stream(
        "unknown_events",
        [start(), {"type": "weather_report", "sky": "blue"}, opened(0, TEXT), delta(0, "shimmer_delta", value=3), text_delta(0, "Still here."), shut(0), opened(1, {"type": "hologram"}), shut(1), *end()],
        Said(text="Still here.", finish="stop", usage=usage(14, 9)),
    ),
    stream("refused_at_once", [start(OPUS), *end("refusal", output_tokens=1)], Said(finish="content_filter", usage=usage(14, 1)), model=OPUS),
    stream(
        "error_first", [start(), PING, error("overloaded_error", "Overloaded")],
        Said(error={"status": 503, "code": "overloaded", "says": "Overloaded"}),
    ),
    stream(
        "error_later", [start(), opened(0, TEXT), text_delta(0, "Half an"), error("api_error", "Internal server error")],
        Said(text="Half an", error={"type": "server_error", "says": "Internal server error"}),
    ),
    stream("broken_off", [start(), opened(0, TEXT), text_delta(0, "Half an")], Said(text="Half an", error={"status": 502})),
    stream(
        "two_message_deltas",
        [start(), opened(0, TEXT), text_delta(0, "x"), shut(0), end(None, output_tokens=4)[0], *end("end_turn", output_tokens=6)],
        Said(text="x", finish="stop", usage=usage(14, 6)),
    ),
    ex(
        "names_missing", sse(start(), opened(0, TEXT), text_delta(0, "No event lines."), shut(0), *end()),
        Said(text="No event lines.", finish="stop", usage=usage(14, 9)), stream=True,
    ),
    ex(
        "several_data_lines",
        b'event: message_start\ndata: {"type":"message_start",\ndata: "message":{"id":"msg_1","model":"m","role":"assistant","content":[],"usage":{"input_tokens":5,"output_tokens":1}}}\n\n'
        b': keep-alive\n\n' + sse(opened(0, TEXT), text_delta(0, "Hi"), shut(0), *end(output_tokens=2), named=True),
        Said(text="Hi", finish="stop", usage=usage(5, 2)), stream=True,
    ),
    ex(
        "plain_answer_to_a_stream", message({"type": "text", "text": "Whole."}), Said(text="Whole.", finish="stop", usage=usage(14, 9)),
        stream=True, kind="application/json",
    ),
]  # fmt: skip
