"""A message that comes as events, as chat chunks. Text leaves at once; what must be whole (a signature, a citation) at its block's end."""

from collections.abc import Sequence

from ...errors import TollwayError, UpstreamCut, UpstreamInvalid
from ...translation.ask import Ask
from ...translation.chunks import ChatStream
from ...wire.sse import DONE, Framer
from ...wire.values import Json, JsonObject, count, items, obj, text
from .blocks import cited, is_output, kept, redacted, thought, with_citations
from .errors import error_within, is_error
from .reading import arguments_of, document_in
from .response import finish, refusal_of
from .usage import usage_of


class _Block:
    """A content block under way. ``texts`` are its pieces: text, thinking, or JSON of an input."""

    __slots__ = ("citations", "index", "kind", "signature", "start", "texts", "whole")

    def __init__(self, kind: str, index: int, whole: JsonObject, start: int) -> None:
        self.kind = kind
        self.index = index
        self.whole = whole
        self.start = start
        self.texts: list[str] = []
        self.signature = ""
        self.citations: list[Json] = []


class MessageDecoder:
    """The events of one answer. Unknown events are passed over, unknown blocks kept for ``provider_blocks``."""

    done = False
    __slots__ = (
        "_answered",
        "_ask",
        "_blocks",
        "_chat",
        "_done",
        "_framer",
        "_last",
        "_length",
        "_stopped",
        "_usage",
        "error",
    )

    def __init__(self, ask: Ask) -> None:
        self.error: TollwayError | None = None
        self._ask = ask
        self._framer = Framer()
        self._chat = ChatStream(ask)
        self._blocks: dict[int, _Block] = {}
        self._last = -1
        self._length = 0
        """Characters of text so far."""
        self._usage: JsonObject = {}
        self._stopped: JsonObject = {}
        self._answered = False
        self._done = False

    def feed(self, data: bytes) -> Sequence[JsonObject]:
        """Chunks that ``data`` completes; none after the end or an error."""
        found: list[JsonObject] = []
        for payload in self._framer.feed(data):
            if self._done or self.error is not None:
                break
            self._read(payload, found)
        if self._framer.skipped and not self._done and self.error is None:
            self.error = UpstreamInvalid("The provider sent an event that is too large.")
        return found

    def close(self) -> Sequence[JsonObject]:
        """The end of the body. Without ``message_stop`` the answer was cut."""
        found: list[JsonObject] = []
        for payload in self._framer.close():
            if not self._done and self.error is None:
                self._read(payload, found)
        if not self._done and self.error is None:
            self.error = UpstreamCut("The provider's stream ended before its message did.")
        return found

    def _read(self, payload: bytes, found: list[JsonObject]) -> None:
        if not payload:
            return
        event = document_in(payload)
        if event is None:
            if payload.strip() != DONE:
                self.error = UpstreamInvalid("The provider sent an event that is not JSON.", detail=repr(payload[:200]))
            return
        kind = event.get("type")
        try:
            if kind == "content_block_delta":
                found += self._delta(event)
            elif kind == "content_block_start":
                found += self._start(event)
            elif kind == "content_block_stop":
                found += self._stop(self._index(event))
            elif kind == "message_delta":
                self._merge(event)
            elif kind == "message_start":
                found += self._open(obj(event.get("message")))
            elif kind == "message_stop":
                found += self._end()
            elif is_error(event):
                self.error = error_within(event)
        except TollwayError as error:
            self.error = error

    # ---- the message ------------------------------------------------------------------------------------------------

    def _open(self, message: JsonObject) -> list[JsonObject]:
        chat = self._chat
        if not chat.begun:
            chat.ident = text(message.get("id"))
            chat.model = text(message.get("model")) or chat.model
        self._add_usage(message.get("usage"))
        return chat.begin()

    def _merge(self, event: JsonObject) -> None:
        """Counts are totals so far, and each may correct an earlier one; of several ends the last one holds."""
        self._add_usage(event.get("usage"))
        for name, value in obj(event.get("delta")).items():
            if value is not None:
                self._stopped[name] = value

    def _add_usage(self, usage: Json) -> None:
        self._usage.update({name: value for name, value in obj(usage).items() if value is not None})

    def _end(self) -> list[JsonObject]:
        found: list[JsonObject] = []
        for index in list(self._blocks):
            found += self._stop(index)
        self._done = True
        chat, stopped = self._chat, self._stopped
        refusal = refusal_of(stopped)
        if refusal:
            found += chat.delta({"refusal": refusal})
        if obj(stopped.get("container")):
            found += chat.delta({"container": stopped["container"]})
        native = text(stopped.get("stop_reason"))
        found += chat.finish(finish(native, called=chat.called, answered=self._answered), native)
        usage = usage_of(self._usage)
        return found if usage is None else found + chat.usage(usage)

    # ---- its blocks -------------------------------------------------------------------------------------------------

    def _index(self, event: JsonObject) -> int:
        """The block that an event is about; an event that does not say so is about the latest."""
        index = count(event.get("index"))
        return self._last if index is None else index

    def _start(self, event: JsonObject) -> list[JsonObject]:
        index = count(event.get("index"))
        if index is None:
            index = self._last + 1
        found = self._stop(index)
        self._last = index
        whole = obj(event.get("content_block"))
        kind = text(whole.get("type"))
        block = self._blocks[index] = _Block(kind, index, whole, self._length)
        if kind == "text":
            block.citations += items(whole.get("citations"))
            return found + self._say(block, text(whole.get("text")))
        if kind == "thinking":
            block.signature = text(whole.get("signature"))
            return found + self._think(block, text(whole.get("thinking")))
        if kind == "tool_use":
            name = text(whole.get("name"))
            if is_output(self._ask, name):
                self._answered = True
                block.kind = "output"
                return found
            return found + self._chat.tool(block, text(whole.get("id")), name)
        return found

    def _delta(self, event: JsonObject) -> list[JsonObject]:
        block = self._blocks.get(self._index(event))
        delta = event.get("delta")
        if not isinstance(delta, dict):
            return []
        kind = delta.get("type")
        if block is None:
            block = self._unannounced(event, kind)
            if block is None:
                return []
        if kind == "text_delta":
            return self._say(block, text(delta.get("text")))
        if kind == "input_json_delta":
            return self._argue(block, text(delta.get("partial_json")))
        if kind == "thinking_delta":
            return self._think(block, text(delta.get("thinking")))
        if kind == "signature_delta":
            block.signature += text(delta.get("signature"))
        elif kind == "citations_delta":
            if isinstance(delta.get("citation"), dict):
                block.citations.append(delta["citation"])
        elif block.kind not in ("text", "thinking", "tool_use", "output"):
            self._grow(block, delta)
        return []

    def _unannounced(self, event: JsonObject, kind: Json) -> _Block | None:
        """A block whose start never came: its kind is that of its first delta. A tool without a name is no call."""
        if kind not in ("text_delta", "thinking_delta"):
            return None
        index = count(event.get("index"))
        self._last = self._last + 1 if index is None else index
        block = _Block("text" if kind == "text_delta" else "thinking", self._last, {}, self._length)
        self._blocks[self._last] = block
        return block

    def _say(self, block: _Block, said: str) -> list[JsonObject]:
        if not said:
            return []
        block.texts.append(said)
        self._length += len(said)
        return self._chat.delta({"content": said})

    def _think(self, block: _Block, said: str) -> list[JsonObject]:
        if not said:
            return []
        block.texts.append(said)
        return self._chat.delta({"reasoning_content": said})

    def _argue(self, block: _Block, fragment: str) -> list[JsonObject]:
        if not fragment:
            return []
        if block.kind == "output":
            return self._say(block, fragment)
        block.texts.append(fragment)
        return self._chat.arguments(block, fragment) if block.kind == "tool_use" else []

    def _grow(self, block: _Block, delta: JsonObject) -> None:
        """A delta of a kind we do not know, of a block we do not know: its texts are appended to the block's own."""
        whole = block.whole = {**block.whole}
        for name, value in delta.items():
            if name != "type":
                before = whole.get(name)
                whole[name] = before + value if isinstance(before, str) and isinstance(value, str) else value

    def _stop(self, index: int) -> list[JsonObject]:
        """The end of a block: what only the whole block can say."""
        block = self._blocks.pop(index, None)
        if block is None:
            return []
        kind, chat = block.kind, self._chat
        if kind == "text":
            return self._cite(block) if block.citations else []
        if kind == "tool_use":
            return [] if block.texts else chat.arguments(block, arguments_of(block.whole.get("input")))
        if kind == "thinking":
            whole = thought("".join(block.texts), block.signature)
            return chat.delta({"thinking_blocks": [whole]}) if block.signature else []
        if kind == "redacted_thinking":
            return chat.delta({"thinking_blocks": [redacted(text(block.whole.get("data")))]})
        if kind == "output":
            return [] if block.texts else self._say(block, arguments_of(block.whole.get("input")))
        if not kind:
            return []
        if block.texts:
            block.whole = {**block.whole, "input": document_in("".join(block.texts).encode("utf-8", "replace")) or {}}
        return chat.delta({"provider_blocks": [kept(block.whole, index, block.start)]})

    def _cite(self, block: _Block) -> list[JsonObject]:
        said = "".join(block.texts)
        found: JsonObject = {}
        annotations = cited(block.start, said, block.citations)
        if annotations:
            found["annotations"] = annotations
        found["provider_blocks"] = [kept(with_citations(said, block.citations), block.index, block.start)]
        return self._chat.delta(found)
