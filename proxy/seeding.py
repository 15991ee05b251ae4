"""Tells the counters of budgets and balances what the ledger knows: at start, after a store has forgotten, for new budgets of old keys."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Protocol

from .policy.rules import Rule, window_of
from .policy.terms import Per
from .protocols import Clock, LimitStore

_log = logging.getLogger("tollway.limits")

EVERY = 0.5
"""Seconds between looks whether the store still knows."""

PERIODS: tuple[Per, ...] = ("day", "week", "month", "total")


class Spent(Protocol):
    """What was charged to a key or an account in one calendar period."""

    @property
    def scope(self) -> str:
        """``key`` or ``account``."""

    @property
    def id(self) -> str:
        """Whose."""

    @property
    def window(self) -> str:
        """The period, as ``window_of`` names it."""

    @property
    def micro(self) -> int:
        """Micro-dollars."""


Read = Callable[[float], Coroutine[None, None, Sequence[Spent]]]


class Seeder:
    """``read`` gives everything that was spent in the periods of a moment (unix seconds)."""

    def __init__(self, store: LimitStore, read: Read, *, wall: Clock, forgotten: Callable[[], Awaitable[bool]]) -> None:
        """``forgotten``: has the store lost its figures, and is it this process's turn to tell it?"""
        self._store = store
        self._read = read
        self._wall = wall
        self._forgotten = forgotten

    async def seed(self) -> None:
        """Everything, from the ledger. Raises what the database raises."""
        spent = await self._read(self._wall())
        await self._store.seed([counter for row in spent for counter in self._counters(row)])

    async def seed_rules(self, rules: Sequence[Rule]) -> None:
        """Before ``rules``, which are new to a key or account that may have a past, are put in force.

        Everything is told: a store that has meanwhile forgotten must not take these few figures for all.
        """
        if rules:
            await self.seed()

    def _counters(self, row: Spent) -> list[tuple[str, str, int]]:
        owner = f"{row.scope}/{row.id}"
        now = self._wall()
        per = next((per for per in PERIODS if window_of(per, now) == row.window), None)
        if per is None:
            return []
        found = [(f"{owner}/budget.{per}", row.window, row.micro)]
        if per == "total" and row.scope == "account":
            found.append((f"{owner}/credit", row.window, row.micro))
        return found

    async def run(self) -> None:
        """Watches for ever, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                if await self._forgotten():
                    await self.seed()
                    _log.info("the store of limits was told what the ledger knows")
            except Exception as error:  # noqa: BLE001 - a store or database that is down is tried again
                _log.warning("the store of limits cannot be told what the ledger knows: %s", type(error).__name__)
