"""At how many places a request may end: only where there are several does it matter which one made what it carries."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from msgspec import Struct

from ..context import RequestContext, Target
from ..policy.accounts import Configured as Accounts
from ..policy.targets import Route
from ..wire.endpoints import NATIVE
from .paths import provider_named

_REMEMBERED = 4096

_LONGEST = 256
"""Characters of a name that is remembered: a client may send one as long as a body."""


class Configured(Accounts, Protocol):
    """A configuration, as far as it matters here."""

    @property
    def models(self) -> Mapping[str, object]:
        """By public name."""


class Names(Protocol):
    """The directory, as far as it matters here."""

    def route(self, model: str) -> Route | None:
        """What a public name leads to."""

    def passthrough(self) -> Target | None:
        """Who gets paths that carry no model."""


class Ways(Struct, frozen=True):
    """Where a model's requests may end: whose places, and are they ``several``?"""

    providers: frozenset[str]
    several: bool


class Reach:
    """``keys``: each provider's number of them."""

    def __init__(self, keys: Mapping[str, int], directory: Names) -> None:
        self._keys = keys
        self._directory = directory
        self._everywhere = self._ways(keys)
        self._known: dict[str | None, Ways] = {}
        self.single: bool = not self._everywhere.several
        """Is there but one place in all?"""

    def ways(self, ctx: RequestContext) -> Ways:
        """Of one request; every place where its route is not known beforehand (``auto``, a list)."""
        if self.single:
            return self._everywhere
        if ctx.endpoint is NATIVE:
            return self._ways((provider_named(ctx.path),))
        if ctx.request.models is not None:
            return self._everywhere
        model = ctx.request.model
        known = self._known.get(model)
        if known is None:
            known = self._found(model)
            if model is None or len(model) <= _LONGEST:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[model] = known
        return known

    def _found(self, model: str | None) -> Ways:
        if model is None:
            target = self._directory.passthrough()
            return self._ways((target.provider,)) if target is not None else self._everywhere
        route = self._directory.route(model)
        return self._ways(each.target.provider for each in route.candidates) if route is not None else self._everywhere

    def _ways(self, providers: Iterable[str]) -> Ways:
        found = frozenset(providers)
        return Ways(found, len(found) > 1 or any(self._keys.get(name, 1) > 1 for name in found))

    def has(self, place: str) -> bool:
        """Is it still there? A provider that is gone altogether the router tells of."""
        name, _, key = place.partition("#")
        return name not in self._keys or not (key.isascii() and key.isdigit()) or int(key[:6]) < self._keys[name]
