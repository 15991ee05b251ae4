"""``Owners`` of one process: a million ids in some 110 MB, loaded at start, written to the database behind the requests.

Ids are kept as 128-bit digests. Those that providers forget by themselves lie in generations, dropped whole when they are old;
what stands for a sealed text is the first to go when there is no room, since nobody's object is lost with it.
"""

from collections.abc import AsyncIterable, Callable, Sequence
from hashlib import blake2b
from itertools import islice

from ..protocols import Clock, Owned
from .claims import LIFETIME, SEAL, Claim, WriteBehind, passes

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
        self._lasting: dict[bytes, Owned] = {}
        self._passing: dict[int, dict[bytes, Owned]] = {}
        """By the number of their generation, oldest first."""
        self._sealed: dict[int, dict[bytes, Owned]] = {}
        """The same for sealed texts."""
        self._known: dict[Owned, Owned] = {}
        """One value for each account and place, however many ids they have."""
        self.dropped = 0
        """Forgotten for want of room."""

    def __len__(self) -> int:
        return sum(map(len, self._shelves()))

    @property
    def enforced(self) -> bool:
        """Is there more than one tenant, so that it matters?"""
        return self._enforced()

    async def owners(self, idents: Sequence[str]) -> Sequence[Owned | None]:
        """Account and place of each id."""
        return [self._owner(ident, _digest(ident)) for ident in idents]

    async def claim(self, account: str, idents: Sequence[str], place: str = "") -> None:
        """They belong to ``account`` now, made at ``place``; ids that have an owner keep it."""
        now, owned = self._wall(), Owned(account, place)
        new = [ident for ident in idents if self._put(ident, owned, now)]
        if new and self._behind is not None:
            self._behind.claimed([Claim(ident, account, now, place) for ident in new])

    async def forget(self, idents: Sequence[str]) -> None:
        """They were deleted."""
        for ident in idents:
            key = _digest(ident)
            for shelf in self._shelves():
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
                self._put(claim.ident, Owned(claim.account, claim.place), claim.at)
        if gone and self._behind is not None:
            self._behind.forgotten(gone)

    def _shelves(self) -> tuple[dict[bytes, Owned], ...]:
        """In the order in which room is made."""
        return (*self._sealed.values(), *self._passing.values(), self._lasting)

    def _owner(self, ident: str, key: bytes) -> Owned | None:
        if ident.startswith(SEAL):
            return next((shelf[key] for shelf in self._sealed.values() if key in shelf), None)
        found = self._lasting.get(key)
        if found is None:
            for shelf in self._passing.values():
                found = shelf.get(key, found)
        return found

    def _put(self, ident: str, owned: Owned, at: float) -> bool:
        """Is it new?"""
        key = _digest(ident)
        if self._owner(ident, key) is not None:
            return False
        owned = self._known.setdefault(owned, owned)
        if passes(ident):
            generations = self._sealed if ident.startswith(SEAL) else self._passing
            number = int(at // GENERATION)
            if number not in generations:
                self._begin(generations, number)
            generations[number][key] = owned
        else:
            self._lasting[key] = owned
        if len(self) > self._capacity:
            self._make_room()
        return True

    def _begin(self, generations: dict[int, dict[bytes, Owned]], number: int) -> None:
        """A new generation; those of which every claim is ``LIFETIME`` old go."""
        oldest = int((self._wall() - LIFETIME) // GENERATION)
        kept = {other: shelf for other, shelf in generations.items() if other >= oldest}
        generations.clear()
        generations.update(sorted({**kept, number: {}}.items()))

    def _make_room(self) -> None:
        """Sealed texts, then the oldest of what would pass anyway, else the oldest of all: nobody reaches those objects any more.

        A hundredth at once, since finding a dictionary's first entry costs what was removed before it.
        """
        shelf = next(shelf for shelf in self._shelves() if shelf)
        for key in list(islice(shelf, max(1, self._capacity // 100))):
            del shelf[key]
            self.dropped += 1
