"""How near is near enough, learnt for each stored question from what was observed near it.

After vCache (Schroeder and others, arXiv 2502.03771): each stored question has a threshold of its own, answers that would be served are
sometimes asked for anew and compared, and an answer is served only while the chance that it is wrong is estimated below the bound.
Where vCache fits a logistic curve, this counts: a Beta-binomial estimate, shrunk from the stored question to its partition, and from
there to what the built-in pairs showed. The assumptions are in docs/semantic-cache.md.
"""

from collections import OrderedDict
from typing import Literal

from msgspec import Struct

Decision = Literal["serve", "explore", "refuse"]

BANDS = 50
"""Similarities are counted in bands of 1/50. An estimate takes in the band below, which is at least as hard."""

PRIOR_WRONG, PRIOR_SEEN = 0.25, 50.0
"""What is believed before anything was seen: pairs that pass every guard and the threshold are wrong in one case of 200. Of the
built-in pairs that pass both, none is wrong (``tollway cache test``); the weight is a third of theirs, so that 50 observations of an
operator's own traffic outweigh it."""

ENTRY_WEIGHT = 10.0
"""Observations near one stored question that outweigh what its partition says."""

EARLY, LATE = 0.2, 0.05
"""Shares of answers that are asked for anew: while a band has fewer than ``ENOUGH`` observations, and from then on."""

ENOUGH = 50

MOST_SEEN = 400.0
"""Observations of a band beyond which older ones fade: what was true may change."""

MOST_ENTRIES = 65_536
MOST_POOLS = 4096


class _Count(Struct, gc=False):
    """Of one band, or one stored question."""

    wrong: float = 0.0
    seen: float = 0.0

    def add(self, *, wrong: bool, most: float) -> None:
        self.seen += 1.0
        self.wrong += wrong
        if self.seen > most:
            self.seen /= 2
            self.wrong /= 2


class _Entry(Struct, gc=False):
    """``closed``: similarity up to which it does not answer any more."""

    count: _Count
    closed: float = 0.0


class Thresholds:
    """``max_false_hits``: the bound δ. Bounded in memory; the least recently used are forgotten, and begin anew.

    A ``pool`` is what may learn together, a partition: nobody's observations reach another's decisions.
    """

    def __init__(self, *, max_false_hits: float) -> None:
        self._bound = max_false_hits
        # A bound below what the prior can promise needs more to be seen first: then nothing is served until it was.
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._pools: OrderedDict[bytes, list[_Count | None]] = OrderedDict()

    def decide(self, entry: bytes, similarity: float, floor: float, draw: float, *, pool: bytes = b"") -> Decision:
        """``draw`` is uniform in [0, 1). Never ``serve`` below ``floor``, or where a wrong answer was seen so near."""
        if not floor <= similarity <= 1.0001:
            return "refuse"
        known = self._entries.get(entry)
        if known is not None and similarity <= known.closed:
            return "explore"
        lower, own = self._bands(pool, similarity)
        seen = lower.seen + own.seen
        wrong = (PRIOR_WRONG + lower.wrong + own.wrong) / (PRIOR_SEEN + seen)
        if known is not None:
            wrong = (ENTRY_WEIGHT * wrong + known.count.wrong) / (ENTRY_WEIGHT + known.count.seen)
        if wrong > self._bound:
            return "explore"
        return "explore" if draw < (EARLY if seen < ENOUGH else LATE) else "serve"

    def observed(self, entry: bytes, similarity: float, same: bool, *, pool: bytes = b"") -> None:
        """A fresh answer was compared with the entry's. A wrong one closes the entry halfway from ``similarity`` to 1."""
        if not 0.0 <= similarity <= 1.0001:
            return
        known = self._entries.get(entry)
        if known is None:
            known = self._entries[entry] = _Entry(_Count())
            if len(self._entries) > MOST_ENTRIES:
                self._entries.popitem(last=False)
        else:
            self._entries.move_to_end(entry)
        known.count.add(wrong=not same, most=MOST_SEEN)
        if not same:
            known.closed = max(known.closed, similarity + (1.0 - similarity) / 2)
        bands = self._pools.get(pool)
        if bands is None:
            bands = self._pools[pool] = [None] * (BANDS + 1)
            if len(self._pools) > MOST_POOLS:
                self._pools.popitem(last=False)
        else:
            self._pools.move_to_end(pool)
        at = min(int(similarity * BANDS), BANDS)
        count = bands[at]
        if count is None:
            count = bands[at] = _Count()
        count.add(wrong=not same, most=MOST_SEEN)

    def forget(self, entry: bytes) -> None:
        """It is gone; what its partition learnt from it stays."""
        self._entries.pop(entry, None)

    def _bands(self, pool: bytes, similarity: float) -> tuple[_Count, _Count]:
        bands = self._pools.get(pool)
        if bands is None:
            return _NOTHING, _NOTHING
        at = min(int(similarity * BANDS), BANDS)
        return (bands[at - 1] if at else None) or _NOTHING, bands[at] or _NOTHING


_NOTHING = _Count()
