"""What an answer says beside its text: citations as annotations, and the blocks that chat has no word for, kept whole."""

from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, items, objects, text

DIALECT = "anthropic"
"""``type`` of our entries in ``provider_blocks``."""

OUTPUT = "response_format()"
"""Public name of the tool that stands for structured output on models without it: no function can be called so."""


def is_output(ask: Ask, name: str) -> bool:
    """Is a tool, by the provider's name, the stand-in for structured output?"""
    return ask.names.back(name) == OUTPUT


def kept(block: JsonObject, index: int, at: int) -> JsonObject:
    """An entry of ``provider_blocks``: a native block, its place among all blocks, and the characters of text before it."""
    return {"type": DIALECT, "index": index, "at": at, "block": block}


def cited(start: int, said: str, citations: Json) -> list[Json]:
    """The annotations of one text block that begins at character ``start`` of the answer. Only web pages have a form in chat."""
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": start,
                "end_index": start + len(said),
                "title": text(citation.get("title")),
                "url": text(citation.get("url")),
            },
        }
        for citation in objects(citations)
        if citation.get("type") == "web_search_result_location" and text(citation.get("url"))
    ]


def with_citations(said: str, citations: Json) -> JsonObject:
    """A text block with its citations as Anthropic takes them back."""
    return {"type": "text", "text": said, "citations": [*items(citations)]}


def thought(thinking: str, signature: str) -> JsonObject:
    """A finished thinking block."""
    return {"type": "thinking", "thinking": thinking, "signature": signature}


def redacted(data: str) -> JsonObject:
    """A thinking block that only Anthropic can read."""
    return {"type": "redacted_thinking", "data": data}
