"""What the cache's rules cost a request: microseconds of CPU. ``python -m tests.bench.cache [--json]``.

``wanted``: is it to be cached; ``canonical``: the one spelling of its body, and ``keyed`` with it the key and all that bars a request;
``unfit``: is the answer one to keep, asked after it has left. Targets: canonical and HMAC some 4 us at 1 KB and 14 at 10 KB; ``wanted``
without headers of its own well below 1 us.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable
from typing import Any

import orjson

from proxy.cache.asking import CacheRules
from proxy.cache.canonical import canonical
from proxy.cache.judging import unfit
from proxy.cache.keys import Keys
from proxy.policy.caching import Cache, ExactCache, SemanticCache
from proxy.wire.endpoints import CHAT, EMBEDDINGS
from tests.unit.proxy.cache.asked import asked

SIZES = (1, 10, 100)
"""Kilobytes of a request's body."""

SETTINGS = Cache(exact=ExactCache(), semantic=SemanticCache(enabled=True))
SECRET = b"s" * 32
TURN = (
    "The road is long, and nobody we asked knew where it ends; some say it turns north behind the second bridge.\n" * 4
)


def chat(kilobytes: int) -> dict[str, Any]:
    """A conversation of turns of some 400 characters."""
    messages: list[dict[str, str]] = [{"role": "system", "content": "You are a helpful assistant.\nAnswer briefly."}]
    body: dict[str, Any] = {
        "model": "fast",
        "messages": messages,
        "temperature": 0.7,
        "max_tokens": 256,
        "stream": True,
    }
    while len(orjson.dumps(body)) < kilobytes * 1000 - len(TURN):
        messages.append({"role": "user" if len(messages) % 2 else "assistant", "content": TURN})
    left = kilobytes * 1000 - len(orjson.dumps(body))
    messages.append({"role": "user", "content": TURN[:left] or "Why?"})
    return body


def stream(events: int) -> bytes:
    """A chat stream as OpenAI sends it."""

    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        head = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "gpt-4o-mini",
            "service_tier": "default",
        }
        return b"data: " + orjson.dumps({**head, "choices": [choice]}) + b"\n\n"

    words = [event({"content": f" word{at % 10}"}) for at in range(events)]
    return (
        event({"role": "assistant", "content": "", "refusal": None})
        + b"".join(words)
        + event({}, "stop")
        + b"data: [DONE]\n\n"
    )


def answer(size: int) -> bytes:
    """A whole chat answer with so many characters of text."""
    message = {"role": "assistant", "content": "A mile. " * (size // 8), "refusal": None}
    return orjson.dumps(
        {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {}}
    )


def best(work: Callable[[], object], *, count: int, rounds: int) -> float:
    """Microseconds of this thread's CPU a call: the best of ``rounds`` rounds."""
    found = float("inf")
    for _ in range(rounds):
        gc.collect()
        began = time.thread_time()
        for _ in range(count):
            work()
        found = min(found, (time.thread_time() - began) / count * 1e6)
    return found


def measure(*, count: int = 5000, rounds: int = 7) -> dict[str, float]:
    """Every figure, in microseconds."""
    figures: dict[str, float] = {}

    def row(name: str, work: Callable[[], object], *, weight: int = 1) -> None:
        figures[name] = best(work, count=max(count // weight, 1), rounds=rounds)

    rules, keys = CacheRules(settings=SETTINGS), Keys(settings=SETTINGS, secret=lambda: SECRET)
    plain = asked()
    asking = asked(plan=plain.plan, headers=[(b"cache-control", b"max-age=60"), (b"x-tollway-cache-ttl", b"10m")])
    row("wanted", lambda: rules.wanted(plain))
    row("wanted, with headers", lambda: rules.wanted(asking))
    wanted, ignored = rules.wanted(plain), frozenset(("stream", "stream_options", "metadata"))
    for size in SIZES:
        for written, body in (("", orjson.dumps(chat(size))), (", with spaces", json.dumps(chat(size)).encode())):
            ctx = asked(body, plan=plain.plan)
            row(f"canonical, {size} KB{written}", lambda body=body: canonical(body, ignored), weight=size)  # type: ignore[misc]
            row(f"keyed, {size} KB{written}", lambda ctx=ctx: keys.keyed(ctx, wanted), weight=size)  # type: ignore[misc]
    ctx = asked(orjson.dumps(chat(1)), plan=plain.plan)
    keyed = keys.keyed(ctx, wanted)
    row("question, 1 KB", lambda: keys.question(ctx, wanted, keyed))
    many = asked({"model": "e", "input": [f"text {at}" for at in range(100)]}, endpoint=EMBEDDINGS, plan=plain.plan)
    found = keys.keyed(many, wanted)
    row("inputs, 100 of them", lambda: keys.inputs(many, wanted, found), weight=100)
    whole, long, events = answer(1000), answer(100_000), stream(400)
    row("unfit, JSON of 1 KB", lambda: unfit(CHAT.name, "json", whole, tools=False))
    row("unfit, JSON of 100 KB", lambda: unfit(CHAT.name, "json", long, tools=False), weight=20)
    row("unfit, stream of 400", lambda: unfit(CHAT.name, "events", events, tools=False), weight=100)
    return figures


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON object")
    options.add_argument("--count", type=int, default=5000, help="calls a round")
    options.add_argument("--rounds", type=int, default=7)
    given = options.parse_args()
    figures = measure(count=given.count, rounds=given.rounds)
    if given.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
        return
    for name, value in figures.items():
        print(f"{name:40} {value:8.2f} us")


if __name__ == "__main__":
    main()
