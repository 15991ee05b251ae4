"""How near is near enough, learnt for each stored question from what was observed near it.

After vCache (Schroeder and others, arXiv 2502.03771): each stored question has a threshold of its own, and some of the answers that
would be served are asked for anew and compared. Where vCache fits a logistic curve to each question, this counts, in bands of
similarity for a partition, and for each question. What that promises, and what it assumes, is in docs/semantic-cache.md.
"""

from collections import OrderedDict
from math import sqrt
from typing import Literal

from msgspec import Struct, field

Decision = Literal["serve", "explore", "refuse"]

BANDS = 50
"""Similarities are counted in bands of 1/50, one for each from 0, and one for 1 itself."""

PRIOR_WRONG, PRIOR_SEEN = 0.25, 50.0
"""What is believed before anything was seen: one answer in 200 that passes the guards and the threshold is wrong. That is what the
held-out built-in pairs (``tollway cache test``) allow for if there is one near miss beside each paraphrase, and its weight is that of
those that pass. It is an assumption: whoever looks for pairs that slip through the guards finds some."""

EARLY, LATE = 0.2, 0.05
"""Shares of answers that are asked for anew: until the last ``ENOUGH`` observations of a partition were all right, and from then on."""

ENOUGH = 50
"""Observations, too, above a similarity where something was wrong, before what lies above is thought to be better."""

AGAIN = 10
"""Right answers after a wrong one, and above it, from which a question is believed as much as its partition again."""

DOUBT = 5
"""A question in a partition that cannot be believed: its chance of a wrong answer is 1 in (``DOUBT`` + those that were right)."""

MOST_SEEN = 2000.0
"""Observations of a band beyond which older ones fade: what was true may change."""

MOST_ENTRIES, MOST_POOLS = 32_768, 4096
MOST_OF_POOL = 4096

_UNSEEN = [PRIOR_WRONG / PRIOR_SEEN] * (BANDS + 1)

ROUNDED = 1.0001
"""The largest cosine of two unit vectors, as computed."""


class _Count(Struct, gc=False):
    """Observations in a band, and those where the answers differed."""

    wrong: float = 0.0
    seen: float = 0.0

    def halve(self) -> None:
        self.wrong /= 2
        self.seen /= 2


class _Entry(Struct, gc=False):
    """``right``: answers that were, by band, since the last wrong one and above it. ``closed``: it never answers up to here."""

    right: bytearray = field(default_factory=lambda: bytearray(BANDS + 1))
    closed: float = -1.0


class _Pool(Struct):
    """``chances`` of a wrong answer, by band. ``calm``: observations since one that surprised."""

    counts: dict[int, _Count] = field(default_factory=dict)
    chances: list[float] = field(default_factory=lambda: _UNSEEN)
    calm: int = 0
    entries: OrderedDict[bytes, _Entry] = field(default_factory=OrderedDict)


class Thresholds:
    """``max_false_hits``: the bound δ. Bounded in memory: what was used least recently is forgotten, and begins anew.

    A ``pool`` is what may learn together, a partition: nobody's observations reach another's decisions.
    """

    def __init__(self, *, max_false_hits: float) -> None:
        self._bound = max_false_hits
        self._pools: OrderedDict[bytes, _Pool] = OrderedDict()
        self._homes: dict[bytes, bytes] = {}
        """Entry to its pool."""

    def decide(self, entry: bytes, similarity: float, floor: float, draw: float, *, pool: bytes = b"") -> Decision:
        """``draw`` is uniform in [0, 1). Never ``serve`` below ``floor``, or where a wrong answer was seen; all else equal, what is
        served at one similarity is served above it."""
        if not max(floor, 0.0) <= similarity <= ROUNDED:
            return "refuse"
        learnt = self._pools.get(pool)
        if learnt is None:
            return "serve" if _UNSEEN[0] <= self._bound and draw >= EARLY else "explore"
        self._pools.move_to_end(pool)
        if self._chance(learnt, learnt.entries.get(entry), similarity) > self._bound:
            return "explore"
        return "serve" if draw >= (LATE if learnt.calm >= ENOUGH else EARLY) else "explore"

    def observed(self, entry: bytes, similarity: float, same: bool, *, pool: bytes = b"") -> None:
        """A fresh answer was compared with the entry's. A different one closes the entry, halfway from ``similarity`` to 1 for good."""
        if not 0.0 <= similarity <= ROUNDED:
            return
        band = _band(similarity)
        learnt = self._pool(pool)
        known = self._entry(learnt, entry, pool)
        believed = learnt.chances[band] <= self._bound
        if not same:
            known.closed = max(known.closed, (1.0 + similarity) / 2)
            known.right = bytearray(BANDS + 1)
            if believed:
                _surprised(learnt)
        else:
            learnt.calm += believed
            if similarity > known.closed:
                known.right[band] = min(known.right[band] + 1, 255)
        count = learnt.counts.setdefault(band, _Count())
        count.seen += 1
        count.wrong += not same
        if count.seen > MOST_SEEN:
            count.halve()
        learnt.chances = _chances(learnt.counts)

    def forget(self, entry: bytes) -> None:
        """It is gone; what its partition learnt from it stays."""
        home = self._pools.get(self._homes.pop(entry, b""))
        if home is not None:
            home.entries.pop(entry, None)

    def _chance(self, learnt: _Pool, known: _Entry | None, similarity: float) -> float:
        """Of a wrong answer: as the partition says, unless the question says more."""
        band = _band(similarity)
        chance = learnt.chances[band]
        if known is None or (chance <= self._bound and known.closed < 0.0):
            return chance
        if min(similarity, 1.0) <= known.closed:
            return 2.0
        right = sum(known.right[: band + 1])
        own = 1 / (DOUBT + right)
        return min(own, chance) if right >= AGAIN else own

    # ---- memory -----------------------------------------------------------------------------------------------------
    def _pool(self, name: bytes) -> _Pool:
        learnt = self._pools.get(name)
        if learnt is not None:
            self._pools.move_to_end(name)
            return learnt
        learnt = self._pools[name] = _Pool()
        if len(self._pools) > MOST_POOLS:
            self._drop_pool()
        return learnt

    def _entry(self, learnt: _Pool, ident: bytes, pool: bytes) -> _Entry:
        known = learnt.entries.get(ident)
        if known is not None:
            learnt.entries.move_to_end(ident)
            return known
        known = learnt.entries[ident] = _Entry()
        self._homes[ident] = pool
        if len(learnt.entries) > MOST_OF_POOL:
            self._homes.pop(learnt.entries.popitem(last=False)[0], None)
        while len(self._homes) > MOST_ENTRIES and len(self._pools) > 1:
            self._drop_pool()
        return known

    def _drop_pool(self) -> None:
        """The one that was asked for least recently."""
        _, dropped = self._pools.popitem(last=False)
        for ident in dropped.entries:
            self._homes.pop(ident, None)


def _band(similarity: float) -> int:
    return min(int(similarity * BANDS), BANDS)


def _surprised(learnt: _Pool) -> None:
    """Something was wrong where nothing was expected to be; soon after another, what was seen before counts half."""
    if learnt.calm < ENOUGH:
        for count in learnt.counts.values():
            count.halve()
    learnt.calm = 0


def _chances(counts: dict[int, _Count]) -> list[float]:
    """Of a wrong answer, by band: never larger at a higher similarity, and what was right at a higher one proves nothing for a lower.

    Bands that contradict that are taken together (pool adjacent violators; Ayer and others, Annals of Mathematical Statistics 26, 1955).
    """
    blocks: list[tuple[int, float, float]] = []
    for band in sorted(counts, reverse=True):
        wrong, seen = counts[band].wrong, counts[band].seen
        while blocks and _contradicts(wrong, seen, *blocks[-1]):
            _, more_wrong, more_seen = blocks.pop()
            wrong += more_wrong
            seen += more_seen
        blocks.append((band, wrong, seen))
    starts = {band: _upper(wrong, seen) for band, wrong, seen in blocks}
    bands = sorted(counts)
    least, below = starts[bands[0]], PRIOR_SEEN
    chances = [max(least, _UNSEEN[0])] * bands[0]
    for band, end in zip(bands, [*bands[1:], BANDS + 1], strict=True):
        least = min(least, starts.get(band, least))
        below += counts[band].seen
        chances += [max(least, PRIOR_WRONG / below)] * (end - band)
    return chances


def _contradicts(wrong: float, seen: float, _: int, above_wrong: float, above_seen: float) -> bool:
    """Is the block above not better than these, or too little known to be called so?"""
    return wrong * above_seen <= above_wrong * seen or above_seen < ENOUGH


def _upper(wrong: float, seen: float) -> float:
    """The estimate; where something was wrong, one standard deviation above it (Wilson's): what failed has to be shown to be good."""
    size = PRIOR_SEEN + seen
    rate = (PRIOR_WRONG + wrong) / size
    if not wrong:
        return rate
    return (rate + 1 / (2 * size) + sqrt(rate * (1 - rate) / size + 1 / (4 * size * size))) / (1 + 1 / size)
