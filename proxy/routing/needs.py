"""What a request needs of a model, read from its JSON body in any of the three dialects: chat, messages, responses.

A search for member names and type words decides for nearly every body; only one that has any of them is decoded.
"""

import re
from functools import lru_cache

from ..policy.targets import AUDIO, JSON_SCHEMA, NEEDS, PDF, REASONING, TOOLS, VIDEO, VISION
from ..wire.values import Json, JsonObject, items, obj, object_in, objects, text

ALL = sum(NEEDS)
"""Every bit."""

ENDPOINTS = frozenset(("chat", "messages", "responses", "count_tokens", "tokens"))
"""Names of the operations that say what they need."""

_PARTS: dict[str, int] = {
    "image_url": VISION,
    "input_image": VISION,
    "image": VISION,
    "computer_screenshot": VISION,
    "input_audio": AUDIO,
    "audio": AUDIO,
    "file": PDF,
    "input_file": PDF,
    "document": PDF,
    "video_url": VIDEO,
    "input_video": VIDEO,
    "video": VIDEO,
}
"""The ``type`` of a content part to what it needs."""

_MARKS: dict[int, tuple[str, ...]] = {
    TOOLS: ("tools", "functions"),
    JSON_SCHEMA: ("json_schema",),
    REASONING: ("reasoning_effort", "reasoning", "thinking"),
    **{bit: tuple(word for word, need in _PARTS.items() if need == bit) for bit in (VISION, AUDIO, PDF, VIDEO)},
}
"""Without one of these a body does not need the thing. A quote inside a text is escaped, so texts hardly ever hold them."""

_ESCAPED = re.compile(rb"\\u00[5-7]")
"""A letter or underscore that is spelt as an escape: then nothing can be told without decoding."""

_NO_EFFORT = ("", "none", "minimal")


def needs_of(body: bytes, mask: int = ALL) -> int:
    """Bits of ``NEEDS``, of those in ``mask``; 0 for a body that is no JSON object."""
    if not mask or not _marked(body, mask):
        return 0
    document = object_in(body)
    return needs_in(document) & mask if document is not None else 0


def _marked(body: bytes, mask: int) -> bool:
    if _scan(mask).search(body) is not None:
        return True
    return b"\\" in body and _ESCAPED.search(body) is not None


@lru_cache(maxsize=ALL + 1)
def _scan(mask: int) -> re.Pattern[bytes]:
    """Finds a mark of any of the bits; all of it behind a quote, which is quick."""
    words = sorted({word for bit, marks in _MARKS.items() if bit & mask for word in marks})
    return re.compile(f'"(?:{"|".join(words)})"'.encode())


def needs_in(document: JsonObject) -> int:
    """Bits of ``NEEDS`` of a decoded request."""
    found = 0
    if items(document.get("tools")) or items(document.get("functions")):
        found |= TOOLS
    if _wants_schema(document):
        found |= JSON_SCHEMA
    if _wants_reasoning(document):
        found |= REASONING
    if "audio" in items(document.get("modalities")):
        found |= AUDIO
    for message in (*objects(document.get("messages")), *objects(document.get("input"))):
        found |= _content(message)
    return found


def _wants_schema(document: JsonObject) -> bool:
    formats = (
        document.get("response_format"),
        document.get("output_format"),
        obj(document.get("text")).get("format"),
        obj(document.get("output_config")).get("format"),
    )
    return any(obj(each).get("type") == "json_schema" for each in formats)


def _wants_reasoning(document: JsonObject) -> bool:
    reasoning = obj(document.get("reasoning"))
    effort = text(document.get("reasoning_effort")) or text(reasoning.get("effort"))
    budget = reasoning.get("max_tokens")
    thinking = obj(document.get("thinking")).get("type")
    return (
        effort not in _NO_EFFORT
        or reasoning.get("enabled") is True
        or (isinstance(budget, int) and budget > 0)
        or thinking in ("enabled", "adaptive")
    )


def _content(holder: JsonObject) -> int:
    """Of the parts in a message, an item, or a tool's result."""
    found = 0
    for name in ("content", "output"):
        value = holder.get(name)
        for part in [value] if isinstance(value, dict) else objects(value):
            bit = _PARTS.get(text(part.get("type")), 0)
            if bit != PDF or _is_pdf(part):
                found |= bit
            found |= _content(part)
    return found


def _is_pdf(part: JsonObject) -> bool:
    """A file is one unless it says that it is something else."""
    source = obj(part.get("source"))
    if source:
        kind = text(source.get("media_type"))
        return text(source.get("type")) not in ("text", "content") and kind in ("", "application/pdf")
    held: Json = part.get("file")
    file = held if isinstance(held, dict) else part
    data, name = text(file.get("file_data")), text(file.get("filename")).lower()
    if data.startswith("data:"):
        return data.startswith("data:application/pdf")
    return name.endswith(".pdf") or "." not in name
