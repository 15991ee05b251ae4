"""Which threshold keeps the share of wrong answers under a bound, told from pairs with the truth about them.

Every rate comes with the interval of Clopper and Pearson (Biometrika 26, 1934), which is exact: a few pairs prove little, and it says so.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import ceil, exp, floor, lgamma, log, log1p

from msgspec import Struct

from .proof.scoring import Scored

GRID = tuple(hundredths / 100 for hundredths in range(80, 100))
"""Thresholds that are always looked at, the lowest first."""

STEP = 10_000
"""Thresholds are given with four decimals."""


class Rate(Struct, frozen=True):
    """``count`` of ``of``. ``low`` and ``high``: the two-sided interval."""

    count: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        """``None``: of nothing."""
        return self.count / self.of if self.of else None


class Row(Struct, frozen=True, kw_only=True):
    """One threshold. ``hits``: served among all pairs; ``wrong``: those that must not match among the served; ``most``: the one-sided upper
    bound of their share."""

    threshold: float
    hits: Rate
    wrong: Rate
    most: float


class Calibration(Struct, frozen=True, kw_only=True):
    """``guarded``: what guards and embedder serve together; ``bare``: the embedder alone. ``picked`` is one of ``guarded``, or of no row
    if its threshold is none of ``GRID``. ``needed``: served pairs without a wrong one that prove the bound."""

    guarded: tuple[Row, ...]
    bare: tuple[Row, ...]
    picked: Row | None
    needed: int
    right: int
    """Pairs that should match."""
    false: int
    """Pairs that must not."""


class _Sorted:
    """Similarities, and how many at or above each must not match."""

    def __init__(self, rows: Iterable[Scored], pairs: int) -> None:
        found = sorted((_similarity(row), not row.pair.same) for row in rows)
        self.pairs = pairs
        self.at = [similarity for similarity, _ in found]
        self.wrong = [*reversed([*accumulate((wrong for _, wrong in reversed(found)), initial=0)])]
        self.nearest_wrong = sorted({similarity for similarity, wrong in found if wrong})

    def counted(self, threshold: float) -> tuple[int, int]:
        """(served, wrong among them)."""
        first = bisect_left(self.at, threshold)
        return len(self.at) - first, self.wrong[first]

    def row(self, threshold: float, confidence: float) -> Row:
        served, wrong = self.counted(threshold)
        return Row(
            threshold=threshold,
            hits=rate(served, self.pairs, confidence),
            wrong=rate(wrong, served, confidence),
            most=upper(wrong, served, confidence),
        )


def calibrated(rows: Sequence[Scored], *, bound: float, confidence: float) -> Calibration:
    """``bound``: the share of wrong answers among those served that is borne; ``confidence`` that it is not more. Every pair has its similarity."""
    guarded = _Sorted((row for row in rows if not row.guard), len(rows))
    bare = _Sorted(rows, len(rows))
    right = sum(row.pair.same for row in rows)
    return Calibration(
        guarded=tuple(guarded.row(threshold, confidence) for threshold in GRID),
        bare=tuple(bare.row(threshold, confidence) for threshold in GRID),
        picked=_picked(guarded, bound, confidence),
        needed=needed(bound, confidence),
        right=right,
        false=len(rows) - right,
    )


def _picked(rows: _Sorted, bound: float, confidence: float) -> Row | None:
    """The lowest that meets the bound: of the grid, and of the thresholds just above a pair that must not match."""
    above = [(floor(similarity * STEP) + 1) / STEP for similarity in rows.nearest_wrong]
    for threshold in sorted({*GRID, *(one for one in above if GRID[0] < one <= 1.0)}):
        served, wrong = rows.counted(threshold)
        if served and _holds(wrong, served, bound, confidence):
            return rows.row(threshold, confidence)
    return None


def _similarity(row: Scored) -> float:
    assert row.pair.similarity is not None
    return row.pair.similarity


# ---- intervals ------------------------------------------------------------------------------------------------------
def needed(bound: float, confidence: float) -> int:
    """Pairs without a wrong one from which on the bound is proven: about 3 / bound at 95 %, the rule of three."""
    return 1 if bound >= 1 else ceil(log1p(-confidence) / log1p(-bound))


def rate(count: int, of: int, confidence: float) -> Rate:
    """With its two-sided interval."""
    each = (1 + confidence) / 2
    return Rate(count, of, 1 - upper(of - count, of, each), upper(count, of, each))


def upper(count: int, of: int, confidence: float) -> float:
    """The share that is not exceeded, with this confidence (one-sided), where ``count`` of ``of`` were seen. Of nothing: 1."""
    if count >= of:
        return 1.0
    low, high = count / of, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if _holds(count, of, middle, confidence):
            high = middle
        else:
            low = middle
    return high


def _holds(count: int, of: int, share: float, confidence: float) -> bool:
    """Would so few be seen in at most 1 - ``confidence`` of all cases if the true share were ``share``?"""
    if share >= 1.0:
        return True
    return count < of and _beta(of - count, count + 1, 1 - share) <= 1 - confidence


def _beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, which is the binomial's cumulated chance."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Its continued fraction (DLMF 8.17.22), by Lentz's method."""
    tiny = 1e-300
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or tiny)
    found = d
    for m in range(1, 10_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / ((1 + term * d) or tiny)
            c = (1 + term / c) or tiny
            found *= c * d
        if abs(c * d - 1) < 1e-13:
            break
    return found
