"""Reasoning and text of a message or delta, wherever a provider puts them."""

from ...wire.values import Json, JsonObject, items, obj, objects, text


def split_content(parts: list[Json]) -> tuple[str, str, list[JsonObject]]:
    """A ``content`` that is a list of parts: (reasoning, text, the rest). Mistral's ``thinking``, Databricks' ``reasoning`` parts."""
    reasoning, answer, rest = [], [], []
    for part in parts:
        if isinstance(part, str):
            answer.append(part)
            continue
        kind = obj(part).get("type")
        if kind in ("text", "output_text"):
            answer.append(text(obj(part).get("text")))
        elif kind == "thinking":
            reasoning.append(_joined(obj(part).get("thinking")))
        elif kind == "reasoning":
            reasoning.append(_joined(obj(part).get("summary") or obj(part).get("text")))
        elif isinstance(part, dict):
            rest.append(part)
    return "".join(reasoning), "".join(answer), rest


def _joined(value: Json) -> str:
    """Text that may come in parts of its own."""
    if isinstance(value, str):
        return value
    return "".join(item if isinstance(item, str) else text(obj(item).get("text")) for item in items(value))


def reasoning_of(part: JsonObject) -> str:
    """The reasoning of a message or delta: the first of the names that providers use."""
    for name in ("reasoning_content", "reasoning", "thinking"):
        value = part.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, dict):
            inner = text(value.get("content")) or text(value.get("text"))
            if inner:
                return inner
    return "".join(
        text(detail.get("text")) or text(detail.get("summary")) for detail in objects(part.get("reasoning_details"))
    )


def flatten(delta: JsonObject, parts: list[Json]) -> str:
    """A content of parts as text and reasoning; images go where chat has them."""
    reasoning, answer, rest = split_content(parts)
    delta["content"] = answer
    if reasoning:
        delta["reasoning_content"] = reasoning
    images = [part for part in rest if part.get("type") == "image_url"]
    others = [part for part in rest if part.get("type") != "image_url"]
    if images:
        delta["images"] = [*items(delta.get("images")), *images]
    if others:
        delta["provider_blocks"] = [{"type": "openai", "index": at, "block": part} for at, part in enumerate(others)]
    return answer


def mirror(part: JsonObject) -> bool:
    """Gives reasoning that stands in ``reasoning`` as ``reasoning_content`` too; was that due?"""
    if part.get("reasoning") is None or part.get("reasoning_content") is not None:
        return False
    found = reasoning_of(part)
    if found:
        part["reasoning_content"] = found
    return bool(found)


def citations_of(document: JsonObject) -> list[JsonObject]:
    """Perplexity's sources as chat's annotations. They stand for the whole text: no provider says where."""
    found: list[JsonObject] = []
    for result in objects(document.get("search_results")):
        found.append(_citation(text(result.get("url")), text(result.get("title"))))
    if not found:
        found = [_citation(url, "") for url in items(document.get("citations")) if isinstance(url, str)]
    return [citation for citation in found if obj(citation["url_citation"])["url"]]


def _citation(url: str, title: str) -> JsonObject:
    return {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 0, "url": url, "title": title}}
