"""Every process keeps the whole index in memory, and tells the others what it learns over one stream of plain Redis or Valkey.

A lookup never leaves the process. While the store is down each goes on with what it has; what it could not tell, or hear, is made up for
afterwards. The stream holds the questions' texts, which whoever may read that store can read.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Protocol

from ...protocols import CacheRecords, Clock, EmbedderFailed, Purge, Vector
from ...state.settings import TAG, StoreDown
from . import Alike, Kept, Near
from .memory import MemoryIndex
from .messages import Message, opened, packed, sealed, unpacked

STREAM = f"{TAG}:semantic"

LOOK = 0.25
"""Seconds between two looks at the stream."""

TOGETHER = 64
"""Messages that are read or written at once: a millisecond or two of work."""

UNTOLD = 10_000
"""Messages that wait for a store that is down; the oldest are given up."""

TRIM = 60.0
"""Seconds between two looks for what has expired."""

START = b"0-0"


class Link(Protocol):
    """The way to the store, as ``proxy/state`` makes it. Raises ``StoreDown``."""

    async def call(self, *words: bytes | str | int) -> object:
        """One command and its reply."""


class ReplicatedIndex:
    """``memory`` is this process's. ``embedder``: name of the only one whose vectors are believed; ``secret``: what all processes seal with,
    b"" while it is not known; ``longest``: seconds that an answer is kept at most; ``most``: messages in the stream, about."""

    def __init__(
        self,
        memory: MemoryIndex,
        link: Link,
        *,
        secret: Callable[[], bytes],
        embedder: str,
        longest: float,
        most: int,
        wall: Clock,
        records: CacheRecords,
    ) -> None:
        self._memory = memory
        self._link = link
        self._secret = secret
        self._embedder = embedder
        self._longest = longest
        self._most = most
        self._wall = wall
        self._records = records
        self._origin = os.urandom(8)
        self._untold: deque[Message] = deque(maxlen=UNTOLD)
        self._heard = START
        """The last message of the stream that was read."""
        self._sure = False
        """Is it known that the stream is still the one we have been reading?"""
        self._task: asyncio.Task[None] | None = None

    # ---- what asks ----------------------------------------------------------------------------------------------------
    def empty(self, partition: bytes) -> bool:
        """Has it no rows here?"""
        return self._memory.empty(partition)

    async def alike(self, partition: bytes, signature: bytes, text: str, most: int) -> Alike | None:
        """Who has this signature."""
        return await self._memory.alike(partition, signature, text, most)

    async def nearest(self, partition: bytes, signature: bytes, vector: Vector) -> Near | None:
        """The nearest of this process's."""
        return await self._memory.nearest(partition, signature, vector)

    def size(self) -> int:
        """Rows in this process."""
        return self._memory.size()

    # ---- what tells ---------------------------------------------------------------------------------------------------
    def add(self, row: Kept, vector: Vector | None = None) -> None:
        """Here at once, elsewhere soon."""
        self._memory.add(row, vector)
        self._tell(
            kind="row",
            partition=row.partition,
            key=row.key,
            signature=row.signature,
            text=row.text.encode("utf-8", "surrogatepass"),
            tenant=row.tenant,
            expires=row.expires,
        )
        if vector is not None:
            self._tell(
                kind="vector", partition=row.partition, key=row.key, embedder=self._embedder, vector=packed(vector)
            )

    def place(self, partition: bytes, key: bytes, vector: Vector) -> None:
        """Here at once, elsewhere soon."""
        self._memory.place(partition, key, vector)
        self._tell(kind="vector", partition=partition, key=key, embedder=self._embedder, vector=packed(vector))

    def forget(self, partition: bytes, key: bytes) -> None:
        """Here at once, elsewhere soon."""
        self._memory.forget(partition, key)
        self._tell(kind="forget", partition=partition, key=key)

    async def purge(self, what: Purge) -> None:
        """Here at once, elsewhere soon. The texts leave the stream with everything else in it: those who come later begin with less."""
        self._untold.clear()
        await self._memory.purge(what)
        try:
            await self._link.call("XTRIM", STREAM, "MAXLEN", 0)
        except StoreDown:
            self._records.failed("down")
        # Only now, lest what tells the others goes with the texts before they have read it.
        self._tell(kind="purge", key=bytes.fromhex(what.key) if what.key else b"", tenant=what.account)

    # ---- in the background --------------------------------------------------------------------------------------------
    async def open(self) -> None:
        """Begins to follow the stream, from its beginning."""
        self._task = asyncio.create_task(self._follow(), name="semantic-vectors")

    async def close(self) -> None:
        """Follows it no more. What was not told yet is told if the store takes it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            while self._untold and self._secret():
                await self._write()
        except StoreDown:
            pass

    def _tell(self, **fields: Any) -> None:
        self._untold.append(Message(origin=self._origin, **fields))

    async def _follow(self) -> None:
        trimmed = self._wall()
        while True:
            try:
                more = await self.turn()
                if self._wall() - trimmed >= TRIM:
                    trimmed = self._wall()
                    await self._trim()
            except StoreDown:
                self._sure, more = False, False
                self._records.failed("down")
            except Exception as error:  # noqa: BLE001 - a bug here must not end the task; the request path goes on without it
                self._sure, more = False, False
                self._records.failed(type(error).__name__)
            await asyncio.sleep(0 if more else LOOK)

    async def turn(self) -> bool:
        """Tells what waits, and hears what others said. Is there more? Raises ``StoreDown``."""
        if not self._secret():
            return False
        if not self._sure:
            await self._reassure()
        await self._write()
        reply = await self._link.call("XREAD", "COUNT", TOGETHER, "STREAMS", STREAM, self._heard)
        messages = _messages(reply)
        for ident, stored in messages:
            self._heard = ident
            await self._apply(stored)
        return len(messages) == TOGETHER or bool(self._untold)

    async def _reassure(self) -> None:
        """A store that was emptied may count anew: then we begin anew."""
        newest = _entries(await self._link.call("XREVRANGE", STREAM, "+", "-", "COUNT", 1))
        if not newest or _order(newest[0][0]) < _order(self._heard):
            self._heard = START
        self._sure = True

    async def _write(self) -> None:
        secret = self._secret()
        if not secret:
            return
        portion = list(islice(self._untold, TOGETHER))
        stored = [sealed(secret, message) for message in portion]
        # Answers may be lost: what is told twice does no harm.
        await asyncio.gather(
            *[self._link.call("XADD", STREAM, "MAXLEN", "~", self._most, "*", "m", one) for one in stored]
        )
        for message in portion:
            if self._untold and self._untold[0] is message:
                self._untold.popleft()

    async def _trim(self) -> None:
        """Texts leave the store with the answers that they belong to, also where nobody asks anything more."""
        await self._link.call("XTRIM", STREAM, "MINID", max(0, int((self._wall() - self._longest) * 1000)))
        await self._link.call("PEXPIRE", STREAM, int(self._longest * 1000))

    async def _apply(self, stored: bytes) -> None:
        message = opened(self._secret(), stored)
        if isinstance(message, str):
            self._records.failed(message)
            return
        if message.origin == self._origin:
            return
        if message.kind == "row":
            self._memory.add(_row(message))
        elif message.kind == "vector":
            self._believe(message)
        elif message.kind == "forget":
            self._memory.forget(message.partition, message.key)
        else:
            await self._memory.purge(Purge(key=message.key.hex(), account=message.tenant))

    def _believe(self, message: Message) -> None:
        if message.embedder != self._embedder:
            self._records.failed("embedder")
            return
        try:
            vector = unpacked(message.vector)
        except EmbedderFailed as failure:
            self._records.failed(failure.kind)
            return
        self._memory.place(message.partition, message.key, vector)


def _row(message: Message) -> Kept:
    return Kept(
        partition=message.partition,
        key=message.key,
        signature=message.signature,
        text=message.text.decode("utf-8", "surrogatepass"),
        tenant=message.tenant,
        expires=message.expires,
    )


def _messages(reply: object) -> list[tuple[bytes, bytes]]:
    """Id and content of what ``XREAD`` of one stream gave."""
    match reply:
        case [[_, entries]]:
            return _entries(entries)
    return []


def _entries(reply: object) -> list[tuple[bytes, bytes]]:
    found = []
    for entry in reply if isinstance(reply, list) else ():
        match entry:
            case [bytes() as ident, [b"m", bytes() as stored]]:
                found.append((ident, stored))
            case [bytes() as ident, *_]:
                found.append((ident, b""))  # nobody's of ours: counted as corrupt
    return found


def _order(ident: bytes) -> tuple[int, int]:
    milliseconds, _, number = ident.partition(b"-")
    return int(milliseconds), int(number or 0)
