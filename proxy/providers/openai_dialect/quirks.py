"""What a provider says otherwise than OpenAI, as data: where its usage stands, where its reasoning, what its error codes mean."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from ...wire.values import JsonObject


class Meaning(Struct, frozen=True):
    """An error code of the provider in OpenAI's terms. ``status`` 0 leaves the answer's own."""

    status: int = 0
    type: str = ""
    code: str | None = None


RATE = Meaning(429, "rate_limit_error", "rate_limit_exceeded")
QUOTA = Meaning(429, "insufficient_quota", "insufficient_quota")
FILTERED = Meaning(400, "invalid_request_error", "content_filter")
INVALID = Meaning(400, "invalid_request_error")
KEY = Meaning(401, "invalid_request_error", "invalid_api_key")
OVERLOADED = Meaning(503, "server_error", "overloaded")


class Quirks(Struct, frozen=True, kw_only=True):
    """One provider's deviations. Finish reasons, tool calls, ids and errors are looked after for every provider."""

    mirror: bool = False
    """Is the reasoning in ``reasoning``? It is given as ``reasoning_content`` too."""
    think: bool = False
    """Do models write ``<think>`` into their text?"""
    unopened: tuple[str, ...] = ()
    """Models (shell patterns, lower case) whose text begins inside the reasoning."""
    late_usage: bool = True
    """May usage stand in a chunk with choices? A client that asked gets it in a chunk of its own."""
    reasoning_beside: bool = False
    """Does ``completion_tokens`` leave out the reasoning?"""
    meanings: Mapping[str, Meaning] = {}
    """Error codes, types or words of the message."""
    native: Callable[[JsonObject], JsonObject | None] | None = None
    """Reads an answer or a chunk that is in another shape altogether; ``None``: it is not."""


STANDARD = Quirks()
