"""Anthropic's messages: the plain answer as events and back. What a block is made of beside its text stands in its start."""

from collections.abc import Iterable
from typing import cast

from ...wire.values import JsonObject, count, items, obj, text
from .events import named
from .growing import Growing, Kept, Told, fuller, grow, settled
from .pieces import spoken
from .reading import SenselessError, read_any, written

_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

_TEXTS = {"text": (b"text_delta", "text"), "thinking": (b"thinking_delta", "thinking")}
"""Blocks that are told in pieces: the delta's type, and the member of both."""

_DELTAS = {
    "text_delta": ("text",),
    "thinking_delta": ("thinking",),
    "signature_delta": ("signature",),
    "input_json_delta": ("partial_json",),
    "citations_delta": ("citation",),
}
"""What of a delta belongs to the block; of a type that is not known, everything."""


# ---- to a plain answer ----------------------------------------------------------------------------------------------
def fold(events: Iterable[JsonObject]) -> JsonObject:
    """The ``message`` that ``events`` add up to."""
    message: JsonObject | None = None
    blocks: dict[int, _Block] = {}
    ended = False
    for event in events:
        kind = event.get("type")
        if kind == "message_start":
            message = {**obj(event.get("message"))}
        elif message is None:
            if kind != "ping":
                raise SenselessError
        elif kind == "content_block_start":
            blocks[_index(event)] = _Block(obj(event.get("content_block")))
        elif kind == "content_block_delta":
            _open(blocks, event).take(obj(event.get("delta")))
        elif kind == "message_delta":
            _end(message, event)
        elif kind == "message_stop":
            ended = True
    if message is None or not ended or not message.get("stop_reason"):
        raise SenselessError
    message["content"] = [blocks[index].whole() for index in sorted(blocks)]
    return message


def _index(event: JsonObject) -> int:
    index = count(event.get("index"))
    if index is None:
        raise SenselessError
    return index


def _open(blocks: "dict[int, _Block]", event: JsonObject) -> "_Block":
    block = blocks.get(_index(event))
    if block is None:
        raise SenselessError
    return block


def _end(message: JsonObject, event: JsonObject) -> None:
    """Why it ended, and usage whose figures are cumulative: those that are told replace the earlier ones."""
    usage = obj(message.get("usage"))
    for name, value in obj(event.get("usage")).items():
        if value is not None or name not in usage:
            usage = {**usage, name: value}
    if usage:
        message["usage"] = usage
    beside = {name: value for name, value in event.items() if name not in ("type", "delta", "usage")}
    for name, value in (*obj(event.get("delta")).items(), *beside.items()):
        if value is not None or name not in message:
            message[name] = value


class _Block:
    """A content block that is told in pieces."""

    __slots__ = ("_found", "_given")

    def __init__(self, start: JsonObject) -> None:
        self._found: Growing = fuller({}, start)
        self._given = Told()
        """The JSON of a tool's input."""

    def take(self, delta: JsonObject) -> None:
        """One more piece."""
        kind = text(delta.get("type"))
        for name in _DELTAS.get(kind, tuple(delta)):
            value = delta.get(name)
            if name == "partial_json":
                self._given.pieces.append(text(value))
            elif name == "citation":
                cited = self._found.get("citations")
                self._found["citations"] = [*(cited if isinstance(cited, list) else ()), *cast("list[Kept]", [value])]
            elif name != "type":
                grow(self._found, name, value)

    def whole(self) -> JsonObject:
        """The block of the plain answer. Raises ``SenselessError`` for an input that is no JSON."""
        found = {name: settled(value) for name, value in self._found.items()}
        given = str(self._given)
        if given:
            found["input"] = read_any(given.encode())
        return found


# ---- to a stream ----------------------------------------------------------------------------------------------------
def unfold(whole: JsonObject) -> bytes:
    """A ``message`` as the events of its stream."""
    blocks = items(whole.get("content"))
    stop = {name: whole.get(name) for name in ("stop_reason", "stop_sequence")}
    if not isinstance(whole.get("content"), list) or not text(stop["stop_reason"]):
        raise SenselessError
    stop |= {name: value for name, value in whole.items() if name.startswith("stop_")}
    usage = obj(whole.get("usage"))
    start: JsonObject = {**whole, "content": [], **dict.fromkeys(stop)}
    end: JsonObject = {"delta": stop}
    if whole.get("container"):
        stop["container"] = whole["container"]
    if usage:
        start["usage"] = {**usage, "output_tokens": min(count(usage.get("output_tokens")) or 0, 1)}
        end["usage"] = usage
    if whole.get("context_management"):
        end["context_management"] = whole["context_management"]
    out = [named("message_start", message=start), _PING]
    for index, block in enumerate(blocks):
        if not isinstance(block, dict):
            raise SenselessError
        out += _block(index, block)
    out += [named("message_delta", **end), _STOP]
    return b"".join(out)


def _block(index: int, block: JsonObject) -> list[bytes]:
    """Start, deltas and stop of one block."""
    kind = text(block.get("type"))
    opened = {**block}
    deltas: list[bytes] = []
    if kind in _TEXTS:
        delta, member = _TEXTS[kind]
        deltas += _deltas(index, delta, member, spoken(text(block.get(member))))
        if isinstance(block.get(member), str):
            opened[member] = ""
    signature = block.get("signature")
    if kind == "thinking" and isinstance(signature, str) and signature:
        opened["signature"] = ""
        deltas += _deltas(index, b"signature_delta", "signature", [written(signature)[1:-1]])
    if kind == "text" and isinstance(block.get("citations"), list):
        opened["citations"] = []
        deltas += [
            named("content_block_delta", index=index, delta={"type": "citations_delta", "citation": each})
            for each in items(block["citations"])
        ]
    if kind.endswith("tool_use") and isinstance(block.get("input"), dict):
        opened["input"] = {}
        given = written(block["input"]).decode() if block["input"] else ""
        deltas += _deltas(index, b"input_json_delta", "partial_json", [b"", *spoken(given)])
    stop = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % index
    return [named("content_block_start", index=index, content_block=opened), *deltas, stop]


def _deltas(index: int, kind: bytes, member: str, pieces: list[bytes]) -> list[bytes]:
    """One event for each piece, which is the inside of a JSON string."""
    start = (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":"'
        % (
            index,
            kind,
            member.encode(),
        )
    )
    return [start + piece + b'"}}\n\n' for piece in pieces]
