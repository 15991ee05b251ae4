"""``usageMetadata`` as chat's ``usage``. Source: Google's Gemini API reference, November 2026."""

from ...translation.chunks import usage_object
from ...wire.usage import reported
from ...wire.values import Json, JsonObject, count, obj, objects

_COUNTS = (
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "cachedContentTokenCount",
)


def usage_of(metadata: Json) -> JsonObject | None:
    """``None`` where there are no sane figures. ``promptTokenCount`` includes cached tokens, ``candidatesTokenCount`` excludes thoughts."""
    given = obj(metadata)
    if count(given.get("promptTokenCount")) is None:
        return None
    found: list[int] = []
    for name in _COUNTS:
        value = count(given.get(name, 0))
        if value is None:
            return None
        found.append(value)
    prompt, tools, candidates, thoughts, cached = found
    total = count(given.get("totalTokenCount"))
    # Some answers count the thoughts among the candidates' tokens; the total tells.
    output = (
        candidates
        if thoughts and thoughts <= candidates and total == prompt + tools + candidates
        else candidates + thoughts
    )
    asked = _by_modality(given.get("promptTokensDetails"))
    answered = _by_modality(given.get("candidatesTokensDetails") or given.get("responseTokensDetails"))
    usage = usage_object(
        reported(
            prompt=prompt + tools,
            output=output,
            cached=cached,
            reasoning=thoughts,
            audio_input=asked.get("AUDIO", 0),
            audio_output=answered.get("AUDIO", 0),
        )
    )
    if total is not None and total > prompt + tools + output:
        usage["total_tokens"] = total
    for name, counts, whole in (
        ("prompt_tokens_details", asked, prompt + tools),
        ("completion_tokens_details", answered, output),
    ):
        if counts.get("IMAGE"):
            obj(usage[name])["image_tokens"] = min(counts["IMAGE"], whole)
    return usage


def _by_modality(details: Json) -> dict[str, int]:
    found: dict[str, int] = {}
    for detail in objects(details):
        kind, tokens = detail.get("modality"), count(detail.get("tokenCount"))
        if isinstance(kind, str) and tokens:
            found[kind] = tokens
    return found
