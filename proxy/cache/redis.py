"""``CacheStore`` of a fleet, in Valkey or Redis: one script and one round trip a lookup, values sealed and, when large, deflated.

The secret that keys are made with lies there too, and the mark of the last purge: both come with every lookup, so a store that was
emptied, replaced or purged is known for it at once. A store that is down, slow or full of rubbish is a miss.
"""

import asyncio
from collections.abc import Sequence
from secrets import token_bytes

import msgspec

from ..protocols import CacheEntry, CacheRecords, Clock, Purge
from ..state.script import read
from ..state.settings import TAG, StoreDown
from .fleet import PURGES, Link, SharedPurges
from .purges import LONGEST, key_of, means
from .sealing import HEAD, SECRET, Unsealed, packed, raw_size, seal, unseal

LARGE = 64 * 1024
"""Bytes from which on sealing and opening are done beside the loop."""

BESIDES = 64 * 1024
"""Bytes that an entry may have besides its answer."""

ROOM = 4 * 1024 * 1024
"""Bytes from which on a lookup of many answers is continued by another: one that takes long would look like a store that hangs."""

BACKLOG = 16 * 1024 * 1024
"""Bytes that wait to be stored, beyond which answers are not kept."""

LEFT_OUT = 0
"""What the store says of an answer that it has no room for in a reply."""

OPENING = 3
"""Lookups of nothing at the start: one proposes a secret, one takes it, one reads the purges."""

SECRET_KEY = f"{TAG}:cache:secret"
LOOKUP = read(__package__, "lookup.lua")
STORE = read(__package__, "store.lua")
SCRIPTS = (LOOKUP, STORE, PURGES)
"""What a ``StateLink`` for this store loads."""

_encode = msgspec.msgpack.Encoder().encode


class SharedCacheStore:
    """``link`` is this store's own, so that large answers do not hold up the counters; ``max_entry`` bytes of an answer are kept."""

    def __init__(self, link: Link, *, max_entry: int, wall: Clock, records: CacheRecords) -> None:
        self._link = link
        self._wall = wall
        self._records = records
        self._limit = max_entry + BESIDES
        self._purges = SharedPurges(link, wall=wall, records=records)
        self._secret = token_bytes(SECRET)
        self._agreed = False
        self._writing = 0
        self._one = asyncio.Lock()
        """Of large answers one travels at a time."""

    def secret(self) -> bytes:
        """What keys are made with: the fleet's, once the store has been reached."""
        return self._secret

    def resize(self, max_entry: int) -> None:
        """A reloaded bound of one answer."""
        self._limit = max_entry + BESIDES

    @property
    def owed(self) -> bool:
        """Is there a purge that the store does not know of yet?"""
        return self._purges.owed

    async def open(self) -> None:
        """Connects and agrees on the secret. A store that is down is used as soon as it is there."""
        await self._link.open()
        for _ in range(OPENING):
            await self._find(())

    async def get(self, key: bytes) -> CacheEntry | None:
        """See ``CacheStore``."""
        return (await self._find((key,)))[0]

    async def get_many(self, keys: Sequence[bytes]) -> Sequence[CacheEntry | None]:
        """See ``CacheStore``. For many megabytes there are several round trips."""
        return await self._find(keys)

    async def put(self, key: bytes, entry: CacheEntry) -> None:
        """See ``CacheStore``. What is too large is not kept, nor what would wait behind too much else, nor anything in a full store."""
        left = min(entry.expires - self._wall(), LONGEST) * 1000
        try:
            raw = packed(entry)
        except (ValueError, OverflowError):  # half of a character, a number that no format holds
            self._records.failed("unwritable")
            return
        if not left >= 1 or len(raw) > self._limit:
            await self._drop(key)
            return
        if not self._agreed or self._writing + len(raw) > BACKLOG:
            self._records.failed("busy" if self._agreed else "down")
            return
        self._writing += len(raw)
        try:
            if len(raw) > LARGE:
                async with self._one:
                    sealed = await asyncio.to_thread(seal, self._secret, key, raw)
                    said = await self._link.run(STORE, _stored(key, int(left), sealed))
            else:
                said = await self._link.run(STORE, _stored(key, int(left), seal(self._secret, key, raw)))
            if said == b"full":
                self._records.failed("full")
        except StoreDown:
            self._records.failed("down")
        finally:
            self._writing -= len(raw)

    async def purge(self, what: Purge) -> int | None:
        """See ``CacheStore``. A single answer is deleted; more are not looked for but forgotten when they are met."""
        if what.key and self._link.up:
            try:
                return await self._delete(what)
            except StoreDown:
                self._records.failed("down")
        await self._purges.tell(what)
        return None

    def figures(self) -> tuple[int, int]:
        """See ``CacheStore``."""
        return 0, 0

    async def close(self) -> None:
        """See ``CacheStore``."""
        await self._purges.close()
        await self._link.close()

    # ---- lookups ----------------------------------------------------------------------------------------------------

    async def _find(self, keys: Sequence[bytes]) -> list[CacheEntry | None]:
        try:
            secret, mark, *sealed = await self._asked(keys)
            if secret != self._secret or not self._agreed:
                await self._agree(secret)
                return [None] * len(keys)
            if mark != self._purges.mark:
                await self._purges.follow()
        except StoreDown:
            self._records.failed("down")
            return [None] * len(keys)
        found = await self._read(keys, [word if isinstance(word, bytes) else None for word in sealed])
        if LEFT_OUT in sealed:
            places = [place for place, word in enumerate(sealed) if word == LEFT_OUT]
            for place, entry in zip(places, await self._find([keys[place] for place in places]), strict=True):
                found[place] = entry
        return found

    async def _read(self, keys: Sequence[bytes], sealed: Sequence[bytes | None]) -> list[CacheEntry | None]:
        large = sum(map(raw_size, filter(None, sealed))) > LARGE
        opened = await asyncio.to_thread(self._opened, keys, sealed) if large else self._opened(keys, sealed)
        return [self._valid(key, found) for key, found in zip(keys, opened, strict=True)]

    async def _asked(self, keys: Sequence[bytes]) -> list[bytes | int | None]:
        """Secret, mark, sealed answers. Raises ``StoreDown``."""
        reply = await self._link.run(LOOKUP, _encode((self._limit + HEAD, ROOM, [key.hex() for key in keys])))
        if not isinstance(reply, list) or len(reply) != len(keys) + 2:
            raise StoreDown("protocol")
        return [word if isinstance(word, bytes | int) else None for word in reply]

    def _opened(self, keys: Sequence[bytes], sealed: Sequence[bytes | None]) -> list[CacheEntry | str | None]:
        """Each answer, or what is wrong with it. Touches nothing: it may run beside the loop."""
        found: list[CacheEntry | str | None] = []
        for key, value in zip(keys, sealed, strict=True):
            if not value:
                found.append(None if value is None else "oversized")
                continue
            try:
                found.append(unseal(self._secret, key, value, limit=self._limit))
            except Unsealed as error:
                found.append(error.kind)
        return found

    def _valid(self, key: bytes, found: CacheEntry | str | None) -> CacheEntry | None:
        if found is None:
            return None
        if isinstance(found, str):
            self._records.failed(found)
            return None
        if found.expires <= self._wall() or (self._purges.known and self._purges.known.mean(key, found)):
            return None
        return found

    # ---- the secret, and single answers -----------------------------------------------------------------------------

    async def _agree(self, found: bytes | int | None) -> None:
        """Takes the fleet's secret, or proposes ours to a store that has none; what cannot be one is replaced."""
        if isinstance(found, bytes) and len(found) == SECRET:
            self._secret, self._agreed = found, True
        elif found is None:
            await self._link.call("SET", SECRET_KEY, self._secret, "NX")
        else:
            self._records.failed("corrupt")
            await self._link.call("SET", SECRET_KEY, self._secret)

    async def _delete(self, what: Purge) -> int:
        """How many: one or none. Raises ``StoreDown``."""
        key = key_of(what)
        if what != Purge(key=what.key):
            _, _, *sealed = await self._asked((key,))
            (entry,) = await self._read((key,), [word if isinstance(word, bytes) else None for word in sealed])
            if entry is None or not means(what, key, entry):
                return 0
        return 1 if await self._link.call("DEL", _name(key)) == 1 else 0

    async def _drop(self, key: bytes) -> None:
        """What cannot be kept leaves nothing older in its place."""
        try:
            await self._link.call("DEL", _name(key))
        except StoreDown:
            self._records.failed("down")


def _stored(key: bytes, stay: int, sealed: bytes) -> bytes:
    """The script's argument, put together by hand: the store reads MessagePack's texts, whatever is in them, but not its bytes."""
    head = _encode((key.hex(), stay, ""))
    return b"%b\xdb%b%b" % (head[:-1], len(sealed).to_bytes(4, "big"), sealed)


def _name(key: bytes) -> str:
    return f"{TAG}:cache:{key.hex()}"
