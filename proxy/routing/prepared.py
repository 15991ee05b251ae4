"""What can be worked out of a route once, for every request that takes it: who is retired, and what any of its targets lacks."""

from ..context import Principal
from ..policy.routes import PriceCeiling
from ..policy.targets import Candidate, Rejection
from ..protocols import Directory, Standing
from .filters import Sifted, permitted

_KEPT = 2048
_KEYS = 256
_ANY_SIZE = 1 << 62

Terms = tuple[tuple[str, ...], tuple[str, ...], PriceCeiling | None, bool]


class Prepared:
    """``living``: candidates that are not retired; ``retired``: the others; ``standings``: of those not simply stable, by place.

    ``lacks``: bits that any of the living is known to lack; ``context`` and ``output``: the least that any is known to have.
    """

    __slots__ = ("_sifted", "candidates", "context", "lacks", "living", "output", "retired", "standings")

    def __init__(self, candidates: tuple[Candidate, ...], directory: Directory) -> None:
        self.candidates = candidates
        known = [(each, directory.standing(each.target)) for each in candidates]
        self.standings: dict[str, Standing] = {each.place: found for each, found in known if found is not None}
        gone = [(each, found) for each, found in known if found is not None and found.tier == "retired"]
        self.retired = tuple(Rejection(each, "retired", "it is retired") for each, _ in gone)
        if gone:
            candidates = tuple(each for each, found in known if found is None or found.tier != "retired")
        self.living = candidates
        self.lacks = 0
        for each in candidates:
            self.lacks |= each.facts.lacks
        self.context = min((each.facts.context for each in candidates if each.facts.context), default=_ANY_SIZE)
        self.output = min((each.facts.max_output for each in candidates if each.facts.max_output), default=_ANY_SIZE)
        self._sifted: dict[Terms, Sifted] = {}

    def permitted(self, principal: Principal) -> Sifted:
        """The living that the key may use; remembered for a bounded number of keys' terms."""
        terms = (principal.providers, principal.regions, principal.max_price, principal.stable_only)
        found = self._sifted.get(terms)
        if found is None:
            if len(self._sifted) >= _KEYS:
                self._sifted.clear()
            found = self._sifted[terms] = permitted(self.living, principal, self.standings)
        return found


class Preparations:
    """Keeps them by the candidates' own tuple: a route that changes has another."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._kept: dict[int, Prepared] = {}

    def of(self, candidates: tuple[Candidate, ...]) -> Prepared:
        """For a route's candidates."""
        found = self._kept.get(id(candidates))
        if found is None or found.candidates is not candidates:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            found = self._kept[id(candidates)] = Prepared(candidates, self._directory)
        return found
