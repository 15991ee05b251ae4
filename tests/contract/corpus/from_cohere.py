"""Traffic of Cohere's v2 chat."""

from typing import Any

from .exchange import EVENTS, TOOLS, Exchange, Said, dump, sse, usage

MODEL = "command-a-03-2025"
COUNTED = {
    "billed_units": {"input_tokens": 9.0, "output_tokens": 4.0},
    "tokens": {"input_tokens": 504.0, "output_tokens": 12.0},
    "cached_tokens": 448,
}
USAGE = usage(504, 12, 448)


def reply(finish: str = "COMPLETE", **message: Any) -> dict[str, Any]:
    return {
        "id": "5b1d8f1e-0000",
        "message": {"role": "assistant", **message},
        "finish_reason": finish,
        "usage": COUNTED,
    }


def ex(name: str, body: Any, said: Said, **more: Any) -> Exchange:
    data = body if isinstance(body, bytes) else dump(body)
    if more.get("stream"):
        more.setdefault("kind", EVENTS)
    if isinstance(body, dict) and "usage" in body:
        more.setdefault("flavour", ("cohere", "tokens"))
    return Exchange(name=name, provider="cohere", model=more.pop("model", MODEL), body=data, said=said, **more)


def stream(name: str, events: list[Any], said: Said, **more: Any) -> Exchange:
    done = more.pop("done", False)
    return ex(name, sse(*events, named=more.pop("named", True), done=done), said, stream=True, **more)


START = {
    "type": "message-start",
    "id": "29f1",
    "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}},
}


def opened(at: int, kind: str = "text") -> dict[str, Any]:
    return {"type": "content-start", "index": at, "delta": {"message": {"content": {"type": kind, kind: ""}}}}


def text(at: int, said: str, kind: str = "text") -> dict[str, Any]:
    return {"type": "content-delta", "index": at, "delta": {"message": {"content": {kind: said}}}}


def shut(at: int) -> dict[str, Any]:
    return {"type": "content-end", "index": at}


def tool(at: int, ident: str, *pieces: str) -> list[dict[str, Any]]:
    call = {"id": ident, "type": "function", "function": {"name": "get_weather", "arguments": ""}}
    return [
        {"type": "tool-call-start", "index": at, "delta": {"message": {"tool_calls": call}}},
        *(
            {
                "type": "tool-call-delta",
                "index": at,
                "delta": {"message": {"tool_calls": {"function": {"arguments": piece}}}},
            }
            for piece in pieces
        ),
        {"type": "tool-call-end", "index": at},
    ]


def end(finish: str = "COMPLETE", **beside: Any) -> dict[str, Any]:
    return {"type": "message-end", "id": "29f1", "delta": {"finish_reason": finish, "usage": COUNTED, **beside}}


def plan(said: str) -> dict[str, Any]:
    return {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": said}}}


def called(arguments: Any, ident: str = "get_weather0") -> dict[str, Any]:
    function = {"name": "get_weather"} if arguments is None else {"name": "get_weather", "arguments": arguments}
    return {"id": ident, "type": "function", "function": function}


OSLO = {"city": "Oslo"}

EXCHANGES = [
    ex("hello", reply(content=[{"type": "text", "text": "Hi!"}]), Said(text="Hi!", finish="stop", usage=USAGE)),
    ex("thinking", reply(content=[{"type": "thinking", "thinking": "Greet."}, {"type": "text", "text": "Hi!"}]), Said(text="Hi!", reasoning="Greet.", finish="stop", usage=USAGE), model="command-a-reasoning-08-2025"),
    ex(
        "plan_and_tools", reply("TOOL_CALL", tool_plan="I will look.", tool_calls=[called('{"city":"Oslo"}'), called("null", "b"), called(None, "c"), called("", "d")]),
        Said(text="I will look.", tools=(("get_weather", OSLO), ("get_weather", {}), ("get_weather", {}), ("get_weather", {})), finish="tool_calls", usage=USAGE), request=TOOLS,
    ),
    ex("max_tokens", reply("MAX_TOKENS", content=[{"type": "text", "text": "One"}]), Said(text="One", finish="length", usage=USAGE)),
    ex("stop_sequence", reply("STOP_SEQUENCE", content=[{"type": "text", "text": "One"}]), Said(text="One", finish="stop", usage=USAGE)),
    ex("toxic", reply("ERROR_TOXIC", content=[]), Said(finish="content_filter", usage=USAGE)),
    ex("no_usage", {"id": "1", "message": {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]}, "finish_reason": "COMPLETE"}, Said(text="Hi", finish="stop")),
    ex("error_key", {"message": "invalid api token", "id": "e1"}, Said(error={"status": 502}), status=401),
    ex("error_rate", {"message": "You are using a Trial key, which is limited to 20 API calls / minute.", "id": "e2"}, Said(error={"status": 429, "type": "rate_limit_error", "code": "rate_limit_exceeded", "says": "Trial key"}), status=429),
    ex("error_too_long", {"message": "too many tokens: total number of tokens in the prompt cannot exceed 132096 - received 140000."}, Said(error={"status": 400, "code": "context_length_exceeded"}), status=400),
    ex("error_model", {"message": "model 'command-x' not found, make sure the correct model ID was used"}, Said(error={"status": 404, "code": "model_not_found"}), status=404),
    ex("error_invalid", {"message": "invalid request: temperature must be between 0 and 1"}, Said(error={"status": 422, "type": "invalid_request_error", "says": "temperature"}), status=422),
    ex("error_nothing", b"", Said(error={"status": 500, "type": "server_error"}), status=500),
    stream("hello", [START, opened(0), text(0, "Hi"), text(0, "…!"), shut(0), end()], Said(text="Hi…!", finish="stop", usage=USAGE)),
    stream("hello_with_done", [START, opened(0), text(0, "Hi"), shut(0), end()], Said(text="Hi", finish="stop", usage=USAGE), done=True),
    stream("hello_unnamed", [START, opened(0), text(0, "Hi"), shut(0), end()], Said(text="Hi", finish="stop", usage=USAGE), named=False),
    stream("thinking", [START, opened(0, "thinking"), text(0, "Gre", "thinking"), text(0, "et.", "thinking"), shut(0), opened(1), text(1, "Hi"), shut(1), end()], Said(text="Hi", reasoning="Greet.", finish="stop", usage=USAGE), model="command-a-reasoning-08-2025"),
    stream(
        "plan_and_tools", [START, plan("I will "), plan("look."), *tool(0, "get_weather0", '{"city"', ':"Oslo"}'), *tool(1, "get_weather1"), *tool(2, "get_weather2", "null"), end("TOOL_CALL")],
        Said(text="I will look.", tools=(("get_weather", OSLO), ("get_weather", {}), ("get_weather", {})), finish="tool_calls", usage=USAGE), request=TOOLS,
    ),
    stream(
        "citations", [START, opened(0), text(0, "Tall."), {"type": "citation-start", "index": 0, "delta": {"message": {"citations": {"start": 0, "end": 4, "text": "Tall", "type": "TEXT_CONTENT", "sources": [{"type": "document", "id": "d1", "document": {"id": "d1", "snippet": "x"}}]}}}}, {"type": "citation-end", "index": 0}, shut(0), end()],
        Said(text="Tall.", finish="stop", usage=USAGE),
    ),
    stream("fails_at_the_end", [START, opened(0), text(0, "Ha"), end("ERROR", error="generation failed")], Said(text="Ha", error={"says": "generation failed"})),
    stream("broken_off", [START, opened(0), text(0, "Ha")], Said(text="Ha", error={"status": 502})),
    stream("unknown_event", [START, {"type": "debug", "prompt": "x"}, {"type": "sparkle", "index": 0}, opened(0), text(0, "Hi"), shut(0), end()], Said(text="Hi", finish="stop", usage=USAGE)),
]  # fmt: skip
