"""Streams of every dialect with known words, and the loop that relays them through a meter."""

from collections.abc import Iterable, Iterator

import orjson

from proxy.context import StreamMeter
from proxy.wire.endpoints import Dialect
from proxy.wire.sse import Framer
from proxy.wire.stream import MessageReader, read_chunk, read_response_event

WORDS = [f" word{number % 7}" for number in range(500)]
"""Two tokens each."""


def payload(dialect: Dialect, text: str) -> dict[str, object]:
    """An event of ``dialect`` that generates ``text``."""
    match dialect:
        case "completions":
            return {"id": "cmpl-1", "choices": [{"index": 0, "text": text, "finish_reason": None}]}
        case "responses":
            return {"type": "response.output_text.delta", "item_id": "msg_1", "delta": text}
        case "events":
            return {"type": "transcript.text.delta", "delta": text}
        case "messages":
            return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        case _:
            return {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


HEADS: dict[str, list[dict[str, object]]] = {
    "chat": [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}],
    "responses": [{"type": "response.created", "response": {"id": "resp_1"}}, {"type": "response.in_progress"}],
    "messages": [
        {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ],
}
ENDS: dict[str, list[dict[str, object]]] = {
    "chat": [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1000}},
    ],
    "responses": [
        {"type": "response.output_text.done", "text": "".join(WORDS)},
        {"type": "response.completed", "response": {"usage": {"input_tokens": 3, "output_tokens": 1000}}},
    ],
    "messages": [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1000}},
        {"type": "message_stop"},
    ],
    "events": [{"type": "transcript.text.done", "text": "".join(WORDS)}],
}


def stream(dialect: Dialect, texts: Iterable[str] = WORDS, *, eol: bytes = b"\n") -> list[bytes]:
    """A whole stream, event by event, with a comment in its midst."""
    bodies = [*HEADS.get(dialect, []), *[payload(dialect, text) for text in texts], *ENDS.get(dialect, [])]
    events = [b"data: " + orjson.dumps(body) + b"\n\n" for body in bodies]
    events.insert(len(events) // 2, b": keepalive\n\n")
    if dialect in ("chat", "completions"):
        events.append(b"data: [DONE]\n\n")
    return [event.replace(b"\n", eol) for event in events]


def text_of(dialect: Dialect, data: bytes) -> str:
    """What ``data`` generated, read in one go."""
    framer = Framer()
    payloads = framer.feed(data) + framer.close()
    read = MessageReader() if dialect == "messages" else read_response_event if dialect in ("responses", "events") else read_chunk  # fmt: skip
    return "".join(read(found).text for found in payloads if found)


async def relay(meter: StreamMeter, chunks: Iterable[bytes]) -> bytes:
    """What a client gets: the loop of the relay."""
    out = b""
    for chunk in chunks:
        out += meter.feed(chunk)
        while meter.waiting:
            out += await meter.more()
        if meter.error is not None:
            assert meter.feed(b"data: late\n\n") == b""
            break
    out += meter.finish()
    while meter.waiting:
        out += await meter.more()
    meter.close()
    return out


def split(data: bytes, edges: Iterable[int]) -> Iterator[bytes]:
    start = 0
    for end in sorted(edges):
        if start < end < len(data):
            yield data[start:end]
            start = end
    yield data[start:]
