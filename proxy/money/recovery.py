"""Journals of processes that died, into the database: what was settled, what was under way, and what was never sent.

Whoever gets a journal's lock has it; a crash here changes nothing, since all of it may be written again. Holds whose journal is
lost with its machine are given back when they are old.
"""

import asyncio
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from msgspec import Struct

from ..protocols import Clock, Entry, Hold
from ..storage.errors import StorageConflict, StorageError
from ..wire.usage import Usage
from .bookkeeping import Batch, Bookkeeper, Books, Released
from .endings import ENDINGS
from .journal import LOCK
from .pricing import part_of
from .replay import Open, Replayed, replay_folder
from .tariff import MILLION

_log = logging.getLogger("tollway.recovery")
T = TypeVar("T")

BATCH = 500
EVERY = 30.0
"""Seconds between looks."""

OLDEST_HOLD = 2 * 3600.0
"""Seconds after which a hold without a journal is given back. One that is settled later is settled all the same."""

_UNBORN = 60.0
"""Seconds after which a folder that was never finished is nobody's."""


class OpenHolds(Books, Protocol):
    """What recovery needs of the database beside ``Books``."""

    async def open_holds(self, older_than: float, *, limit: int = 1000) -> "Sequence[OldHold]":
        """Holds from before ``older_than`` that nothing has used up."""


class OldHold(Protocol):
    """One of them."""

    @property
    def request(self) -> str:
        """The ledger's id."""

    @property
    def account(self) -> str:
        """Whose."""

    @property
    def amount(self) -> int:
        """What is left of it."""


class Recovered(Struct, kw_only=True):
    """What one look found. ``entries`` were settled and not yet in the database, ``estimated`` were under way when the process died."""

    journals: int = 0
    entries: int = 0
    estimated: int = 0
    released: int = 0
    expired: int = 0


Told = Callable[[str, Entry | None], Awaitable[None]]
"""Told of each request that was under way, by the ledger's id: its entry, or ``None`` where it was never sent. For the limits."""


async def nobody(ident: str, entry: Entry | None) -> None:
    """Is told nothing."""


def held_cost(hold: Hold, usage: Usage) -> int | None:
    """The operator's cost at the customer's prices, where no others are known."""
    return _at(hold, usage)


class Recovery:
    """Looks after the journals in ``root``."""

    def __init__(
        self,
        root: Path,
        books: OpenHolds,
        bookkeeper: Bookkeeper,
        *,
        wall: Clock,
        cost: Callable[[Hold, Usage], int | None] = held_cost,
        told: Told = nobody,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``wall``: unix seconds. ``cost``: micro-dollars to the operator, ``None`` where not known."""
        self._root = root
        self._books = books
        self._bookkeeper = bookkeeper
        self._wall = wall
        self._cost = cost
        self._told = told
        self._sleep = sleep

    async def run(self) -> None:
        """Looks at once and then again and again; a database that is down is no reason to stop."""
        while True:
            try:
                found = await self.once()
            except (StorageError, StorageConflict, OSError) as error:
                _log.warning("journals of dead processes could not be recovered yet: %s", type(error).__name__)
            except Exception as error:  # noqa: BLE001 - one journal that cannot be recovered must not end the looking
                _log.error("recovery failed: %s", type(error).__name__)
            else:
                if found.journals or found.expired:
                    _log.warning("recovered journals of dead processes: %s", found)
            await self._sleep(EVERY)

    async def once(self) -> Recovered:
        """One look. Raises ``StorageError`` or ``OSError``; what was done stays done."""
        found = Recovered()
        for folder in await asyncio.to_thread(_folders, self._root):
            with _locked(folder) as mine:
                if mine:
                    replayed = await asyncio.to_thread(replay_folder, folder)
                    await self._take_over(replayed, found)
                    await asyncio.to_thread(_remove, folder)
                    found.journals += 1
        found.expired = await self._expire()
        return found

    async def _take_over(self, replayed: Replayed, found: Recovered) -> None:
        for part in _portions(list(replayed.entries.values())):
            # Whoever settled them told the limits first.
            found.entries += sum(await self._write(part))
        sent = [self._entry(each) for each in replayed.open.values() if each.dispatched]
        for part in _portions(sent):
            for entry, fresh in zip(part, await self._write(part), strict=True):
                if fresh:
                    found.estimated += 1
                    await self._told(entry.ident, entry)
        unsent = [each.hold for each in replayed.open.values() if not each.dispatched]
        for holds in _portions([*unsent, *replayed.released.values()]):
            ends = [Released(hold.ident, hold.account, hold.held, hold.at) for hold in holds]
            await self._bookkeeper.write(Batch(entries=(), released=ends, held={}, again=True))
            found.released += len(ends)
            for end in ends:
                await self._told(end.ident, None)

    async def _write(self, entries: Sequence[Entry]) -> list[bool]:
        """For each, is it new?"""
        held = {entry.ident: entry.held for entry in entries}
        return await self._bookkeeper.write(Batch(entries=entries, held=held, again=True))

    def _entry(self, found: Open) -> Entry:
        return recovered(found, self._wall(), self._cost)

    async def _expire(self) -> int:
        """Gives back what nobody will settle: holds of a machine that is gone with its journal."""
        old = await self._books.open_holds(self._wall() - OLDEST_HOLD)
        if old:
            ends = [Released(hold.request, hold.account, hold.amount, self._wall()) for hold in old]
            await self._bookkeeper.write(Batch(entries=(), released=ends, held={}, again=True))
        return len(old)


def recovered(found: Open, now: float, cost: Callable[[Hold, Usage], int | None] = held_cost) -> Entry:
    """The entry of a request that was under way when its process died, by what the journal knows of it."""
    hold = found.hold
    ending = ENDINGS["recovered" if found.output else "recovered_early"]
    usage = Usage(input=max(0, hold.input_tokens), output=max(0, found.output))
    spent = cost(hold, part_of(usage, ending.operator))
    flags = ("recovered",) if spent is not None else ("recovered", "unpriced")
    return Entry(
        ident=hold.ident,
        request_id=hold.request_id,
        upstream_id="",
        account=hold.account,
        key=hold.key,
        key_name=hold.key_name,
        endpoint=hold.endpoint,
        route=hold.route,
        provider=hold.provider,
        model=hold.model,
        outcome="internal_error",
        ending=ending.name,
        count="estimated",
        flags=flags,
        input_tokens=usage.input,
        output_tokens=usage.output,
        held=hold.held,
        charge=_at(hold, part_of(usage, ending.customer)),
        cost=spent or 0,
        unpriced=spent is None,
        price_version=hold.price_version,
        at=hold.at,
        ended=now,
    )


def _at(hold: Hold, usage: Usage) -> int:
    return -(-(usage.input * hold.input_price + usage.output * hold.output_price) // MILLION)


def _folders(root: Path) -> list[Path]:
    """Journals, and folders that were begun and never finished long ago."""
    if not root.is_dir():
        return []
    return [
        path
        for path in sorted(root.iterdir())
        if path.is_dir() and (not path.name.startswith(".") or path.stat().st_mtime < time.time() - _UNBORN)
    ]


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Is its process dead, and is it ours to recover? Held until the end of the block."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        # The lock goes last: whoever removed it died before the empty folder was gone.
        with suppress(OSError):
            folder.rmdir()
        yield False
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        # Another process may have recovered it between the two calls.
        yield os.fstat(lock).st_nlink > 0
    finally:
        os.close(lock)


def _remove(folder: Path) -> None:
    """Everything in it is in the database. The lock goes last, so that a crash on the way leaves a journal, not a ruin."""
    for path in folder.iterdir():
        if path.name != LOCK:
            path.unlink()
    shutil.rmtree(folder)


def _portions(values: Sequence[T]) -> Iterator[list[T]]:
    rest = iter(values)
    while portion := list(islice(rest, BATCH)):
        yield portion
