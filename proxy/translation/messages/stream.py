"""Chat chunks as Anthropic's events.

Anthropic's blocks follow one another while chat may mix its tool calls: blocks wait in a queue, and only the first one is
open. A tool call makes room for the next block once its arguments are a whole object, or at the end.
"""

from collections.abc import Sequence

from ...errors import TollwayError, sse_event
from ...wire.values import Json, JsonObject, dumps, items, objects, text
from ..ask import Ask
from ..calls import Call, Calls
from ..carried import public_id, seal
from .ending import citations_of, native_block, picture, stop_of, usage_of
from .reply import CARRIED_MEMBERS, opening
from .thinking import remainder

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
"""Keeps a silent stream alive; Anthropic's clients ignore it."""

_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":%b,%b:%b}}\n\n'
_NAMES = {
    "text": (b'"text_delta"', b'"text"'),
    "thinking": (b'"thinking_delta"', b'"thinking"'),
    "tool": (b'"input_json_delta"', b'"partial_json"'),
}


class _Block:
    """A content block. ``kind``: text, thinking, tool, or whole (``native`` is all of it)."""

    __slots__ = ("call", "kind", "native", "pending", "sealed", "signature", "started", "told")

    def __init__(self, kind: str, *, call: Call | None = None, native: JsonObject | None = None) -> None:
        self.kind = kind
        self.call = call
        self.native = native
        self.pending: list[Json] = call.pending if call is not None else []
        self.told: list[str] = []
        """What a thinking block has shown, to be compared with the provider's own."""
        self.sealed = native is not None
        """Can nothing more come to it?"""
        self.signature = ""
        self.started = False


class MessagesStream:
    """A ``ChunkEncoder``. Only the first choice has a place in a message."""

    def __init__(self, ask: Ask, stops: tuple[str, ...] = ()) -> None:
        self._ask = ask
        self._stops = stops
        self._begun = False
        self._index = 0
        self._queue: list[_Block] = []
        self._calls = Calls(ask.request_id)
        self._tools: dict[int, _Block] = {}
        self._state: JsonObject = {}
        self._end: JsonObject = {}
        self._usage: Json = None
        self._refusal: list[str] = []
        self._spoke = False
        self._called = False

    def begin(self) -> bytes:
        """``message_start``, whose usage is not known yet, and one ping."""
        if self._begun:
            return b""
        self._begun = True
        message: JsonObject = {
            **opening(self._ask, ""),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        return _event("message_start", message=message) + PING

    def feed(self, chunks: Sequence[JsonObject]) -> bytes:
        """The events that ``chunks`` complete."""
        out = [] if self._begun else [self.begin()]
        for chunk in chunks:
            for choice in objects(chunk.get("choices")):
                if choice.get("index") in (0, None):
                    self._take(choice, out)
            if chunk.get("usage") is not None:
                self._usage = chunk["usage"]
        return b"".join(out)

    def fail(self, error: TollwayError, request_id: str) -> bytes:
        """One error event, after the opening that clients cannot do without."""
        return self.begin() + sse_event(error, request_id, "anthropic")

    def close(self) -> bytes:
        """The last blocks, ``message_delta`` with the usage, ``message_stop``."""
        out = [self.begin()]
        self._show_refusal()
        self._pump(out, last=True)
        if self._state:
            self._queue.append(_Block("whole", native=remainder(self._state)))
            self._pump(out, last=True)
        delta = stop_of(self._end, self._stops, called=self._called, refusal="".join(self._refusal))
        out.append(_event("message_delta", delta=delta, usage=usage_of(self._usage)))
        out.append(_STOP)
        return b"".join(out)

    # ---- taking in -----------------------------------------------------------------------------------------------

    def _take(self, choice: JsonObject, out: list[bytes]) -> None:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            content = delta.get("content")
            if len(delta) > 1 or content is None:
                self._take_others(delta)
            if content and isinstance(content, str):
                self._spoke = True
                self._say("text", content)
            if delta.get("tool_calls"):
                self._take_calls(objects(delta["tool_calls"]))
        ended = choice.get("finish_reason") is not None
        if ended:
            self._end = {name: value for name, value in choice.items() if name != "delta"}
        self._pump(out, last=ended)

    def _take_others(self, delta: JsonObject) -> None:
        reasoning = text(delta.get("reasoning_content")) or text(delta.get("reasoning"))
        if reasoning:
            self._say("thinking", reasoning).told.append(reasoning)
        for name in CARRIED_MEMBERS:
            if delta.get(name):
                self._carry(name, delta[name])
        if delta.get("thinking_blocks"):
            for block in objects(delta["thinking_blocks"]):
                self._take_thinking(block)
        if delta.get("refusal"):
            self._refusal.append(text(delta["refusal"]))
        for carried in objects(delta.get("provider_blocks")):
            for citation in citations_of(carried):
                self._cite(citation)
            native = native_block(carried)
            if native is not None:
                self._queue.append(_Block("whole", native=native))
        for image in objects(delta.get("images")):
            shown = picture(image)
            if shown:
                self._spoke = True
                self._say("text", shown)

    def _say(self, kind: str, fragment: str) -> _Block:
        block = self._queue[-1] if self._queue else None
        if block is None or block.kind != kind or block.sealed:
            block = _Block(kind)
            self._queue.append(block)
        block.pending.append(fragment)
        return block

    def _cite(self, citation: JsonObject) -> None:
        """A citation of what was just said; without anything said it has no place."""
        block = self._queue[-1] if self._queue else None
        if block is not None and block.kind == "text":
            block.pending.append(citation)

    def _show_refusal(self) -> None:
        """A refusal is the answer's text where there is no other."""
        if self._refusal and not self._spoke:
            self._spoke = True
            self._say("text", "".join(self._refusal))

    def _carry(self, name: str, value: Json) -> None:
        if isinstance(value, list):
            self._state[name] = [*items(self._state.get(name)), *value]
        elif isinstance(value, dict):
            self._state[name] = value

    def _take_thinking(self, block: JsonObject) -> None:
        """A provider's finished thinking block: it closes the one whose text has been shown, unchanged."""
        if block.get("type") == "redacted_thinking":
            self._queue.append(_Block("whole", native=block))
            return
        thinking = text(block.get("thinking"))
        last = self._queue[-1] if self._queue else None
        if last is None or last.kind != "thinking" or last.sealed:
            last = _Block("thinking")
            self._queue.append(last)
            last.pending += [thinking] if thinking else []
        elif "".join(last.told) != thinking:
            # Its text has been shown in another division, which its signature would not fit.
            self._carry("thinking_blocks", [block])
            return
        last.signature = text(block.get("signature"))
        last.sealed = True

    def _take_calls(self, pieces: list[JsonObject]) -> None:
        for piece in pieces:
            call = self._calls.take(piece)
            if call.place not in self._tools:
                self._show_refusal()
                block = self._tools[call.place] = _Block("tool", call=call)
                self._queue.append(block)

    # ---- giving out ----------------------------------------------------------------------------------------------

    def _pump(self, out: list[bytes], *, last: bool) -> None:
        """Shows what may be shown; ``last``: nothing more comes to any block."""
        queue = self._queue
        while queue:
            block = queue[0]
            call = block.call
            if call is not None and not call.name:
                if not last:
                    return
                del queue[0]
                continue
            if not block.started:
                block.started = True
                out.append(_event("content_block_start", index=self._index, content_block=self._start(block)))
            if block.pending:
                self._show(block, out)
            if not last and not (block.sealed or (len(queue) > 1 and (call is None or call.complete))):
                return
            if block.kind == "thinking":
                signature = dumps(block.signature or self._seal())
                out.append(_DELTA % (self._index, b'"signature_delta"', b'"signature"', signature))
            out.append(b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % self._index)
            del queue[0]
            self._index += 1

    def _show(self, block: _Block, out: list[bytes]) -> None:
        kind, member = _NAMES[block.kind]
        for piece in block.pending:
            if isinstance(piece, str):
                out.append(_DELTA % (self._index, kind, member, dumps(piece)))
            else:
                out.append(_DELTA % (self._index, b'"citations_delta"', b'"citation"', dumps(piece)))
        block.pending.clear()

    def _start(self, block: _Block) -> JsonObject:
        if block.native is not None:
            return block.native
        if block.call is not None:
            self._called = True
            ident = public_id(self._calls.ident(block.call), block.call.extra, strict=True)
            return {"type": "tool_use", "id": ident, "name": self._ask.names.back(block.call.name), "input": {}}
        if block.kind == "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        return {"type": "text", "text": ""}

    def _seal(self) -> str:
        state, self._state = self._state, {}
        return seal(state)


def _event(name: str, /, **members: Json) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + dumps({"type": name, **members}) + b"\n\n"
