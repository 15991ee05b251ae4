"""What a dashboard is made of, as far as one panel differs from another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GREEN, YELLOW, RED, BLUE, GREY = "green", "orange", "red", "blue", "#8e8e8e"

Queries = tuple[tuple[str, str], ...]
"""(expression, legend) pairs."""

Steps = tuple[tuple[float | None, str], ...]
"""From which value on which colour; the first has no value."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel. ``wide`` of 24 columns."""

    title: str
    about: str
    queries: Queries
    unit: str
    kind: str = "timeseries"
    wide: int = 8
    stacked: bool = False
    steps: Steps = ((None, GREEN),)
    most: float | None = None
    decimals: int | None = None
    colours: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    """Of a table: label to heading, in the order of its columns."""
    words: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    """Value to word and colour."""


@dataclass(frozen=True)
class Row:
    """Panels of one height under one title; without a title it is the first thing to be seen."""

    title: str
    panels: tuple[Panel, ...]
    high: int = 8


def stat(title: str, about: str, query: str, unit: str, **more: Any) -> Panel:
    """One figure and how it went."""
    return Panel(title=title, about=about, queries=((query, ""),), unit=unit, kind="stat", **{"wide": 4, **more})


def lines(title: str, about: str, *queries: tuple[str, str], unit: str, **more: Any) -> Panel:
    """Curves over time."""
    return Panel(title=title, about=about, queries=queries, unit=unit, **more)


QUANTILES = {"p50": BLUE, "p95": YELLOW, "p99": RED}
OUTCOMES = {
    "ok": GREEN,
    "rejected": YELLOW,
    "upstream_error": RED,
    "timeout": "purple",
    "client_closed": GREY,
    "internal_error": "dark-red",
}
LATE: Steps = ((None, GREEN), (2, YELLOW), (10, RED))
BAD_SHARE: Steps = ((None, GREEN), (0.005, YELLOW), (0.02, RED))
ANY_IS_BAD: Steps = ((None, GREEN), (1, RED))
