"""Requests whose answers depend on more than what they say: on chance, on what a provider remembers, on the state of the world.

Sources: the parameter lists of OpenAI, Anthropic, OpenRouter, xAI, Alibaba, Groq, Cohere and Azure, November 2026.
"""

import re
from typing import Literal

from ..wire.values import Json, JsonObject

Barred = Literal["", "temperature", "stateful", "live_tools"]

_REMEMBERED = frozenset(("previous_response_id", "conversation", "container", "deferred", "background", "store"))
"""Members with which the provider keeps the answer, or begins from what it kept."""

_LIVE = frozenset(
    """web_search_options web_search search_parameters search_settings enable_search plugins mcp_servers compound_custom connectors
    data_sources""".split()
)
"""Members with which the provider looks at the world, or at data of its own."""

_TELLING = _REMEMBERED | _LIVE | {"tools", "prompt"}

_OURS = frozenset(("function", "custom", "local_shell", "apply_patch"))
"""Types of tools that the client runs: what they find comes back in its next request."""

_OURS_DATED = ("bash_", "text_editor_", "memory_")
"""The same of Anthropic's, whose names end in a date."""

_LIVE_MODEL = re.compile(r"search-preview|search-api|:online\b|\bsonar\b|\bcompound\b|deep-research", re.IGNORECASE)


def looks_at_the_world(model: str) -> bool:
    """Does a model of that name search the web unasked? (OpenAI's search models, OpenRouter's ``:online``, Perplexity, Groq Compound.)"""
    return _LIVE_MODEL.search(model) is not None


def barred(endpoint: str, document: JsonObject, *, max_temperature: float) -> Barred:
    """Why a request of this endpoint (by name) is not to be answered from the cache, nor its answer kept; "": it may."""
    temperature = document.get("temperature")
    if temperature is not None and not (type(temperature) in (int, float) and temperature <= max_temperature):  # type: ignore[operator]
        return "temperature"
    if endpoint == "responses" and (document.get("store") is not False or _refers(document.get("input"))):
        return "stateful"
    if _TELLING.isdisjoint(document):
        return ""
    if any(_set(document.get(name)) for name in _REMEMBERED) or isinstance(document.get("prompt"), dict):
        return "stateful"
    if any(_searches(name, document.get(name)) for name in _LIVE):
        return "live_tools"
    tools = document.get("tools")
    if tools is None or (isinstance(tools, list) and all(map(_run_by_client, tools))):
        return ""
    return "live_tools"


def _set(value: Json) -> bool:
    return value is not None and value is not False


def _refers(given: Json) -> bool:
    """Does an input name items that the provider keeps?"""
    return isinstance(given, list) and any(
        isinstance(item, dict) and item.get("type") == "item_reference" for item in given
    )


def _searches(name: str, value: Json) -> bool:
    if name == "search_parameters" and isinstance(value, dict):
        return value.get("mode") != "off"
    # An empty object turns a search on, an empty list names none.
    return _set(value) and value != []


def _run_by_client(tool: Json) -> bool:
    if not isinstance(tool, dict):
        return False
    kind = tool.get("type")
    if kind is None:
        return "function" in tool or "input_schema" in tool
    return isinstance(kind, str) and (kind in _OURS or kind.startswith(_OURS_DATED))
