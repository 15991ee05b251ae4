"""Which dialect a request speaks: told by its path, its headers and the flavour asked for."""

from collections.abc import Mapping

from . import anthropic, azure, bedrock, cohere, gemini
from .dialect import OPENAI, Dialect
from .flavours import FLAVOURS

DIALECTS: dict[str, Dialect] = {
    found.name: found
    for found in (OPENAI, azure.AZURE, anthropic.ANTHROPIC, gemini.GEMINI, bedrock.BEDROCK, cohere.COHERE)
}
_OPENAI_PREFIXES = ("/v1beta/openai/", "/compatibility/v1/", "/openai/v1/", "/api/v1/", "/api/paas/v4/")
_GEMINI_HEADS = ("/v1beta/", "/v1beta1/", "/projects/", "/publishers/google/")


def spoken(path: str, headers: Mapping[str, str], flavour: str) -> tuple[Dialect, str]:
    """Return the dialect of a request, and its path without the prefix that says no more."""
    if path.startswith(("/anthropic/", "/api/anthropic/")):
        return anthropic.ANTHROPIC, path.removeprefix("/api")[10:].removeprefix("/v1")
    plain = path[3:] if path.startswith("/v1/") else path
    if plain.startswith("/messages") or "/publishers/anthropic/" in plain:
        return anthropic.ANTHROPIC, plain
    if plain.startswith("/models") and "anthropic-version" in headers:
        return anthropic.ANTHROPIC, plain
    if plain.startswith("/models") and "x-goog-api-key" in headers:
        return gemini.GEMINI, plain
    if "/endpoints/openapi/" in plain:
        return OPENAI, "/" + plain.partition("/endpoints/openapi/")[2]
    if flavour or plain.startswith("/v1beta/openai/") or plain.startswith("/compatibility/v1/"):
        prefix = next((prefix for prefix in _OPENAI_PREFIXES if plain.startswith(prefix)), "/")
        return FLAVOURS.get(flavour, OPENAI), "/" + plain.removeprefix(prefix)
    if plain.startswith("/openai/"):
        return azure.AZURE, plain
    if plain.startswith(_GEMINI_HEADS) or (plain.startswith("/models/") and ":" in plain and _is_verb(plain)):
        return gemini.GEMINI, plain
    if plain.startswith("/model/"):
        return bedrock.BEDROCK, plain
    if path.startswith("/v2/"):
        return cohere.COHERE, path
    return OPENAI, plain


def _is_verb(path: str) -> bool:
    return path.rpartition(":")[2] in gemini.VERBS
