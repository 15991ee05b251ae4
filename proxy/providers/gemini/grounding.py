"""Where an answer's statements come from: Google Search grounding and citations as chat's ``annotations``."""

from ...wire.values import Json, JsonObject, count, items, number, obj, objects, text


def annotations_of(candidate: JsonObject, content: str) -> list[Json]:
    """``url_citation`` annotations; ``candidate`` holds ``groundingMetadata`` and ``citationMetadata``, ``content`` is the text.

    Google counts bytes of UTF-8, OpenAI characters. A source that supports no passage in particular has an empty span.
    """
    grounding = obj(candidate.get("groundingMetadata"))
    chunks = [_source(chunk) for chunk in objects(grounding.get("groundingChunks"))]
    encoded = content.encode("utf-8", "replace")
    found: list[Json] = []
    used: set[int] = set()
    for support in objects(grounding.get("groundingSupports")):
        segment = obj(support.get("segment"))
        for index in items(support.get("groundingChunkIndices")):
            place = count(index)
            if place is None or place >= len(chunks) or not chunks[place][0]:
                continue
            used.add(place)
            found.append(_annotation(*chunks[place], segment, encoded))
    found += [_annotation(*chunk, {}, encoded) for place, chunk in enumerate(chunks) if place not in used and chunk[0]]
    for citation in objects(obj(candidate.get("citationMetadata")).get("citations")):
        if text(citation.get("uri")):
            found.append(_annotation(text(citation["uri"]), text(citation.get("title")), citation, encoded))
    return found


def _source(chunk: JsonObject) -> tuple[str, str]:
    where = obj(chunk.get("web")) or obj(chunk.get("retrievedContext")) or obj(chunk.get("maps"))
    return text(where.get("uri")), text(where.get("title"))


def _annotation(url: str, title: str, span: JsonObject, encoded: bytes) -> JsonObject:
    cited: JsonObject = {
        "url": url,
        "title": title,
        "start_index": _characters(encoded, span.get("startIndex")),
        "end_index": _characters(encoded, span.get("endIndex")),
    }
    return {"type": "url_citation", "url_citation": cited}


def _characters(encoded: bytes, offset: Json) -> int:
    return len(encoded[: count(offset) or 0].decode("utf-8", "ignore"))


def logprobs_of(result: Json) -> JsonObject | None:
    """``logprobsResult`` as chat's ``logprobs``; ``None`` where it holds none."""
    chosen = objects(obj(result).get("chosenCandidates"))
    tops = items(obj(result).get("topCandidates"))
    found: list[Json] = []
    for index, candidate in enumerate(chosen):
        top = objects(obj(tops[index]).get("candidates")) if index < len(tops) else []
        found.append({**_token(candidate), "top_logprobs": [_token(other) for other in top]})
    return {"content": found} if found else None


def _token(candidate: JsonObject) -> JsonObject:
    token = text(candidate.get("token"))
    return {
        "token": token,
        "logprob": number(candidate.get("logProbability")) or 0.0,
        "bytes": [*token.encode("utf-8", "replace")],
    }
