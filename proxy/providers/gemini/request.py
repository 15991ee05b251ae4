"""A chat request as Gemini's ``generateContent`` body."""

import re

from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, items, obj, text
from .family import family_of
from .generation import Generation
from .media import resolution
from .tools import Tools
from .transcript import Transcript

READ = frozenset(
    """messages model stream stream_options max_tokens max_completion_tokens temperature top_p top_k n stop seed frequency_penalty
    presence_penalty logprobs top_logprobs response_format tools tool_choice functions function_call parallel_tool_calls
    reasoning_effort reasoning thinking modalities audio web_search_options service_tier metadata extra_body google safety_settings
    safetySettings cached_content cachedContent labels""".split()
)
"""Members that are translated here; any other is dropped by its name."""

_USUAL: dict[str, Json] = {"store": False}
_LABEL = re.compile(r"[a-z0-9_-]{0,63}")
_TIERS = {"flex": "flex", "priority": "priority", "default": "standard", "standard": "standard"}


def generate_content(chat: JsonObject, ask: Ask, *, vertex: bool) -> JsonObject:
    """The body. Raises ``InvalidRequest``; what does not travel is in ``ask.notes``. ``chat`` stays as it is."""
    family = family_of(ask.model)
    tools = Tools(chat, ask, family)
    generation = Generation(chat, ask, family, functions=bool(tools.declared))
    transcript = Transcript(ask, family, vertex=vertex)
    if generation.instruction:
        transcript.system.append({"text": generation.instruction})
    transcript.read(chat.get("messages"))
    config = generation.config
    if transcript.media and (detail := resolution(transcript.media)):
        config["mediaResolution"] = detail
    body: JsonObject = {}
    if transcript.system:
        body["systemInstruction"] = {"parts": transcript.system}
    body["contents"] = [*transcript.contents]
    offered = tools.value()
    if offered:
        body["tools"] = offered
    if tools.config is not None:
        body["toolConfig"] = tools.config
    if config:
        body["generationConfig"] = config
    _own_members(chat, body, ask, vertex=vertex)
    for name, value in chat.items():
        if name not in READ and value is not None and not (name in _USUAL and _USUAL[name] == value):
            ask.notes.drop(name[:80])
    return body


def tier_header(chat: JsonObject) -> tuple[tuple[str, str], ...]:
    """Vertex takes the service tier as a header."""
    tier = chat.get("service_tier")
    return (
        (("x-vertex-ai-llm-shared-request-type", tier),)
        if isinstance(tier, str) and tier in ("flex", "priority")
        else ()
    )


def _own_members(chat: JsonObject, body: JsonObject, ask: Ask, *, vertex: bool) -> None:
    """What Gemini has beside OpenAI's: safety settings, cached content, labels, tiers."""
    google = obj(obj(chat.get("extra_body")).get("google")) or obj(chat.get("google"))
    safety = items(chat.get("safety_settings") or chat.get("safetySettings") or google.get("safety_settings"))
    if safety:
        body["safetySettings"] = safety
    cached = text(chat.get("cached_content") or chat.get("cachedContent") or google.get("cached_content"))
    if cached:
        body["cachedContent"] = cached
    for name in google:
        if name not in ("thinking_config", "safety_settings", "cached_content"):
            ask.notes.drop(f"extra_body.google.{name}"[:80])
    _labels(chat, body, ask, vertex=vertex)
    tier = chat.get("service_tier")
    if tier in (None, "auto"):
        return
    named = _TIERS.get(tier) if isinstance(tier, str) else None
    if named is None:
        ask.notes.drop("service_tier")
    elif not vertex:
        body["serviceTier"] = named


def _labels(chat: JsonObject, body: JsonObject, ask: Ask, *, vertex: bool) -> None:
    """``metadata`` travels as Vertex's labels where every pair is one."""
    for name in ("labels", "metadata"):
        given = obj(chat.get(name))
        if not given:
            continue
        fits = all(
            key and _LABEL.fullmatch(key) and isinstance(value, str) and _LABEL.fullmatch(value)
            for key, value in given.items()
        )
        if vertex and fits and "labels" not in body:
            body["labels"] = given
        else:
            ask.notes.drop(name)
