"""``Owners`` of one process: a million ids in some 110 MB, loaded at start, written to the database behind the requests.

Ids are kept as 128-bit digests. Those that providers forget by themselves lie in generations, dropped whole when they are old.
"""

from collections.abc import AsyncIterable, Callable, Sequence
from hashlib import blake2b
from itertools import islice

from ..protocols import Clock
from .claims import LIFETIME, Claim, WriteBehind, passes

CAPACITY = 1_000_000
GENERATION = LIFETIME / 4
"""Seconds of claims that are forgotten together, once the youngest of them is ``LIFETIME`` old."""


def _digest(ident: str) -> bytes:
    return blake2b(ident.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class MemoryOwners:
    """Answers at once. ``enforced()``: is there more than one tenant now? ``wall``: unix seconds."""

    def __init__(
        self,
        *,
        enforced: Callable[[], bool],
        wall: Clock,
        behind: WriteBehind | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        self._enforced = enforced
        self._wall = wall
        self._behind = behind
        self._capacity = capacity
        self._lasting: dict[bytes, str] = {}
        self._passing: dict[int, dict[bytes, str]] = {}
        """By the number of their generation, oldest first."""
        self._names: dict[str, str] = {}
        """One string for each account, whoever said it."""
        self.dropped = 0
        """Forgotten for want of room."""

    def __len__(self) -> int:
        return len(self._lasting) + sum(map(len, self._passing.values()))

    @property
    def enforced(self) -> bool:
        """Is there more than one tenant, so that it matters?"""
        return self._enforced()

    async def owners(self, idents: Sequence[str]) -> Sequence[str | None]:
        """The account of each id."""
        return [self._owner(_digest(ident)) for ident in idents]

    async def claim(self, account: str, idents: Sequence[str]) -> None:
        """They belong to ``account`` now; ids that have an owner keep it."""
        now = self._wall()
        new = [ident for ident in idents if self._put(ident, account, now)]
        if new and self._behind is not None:
            self._behind.claimed([Claim(ident, account, now) for ident in new])

    async def forget(self, idents: Sequence[str]) -> None:
        """They were deleted."""
        for ident in idents:
            key = _digest(ident)
            for shelf in (self._lasting, *self._passing.values()):
                shelf.pop(key, None)
        if self._behind is not None:
            self._behind.forgotten(idents)

    async def load(self, claims: AsyncIterable[Claim]) -> None:
        """What earlier processes wrote; what has passed since is removed there."""
        now = self._wall()
        gone: list[str] = []
        async for claim in claims:
            if passes(claim.ident) and claim.at + LIFETIME < now:
                gone.append(claim.ident)
            else:
                self._put(claim.ident, claim.account, claim.at)
        if gone and self._behind is not None:
            self._behind.forgotten(gone)

    def _owner(self, key: bytes) -> str | None:
        found = self._lasting.get(key)
        if found is None:
            for shelf in self._passing.values():
                found = shelf.get(key, found)
        return found

    def _put(self, ident: str, account: str, at: float) -> bool:
        """Is it new?"""
        key = _digest(ident)
        if self._owner(key) is not None:
            return False
        account = self._names.setdefault(account, account)
        if passes(ident):
            number = int(at // GENERATION)
            if number not in self._passing:
                self._begin(number)
            self._passing[number][key] = account
        else:
            self._lasting[key] = account
        if len(self) > self._capacity:
            self._make_room()
        return True

    def _begin(self, number: int) -> None:
        """A new generation; those of which every claim is ``LIFETIME`` old go."""
        oldest = int((self._wall() - LIFETIME) // GENERATION)
        kept = {other: shelf for other, shelf in self._passing.items() if other >= oldest}
        self._passing = dict(sorted({**kept, number: {}}.items()))

    def _make_room(self) -> None:
        """The oldest of what would pass anyway, else the oldest of all: their owners no longer reach them, nor does anybody.

        A hundredth at once, since finding a dictionary's first entry costs what was removed before it.
        """
        shelf = next((shelf for shelf in self._passing.values() if shelf), self._lasting)
        for key in list(islice(shelf, max(1, self._capacity // 100))):
            del shelf[key]
            self.dropped += 1
