"""One provider that speaks OpenAI's dialect, as data: where it listens, what it serves, what it takes and says otherwise."""

from collections.abc import Mapping

from msgspec import Struct

from .params import PLAIN, ParamMap
from .quirks import STANDARD, Quirks

EVERYWHERE = frozenset(("models", "passthrough"))
"""Paths without a body that a dialect could apply to; whether they exist, the provider says."""


class Compatible(Struct, frozen=True, kw_only=True):
    """``base_url`` may hold ``{placeholders}`` for options. ``offers``: endpoints at the path OpenAI gives them; ``places``: those
    elsewhere, with ``{base}`` (the base URL) or ``{host}`` (its scheme and host)."""

    name: str
    base_url: str
    keys: tuple[str, ...] = ()
    """Variables of the key, in the order they are looked at."""
    keyless: bool = False
    """Does it serve without a key?"""
    settings: Mapping[str, tuple[str, ...]] = {}
    """Options that a placeholder needs, each with the variables that hold it by convention."""
    headers: Mapping[str, tuple[str, ...]] = {}
    """Headers to send when their option or variable is set: name to (option, variables…)."""
    offers: frozenset[str] = frozenset()
    places: Mapping[str, str] = {}
    chat_path: str = "/chat/completions"
    params: ParamMap = PLAIN
    others: Mapping[str, ParamMap] = {}
    """Parameter maps of endpoints other than chat."""
    history: frozenset[str] = frozenset()
    """Extension members of messages that it takes back."""
    top_k: bool = True
    quirks: Quirks = STANDARD
    exact: bool = False
    """Is its every byte right by definition? Nothing is repaired then."""
    repairs: bool = True
    """Are deviating answers set right? An option; without, every byte passes."""
    shims: bool = False
    """Does it serve OpenAI's models under OpenAI's rules?"""
    limits: Mapping[bytes, bytes] = {}
    """Its rate-limit headers to OpenAI's."""

    def map_of(self, endpoint: str) -> ParamMap:
        """The parameter map of an endpoint."""
        return self.params if endpoint == "chat" else self.others.get(endpoint, PLAIN)
