"""What guards alone, an embedder alone and both together make of pairs, counted with an interval: a few pairs prove little."""

from collections.abc import Callable, Iterable, Sequence
from math import sqrt

from msgspec import Struct

from ..guards import differs, features
from .pairs import Pair

Z = 1.959964
"""Of a two-sided 95 % interval."""


class Scored(Struct, frozen=True, kw_only=True):
    """One pair. ``guard``: which refused, "" for none."""

    pair: Pair
    guard: str

    def near(self, threshold: float) -> bool | None:
        """Would the embedder alone serve it? ``None``: nobody knows."""
        return None if self.pair.similarity is None else self.pair.similarity >= threshold

    def served(self, threshold: float) -> bool:
        """Would both together? Where the similarity is unknown the guards stand alone."""
        return not self.guard and self.near(threshold) is not False


class Tally(Struct, frozen=True, kw_only=True):
    """Hits among ``pairs``. ``embedder``: ``None`` where some similarity is unknown."""

    name: str
    pairs: int
    guards: int
    embedder: int | None
    both: int


def scored(pairs: Iterable[Pair]) -> tuple[Scored, ...]:
    """The guards' word on each pair."""
    return tuple(Scored(pair=pair, guard=differs(features(pair.a), features(pair.b))) for pair in pairs)


def tally(name: str, rows: Sequence[Scored], threshold: float) -> Tally:
    """Hits at a threshold."""
    near = [row.near(threshold) for row in rows]
    return Tally(
        name=name,
        pairs=len(rows),
        guards=sum(not row.guard for row in rows),
        embedder=None if None in near else sum(map(bool, near)),
        both=sum(row.served(threshold) for row in rows),
    )


def tallies(rows: Sequence[Scored], threshold: float, *, by: Callable[[Pair], str]) -> list[Tally]:
    """One for each name that ``by`` gives, in the order in which they first come."""
    groups: dict[str, list[Scored]] = {}
    for row in rows:
        groups.setdefault(by(row.pair), []).append(row)
    return [tally(name, group, threshold) for name, group in groups.items()]


def wilson(hits: int, pairs: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson, Journal of the American Statistical Association 22, 1927): sound near 0 and 1 too."""
    if not pairs:
        return 0.0, 1.0
    rate = hits / pairs
    middle = rate + Z * Z / (2 * pairs)
    spread = Z * sqrt(rate * (1 - rate) / pairs + Z * Z / (4 * pairs * pairs))
    scale = 1 + Z * Z / pairs
    low = 0.0 if hits == 0 else (middle - spread) / scale
    high = 1.0 if hits == pairs else (middle + spread) / scale
    return low, high
