"""The names ``auto``, ``auto:cheapest``, ``auto:fastest`` and ``auto:best``: a choice among all models that a key may use."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ..context import Principal
from ..policy.routes import PolicyName, Retry
from ..policy.targets import Candidate, Route
from ..protocols import Directory

NAMES: Mapping[str, PolicyName | None] = {
    "auto": None,
    "auto:cheapest": "lowest_cost",
    "auto:fastest": "lowest_latency",
    "auto:best": "best",
}
"""``None``: as the configuration says."""

ENDPOINTS = frozenset(("chat", "completions", "messages", "responses", "count_tokens", "tokens"))
"""Names of the operations that have it: those of models that talk."""

_KEPT = 256
"""Different sets of globs."""


class _Made(Struct, frozen=True):
    routes: tuple[Route, ...]
    found: Mapping[str, Route]


class Autos:
    """Made once for each set of model globs, and again when the directory's own routes change (with the day)."""

    def __init__(
        self, *, names: Sequence[str], directory: Directory, policy: PolicyName, retry: Retry, stable: bool = False
    ) -> None:
        """``names``: of the models that are chosen from, in their order; ``stable``: only those that are simply stable."""
        self._names = tuple(names)
        self._directory = directory
        self._policies: dict[str, PolicyName] = {name: chosen or policy for name, chosen in NAMES.items()}
        self._retry = retry
        self._stable = stable
        self._made: dict[tuple[str, ...], _Made] = {}

    def route(self, name: str, principal: Principal) -> Route | None:
        """One of ``NAMES`` for a key; ``None`` where it is no such name, or the key may use no model that is known."""
        if name not in self._policies:
            return None
        made = self._made.get(principal.models)
        if made is None or any(self._directory.route(each.candidates[0].model) is not each for each in made.routes[:1]):
            if len(self._made) >= _KEPT:
                self._made.clear()
            made = self._made[principal.models] = self._make(principal)
        return made.found.get(name)

    def _make(self, principal: Principal) -> _Made:
        allowed = [name for name in self._names if self._directory.allows(principal, name)]
        routes = tuple(route for name in allowed if (route := self._directory.route(name)) is not None)
        candidates = tuple(each for route in routes for each in route.candidates if self._fit(each))
        if not candidates:
            return _Made(routes, {})
        return _Made(
            routes,
            {
                name: Route(label=name, candidates=candidates, policy=policy, retry=self._retry)
                for name, policy in self._policies.items()
            },
        )

    def _fit(self, candidate: Candidate) -> bool:
        return not self._stable or self._directory.standing(candidate.target) is None


def is_auto(route: Route) -> bool:
    """Was it made here? A configured model of such a name answers for itself."""
    return route.label in NAMES and route.candidates[0].model != route.label
