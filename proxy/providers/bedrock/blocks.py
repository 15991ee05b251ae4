"""Content blocks of an answer, gathered from a whole body or from deltas, and what each becomes in the hub when it is complete.

Both ways share ``ending``, so that a stream adds up to the plain answer.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Literal

from ...wire.values import Json, JsonObject, obj, object_in, objects, text

Kind = Literal["text", "tool", "answer", "reasoning", "server", "result", "image", "other"]
"""``answer``: the call of the tool that stands for structured output; ``server``, ``result``: a tool that AWS runs, and its result."""

NATIVE = "bedrock"
"""``type`` of the entries of ``provider_blocks``."""

ANSWER_TOOL = "structured_answer"
"""Name of the tool that stands for structured output where the model has none; its input is the content."""


class Block:
    """One block being gathered. ``begun``: characters of content before it."""

    __slots__ = ("begun", "blobs", "citations", "fragments", "kind", "native", "parts", "signature")

    def __init__(self, kind: Kind, begun: int, native: JsonObject | None = None) -> None:
        self.kind = kind
        self.begun = begun
        self.native = native if native is not None else {}
        """What the block's start said."""
        self.fragments: list[str] = []
        """Text, reasoning, or JSON text of a tool's input."""
        self.parts: list[Json] = []
        """Content of a tool result; deltas of an unknown block."""
        self.blobs: list[str] = []
        """Base64: redacted reasoning or an image."""
        self.signature = ""
        self.citations: list[JsonObject] = []


def ending(block: Block, index: int, end: int) -> JsonObject:
    """Members of the message that a complete block adds besides text, reasoning and calls; ``end``: characters of content so far."""
    match block.kind:
        case "text":
            return _cited(block, index, end) if block.citations else {}
        case "reasoning":
            return _thought(block)
        case "server":
            use: JsonObject = {**block.native, "input": object_in("".join(block.fragments).encode()) or {}}
            return _kept(block, index, {"toolUse": use})
        case "result":
            return _kept(block, index, {"toolResult": {**block.native, "content": [*block.parts]}})
        case "image":
            return _image(block, index)
        case "other":
            return _kept(block, index, _unknown(block))
        case _:
            return {}


def _unknown(block: Block) -> JsonObject:
    """As a whole answer would hold it where that can be told, else its start and its deltas."""
    if not block.parts:
        return block.native
    if not block.native and len(block.parts) == 1:
        return obj(block.parts[0])
    return {"start": block.native, "deltas": [*block.parts]}


def _kept(block: Block, index: int, native: JsonObject) -> JsonObject:
    """``at``: characters of content before it, so that a follow-up turn can put it back in its place."""
    return {"provider_blocks": [{"type": NATIVE, "index": index, "at": block.begun, "block": native}]}


def _thought(block: Block) -> JsonObject:
    """Reasoning that a follow-up turn must bring back: only what was signed or sealed."""
    found: list[Json] = []
    if block.signature:
        found.append({"type": "thinking", "thinking": "".join(block.fragments), "signature": block.signature})
    if block.blobs:
        found.append({"type": "redacted_thinking", "data": _joined(block.blobs)})
    return {"thinking_blocks": found} if found else {}


def _cited(block: Block, index: int, end: int) -> JsonObject:
    """Web citations as chat's annotations; those of documents and search results stay native, with the text they are about."""
    annotations: list[Json] = []
    native: list[Json] = []
    for citation in block.citations:
        url = text(obj(obj(citation.get("location")).get("web")).get("url"))
        if not url:
            native.append(citation)
            continue
        cited: JsonObject = {
            "url": url,
            "title": text(citation.get("title")),
            "start_index": block.begun,
            "end_index": end,
        }
        annotations.append({"type": "url_citation", "url_citation": cited})
    found: JsonObject = {"annotations": annotations} if annotations else {}
    if native:
        content: list[Json] = [{"text": "".join(block.fragments)}]
        found.update(_kept(block, index, {"citationsContent": {"content": content, "citations": native}}))
    return found


def _image(block: Block, index: int) -> JsonObject:
    if not block.blobs:
        return _kept(block, index, {"image": block.native})
    kind = text(block.native.get("format")) or "png"
    url = f"data:image/{kind};base64,{_joined(block.blobs)}"
    return {"images": [{"type": "image_url", "image_url": {"url": url}}]}


def _joined(blobs: list[str]) -> str:
    """Pieces that were each encoded for themselves as one."""
    if len(blobs) == 1:
        return blobs[0]
    try:
        return b64encode(b"".join([b64decode(blob, validate=True) for blob in blobs])).decode()
    except (Base64Error, ValueError):
        return "".join(blobs)


def citations_in(value: Json) -> list[JsonObject]:
    """The citations of a list, or the one of a delta."""
    return [value] if isinstance(value, dict) else objects(value)
