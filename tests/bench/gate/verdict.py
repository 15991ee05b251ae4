"""Beside the baseline: which counts grew, by how much, and in which functions."""

from collections.abc import Iterator

import msgspec

from .baseline import Baseline, build_of
from .measure import Counted, Measured

ALLOWED = 0.05
"""Growth of any count of a request that passes."""

BY_BUILD = "machine instructions"
"""Compared with the baseline of the same build alone."""

TOP = 8
"""Functions that are named for a case that grew."""


class Change(msgspec.Struct, frozen=True):
    """One count of one case."""

    case: str
    count: str
    before: float
    now: float

    @property
    def growth(self) -> float:
        """Of its baseline; infinite where there was nothing."""
        if not self.before:
            return float("inf") if self.now else 0.0
        return self.now / self.before - 1


def changes(measured: Measured, baseline: Baseline) -> Iterator[Change]:
    """Every count that both have and that may be compared."""
    same_build = baseline.build == build_of(measured)
    for name, case in measured.cases.items():
        before = baseline.cases.get(name, {})
        for count, now in case.counts.items():
            if count in before and (count != BY_BUILD or same_build):
                yield Change(name, count, before[count], now)


def grown(measured: Measured, baseline: Baseline, *, allowed: float = ALLOWED) -> list[Change]:
    """What grew by more than ``allowed``."""
    return [change for change in changes(measured, baseline) if change.now > change.before * (1 + allowed)]


def growers(now: Counted, before: Counted) -> list[tuple[str, float, float]]:
    """Functions that do more than before, the most first: name, bytecode instructions before and now; of C functions, calls."""
    found = []
    for name in {*now.functions, *before.functions}:
        at = 1 if name.startswith("(") else 0
        was, does = before.functions.get(name, (0.0, 0.0))[at], now.functions.get(name, (0.0, 0.0))[at]
        if does - was >= 1:
            found.append((name, was, does))
    # A call into C is worth some ten instructions of the interpreter.
    return sorted(found, key=lambda row: (row[1] - row[2]) * (10 if row[0].startswith("(") else 1))[:TOP]


def table(measured: Measured, baseline: Baseline | None) -> str:
    """All counts, Markdown."""
    lines = ["| case | count | baseline | now | change |", "|---|---|---:|---:|---:|"]
    compared = {(change.case, change.count): change for change in changes(measured, baseline)} if baseline else {}
    for name, case in measured.cases.items():
        for count, now in case.counts.items():
            change = compared.get((name, count))
            before = f"{change.before:,.10g}" if change else "-"
            lines.append(f"| {name} | {count} | {before} | {now:,.10g} | {_percent(change) if change else ''} |")
    return "\n".join(lines)


def _percent(change: Change) -> str:
    if change.growth == float("inf"):
        return "new"
    return f"{change.growth:+.1%}" if change.growth else ""


def reasons(failed: list[Change], measured: Measured, baseline: Baseline) -> str:
    """Each count that grew, and the functions of its case that did."""
    lines = []
    for name in dict.fromkeys(change.case for change in failed):
        for change in (change for change in failed if change.case == name):
            lines.append(f"{name}: {change.count} {_percent(change)} ({change.before:,.10g} to {change.now:,.10g})")
        before = baseline.counted(name)
        named = growers(measured.cases[name], before) if before else []
        lines += [
            f"    {does - was:+10,.10g}  {function}  ({was:,.10g} to {does:,.10g})" for function, was, does in named
        ]
        if not named:
            lines.append("    no function does more in Python: what grew is in C")
    return "\n".join(lines)
