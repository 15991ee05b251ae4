"""Requests whose client speaks the provider's dialect: where they go, what is spliced into them, what is repaired on the way back."""

from urllib.parse import urlsplit

from ...catalogue.behaviour import Behaviour
from ...protocols import Translation
from ...translation.ask import Ask
from ...translation.responses.native import native
from ...translation.shimmed import shimmed
from ...wire.endpoints import Endpoint
from ..shims import shim
from ..shims.minded import minded
from .fields import Draft
from .params import PLAIN
from .repair import ChatRepair, ErrorRepair
from .spec import EVERYWHERE, Compatible

_JSON_ONLY = frozenset(("embeddings", "moderations", "rerank"))
"""Operations whose every answer is one JSON object."""

_ANTHROPIC = frozenset(("messages", "count_tokens"))


_CANONICAL = {
    "responses": "/responses",
    "messages": "/messages",
    "embeddings": "/embeddings",
    "completions": "/completions",
}


class CompatiblePassing:
    """``Passing`` for one account. ``spec``: the provider's data as the account's options have it."""

    def __init__(self, spec: Compatible, base_url: str, *, forwards: bool) -> None:
        parts = urlsplit(base_url)
        self._spec = spec
        self._base_url = base_url
        self._places = {
            name: place.format(base=base_url, host=f"{parts.scheme}://{parts.netloc}")
            for name, place in spec.places.items()
        }
        self._quirks = spec.quirks
        self._forwards = forwards
        self._repairs = spec.repairs and not spec.exact

    def url(self, endpoint: Endpoint, model: str, path: str) -> str | None:
        """The complete URL; ``None`` when the provider has no such operation."""
        name = endpoint.name
        place = self._places.get(name)
        if place is not None:
            # One operation has moved; its relatives (``/responses/compact``) have not moved with it.
            return place if path == _CANONICAL.get(name, path) else None
        if name == "chat":
            return self._base_url + (self._spec.chat_path if path == "/chat/completions" else path)
        offered = name in self._spec.offers or name in EVERYWHERE or (self._spec.exact and name not in _ANTHROPIC)
        return self._base_url + path if offered else None

    def edit(self, endpoint: Endpoint, body: bytes, ask: Ask) -> bytes:
        """The parameter map and the model's shims, spliced in."""
        spec = self._spec
        if endpoint.name == "responses":
            cleaned = native(body)
            if cleaned is not body:
                ask.notes.rewrite("input")
            body = cleaned
        if spec.shims:
            body = shim(endpoint.name, body, ask)
        params = spec.map_of(endpoint.name)
        if params is PLAIN:
            return body
        draft = Draft(body)
        params.apply(draft, ask)
        return draft.bytes()

    def repair(self, endpoint: Endpoint, ask: Ask) -> Translation | None:
        """For answers of a provider that deviates, and for what a shim left to do."""
        if not self._repairs:
            return shimmed(endpoint.name, ask) if self._spec.shims else None
        if endpoint.name == "chat":
            return ChatRepair(self._quirks, ask, forwards=self._forwards)
        return ErrorRepair(self._quirks, ask, forwards=self._forwards) if endpoint.name in _JSON_ONLY else None

    def untouched(self, endpoint: Endpoint, behaviour: Behaviour) -> bool:
        """Where no shim, no parameter map and no repair could find anything to do."""
        spec, name = self._spec, endpoint.name
        if self._repairs and (name == "chat" or name in _JSON_ONLY):
            return False
        return name != "responses" and not (spec.shims and behaviour.adapt) and spec.map_of(name) is PLAIN

    def minds(self, endpoint: Endpoint, behaviour: Behaviour) -> frozenset[str] | None:
        """Those of the shims, where nothing else has a part in it."""
        if endpoint.name != "chat" or self._repairs or self._spec.map_of("chat") is not PLAIN:
            return None
        return minded(behaviour) if self._spec.shims else frozenset()
