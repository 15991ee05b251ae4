"""What a translation costs: microseconds a 1 KB request and a streamed event, for each dialect and for each kind of client.

``python -m tests.bench.translation [--json]``. Targets: 25 us a request, from its bytes to those that are sent; 6 us an event,
from the provider's bytes to the client's.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from msgspec import Struct

from proxy import accounts
from proxy.config import Config, Secret
from proxy.config.traffic import Provider as Section
from proxy.context import Limits, RequestContext, Target
from proxy.protocols import Provider
from proxy.providers.bedrock.eventstream import event as frame
from proxy.translation.ask import Ask
from proxy.translation.chunks import ChatStream
from proxy.translation.contract import Front
from proxy.translation.fronts import FRONTS
from proxy.wire.chat import RequestView
from proxy.wire.splice import with_model
from proxy.wire.values import object_in

REQUEST_ID = "0123456789abcdef0123456789abcdef"
NOW = 1_700_000_000
LIMITS = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)

_SYSTEM = "You know the way. Answer in one sentence, and say how far it is."
_SAID = "How long is the road to the next town, and which of the two bridges is open today? " * 2
_SCHEMA = {
    "type": "object",
    "properties": {"town": {"type": "string"}, "unit": {"enum": ["km", "mile"]}},
    "required": ["town"],
}
_TOOL = {"name": "distance", "description": "How far away a town is."}

CHAT_BODY = orjson.dumps(
    {
        "model": "public",
        "messages": [
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": _SAID},
            {"role": "assistant", "content": _SAID},
            {"role": "user", "content": _SAID},
        ],
        "temperature": 0.7,
        "max_tokens": 300,
        "tools": [{"type": "function", "function": {**_TOOL, "parameters": _SCHEMA}}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
)
"""About 1 KB: a system message, three turns, a tool, two parameters."""

_TURNS = [{"role": role, "content": _SAID} for role in ("user", "assistant", "user")]
FRONT_BODIES = {
    "/messages": orjson.dumps(
        {
            "model": "public",
            "system": _SYSTEM,
            "messages": _TURNS,
            "temperature": 0.7,
            "max_tokens": 300,
            "tools": [{**_TOOL, "input_schema": _SCHEMA}],
            "stream": True,
        }
    ),
    "/responses": orjson.dumps(
        {
            "model": "public",
            "instructions": _SYSTEM,
            "input": _TURNS,
            "temperature": 0.7,
            "max_output_tokens": 300,
            "tools": [{"type": "function", **_TOOL, "parameters": _SCHEMA}],
            "stream": True,
        }
    ),
}


class Dialect(Struct, frozen=True, kw_only=True):
    """A provider, a model of it, and a stream: what comes first, and the event that is repeated, with some text in it."""

    provider: str
    model: str
    first: bytes
    event: bytes
    options: dict[str, str] = {}


def _sse(name: str, document: object) -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + orjson.dumps(document) + b"\n\n"


def _anthropic(kind: str, **members: object) -> bytes:
    return _sse(kind, {"type": kind, **members})


def _chunk(**delta: str) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return _sse(
        "",
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": NOW, "model": "small", "choices": [choice]},
    )


_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [],
    "model": "m",
    "usage": {"input_tokens": 300},
}

DIALECTS = {
    "anthropic": Dialect(
        provider="anthropic",
        model="claude-opus-5",
        first=_anthropic("message_start", message=_MESSAGE)
        + _anthropic("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event=_anthropic("content_block_delta", index=0, delta={"type": "text_delta", "text": " mile"}),
    ),
    "gemini": Dialect(
        provider="gemini",
        model="gemini-2.5-flash",
        first=b"",
        event=b"data: "
        + orjson.dumps(
            {
                "candidates": [{"content": {"parts": [{"text": " mile"}], "role": "model"}, "index": 0}],
                "usageMetadata": {"promptTokenCount": 300, "candidatesTokenCount": 9, "totalTokenCount": 309},
                "modelVersion": "gemini-2.5-flash",
                "responseId": "resp-1",
            }
        )
        + b"\r\n\r\n",
    ),
    "bedrock": Dialect(
        provider="bedrock",
        model="us.anthropic.claude-haiku-4-5-20251001-v1:0",
        options={"region": "us-east-1"},
        first=frame("messageStart", b'{"role":"assistant","p":"abcd"}'),
        event=frame("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":" mile"},"p":"abcdefgh"}'),
    ),
    "cohere": Dialect(
        provider="cohere",
        model="command-a-03-2025",
        first=_sse("message-start", {"type": "message-start", "id": "m1", "delta": {"message": {"role": "assistant"}}})
        + _sse(
            "content-start",
            {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
        ),
        event=_sse(
            "content-delta", {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": " mile"}}}}
        ),
    ),
    "compatible": Dialect(
        provider="mistral",
        model="mistral-large-latest",
        first=_chunk(role="assistant", content=""),
        event=_chunk(content=" mile"),
    ),
}
"""The dialects, each by one provider. ``compatible``: bytes that pass, with what deviates spliced or repaired."""


def account_of(dialect: Dialect) -> Provider:
    """The account at the dialect's provider."""
    section = Section(use=dialect.provider, api_key=Secret("none"), options=dict(dialect.options))
    return accounts.account(Config(providers={"here": section}), "here", {})


def context() -> RequestContext:
    """``CHAT_BODY`` behind all links."""
    return RequestContext(
        request_id=REQUEST_ID,
        path="/chat/completions",
        body=CHAT_BODY,
        request=RequestView(model="public", stream=True),
    )


def best(work: Callable[[int], float], *, count: int, rounds: int) -> float:
    """Microseconds each of ``count``: the best of ``rounds`` rounds. ``work`` says how many seconds they took."""
    work(count // 4 + 1)
    found = float("inf")
    for _ in range(rounds):
        gc.collect()
        found = min(found, work(count) / count * 1e6)
    return found


def timed(step: Callable[[], object]) -> Callable[[int], float]:
    """Seconds that so many ``step`` take."""

    def work(count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            step()
        return time.perf_counter() - began

    return work


def request_of(dialect: Dialect) -> Callable[[], bytes]:
    """One request, from the client's bytes to those that are sent. Address and headers of the account are the chain's affair."""
    account: Any = account_of(dialect)
    target, ctx = Target(provider="here", model=dialect.model, limits=LIMITS), context()
    passing = account._passing if account.passes(ctx.endpoint, dialect.model, ctx.path) else None
    operation = account._operations(ctx.endpoint.name, dialect.model)

    def spliced() -> bytes:
        edited: bytes = passing.edit(
            ctx.endpoint, with_model(ctx.body, dialect.model), account._ask(ctx, target, now=NOW)
        )
        return edited

    def encoded() -> bytes:
        sent: bytes = operation.encode(object_in(ctx.body), account._ask(ctx, target, now=NOW)).body
        return sent

    return spliced if passing is not None else encoded


def events_of(dialect: Dialect) -> Callable[[int], float]:
    """Seconds for so many events of one stream, each in a read of its own."""
    target, ctx = Target(provider="here", model=dialect.model, limits=LIMITS), context()
    translation = account_of(dialect).prepare(ctx, target, include_usage=False, now=NOW).translation
    assert translation is not None

    def work(count: int) -> float:
        stream = translation.stream()
        stream.feed(dialect.first)
        feed, event = stream.feed, dialect.event
        began = time.perf_counter()
        for _ in range(count):
            feed(event)
        spent = time.perf_counter() - began
        assert stream.error is None
        assert b" mile" in feed(event)
        return spent

    return work


def asked() -> Ask:
    """A new request's state."""
    return Ask(model="small", public="public", stream=True, created=NOW, request_id=REQUEST_ID)


def front_request(front: type[Front], body: bytes) -> Callable[[], object]:
    """One request of another client, from its bytes to the hub's."""

    def step() -> object:
        document = object_in(body)
        assert document is not None
        return front().request(document, asked())

    return step


def front_events(front: type[Front], body: bytes) -> Callable[[int], float]:
    """Seconds for so many chunks as the client's events."""

    def work(count: int) -> float:
        ask, made, document = asked(), front(), object_in(body)
        assert document is not None
        made.request(document, ask)
        encoder = made.stream(ask)
        encoder.begin()
        built = ChatStream(ask)
        encoder.feed(built.begin())
        chunks = built.content(" mile")
        encoder.feed(chunks)
        feed = encoder.feed
        began = time.perf_counter()
        for _ in range(count):
            feed(chunks)
        spent = time.perf_counter() - began
        assert b" mile" in feed(chunks)
        return spent

    return work


def measure(*, count: int = 500, rounds: int = 40) -> dict[str, dict[str, float]]:
    """Microseconds: ``{name: {"us_per_request": …, "us_per_event": …}}``."""
    return dict(_measured(count, rounds))


def _measured(count: int, rounds: int) -> Iterator[tuple[str, dict[str, float]]]:
    for name, dialect in DIALECTS.items():
        yield name, _figures(timed(request_of(dialect)), events_of(dialect), count, rounds)
    for path, front in FRONTS.items():
        body = FRONT_BODIES[path]
        yield path[1:], _figures(timed(front_request(front, body)), front_events(front, body), count, rounds)


def _figures(
    request: Callable[[int], float], events: Callable[[int], float], count: int, rounds: int
) -> dict[str, float]:
    return {
        "us_per_request": best(request, count=count, rounds=rounds),
        "us_per_event": best(events, count=count * 4, rounds=rounds),
    }


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON object")
    options.add_argument("--count", type=int, default=500, help="requests a round")
    options.add_argument("--rounds", type=int, default=40, help="rounds, of which the best counts")
    chosen = options.parse_args()
    gc.collect()
    gc.freeze()
    figures = measure(count=chosen.count, rounds=chosen.rounds)
    if chosen.json:
        print(json.dumps({name: {key: round(value, 3) for key, value in row.items()} for name, row in figures.items()}))
        return
    for name, row in figures.items():
        print(f"{name:12s} {row['us_per_request']:8.2f} us a request {row['us_per_event']:8.2f} us an event")


if __name__ == "__main__":
    main()
