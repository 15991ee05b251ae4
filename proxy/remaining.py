"""What is left of every budget, asked for when somebody reads the metrics: of the file's keys and accounts first, then of the stored."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import get_args

from .identity.principals import Terms, money_rules
from .identity.stored import StoredKeys
from .policy.rules import Rule, window_of
from .policy.terms import Per
from .protocols import Clock, LimitStore
from .storage.records import AccountRecord, KeyRecord
from .telemetry.budgets import CREDIT, BudgetGauges, BudgetLevel

SHOWN = 500
"""Budgets that have gauges of their own."""

AT_ONCE = 100
"""Keys and accounts that are looked at in one turn of the loop."""

PATIENCE = 0.5
"""Seconds that the counters have to answer; after that the last figures stand."""


class Remaining:
    """``terms()`` and ``stored()``: those in force. ``stored()`` is ``None`` where no database is."""

    def __init__(
        self,
        gauges: BudgetGauges,
        *,
        store: LimitStore,
        terms: Callable[[], Terms],
        stored: Callable[[], StoredKeys | None],
        wall: Clock,
    ) -> None:
        self._gauges = gauges
        self._store = store
        self._terms = terms
        self._stored = stored
        self._wall = wall

    async def look(self) -> None:
        """Brings the gauges up to date, if that can be done at once."""
        found: dict[str, tuple[str, Rule]] = {}
        unlisted, terms = 0, self._terms()
        async for owner in self._owners(terms):
            if len(found) >= SHOWN:
                unlisted += len(owner.budgets)
                continue
            for rule in money_rules(owner, terms):
                found.setdefault(rule.ident, (owner.name, rule))
        now = self._wall()
        windows = {per: window_of(per, now) for per in get_args(Per)}
        asked = [(rule, windows[rule.per]) for _, rule in found.values()]
        try:
            async with asyncio.timeout(PATIENCE):
                levels = await self._store.levels(asked) if asked else ()
        except TimeoutError:
            return
        self._gauges.show(
            [
                BudgetLevel(
                    scope=rule.scope,
                    name=name,
                    period=rule.per if rule.name != CREDIT else CREDIT,
                    limit=rule.limit,
                    left=rule.limit - level.used - max(level.held, 0),
                )
                for (name, rule), level in zip(found.values(), levels, strict=True)
            ],
            unlisted=unlisted,
        )

    async def _owners(self, terms: Terms) -> AsyncIterator[AccountRecord | KeyRecord]:
        """Keys and accounts with budgets; requests have their turn meanwhile."""
        own: list[AccountRecord | KeyRecord] = [*terms.accounts.values(), *terms.keys.values()]
        for number, owner in enumerate(own):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            yield owner
        stored = self._stored()
        if stored is not None:
            async for record in stored.budgeted():
                yield record
