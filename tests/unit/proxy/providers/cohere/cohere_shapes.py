"""Cohere's answers and streams as its v2 reference documents them, made from one description so that both say the same."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from proxy.catalogue import ModelInfo
from proxy.providers.cohere.chat import Chat
from proxy.translation.ask import Ask
from proxy.wire.values import JsonObject

CHAT = Chat()
USAGE: JsonObject = {
    "billed_units": {"input_tokens": 9, "output_tokens": 4},
    "tokens": {"input_tokens": 500.0, "output_tokens": 12},
    "cached_tokens": 100,
}


def ask(model: str = "command-a-03-2025", **more: Any) -> Ask:
    return Ask(model=model, request_id="req-1", created=1, **more)


def reasoning_model(*, reasons: bool) -> ModelInfo:
    return ModelInfo(id="m", provider="cohere", reasoning=reasons)


def sent(chat: JsonObject, asked: Ask | None = None) -> Any:
    """The body that goes to Cohere for ``chat``."""
    encoded = CHAT.encode({"messages": [{"role": "user", "content": "Hi"}], **chat}, asked or ask())
    assert encoded.path == "/v2/chat"
    return json.loads(encoded.body)


def event(kind: str, *, named: bool = True, **members: Any) -> bytes:
    """One event; without its ``event`` line when it is not ``named``."""
    head = f"event: {kind}\n" if named else ""
    return (head + "data: " + json.dumps({"type": kind, **members}, ensure_ascii=False) + "\n\n").encode()


def message(kind: str, index: int | None = None, **members: Any) -> bytes:
    place = {} if index is None else {"index": index}
    return event(kind, **place, delta={"message": members})


def end(reason: str = "COMPLETE", usage: Any = USAGE, **more: Any) -> bytes:
    return event("message-end", id="msg-1", delta={"finish_reason": reason, "usage": usage, **more})


START = event("message-start", id="msg-1", delta={"message": {"role": "assistant", "content": [], "tool_plan": ""}})


def text_stream(*pieces: str, reason: str = "COMPLETE") -> bytes:
    parts = [message("content-delta", 0, content={"text": piece}) for piece in pieces]
    return b"".join(
        [
            START,
            message("content-start", 0, content={"type": "text", "text": ""}),
            *parts,
            event("content-end", index=0),
            end(reason),
        ]
    )


def answer(reason: str = "COMPLETE", usage: Any = USAGE, **message_members: Any) -> bytes:
    """A whole answer."""
    return json.dumps(
        {"id": "msg-1", "finish_reason": reason, "message": {"role": "assistant", **message_members}, "usage": usage}
    ).encode()


def chunks_of(data: bytes, splits: Sequence[int] = (), asked: Ask | None = None) -> tuple[list[JsonObject], Any]:
    """Chunks and error of a stream cut at ``splits``."""
    decoder = CHAT.decoder(asked or ask(stream=True))
    found: list[JsonObject] = []
    bounds = [0, *sorted(splits), len(data)]
    for begin, stop in pairwise(bounds):
        found += decoder.feed(data[begin:stop])
    found += decoder.close()
    return found, decoder.error


def decoded(body: bytes) -> Any:
    return CHAT.decode(body, ask())
