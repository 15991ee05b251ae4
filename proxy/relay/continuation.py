"""An answer that breaks off goes on at another target: what the client has is put before the model as the answer's beginning.

Only plain chat text is continued, and only where the configuration asks for it. What leaves are whole events, so that a seam can lie
between two of them; behind it the events keep the first part's id, and nobody is told of a second beginning.
"""

import msgspec
from msgspec import Struct

from ..context import RequestContext
from ..wire.members import find, members
from ..wire.splice import replace
from ..wire.sse import DONE
from ..wire.stream import TEXT_LIMIT, Withholder
from ..wire.values import UNREADABLE, JsonObject, obj, objects

LONGEST_EVENT = 1024 * 1024
"""Bytes of an unfinished event; a stream with a longer one is not continued."""

CAPS = (b"max_completion_tokens", b"max_tokens")
"""Members of a request that bound its answer."""

_decode = msgspec.json.Decoder(dict).decode
_encode = msgspec.json.Encoder().encode


class Said(Struct):
    """What the client has been given of an answer."""

    ident: str = ""
    text: str = ""
    tokens: int = 0
    """Events with text in them."""
    plain: bool = True
    """Nothing but text: no tool was called, and every event could be read."""


class Part:
    """The first part of an answer: its events leave unchanged, each as a whole. Used like a ``Withholder``, and around one."""

    def __init__(self, inner: Withholder | None, said: Said | None = None) -> None:
        self.said = said or Said()
        self._inner = inner
        self._tail = b""

    def feed(self, data: bytes) -> bytes:
        """Of ``data`` and what waited, what may leave now."""
        said = self.said
        if said.plain and (b"\r" in data or len(self._tail) + len(data) > LONGEST_EVENT):
            said.plain = False
        if not said.plain:
            data, self._tail = self._tail + data, b""
            return self._passed(data)
        whole, mark, self._tail = (self._tail + data).rpartition(b"\n\n")
        if not mark:
            return b""
        return self._passed(b"".join([self.event(block) for block in whole.split(b"\n\n")]))

    def close(self) -> bytes:
        """The end of the stream: a last event without its blank line leaves too, half of one does not."""
        tail, self._tail = self._tail, b""
        payload = tail.removeprefix(b"data: ").strip()
        if not self.said.plain or payload == DONE or _object(payload) is not None:
            rest = self._passed(tail)
        else:
            rest = b""
        return rest + (self._inner.close() if self._inner is not None else b"")

    def event(self, block: bytes) -> bytes:
        """One event as it leaves, noted."""
        if block.startswith(b"data: {"):
            self._note(_object(block[6:]))
        return block + b"\n\n"

    def _note(self, chunk: JsonObject | None) -> None:
        said = self.said
        if chunk is None:
            said.plain = False
            return
        ident = chunk.get("id")
        if not said.ident and isinstance(ident, str):
            said.ident = ident
        for choice in objects(chunk.get("choices")):
            delta = obj(choice.get("delta"))
            text = delta.get("content")
            if isinstance(text, str) and text:
                said.text += text
                said.tokens += 1
            if delta.get("tool_calls") or delta.get("function_call") or delta.get("audio") or choice.get("index"):
                said.plain = False

    def _passed(self, data: bytes) -> bytes:
        return self._inner.feed(data) if self._inner is not None else data


class Seam(Part):
    """A later part: it begins with a comment that says where it comes from, and goes on as the first part began."""

    def __init__(self, inner: Withholder | None, said: Said, place: str) -> None:
        super().__init__(inner, said)
        self._before = said.tokens
        self._comment = b": tollway-seam " + _printable(place) + b"\n\n"

    def feed(self, data: bytes) -> bytes:
        """As a part's."""
        out = super().feed(data)
        if out and self._comment:
            out, self._comment = self._comment + out, b""
        return out

    def event(self, block: bytes) -> bytes:
        """One event as it leaves: under the first part's id, without a role of its own."""
        chunk = _object(block[6:]) if block.startswith(b"data: {") else None
        if chunk is None:
            return super().event(block)
        self._note(chunk)
        if self.said.ident:
            chunk["id"] = self.said.ident
        if chunk.get("usage"):
            self._move(obj(chunk["usage"]))
        empty = bool(chunk.get("choices"))
        for choice in objects(chunk.get("choices")):
            delta = obj(choice.get("delta"))
            delta.pop("role", None)
            empty = empty and choice.get("finish_reason") is None and not any(delta.values())
        return b"" if empty and not chunk.get("usage") else b"data: " + _encode(chunk) + b"\n\n"

    def _move(self, usage: JsonObject) -> None:
        """What the first part said was put before the model as prompt; to the client it is answer."""
        prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if isinstance(prompt, int) and isinstance(completion, int):
            moved = min(self._before, prompt)
            usage["prompt_tokens"], usage["completion_tokens"] = prompt - moved, completion + moved


def resumable(ctx: RequestContext, said: Said) -> bool:
    """Is there a text to go on with, and nothing else that would be lost?"""
    cap = ctx.estimate.output
    room = not cap or cap > said.tokens
    return said.plain and bool(said.text) and len(said.text) <= TEXT_LIMIT and room


def continued(body: bytes, said: Said) -> bytes | None:
    """The request with what was said as the beginning of the answer, its cap that much lower; ``None``: it cannot be written so."""
    messages = find(body, b"messages")
    if messages is None or body[messages.end - 1 : messages.end] != b"]":
        return None
    turn = _encode({"role": "assistant", "content": said.text})
    body = replace(body, messages, body[messages.start : messages.end - 1] + b"," + turn + b"]")
    for cap in [member for member in members(body) if member.key in CAPS][::-1]:
        value = body[cap.start : cap.end]
        if value.isdigit() and int(value) > said.tokens:
            body = replace(body, cap, b"%d" % (int(value) - said.tokens))
    return body


def _object(payload: bytes) -> JsonObject | None:
    try:
        found: JsonObject = _decode(payload)
    except UNREADABLE:
        return None
    return found


def _printable(place: str) -> bytes:
    return "".join(each if each.isascii() and each.isprintable() else "?" for each in place[:256]).encode()
