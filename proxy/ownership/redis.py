"""``Owners`` of a fleet, in Valkey or Redis: one MGET a request that names ids, one write for an answer that hands some out.

While the store is down nobody's objects are reached (503), and new claims wait. A store that was emptied is filled again from the
database; a marker says that it is whole.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, Callable, Coroutine, Sequence
from hashlib import blake2b
from typing import Any, Protocol

from ..errors import LimitsUnavailable, retry_after
from ..protocols import Clock, Owned
from ..state.settings import TAG, StoreDown
from .claims import LIFETIME, Claim, WriteBehind, passes

_log = logging.getLogger("tollway.ownership")

MARKER = f"{TAG}:owners"
LOCK = f"{TAG}:owners:filling"
LOCKED = 10_000
"""Milliseconds for which one process fills the store."""

PORTION = 500
LOOK = 0.5
"""Seconds between looks for the marker and at claims that wait."""

WAITING = 100_000
"""Claims that wait for a store that is down; the oldest are given up."""

Load = Callable[[], AsyncIterable[Claim]]
"""Everything that the database knows."""


class Link(Protocol):
    """The way to the store, as ``proxy/state`` makes it. Raises ``StoreDown``."""

    def call(self, *words: bytes | str | int) -> Coroutine[Any, Any, object]:
        """One command and its reply."""


def _key(ident: str) -> str:
    return f"{TAG}:owner:{blake2b(ident.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


def _packed(owned: Owned) -> bytes:
    """A place holds no line break; an account may hold anything."""
    return f"{owned.place}\n{owned.account}".encode("utf-8", "surrogatepass")


def _unpacked(stored: bytes) -> Owned:
    place, _, account = stored.decode("utf-8", "surrogatepass").partition("\n")
    return Owned(account, place)


class RedisOwners:
    """``enforced()``: is there more than one tenant now? ``load``: what an emptied store is filled with."""

    def __init__(
        self,
        link: Link,
        *,
        enforced: Callable[[], bool],
        wall: Clock,
        behind: WriteBehind | None = None,
        load: Load | None = None,
    ) -> None:
        self._link = link
        self._enforced = enforced
        self._wall = wall
        self._behind = behind
        self._load = load
        self._waiting: dict[str, Owned] = {}
        self._gone: list[str] = []

    @property
    def enforced(self) -> bool:
        """Is there more than one tenant, so that it matters?"""
        return self._enforced()

    async def owners(self, idents: Sequence[str]) -> Sequence[Owned | None]:
        """Account and place of each id. Raises ``LimitsUnavailable`` while the store is down or being filled."""
        try:
            reply = await self._link.call("MGET", MARKER, *map(_key, idents))
        except StoreDown as error:
            raise _unavailable(f"state store: {error.kind}") from error
        if not isinstance(reply, list) or reply[0] is None:
            raise _unavailable("the owners are being loaded")
        return [
            _unpacked(found) if isinstance(found, bytes) else self._waiting.get(ident)
            for ident, found in zip(idents, reply[1:], strict=True)
        ]

    async def claim(self, account: str, idents: Sequence[str], place: str = "") -> None:
        """They belong to ``account`` now; ids that have an owner keep it. Never raises: what the store does not take waits."""
        now, owned = self._wall(), Owned(account, place)
        if self._behind is not None:
            self._behind.claimed([Claim(ident, account, now, place) for ident in idents])
        try:
            await self._set(dict.fromkeys(idents, owned), {})
        except StoreDown:
            self._waiting.update({ident: owned for ident in idents if ident not in self._waiting})
            while len(self._waiting) > WAITING:
                self._waiting.pop(next(iter(self._waiting)))

    async def forget(self, idents: Sequence[str]) -> None:
        """They were deleted."""
        for ident in idents:
            self._waiting.pop(ident, None)
        if self._behind is not None:
            self._behind.forgotten(idents)
        try:
            await self._delete(idents)
        except StoreDown:
            self._gone = [*self._gone, *idents][-WAITING:]

    # ---- keeping the store whole ------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Fills the store if it is not whole. A store that is down is filled by ``run`` once it is back."""
        try:
            await self._look()
        except StoreDown as error:
            _log.warning("owners are not reached, so no stored object is: %s", error)

    async def run(self) -> None:
        """For ever: writes what waits, fills a store that was emptied."""
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self._look()
            except StoreDown:
                continue
            except Exception as error:  # noqa: BLE001 - whatever the database dies of, the next look tries again
                _log.warning("owners could not be loaded: %s", type(error).__name__)

    async def _look(self) -> None:
        if await self._link.call("EXISTS", MARKER) == 0:
            await self._fill()
        if self._waiting:
            waiting = dict(self._waiting)
            await self._set(waiting, {})
            for ident in waiting:
                self._waiting.pop(ident, None)
        if self._gone:
            gone, self._gone = self._gone, []
            await self._delete(gone)

    async def _fill(self) -> None:
        """Everything that the database knows; one process at a time, and twice does no harm."""
        if await self._link.call("SET", LOCK, 1, "NX", "PX", LOCKED) is None:
            return
        now, portion, count = self._wall(), list[Claim](), 0
        if self._load is not None:
            if self._behind is not None:
                await self._behind.flush()
            async for claim in self._load():
                if not passes(claim.ident) or claim.at + LIFETIME > now:
                    portion.append(claim)
                if len(portion) == PORTION:
                    count += await self._restore(portion, now)
                    portion = []
        count += await self._restore(portion, now)
        await self._link.call("SET", MARKER, 1)
        await self._link.call("DEL", LOCK)
        _log.info("the state store knows the owners of %d objects", count)

    async def _restore(self, claims: Sequence[Claim], now: float) -> int:
        left = {claim.ident: max(1, int(claim.at + LIFETIME - now)) for claim in claims}
        await self._set({claim.ident: Owned(claim.account, claim.place) for claim in claims}, left)
        # Each portion extends the lock: a large database takes longer than it lasts.
        await self._link.call("PEXPIRE", LOCK, LOCKED)
        return len(claims)

    async def _set(self, claims: dict[str, Owned], left: dict[str, int]) -> None:
        """``left``: seconds that a passing id has left, by default all."""
        calls = []
        for ident, owned in claims.items():
            expiry = ("EX", left.get(ident, int(LIFETIME))) if passes(ident) else ()
            calls.append(self._link.call("SET", _key(ident), _packed(owned), "NX", *expiry))
        await _all(calls)

    async def _delete(self, idents: Sequence[str]) -> None:
        if idents:
            await self._link.call("DEL", *map(_key, idents))


async def _all(calls: Sequence[Coroutine[Any, Any, object]]) -> None:
    """Every call, in one write; the first failure is raised when all have ended."""
    for result in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def _unavailable(detail: str) -> LimitsUnavailable:
    return LimitsUnavailable(
        "Whose objects this request names cannot be told just now; try again.",
        code="owners_unavailable",
        detail=detail,
        headers=retry_after(1.0),
    )
