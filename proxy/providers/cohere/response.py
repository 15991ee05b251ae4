"""A whole answer of Cohere's chat as a ``chat.completion``, and the pieces that its stream shares with it."""

from math import isfinite

from ...errors import UpstreamInvalid
from ...translation.ask import Ask
from ...translation.completion import choice, completion, tool_call
from ...translation.finish import finish_of
from ...wire.values import Json, JsonObject, count, dumps_text, items, number, obj, objects, text
from .errors import ended_by, error_inside, json_of
from .usage import usage_of

DIALECT = "cohere"
"""The ``type`` of our ``provider_blocks``."""


def answer_of(body: bytes, ask: Ask) -> JsonObject:
    """A 2xx body. Raises ``UpstreamError`` for a failure inside it and for what is no answer."""
    document = json_of(body)
    if document is None:
        raise UpstreamInvalid("Cohere's answer is no JSON object.")
    message = document.get("message")
    if not isinstance(message, dict):
        raise error_inside(body, document)
    native = text(document.get("finish_reason"))
    calls = [_call(ask, index, call) for index, call in enumerate(objects(message.get("tool_calls")))]
    finish = finish_of(native, called=bool(calls))
    if finish == "error":
        raise ended_by(native, document.get("error"))
    content, reasoning, blocks = _content(message.get("content"))
    content = text(message.get("tool_plan")) + content
    beside = citations_of(objects(message.get("citations")))
    blocks += objects(beside.pop("provider_blocks", None))
    if blocks:
        beside["provider_blocks"] = [*blocks]
    found = choice(
        content=content or (None if calls else ""),
        finish=finish,
        native=native,
        reasoning=reasoning,
        tool_calls=calls,
        logprobs=logprobs_of(objects(document.get("logprobs"))),
    )
    obj(found["message"]).update(beside)
    return completion(ask, [found], usage_of(document.get("usage")), ident=text(document.get("id")))


def _content(value: Json) -> tuple[str, str, list[JsonObject]]:
    """Text, reasoning, and the blocks that chat has no word for."""
    if isinstance(value, str):
        return value, "", []
    said, thought, blocks = "", "", list[JsonObject]()
    for index, part in enumerate(items(value)):
        block = obj(part)
        kind = block.get("type")
        if kind == "text" or (kind is None and "text" in block):
            said += text(block.get("text"))
        elif kind == "thinking" or (kind is None and "thinking" in block):
            thought += text(block.get("thinking"))
        elif block:
            blocks.append(block_of(index, block))
    return said, thought, blocks


def block_of(index: int, block: JsonObject) -> JsonObject:
    """A content block of an unknown type, kept as it is."""
    return {"type": DIALECT, "index": index, "block": block}


def _call(ask: Ask, index: int, call: JsonObject) -> JsonObject:
    function = obj(call.get("function"))
    return tool_call(
        ask, index, text(call.get("id")), text(function.get("name")), arguments_of(function.get("arguments"))
    )


def arguments_of(value: Json) -> str:
    """Arguments as JSON text. A tool without parameters comes with ``"null"``, with nothing, or without the member."""
    if isinstance(value, dict):
        return dumps_text(value)
    written = text(value)
    return "{}" if written.strip() in ("", "null") else written


def citations_of(citations: list[JsonObject]) -> JsonObject:
    """Members of the message for its citations: each kept whole in ``provider_blocks``, those of web pages as ``annotations`` too."""
    if not citations:
        return {}
    kept: list[Json] = [
        {"type": DIALECT, "index": index, "block": {"type": "citation", "citation": citation}}
        for index, citation in enumerate(citations)
    ]
    found: JsonObject = {"provider_blocks": kept}
    pages: list[Json] = [page for citation in citations for page in _pages(citation)]
    if pages:
        found["annotations"] = pages
    return found


def _pages(citation: JsonObject) -> list[JsonObject]:
    """Sources that have an address, as OpenAI's ``url_citation``; ``start`` and ``end`` count characters of the text."""
    start, end = count(citation.get("start")), count(citation.get("end"))
    if start is None or end is None or citation.get("type") in ("PLAN", "THINKING_CONTENT"):
        return []
    pages: list[JsonObject] = []
    for source in objects(citation.get("sources")):
        document = obj(source.get("document")) or obj(source.get("tool_output"))
        url = text(document.get("url"))
        if url:
            page: JsonObject = {
                "start_index": start, "end_index": end, "url": url, "title": text(document.get("title"))
            }  # fmt: skip
            pages.append({"type": "url_citation", "url_citation": page})
    return pages


def logprobs_of(entries: list[JsonObject]) -> JsonObject | None:
    """Cohere's items cover a piece of text of one or more tokens: the piece becomes one entry with the sum, its log probability."""
    found: list[Json] = []
    for entry in entries:
        values = [value for item in items(entry.get("logprobs")) if (value := number(item)) is not None]
        total = sum(values)
        if values and isfinite(total):
            piece = text(entry.get("text"))
            spelt: list[Json] = [*piece.encode("utf-8", "replace")]
            found.append({"token": piece, "logprob": total, "bytes": spelt, "top_logprobs": []})
    return {"content": found} if found else None
