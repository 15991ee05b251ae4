"""Purges that every process of a fleet follows: kept in the state store with a mark that changes with each, so that a lookup sees at
once that there is a new one. What the store forgets, those who know it tell it again.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from secrets import token_hex
from typing import Any, Protocol

import msgspec

from ..protocols import CacheRecords, Clock, Purge
from ..state.script import Script, read
from ..state.settings import StoreDown
from .memory import MemoryCacheStore
from .purges import LONGEST, MOST, Purges

SKEW = 5.0
"""Seconds by which the clocks of two machines may differ: what is stored so soon after a purge is forgotten with the rest."""

DAY = 86_400.0
"""Seconds: a purge that holds for longer than this in advance is none of ours."""

WORD = "cache"
"""What is said when there is a new one."""

AGAIN = 1.0
"""Seconds between two attempts to write a purge down."""

PURGES = read(__package__, "purges.lua")

_encode = msgspec.msgpack.Encoder().encode
_fields = msgspec.json.Decoder(tuple[str, str, str, str]).decode


class Link(Protocol):
    """The way to the store, as ``proxy/state`` makes it. Raises ``StoreDown``."""

    @property
    def up(self) -> bool:
        """Was the store there when it was last asked?"""

    async def open(self) -> bool:
        """Connects. Is the store there?"""

    async def back(self) -> None:
        """Waits until it is."""

    async def close(self) -> None:
        """Ends the connection."""

    def call(self, *words: bytes | str | int) -> Coroutine[Any, Any, object]:
        """One command and its reply."""

    def run(self, script: Script, argument: bytes) -> Coroutine[Any, Any, object]:
        """One run of a script."""


class Push(Protocol):
    """Words to the other processes, as ``proxy/state`` makes it."""

    async def publish(self, kind: str) -> None:
        """Says a word. Nobody hears it while the store is down."""

    def listen(self, callback: Callable[[str], None]) -> None:
        """Calls ``callback(word)`` from now on, also whenever words may have been lost."""

    async def close(self) -> None:
        """Nobody is called any more."""


class SharedPurges:
    """``known`` holds here at once, whatever the store does. ``learnt`` hears of purges that others made; ``push`` tells those who listen."""

    def __init__(
        self,
        link: Link,
        *,
        wall: Clock,
        records: CacheRecords,
        learnt: Callable[[Purge], None] | None = None,
        push: Push | None = None,
    ) -> None:
        self.known = Purges()
        self.mark: object = NEVER_READ
        """As the store had it when its purges were last read."""
        self._link = link
        self._wall = wall
        self._records = records
        self._learnt = learnt
        self._push = push
        self._owing: asyncio.Task[None] | None = None

    @property
    def owed(self) -> bool:
        """Is there a purge that the store, and so the other processes, do not know of yet?"""
        return self._owing is not None

    async def tell(self, what: Purge) -> None:
        """``what`` is forgotten: here from now on, everywhere before this returns, or as soon as the store is back."""
        upto = self._wall() + SKEW
        self.known.add(what, upto)
        try:
            await self._exchange([(what, upto)])
            await self._say()
        except StoreDown:
            self._records.failed("down")
            if self._owing is None:
                self._owing = asyncio.create_task(self._pay(), name="cache-purges")

    async def follow(self) -> None:
        """Reads what others have purged. Raises ``StoreDown``."""
        await self._exchange([])

    async def close(self) -> None:
        """Ends the task that waits for the store."""
        if self._owing is not None:
            self._owing.cancel()
            await asyncio.gather(self._owing, return_exceptions=True)

    async def _pay(self) -> None:
        """Until the store knows of everything that was purged here."""
        while True:
            await self._link.back()
            try:
                await self._exchange([])
            except StoreDown:
                await asyncio.sleep(AGAIN)
                continue
            await self._say()
            self._owing = None
            return

    async def _say(self) -> None:
        """That there is a new one."""
        if self._push is not None:
            await self._push.publish(WORD)

    async def _exchange(self, told: Sequence[tuple[Purge, float]]) -> None:
        """Tells some, hears all; tells those again that the store has lost."""
        while True:
            mark, there = self._read(await self._link.run(PURGES, self._argument(told)))
            for what, upto in there.items():
                if self.known.add(what, upto) and self._learnt is not None:
                    self._learnt(what)
            self.known.expire(self._wall())
            lost = [(what, upto) for what, upto in self.known if there.get(what, 0.0) < upto]
            if not lost or told == lost:
                self.mark = mark
                return
            told = lost

    def _argument(self, told: Sequence[tuple[Purge, float]]) -> bytes:
        now = self._wall()
        rows = [word for what, upto in told for word in (_field(what), repr(upto))]
        return _encode((rows, token_hex(8), repr(now + SKEW), repr(now - LONGEST), int(LONGEST * 1000), MOST))

    def _read(self, reply: object) -> tuple[object, dict[Purge, float]]:
        """(mark, purges). What nobody of ours has written is left out."""
        there: dict[Purge, float] = {}
        latest = self._wall() + DAY
        if not isinstance(reply, list) or not reply:
            return None, there
        for field, upto in zip(reply[1::2], reply[2::2], strict=False):
            try:
                key, account, model, tag = _fields(field)
                moment = float(upto)
            except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, TypeError):
                self._records.failed("corrupt")
                continue
            if moment <= latest:
                there[Purge(key=key, account=account, model=model, tag=tag)] = moment
        return reply[0], there


NEVER_READ = object()


def _field(what: Purge) -> str:
    return msgspec.json.encode((what.key, what.account, what.model, what.tag)).decode()


class MemoryCacheOfFleet:
    """Implements ``CacheStore``: answers in the memory of each process, purges for all of them."""

    def __init__(self, store: MemoryCacheStore, link: Link, push: Push, *, wall: Clock, records: CacheRecords) -> None:
        self._store = store
        self._push = push
        self._purges = SharedPurges(link, wall=wall, records=records, learnt=self._forget, push=push)
        self._records = records
        self._tasks: set[asyncio.Task[None]] = set()
        self.get = store.get
        self.get_many = store.get_many
        self.put = store.put
        self.figures = store.figures
        self.resize = store.resize

    async def open(self) -> None:
        """Listens for the purges of others."""
        self._push.listen(self._heard)

    @property
    def owed(self) -> bool:
        """Is there a purge that the other processes do not know of yet?"""
        return self._purges.owed

    async def purge(self, what: Purge) -> int | None:
        """See ``CacheStore``. How many there were in this process is known, but not how many in all."""
        await self._store.purge(what)
        await self._purges.tell(what)
        return None

    async def close(self) -> None:
        """See ``CacheStore``."""
        await self._push.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._purges.close()
        await self._store.close()

    def _heard(self, _: str) -> None:
        self._spawn(self._follow())

    async def _follow(self) -> None:
        try:
            await self._purges.follow()
        except StoreDown:
            self._records.failed("down")

    def _forget(self, what: Purge) -> None:
        self._spawn(self._purge_here(what))

    async def _purge_here(self, what: Purge) -> None:
        await self._store.purge(what)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
