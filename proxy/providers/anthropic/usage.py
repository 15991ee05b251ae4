"""Anthropic's token counts, whose ``input_tokens`` leave the cached ones out, in OpenAI's, whose ``prompt_tokens`` hold them all."""

from ...translation.chunks import usage_object
from ...wire.usage import reported
from ...wire.values import LARGEST, Json, JsonObject, count, obj, objects, text

_PARTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


def usage_of(usage: JsonObject) -> JsonObject | None:
    """Chat's usage; ``None`` unless both ways are sane counts.

    ``server_tool_use`` (billed by the request) and ``cache_creation`` (priced by its lifetime) are kept beside as they are.
    """
    if count(usage.get("input_tokens")) is None or count(usage.get("output_tokens")) is None:
        return None
    rows = _rows(usage)
    fresh, written, read, output = (sum(count(row.get(part)) or 0 for row in rows) for part in _PARTS)
    if fresh + written + read > LARGEST or output > LARGEST:
        return None
    thinking = count(obj(usage.get("output_tokens_details")).get("thinking_tokens")) or 0
    found = usage_object(
        reported(prompt=fresh + written + read, output=output, cached=read, cache_write=written, reasoning=thinking)
    )
    for name in ("server_tool_use", "cache_creation"):
        counts = _counts(usage.get(name))
        if counts:
            found[name] = counts
    return found


def _rows(usage: JsonObject) -> list[JsonObject]:
    """Which counts add up to the request: after a compaction those of its rounds, otherwise the totals.

    Rounds of an advisor are billed as another model's; after a fallback to another model only the totals are right.
    """
    rounds = objects(usage.get("iterations"))
    kinds = {text(row.get("type")) for row in rounds}
    if "compaction" in kinds and "fallback_message" not in kinds:
        return [row for row in rounds if row.get("type") in ("compaction", "message")]
    return [usage]


def _counts(value: Json) -> JsonObject:
    """The counts above zero in an object."""
    return {name: found for name, number in obj(value).items() if (found := count(number))}
