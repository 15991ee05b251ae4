"""Cohere's chat stream as chunks: typed events, one message, blocks and calls numbered apart."""

from collections.abc import Callable
from typing import Final

from ...errors import TollwayError, UpstreamCut, UpstreamInvalid
from ...translation.ask import Ask
from ...translation.chunks import ChatStream
from ...translation.finish import finish_of
from ...wire.sse import Framer
from ...wire.values import Json, JsonObject, count, dumps_text, obj, objects, text
from .errors import ended_by, error_inside, json_of
from .response import block_of, citations_of, logprobs_of
from .usage import usage_of


class _Call:
    """A tool call under way. ``held``: what may still turn out to be the ``null`` of a call without arguments."""

    __slots__ = ("closed", "held", "ident", "sent")

    def __init__(self, ident: str) -> None:
        self.ident = ident
        self.held = ""
        self.sent = False
        self.closed = False


class Decoder:
    """One answer. Citations are told at its end, when the text that they point into is complete."""

    done = False
    __slots__ = ("_blocks", "_calls", "_citations", "_ended", "_framer", "_kinds", "_last", "_stream", "error")

    def __init__(self, ask: Ask) -> None:
        self.error: TollwayError | None = None
        self._framer = Framer()
        self._stream = ChatStream(ask)
        self._ended = False
        self._kinds: dict[int, str] = {}
        self._blocks: dict[int, JsonObject] = {}
        self._calls: dict[int, _Call] = {}
        self._last: _Call | None = None
        self._citations: list[JsonObject] = []

    def feed(self, data: bytes) -> list[JsonObject]:
        """Chunks that ``data`` completes."""
        chunks: list[JsonObject] = []
        for payload in self._framer.feed(data):
            if payload:
                chunks += self._event(payload)
        return chunks

    def close(self) -> list[JsonObject]:
        """The end of the body; without ``message-end`` the answer was cut off."""
        chunks: list[JsonObject] = []
        for payload in self._framer.close():
            if json_of(payload) is not None:
                chunks += self._event(payload)
        if not self._ended and self.error is None:
            self.error = UpstreamCut("Cohere's stream broke off before its answer was complete.")
        return chunks

    def _event(self, payload: bytes) -> list[JsonObject]:
        if self._ended or self.error is not None:
            return []
        event = json_of(payload)
        if event is None:
            if payload.lstrip().startswith(b"{"):
                self.error = UpstreamInvalid("Cohere's stream holds an event that is no JSON.")
            return []
        handle = _HANDLERS.get(text(event.get("type")) or _kind_of(event))
        if handle is None:
            return []
        delta = obj(event.get("delta"))
        return handle(self, event, delta)

    # ---- content ----------------------------------------------------------------------------------------------------

    def _message_start(self, event: JsonObject, delta: JsonObject) -> list[JsonObject]:
        if not self._stream.begun:
            self._stream.ident = text(event.get("id"))
        return self._stream.begin()

    def _plan(self, event: JsonObject, delta: JsonObject) -> list[JsonObject]:
        return self._stream.content(text(obj(delta.get("message")).get("tool_plan")))

    def _content_start(self, event: JsonObject, delta: JsonObject) -> list[JsonObject]:
        content = obj(obj(delta.get("message")).get("content"))
        index, kind = count(event.get("index")) or 0, text(content.get("type"))
        self._kinds[index] = kind
        if kind in ("text", "thinking", ""):
            return self._content(event, delta)
        self._blocks[index] = {**content}
        return []

    def _content(self, event: JsonObject, delta: JsonObject) -> list[JsonObject]:
        content = obj(delta.get("message")).get("content")
        if isinstance(content, str):
            kind = self._kinds.get(count(event.get("index")) or 0)
            content = {"thinking": content} if kind == "thinking" else {"text": content}
        elif not isinstance(content, dict):
            return []
        elif self._blocks and (block := self._blocks.get(count(event.get("index")) or 0)) is not None:
            _grow(block, content)
            return []
        stream = self._stream
        if event.get("logprobs") is not None:
            return self._with_logprobs(event, content)
        return stream.content(text(content.get("text"))) or stream.reasoning(text(content.get("thinking")))

    def _with_logprobs(self, event: JsonObject, content: JsonObject) -> list[JsonObject]:
        told = event.get("logprobs")
        found = logprobs_of(objects(told) or [obj(told)])
        thought = text(content.get("thinking"))
        delta: JsonObject = {"reasoning_content": thought} if thought else {"content": text(content.get("text"))}
        if found is not None:
            return self._stream.delta(delta, logprobs=found)
        return self._stream.delta(delta) if any(delta.values()) else []

    def _content_end(self, event: JsonObject, delta: JsonObject) -> list[JsonObject]:
        index = count(event.get("index")) or 0
        block = self._blocks.pop(index, None)
        return self._stream.delta({"provider_blocks": [block_of(index, block)]}) if block is not None else []

    def _citation(self, event: JsonObject, delta: JsonObject) -> list[JsonObject]:
        told = obj(delta.get("message")).get("citations")
        self._citations += [told] if isinstance(told, dict) else objects(told)
        return []

    # ---- tool calls -------------------------------------------------------------------------------------------------

    def _call_start(self, event: JsonObject, delta: JsonObject) -> list[JsonObject]:
        told = obj(delta.get("message")).get("tool_calls")
        chunks: list[JsonObject] = []
        index = count(event.get("index"))
        for told_call in [told] if isinstance(told, dict) else objects(told):
            place = len(self._calls) if index is None else index
            ident, function = text(told_call.get("id")), obj(told_call.get("function"))
            known = self._calls.get(place)
            if known is not None and known.ident == ident:
                continue
            if known is not None:
                chunks += self._close(known)
            call = self._calls[place] = self._last = _Call(ident)
            chunks += self._stream.tool(call, ident, text(function.get("name")))
            chunks += self._fragment(call, function.get("arguments"))
            index = None
        return chunks

    def _call_delta(self, event: JsonObject, delta: JsonObject) -> list[JsonObject]:
        call = self._call(event)
        told = obj(obj(delta.get("message")).get("tool_calls"))
        return self._fragment(call, obj(told.get("function")).get("arguments")) if call is not None else []

    def _call_end(self, event: JsonObject, delta: JsonObject) -> list[JsonObject]:
        call = self._call(event)
        return self._close(call) if call is not None else []

    def _call(self, event: JsonObject) -> _Call | None:
        index = count(event.get("index"))
        return self._last if index is None else self._calls.get(index)

    def _fragment(self, call: _Call, told: Json) -> list[JsonObject]:
        piece = dumps_text(told) if isinstance(told, dict) else text(told)
        if call.closed or not piece:
            return []
        if not call.sent:
            piece = call.held + piece
            if "null".startswith(piece.strip()):
                call.held = piece
                return []
            call.sent = True
        return self._stream.arguments(call, piece)

    def _close(self, call: _Call) -> list[JsonObject]:
        """No more arguments; none at all are an empty object."""
        if call.closed:
            return []
        call.closed = True
        if call.sent:
            return []
        return self._stream.arguments(call, "{}" if call.held.strip() in ("", "null") else call.held)

    # ---- the end ----------------------------------------------------------------------------------------------------

    def _message_end(self, event: JsonObject, delta: JsonObject) -> list[JsonObject]:
        stream = self._stream
        native, told = text(delta.get("finish_reason")), delta.get("error")
        finish = finish_of(native, called=stream.called)
        if finish == "error" or told:
            self.error = ended_by(native, told)
            return []
        self._ended = True
        chunks: list[JsonObject] = []
        for call in self._calls.values():
            chunks += self._close(call)
        for index, block in self._blocks.items():
            chunks += stream.delta({"provider_blocks": [block_of(index, block)]})
        beside = citations_of(self._citations)
        if beside:
            chunks += stream.delta(beside)
        chunks += stream.finish(finish, native)
        usage = usage_of(delta.get("usage"))
        return chunks + stream.usage(usage) if usage is not None else chunks

    def _failed(self, event: JsonObject, delta: JsonObject) -> list[JsonObject]:
        self.error = error_inside(dumps_text(event).encode(), event)
        return []


_HANDLERS: Final[dict[str, Callable[[Decoder, JsonObject, JsonObject], list[JsonObject]]]] = {
    "message-start": Decoder._message_start,
    "tool-plan-delta": Decoder._plan,
    "content-start": Decoder._content_start,
    "content-delta": Decoder._content,
    "content-end": Decoder._content_end,
    "tool-call-start": Decoder._call_start,
    "tool-call-delta": Decoder._call_delta,
    "tool-call-end": Decoder._call_end,
    "citation-start": Decoder._citation,
    "message-end": Decoder._message_end,
    "error": Decoder._failed,
}
"""Other events (``citation-end``, ``debug``, new ones) say nothing that an answer has a place for."""


def _kind_of(event: JsonObject) -> str:
    """The type of an event that does not name it, by what it carries."""
    delta = event.get("delta")
    if not isinstance(delta, dict):
        return "error" if text(event.get("message")) or event.get("error") else ""
    if "finish_reason" in delta:
        return "message-end"
    message = obj(delta.get("message"))
    content, calls = message.get("content"), obj(message.get("tool_calls"))
    if "role" in message:
        return "message-start"
    if text(message.get("tool_plan")):
        return "tool-plan-delta"
    if content:
        return "content-start" if "type" in obj(content) else "content-delta"
    if calls:
        return "tool-call-start" if "id" in calls else "tool-call-delta"
    return "citation-start" if message.get("citations") else ""


def _grow(block: JsonObject, piece: JsonObject) -> None:
    """Adds a delta to a block of an unknown type: text grows, anything else is replaced."""
    for name, value in piece.items():
        before = block.get(name)
        block[name] = before + value if isinstance(before, str) and isinstance(value, str) and name != "type" else value
