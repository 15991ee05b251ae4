"""Usage as compatible providers write it: found where it stands, set right, given to the hub."""

from math import isfinite

from ...translation.chunks import usage_object
from ...wire.usage import Usage, reported
from ...wire.values import JsonObject, count, obj, objects
from .quirks import Quirks

_CANONICAL = frozenset(
    """prompt_tokens completion_tokens total_tokens prompt_tokens_details completion_tokens_details input_tokens output_tokens
    prompt_cache_hit_tokens prompt_cache_miss_tokens cached_tokens reasoning_tokens""".split()
)


_LATEST = 10**11
"""A ``created`` beyond it is in milliseconds."""


def correct_created(document: JsonObject) -> bool:
    """Makes ``created`` whole seconds in place; was it anything else?"""
    created = document.get("created")
    if isinstance(created, float) or (isinstance(created, int) and created > _LATEST):
        document["created"] = int(created / 1000 if created > _LATEST else created) if isfinite(created) else 0
        return True
    return False


def usage_of(document: JsonObject) -> JsonObject | None:
    """The usage object of an answer or a chunk: top level, ``x_groq``, or in the first choice."""
    usage = document.get("usage")
    if not isinstance(usage, dict):
        usage = obj(document.get("x_groq")).get("usage")
    if not isinstance(usage, dict):
        usage = next((choice["usage"] for choice in objects(document.get("choices")) if choice.get("usage")), None)
    return usage if isinstance(usage, dict) and usage else None


def correct(usage: JsonObject, quirks: Quirks) -> bool:
    """Sets ``usage`` right in place; was anything wrong? xAI leaves the reasoning out of ``completion_tokens``."""
    prompt, output, total = (count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    if prompt is None or output is None:
        return False
    if total is None:
        usage["total_tokens"] = prompt + output
        return True
    reasoning = count(obj(usage.get("completion_tokens_details")).get("reasoning_tokens")) or 0
    if quirks.reasoning_beside and reasoning and total == prompt + output + reasoning:
        usage["completion_tokens"] = output + reasoning
        return True
    return False


def read(usage: JsonObject) -> Usage | None:
    """Our classes; ``None`` without a sane figure for the prompt."""
    prompt = count(usage.get("prompt_tokens", usage.get("input_tokens")))
    if prompt is None:
        return None
    inward = obj(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    outward = obj(usage.get("completion_tokens_details") or usage.get("output_tokens_details"))

    def figure(details: JsonObject, name: str, *beside: str) -> int:
        return count(details.get(name)) or next((n for other in beside if (n := count(usage.get(other)))), 0)

    return reported(
        prompt=prompt,
        output=count(usage.get("completion_tokens", usage.get("output_tokens"))) or 0,
        cached=figure(inward, "cached_tokens", "prompt_cache_hit_tokens", "cached_tokens"),
        cache_write=figure(inward, "cache_write_tokens"),
        audio_input=figure(inward, "audio_tokens"),
        reasoning=figure(outward, "reasoning_tokens", "reasoning_tokens"),
        audio_output=figure(outward, "audio_tokens"),
    )


def of_hub(usage: JsonObject) -> JsonObject | None:
    """The hub's usage object; what the provider says beyond tokens (its cost) stays."""
    found = read(usage)
    if found is None:
        return None
    return {**usage_object(found), **{name: value for name, value in usage.items() if name not in _CANONICAL}}
