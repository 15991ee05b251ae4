"""A provider's list against the ledger, request by request. Theirs is read once and never held; of ours a few numbers each."""

from collections.abc import Iterable, Iterator
from struct import Struct as Layout
from typing import Literal

from msgspec import Struct

from ..protocols import Entry
from .exports import BadRow, Row
from .tariff import MILLION

Measure = Literal["input_tokens", "output_tokens", "cached_tokens", "cost"]
MEASURES: tuple[Measure, ...] = ("input_tokens", "output_tokens", "cached_tokens", "cost")


class Difference(Struct, frozen=True, gc=False):
    """One figure of a request that both sides have: tokens, or micro-dollars for ``cost``."""

    measure: Measure
    ours: int
    theirs: int

    @property
    def absolute(self) -> int:
        """Theirs less ours: above 0 the provider bills more than we know of."""
        return self.theirs - self.ours

    @property
    def percent(self) -> float | None:
        """The same in percent of ours; ``None`` where ours is 0."""
        return None if not self.ours else 100 * self.absolute / self.ours


class Finding(Struct, frozen=True):
    """A request that does not agree. ``line``: of the provider's file, where it is there. ``problem``: of a bad row."""

    kind: Literal["differs", "only_theirs", "only_ours", "bad_row"]
    id: str = ""
    line: int | None = None
    model: str = ""
    differences: tuple[Difference, ...] = ()
    problem: str = ""


class Totals(Struct, kw_only=True):
    """Sums over everything read so far. Costs in micro-dollars; ``uncompared``: our entries without a provider's id.

    Theirs are of rows that could be read, matched or not; ours of entries with a provider's id.
    """

    matched: int = 0
    differing: int = 0
    only_theirs: int = 0
    only_ours: int = 0
    bad_rows: int = 0
    uncompared: int = 0
    ours: dict[Measure, int]
    theirs: dict[Measure, int]

    @classmethod
    def empty(cls) -> "Totals":
        """Before the first row."""
        return cls(ours=dict.fromkeys(MEASURES, 0), theirs=dict.fromkeys(MEASURES, 0))


_PAIR = Layout("<8qI4?")
"""Our four figures, theirs, the line they first were on, and which of theirs are known. The smallest that Python can keep."""

_MOST = 2**63 - 1
_Pair = tuple[int, ...]


def compare(theirs: Iterable[Row | BadRow], ours: Iterable[Entry], totals: Totals) -> Iterator[Finding]:
    """Everything that does not agree; ``totals`` is complete when it ends. Rows of one id are added up, entries of one too.

    Requests that we only estimated are compared like others: their differences are what the estimate missed.
    """
    pairs = _ours(ours, totals)
    for row in theirs:
        if isinstance(row, BadRow):
            totals.bad_rows += 1
            yield Finding("bad_row", line=row.line, problem=row.problem)
            continue
        figures = (row.input_tokens, row.output_tokens, row.cached_tokens, row.cost)
        for measure, figure in zip(MEASURES, figures, strict=True):
            totals.theirs[measure] += figure or 0
        packed = pairs.get(row.id)
        if packed is None:
            totals.only_theirs += 1
            yield Finding("only_theirs", row.id, row.line, row.model)
        else:
            pairs[row.id] = _with(packed, row.line, figures)
    # Kept in millionths so far, so that nothing is rounded before the sum.
    totals.theirs["cost"] = -(-totals.theirs["cost"] // MILLION)
    yield from _judge(pairs, totals)


def _ours(entries: Iterable[Entry], totals: Totals) -> dict[str, bytes]:
    pairs: dict[str, bytes] = {}
    for entry in entries:
        if entry.cache:
            # No provider was asked, so that none has it in its list.
            continue
        if not entry.upstream_id:
            totals.uncompared += 1
            continue
        known = pairs.get(entry.upstream_id)
        pair = list(_PAIR.unpack(known)) if known is not None else [0] * 13
        figures = (entry.input_tokens, entry.output_tokens, entry.cached_tokens, entry.cost)
        for index, (measure, figure) in enumerate(zip(MEASURES, figures, strict=True)):
            totals.ours[measure] += figure
            pair[index] += figure
        pairs[entry.upstream_id] = _PAIR.pack(*pair)
    return pairs


def _with(packed: bytes, line: int, figures: tuple[int | None, ...]) -> bytes:
    pair = list(_PAIR.unpack(packed))
    pair[8] = pair[8] or line
    for index, figure in enumerate(figures):
        if figure is not None:
            pair[4 + index] = min(pair[4 + index] + figure, _MOST)
            pair[9 + index] = True
    return _PAIR.pack(*pair)


def _judge(pairs: dict[str, bytes], totals: Totals) -> Iterator[Finding]:
    for ident, packed in pairs.items():
        pair = _PAIR.unpack(packed)
        line = pair[8]
        if not line:
            totals.only_ours += 1
            yield Finding("only_ours", ident)
        elif differences := tuple(_differences(pair)):
            totals.differing += 1
            yield Finding("differs", ident, line, differences=differences)
        else:
            totals.matched += 1


def _differences(pair: _Pair) -> Iterator[Difference]:
    for index, measure in enumerate(MEASURES):
        ours, theirs, known = pair[index], pair[4 + index], pair[9 + index]
        if not known:
            continue
        if measure == "cost":
            # Ours is rounded up to a micro-dollar, once a request.
            if abs(ours * MILLION - theirs) < MILLION:
                continue
            theirs = (theirs + MILLION // 2) // MILLION
        if ours != theirs:
            yield Difference(measure, ours, theirs)
