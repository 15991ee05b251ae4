"""Lists, page by page: whatever the rows are, the cursor is the id of the last one shown."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from .answers import Page

V_co = TypeVar("V_co", covariant=True)
R = TypeVar("R")
T = TypeVar("T")

MOST = 1_000
"""Rows that the database gives at once."""


class Fetch(Protocol[V_co]):
    """At most ``limit`` rows behind the one with the id ``after``."""

    def __call__(self, *, limit: int, after: str | None) -> Awaitable[Sequence[V_co]]: ...


async def page(
    fetch: Fetch[R], show: Callable[[R], T], ident: Callable[[R], str], *, limit: int, cursor: str | None
) -> Page[T]:
    """``limit`` rows behind ``cursor``, and whether there are more."""
    rows = list(await fetch(limit=min(limit + 1, MOST), after=cursor))
    more = len(rows) > limit
    if limit == MOST and len(rows) == MOST:
        more = bool(await fetch(limit=1, after=ident(rows[-1])))
    shown = rows[:limit]
    return Page(data=[show(row) for row in shown], has_more=more, next=ident(shown[-1]) if more else None)
