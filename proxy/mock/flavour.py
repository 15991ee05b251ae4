"""What a provider with an accent is, and how its accent is put on the mock's own answers."""

from collections.abc import Callable, Iterator, Sequence

import orjson
from msgspec import Struct
from msgspec.structs import replace

from . import flavour_errors as errors
from .dialect import CHAT_ODDITIES, OPENAI, OPENAI_FAILURES, Dialect, Pairs
from .flavour_streams import Chunk, Chunks, Step
from .reply import SSE, Call, Oddities, Refused, Reply, event


class Flavour(Struct, frozen=True, kw_only=True):
    """One provider's ways. `stream` are steps from OpenAI's chunks to its own; a plain answer takes them as well."""

    name: str
    doc: str
    error: errors.Body = errors.standard
    stream: Sequence[Step] = ()
    refuses: Sequence[str] = ()
    status: int = 400
    """Status of the refusal of a field."""
    always_usage: bool = True
    """Whether a stream reports usage unasked."""
    check: Callable[[Call], None] = lambda call: None
    lead: bytes = b""
    """What comes before the JSON of a plain answer."""
    broken: Callable[[bytes], bytes] = lambda body: b"data: " + body + b"\n\n"
    """The event that a stream breaks off with, made of an error body."""
    errors_are_200: bool = False
    names_embeddings: bool = False
    """Whether an answer with embeddings has an id."""
    headers: Pairs = ()


def _enter(flavour: Flavour) -> Callable[[Call], None]:
    def enter(call: Call) -> None:
        if call.path != "/chat/completions" or call.method != "POST":
            return
        document = call.document()
        for name in flavour.refuses:
            if document.get(name) not in (None, False):
                raise Refused(f"property '{name}' is unsupported", status=flavour.status, param=name)
        flavour.check(call)
        if flavour.always_usage and document.get("stream") is True:
            document["stream_options"] = {"include_usage": True}

    return enter


def _leave(flavour: Flavour) -> Callable[[Call, Reply], Reply]:
    def leave(call: Call, reply: Reply) -> Reply:
        if reply.status != 200 or call.method != "POST":
            return reply
        if flavour.names_embeddings and call.path == "/embeddings":
            return replace(reply, body=orjson.dumps({"id": "mock", **orjson.loads(reply.body)}))
        if call.path != "/chat/completions":
            return reply
        if reply.frames is not None and reply.content_type == SSE:
            return replace(reply, frames=_frames(flavour, reply.frames, call), odd=_oddities(flavour))
        whole = _whole(flavour, orjson.loads(reply.body), call)
        return replace(reply, body=flavour.lead + orjson.dumps(whole))

    return leave


def _frames(flavour: Flavour, frames: Iterator[bytes], call: Call) -> Iterator[bytes]:
    chunks: Chunks = (frame if frame.startswith(b"data: [") else orjson.loads(frame[6:]) for frame in frames)
    for step in flavour.stream:
        chunks = step(chunks, call)
    for chunk in chunks:
        yield chunk if isinstance(chunk, bytes) else event(orjson.dumps(chunk))


def _whole(flavour: Flavour, whole: Chunk, call: Call) -> Chunk:
    """Send a plain answer through the steps as one chunk that has everything, so that both forms say the same."""
    for choice in whole["choices"]:
        message = choice.pop("message")
        thought = message.pop("reasoning_content", None)
        for index, made in enumerate(message.get("tool_calls") or ()):
            made["index"] = index
        choice["delta"] = message
        choice["thought"] = thought
    thoughts = [choice.pop("thought") for choice in whole["choices"]]
    merged: list[Chunk] = []
    for choice, thought in zip(whole["choices"], thoughts, strict=True):
        only = {**whole, "choices": [choice]}
        chunks: list[Chunk | bytes] = []
        if thought:
            chunks.append(
                {**whole, "choices": [{**choice, "delta": {"reasoning_content": thought}, "finish_reason": None}]}
            )
        chunks.append(only)
        stream: Chunks = iter(chunks)
        for step in flavour.stream:
            stream = step(stream, call)
        merged.append(_folded([chunk for chunk in stream if not isinstance(chunk, bytes)]))
    first = merged[0]
    return {**first, "choices": [found["choices"][0] for found in merged]}


def _folded(chunks: list[Chunk]) -> Chunk:
    """Fold one or two chunks into a plain answer; the members of the last one count."""
    whole = chunks[-1]
    message: Chunk = {}
    for chunk in chunks:
        for name, value in chunk["choices"][0]["delta"].items():
            before = message.get(name)
            if isinstance(before, str) and isinstance(value, str) and name != "role":
                message[name] = before + value
            elif isinstance(before, list) and isinstance(value, str):
                message[name] = [*before, {"type": "text", "text": value}] if value else before
            elif isinstance(before, list) and isinstance(value, list):
                message[name] = before + value
            elif value is not None or name not in message:
                message[name] = value
    for made in message.get("tool_calls") or ():
        made.pop("index", None)
    choice = {name: value for name, value in whole["choices"][0].items() if name not in ("delta", "message")}
    return {**whole, "choices": [{**choice, "message": message}]}


def _envelope(flavour: Flavour) -> Callable[[Refused], Reply]:
    def envelope(refused: Refused) -> Reply:
        status = 200 if flavour.errors_are_200 else refused.status
        kind = "application/problem+json" if flavour.error is errors.problem else "application/json"
        return Reply(
            status=status, content_type=kind, body=orjson.dumps(flavour.error(refused)), headers=refused.headers
        )

    return envelope


def _oddities(flavour: Flavour) -> Oddities:
    body = orjson.dumps(flavour.error(OPENAI_FAILURES["overloaded"]))
    return replace(CHAT_ODDITIES, error=flavour.broken(body))


def dialect_of(flavour: Flavour) -> Dialect:
    """Return OpenAI's dialect as the provider speaks it."""
    return replace(
        OPENAI,
        name=flavour.name,
        paths="OpenAI's, with `x-mock-flavour`",
        envelope=_envelope(flavour),
        headers=flavour.headers,
        enter=_enter(flavour),
        leave=_leave(flavour),
    )
