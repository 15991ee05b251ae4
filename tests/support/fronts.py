"""What tests of the fronts share: the real SDKs fed with our bytes, chunk sequences good and odd, and readers of event streams."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import anthropic
import httpx2
import openai
from hypothesis import strategies as st

from proxy.translation.ask import Ask
from proxy.wire.values import JsonObject

_body: list[tuple[bytes, str]] = []


def _answer(_: httpx2.Request) -> httpx2.Response:
    content, kind = _body[-1]
    return httpx2.Response(200, headers={"content-type": kind}, content=content)


@cache
def _anthropic() -> anthropic.Anthropic:
    client = httpx2.Client(transport=httpx2.MockTransport(_answer))
    return anthropic.Anthropic(api_key="test-key", max_retries=0, http_client=client)


@cache
def _openai() -> openai.OpenAI:
    client = httpx2.Client(transport=httpx2.MockTransport(_answer))
    return openai.OpenAI(api_key="test-key", max_retries=0, http_client=client)


def streamed_message(events: bytes) -> dict[str, Any]:
    """What Anthropic's SDK makes of a stream."""
    _body[:] = [(events, "text/event-stream")]
    messages: Any = [{"role": "user", "content": "hello"}]
    with _anthropic().messages.stream(model="m", max_tokens=9, messages=messages) as stream:
        return stream.get_final_message().to_dict()


def whole_message(body: bytes) -> dict[str, Any]:
    """What Anthropic's SDK makes of a whole answer."""
    _body[:] = [(body, "application/json")]
    messages: Any = [{"role": "user", "content": "hello"}]
    return _anthropic().messages.create(model="m", max_tokens=9, messages=messages).to_dict()


def streamed_response(events: bytes) -> dict[str, Any]:
    """What OpenAI's SDK makes of a stream of the Responses API that completes."""
    _body[:] = [(events, "text/event-stream")]
    with _openai().responses.stream(model="m", input="hello") as stream:
        for _ in stream:
            pass
        return stream.get_final_response().to_dict()


def response_events(events: bytes) -> list[Any]:
    """The typed events that OpenAI's SDK finds in a stream of the Responses API."""
    _body[:] = [(events, "text/event-stream")]
    return list(_openai().responses.create(model="m", input="hello", stream=True))


def whole_response(body: bytes) -> Any:
    """What OpenAI's SDK makes of a whole response."""
    _body[:] = [(body, "application/json")]
    return _openai().responses.create(model="m", input="hello")


def asked(**members: Any) -> Ask:
    """A request on its way; ``up`` is the upstream's name for the model."""
    return Ask(**{"model": "up", "public": "claude-public", "request_id": "req1", "created": 1_700_000_000, **members})


def events_in(data: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each event's name and data; every event must have both, on one line each."""
    for block in data.decode().split("\n\n")[:-1]:
        first, second = block.split("\n")
        assert first.startswith("event: ")
        assert second.startswith("data: ")
        yield first[7:], json.loads(second[6:])


def chunk(delta: JsonObject, finish: str | None = None, **beside: Any) -> JsonObject:
    """A chat chunk of one choice."""
    choice: JsonObject = {"index": 0, "delta": delta, "finish_reason": finish, **beside}
    return {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": [choice]}


def usage_chunk(**usage: Any) -> JsonObject:
    """A chunk that only reports usage."""
    return {
        "id": "chatcmpl-9",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "up",
        "choices": [],
        "usage": usage,
    }


# ---- whole answers, and their streams ---------------------------------------------------------------------------------

_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_said = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
_arguments = st.dictionaries(_words, st.none() | st.booleans() | st.integers(-9, 9) | _words, max_size=3)


@st.composite
def completions(draw: st.DrawFn) -> JsonObject:
    """A well-formed ``chat.completion``."""
    message: JsonObject = {"role": "assistant", "content": draw(st.just("") | _said), "refusal": None}
    thoughts = draw(st.lists(_said, max_size=3))
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
        if draw(st.booleans()):
            message["thinking_blocks"] = [
                {"type": "thinking", "thinking": thought, "signature": f"sig{n}"} for n, thought in enumerate(thoughts)
            ]
    elif draw(st.booleans()):
        message["thinking_blocks"] = [{"type": "redacted_thinking", "data": "opaque"}]
    if draw(st.booleans()):
        message["reasoning_details"] = [{"type": "reasoning.encrypted", "data": "opaque", "index": 0}]
    if draw(st.integers(0, 4)) == 0:
        message["refusal"] = draw(_said)
    calls: list[Any] = [
        {
            "id": f"call_{n}",
            "type": "function",
            "function": {"name": f"tool_{n}", "arguments": json.dumps(draw(_arguments))},
        }
        for n in range(draw(st.integers(0, 3)))
    ]
    if calls:
        message["tool_calls"] = calls
        message["content"] = message["content"] or None
    finish = draw(st.sampled_from(["stop", "length", "content_filter"])) if not calls else "tool_calls"
    prompt, output = draw(st.integers(0, 99)), draw(st.integers(0, 99))
    usage: JsonObject = {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": draw(st.integers(0, prompt))},
        "completion_tokens_details": {"reasoning_tokens": draw(st.integers(0, output))},
    }
    choice: JsonObject = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return {
        "id": "chatcmpl-9",
        "object": "chat.completion",
        "created": 1,
        "model": "up",
        "choices": [choice],
        "usage": usage,
    }


def split(draw: st.DrawFn, chunks: list[JsonObject]) -> list[JsonObject]:
    """``chunks`` with texts and arguments cut into pieces, and empty deltas between them."""
    found: list[JsonObject] = []
    for whole in chunks:
        choices: Any = whole["choices"]
        delta = choices[0]["delta"] if choices else {}
        for piece in _pieces(draw, delta):
            found.append({**whole, "choices": [{**choices[0], "delta": piece}]} if choices else whole)
            if draw(st.integers(0, 3)) == 0:
                found.append(chunk({"content": ""}))
    return found


def _pieces(draw: st.DrawFn, delta: dict[str, Any]) -> list[dict[str, Any]]:
    name = next((name for name in ("content", "reasoning_content", "refusal") if delta.get(name)), None)
    if name is not None:
        return [{name: piece} for piece in _cut(draw, delta[name])]
    if "tool_calls" in delta:
        call = delta["tool_calls"][0]
        index, told = call["index"], call["function"]["arguments"]
        first = {**call, "function": {**call["function"], "arguments": ""}}
        rest = [{"index": index, "function": {"arguments": piece}} for piece in _cut(draw, told)]
        return [{"tool_calls": [first]}, *({"tool_calls": [piece]} for piece in rest)]
    return [delta]


def _cut(draw: st.DrawFn, told: str) -> list[str]:
    at = sorted(draw(st.lists(st.integers(0, len(told)), max_size=3)))
    return [told[start:end] for start, end in zip([0, *at], [*at, len(told)], strict=True)]


# ---- odd chunks -------------------------------------------------------------------------------------------------------

_odd = (
    st.none()
    | st.booleans()
    | st.integers(-3, 5)
    | st.sampled_from(["", "x", "{", '{"a":1}'])
    | st.just([])
    | st.just({})
)
_call = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from([0, 1, 2, 7, -1, None, "0", 10**30]),
        "id": st.sampled_from(["a", "b", "", None, 5, "functions.f:0"]),
        "type": st.just("function"),
        "function": _odd
        | st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["f", "g", "", None, 3]),
                "arguments": st.sampled_from(["", "{", '{"a":', "1}", '{"b":2}', "}", None, 4]) | st.just({"c": 1}),
            },
        ),
        "extra_content": _odd | st.just({"google": {"thought_signature": "s"}}),
    },
)
_blocks = st.lists(
    _odd
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["thinking", "redacted_thinking", "other"])},
        optional={"thinking": _odd, "signature": _odd, "data": _odd},
    ),
    max_size=2,
)
_native = st.fixed_dictionaries(
    {"type": st.sampled_from(["anthropic", "gemini"])},
    optional={"block": _odd | st.just({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}})},
)
_delta = st.fixed_dictionaries(
    {},
    optional={
        "role": _odd,
        "content": _odd,
        "reasoning_content": _odd,
        "reasoning": _odd,
        "refusal": _odd,
        "thinking_blocks": _odd | _blocks,
        "reasoning_details": _odd | st.just([{"type": "reasoning.text"}]),
        "extra_content": _odd,
        "annotations": _odd | st.just([{"type": "url_citation", "url_citation": {"url": "u"}}]),
        "images": _odd
        | st.just([{"image_url": {"url": "data:image/png;base64,AA"}}, {"image_url": {"url": "http://i"}}]),
        "provider_blocks": _odd | st.lists(_native, max_size=2),
        "tool_calls": _odd | st.lists(_odd | _call, max_size=3),
    },
)
_choice = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from([0, None, 1, "0"]),
        "delta": _odd | _delta,
        "finish_reason": st.sampled_from([None, None, None, "stop", "length", "tool_calls", "odd", 4]),
        "native_finish_reason": _odd,
        "logprobs": _odd | st.just({"content": [{"token": "x", "logprob": -1.0, "bytes": [120], "top_logprobs": []}]}),
    },
)
odd_chunks = st.lists(
    st.fixed_dictionaries(
        {"choices": _odd | st.lists(_odd | _choice, max_size=2)},
        optional={
            "usage": _odd
            | st.fixed_dictionaries({"prompt_tokens": _odd | st.just(-5)}, optional={"prompt_tokens_details": _odd}),
        },
    ),
    max_size=8,
)
"""Chunks of hosts that keep no rule at all."""
