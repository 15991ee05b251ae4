"""A ConverseStream answer as chat chunks. Text and reasoning blocks have no start event; usage follows ``messageStop``."""

from collections.abc import Sequence

from ...errors import TollwayError, UpstreamCut, UpstreamInvalid
from ...translation.ask import Ask
from ...translation.chunks import ChatStream, usage_object
from ...wire.usage import Usage
from ...wire.values import JsonObject, count, dumps, items, obj, text
from .blocks import ANSWER_TOOL, Block, Kind, citations_in, ending
from .errors import exception_of
from .eventstream import Message, Reader
from .response import MALFORMED, document_in, finish_in, unusable, usage_of

HELD = 32 * 1024 * 1024
"""Characters of one answer that may wait for the end of their block (reasoning to be signed, images, server tools)."""


class Decoder:
    """The ``ChunkDecoder`` of Converse."""

    done = False
    __slots__ = (
        "_blocks",
        "_chat",
        "_ended",
        "_held",
        "_kept",
        "_last",
        "_length",
        "_reader",
        "_reason",
        "_usage",
        "error",
    )

    def __init__(self, ask: Ask) -> None:
        self.error: TollwayError | None = None
        self._reader = Reader()
        self._chat = ChatStream(ask)
        self._blocks: dict[int, Block] = {}
        self._last = -1
        self._length = 0
        self._held = 0
        self._kept = False
        self._reason: str | None = None
        self._usage: Usage | None = None
        self._ended = False

    def feed(self, data: bytes) -> Sequence[JsonObject]:
        """Chunks that ``data`` completes."""
        found: list[JsonObject] = []
        if self.error is not None or self._ended:
            return found
        try:
            for message in self._reader.feed(data):
                found += self._message(message)
            if self._reader.failure is not None:
                raise self._reader.failure
        except TollwayError as error:
            self.error = error
        return found

    def close(self) -> Sequence[JsonObject]:
        """Finish, and usage where it was reported, if the message was stopped; else ``error`` is set."""
        if self._ended or self.error is not None:
            return []
        if self._reason is None:
            self.error = UpstreamCut("The provider's stream ended before the answer was complete.")
            return []
        try:
            return self._end()
        except TollwayError as error:
            self.error = error
            return []

    # ---- events ---------------------------------------------------------------------------------------------------

    def _message(self, message: Message) -> list[JsonObject]:
        if self._ended:
            return []
        headers = message.headers
        kind = headers.get(":event-type")
        if headers.get(":message-type", "event") != "event":
            raise exception_of(headers, message.payload)
        document = document_in(message.payload)
        if document is None:
            raise UpstreamInvalid("The provider's stream holds an event that is not JSON.", detail=str(kind))
        match kind:
            case "contentBlockDelta":
                return self._delta(document)
            case "contentBlockStart":
                return self._start(document)
            case "contentBlockStop":
                return self._stop(self._index(document))
            case "messageStart":
                return self._chat.begin()
            case "messageStop":
                found = [chunk for index in sorted(self._blocks) for chunk in self._stop(index)]
                self._reason = text(document.get("stopReason"))
                return found + (self._end() if self._usage is not None else [])
            case "metadata":
                self._usage = usage_of(document.get("usage"))
                return self._end() if self._reason is not None else []
            case _:
                return []

    def _index(self, document: JsonObject) -> int:
        """The block that is meant; one without a number is the one that was last spoken of."""
        index = count(document.get("contentBlockIndex"))
        if index is None:
            return max(self._last, 0)
        self._last = index
        return index

    def _start(self, document: JsonObject) -> list[JsonObject]:
        index, start = self._index(document), obj(document.get("start"))
        use, known = obj(start.get("toolUse")), self._blocks.get(index)
        if known is not None and use and known.native.get("toolUseId") == use.get("toolUseId"):
            # The same start again.
            return []
        found = self._stop(index)
        if "toolUse" in start:
            name = text(use.get("name"))
            server = use.get("type") == "server_tool_use"
            self._open(index, "server" if server else "answer" if name == ANSWER_TOOL else "tool", use)
            if server or name == ANSWER_TOOL:
                return found
            return found + self._chat.tool(self._blocks[index], text(use.get("toolUseId")), name)
        if "toolResult" in start:
            self._open(index, "result", obj(start["toolResult"]))
        elif "image" in start:
            self._open(index, "image", obj(start["image"]))
        elif start and "text" not in start and "reasoningContent" not in start:
            self._open(index, "other", start)
        return found

    def _open(self, index: int, kind: Kind, native: JsonObject | None = None) -> Block:
        block = self._blocks[index] = Block(kind, self._length, native)
        self._hold(256)
        return block

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > HELD:
            raise UpstreamInvalid(f"The provider's answer holds a block of more than {HELD >> 20} MB.")

    def _delta(self, document: JsonObject) -> list[JsonObject]:
        index, delta = self._index(document), obj(document.get("delta"))
        block = self._blocks.get(index)
        piece = delta.get("text")
        if isinstance(piece, str):
            if not piece:
                return []
            if block is None:
                block = self._open(index, "text")
            if block.kind == "text":
                # Kept for the citations that may follow it.
                self._hold(len(piece))
                block.fragments.append(piece)
            return self._content(piece)
        if "toolUse" in delta:
            return self._fragment(block, text(obj(delta["toolUse"]).get("input")))
        if "reasoningContent" in delta:
            return self._reasoning(block or self._open(index, "reasoning"), obj(delta["reasoningContent"]))
        if "citation" in delta:
            (block or self._open(index, "text")).citations += citations_in(delta["citation"])
            self._hold(1024)
        elif "image" in delta:
            self._image(block or self._open(index, "image"), obj(delta["image"]))
        elif "toolResult" in delta:
            (block or self._open(index, "result")).parts += items(delta["toolResult"])
            self._hold(len(dumps(delta)))
        elif delta:
            (block or self._open(index, "other")).parts.append(delta)
            self._hold(len(dumps(delta)))
        return []

    def _content(self, piece: str) -> list[JsonObject]:
        self._length += len(piece)
        return self._chat.content(piece)

    def _fragment(self, block: Block | None, piece: str) -> list[JsonObject]:
        """A piece of a tool's input; one whose call never began is of no use."""
        if block is None or not piece:
            return []
        if block.kind == "server":
            self._hold(len(piece))
            block.fragments.append(piece)
            return []
        if not block.fragments:
            block.fragments.append("…")
        if block.kind == "answer":
            return self._content(piece)
        return self._chat.arguments(block, piece)

    def _reasoning(self, block: Block, found: JsonObject) -> list[JsonObject]:
        signature = text(found.get("signature"))
        self._hold(len(signature))
        block.signature += signature
        self._blob(block, text(found.get("redactedContent")))
        piece = text(found.get("text"))
        self._hold(len(piece))
        block.fragments.append(piece)
        return self._chat.reasoning(piece)

    def _image(self, block: Block, image: JsonObject) -> None:
        """Bytes are gathered; anything else (a place in S3, an error) is kept as it is."""
        data = text(obj(image.get("source")).get("bytes"))
        if not data:
            block.native = {**block.native, **image}
        self._blob(block, data)

    def _blob(self, block: Block, data: str) -> None:
        if data:
            self._hold(len(data))
            block.blobs.append(data)

    def _stop(self, index: int) -> list[JsonObject]:
        block = self._blocks.pop(index, None)
        if block is None:
            return []
        if block.kind in ("tool", "answer"):
            return [] if block.fragments else self._fragment(block, "{}")
        added = ending(block, index, self._length)
        if not added:
            return []
        self._kept = self._kept or block.kind != "reasoning"
        return self._chat.delta(added)

    def _end(self) -> list[JsonObject]:
        reason, called = self._reason or "", self._chat.called
        if reason in MALFORMED and not (self._length or called or self._kept):
            raise unusable()
        self._ended = True
        found = self._chat.finish(finish_in(reason, called=called), reason)
        return found + (self._chat.usage(usage_object(self._usage)) if self._usage is not None else [])
