"""What is remembered of an id, for how long, and how it reaches the database: in batches, behind the requests."""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

_log = logging.getLogger("tollway.ownership")

LIFETIME = 31 * 86_400.0
"""Seconds that a response or a stored chat completion is remembered: a day longer than providers keep them."""

SEAL = "sig:"
"""Begins what stands for a sealed text, such as encrypted reasoning: the digest of its letters follows."""

_PASSING = re.compile(
    rf"(?:resp|chatcmpl|msg|rs|fc|fco|ctc|ws|fs|ci|ig|cu|sh|lsh|mcp|mcpl|mcpr|cmp|audio|sess|item)[-_]|{SEAL}"
)

BATCH = 500
PAUSE = 0.1
"""Seconds in which claims gather before they are written."""

RETRY = 1.0
QUEUED = 200_000
"""Claims that wait for a database that is down; the oldest are given up."""


class Claim(Struct, frozen=True):
    """``ident`` belongs to ``account`` since ``at`` (unix seconds), and was made at ``place``."""

    ident: str
    account: str
    at: float
    place: str = ""


def passes(ident: str) -> bool:
    """Does its provider forget it by itself?"""
    return _PASSING.match(ident) is not None


Save = Callable[[Sequence[Claim]], Awaitable[None]]
"""Ids that have an owner keep it."""
Remove = Callable[[Sequence[str]], Awaitable[None]]


class WriteBehind:
    """Claims and deletions on their way to the database, in order. Nothing waits for them but ``close``."""

    def __init__(self, save: Save, remove: Remove) -> None:
        self._save = save
        self._remove = remove
        self._waiting: deque[Claim | str] = deque(maxlen=QUEUED)
        self._some = asyncio.Event()
        self.lost = 0
        """Given up: the database was down for too long, or refused them."""

    def claimed(self, claims: Sequence[Claim]) -> None:
        """To be written."""
        self._add(claims)

    def forgotten(self, idents: Sequence[str]) -> None:
        """To be removed."""
        self._add(idents)

    def _add(self, steps: Sequence[Claim | str]) -> None:
        self.lost += max(0, len(self._waiting) + len(steps) - QUEUED)
        self._waiting.extend(steps)
        self._some.set()

    async def run(self) -> None:
        """For ever: writes what has gathered."""
        while True:
            await self._some.wait()
            await asyncio.sleep(PAUSE)
            if not await self.flush():
                await asyncio.sleep(RETRY)

    async def flush(self) -> bool:
        """Writes everything; false when the database did not take it."""
        while self._waiting:
            batch = self._next()
            try:
                await self._write(batch)
            except ValueError as error:
                self.lost += len(batch)
                _log.error("claims were refused by the database: %s", error)
            except Exception as error:  # noqa: BLE001 - whatever the database dies of, claims wait for it to return
                _log.warning("claims wait for the database: %s", type(error).__name__)
                self._waiting.extendleft(reversed(batch))
                return False
        self._some.clear()
        return True

    def _next(self) -> list[Claim | str]:
        """The next steps of one kind."""
        batch = [self._waiting.popleft()]
        while (
            self._waiting and len(batch) < BATCH and isinstance(self._waiting[0], Claim) is isinstance(batch[0], Claim)
        ):
            batch.append(self._waiting.popleft())
        return batch

    async def _write(self, batch: Sequence[Claim | str]) -> None:
        claims = [step for step in batch if isinstance(step, Claim)]
        if claims:
            await self._save(claims)
        else:
            await self._remove([step for step in batch if isinstance(step, str)])
