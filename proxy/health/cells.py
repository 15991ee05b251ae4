"""What is known of each target and each provider's keys, bounded in number: names behind wildcards are anybody's to invent."""

from collections.abc import Iterator, Sequence
from random import Random

from ..policy.routes import Breaker as Settings
from ..policy.targets import Candidate
from .breaker import Breaker
from .diary import Output
from .keys import Key, Pair
from .latency import Latency
from .room import Room

Place = tuple[str, str]
"""(provider, model there)."""

LOOKED_AT = 64
"""Targets, oldest first, among which one is found that can be forgotten."""


class Account:
    """A provider's keys. ``forwards``: they are the client's own, so nothing of them is remembered."""

    __slots__ = ("forwards", "keys")

    def __init__(self, keys: int, *, forwards: bool) -> None:
        self.keys = [Key(index) for index in range(keys)]
        self.forwards = forwards

    def blocked_until(self, now: float) -> float:
        """When one of them may be used, for whatever model; a time that has passed: now."""
        return min(key.rest.blocked_until(now) for key in self.keys)

    def strict(self, now: float) -> bool:
        """Is none of them to be used, whatever else there is?"""
        return all(key.rest.strict(now) for key in self.keys)


class Cell:
    """One target."""

    __slots__ = (
        "account",
        "breaker",
        "capacity",
        "inflight",
        "latency",
        "pairs",
        "place",
        "reason",
        "room",
        "spared",
        "spared_at",
        "touched",
    )

    def __init__(self, place: Place, account: Account, settings: Settings, rng: Random) -> None:
        self.place = place
        self.account = account
        self.breaker = Breaker(settings, rng)
        self.latency = Latency()
        self.pairs = [Pair(key) for key in account.keys]
        self.room: Room | None = None
        self.inflight = 0
        self.capacity = 0
        """Requests at once, as a route last said; 0: any number."""
        self.spared: Candidate | None = None
        """As whom it was last left although it should have been left alone: for want of anything else."""
        self.spared_at = 0.0
        self.touched = True
        self.reason = ""

    @property
    def taken(self) -> int:
        """Places that are taken or promised."""
        return self.inflight + (self.room.promised if self.room is not None else 0)

    @property
    def busy(self) -> bool:
        """Does somebody still hold on to it?"""
        return bool(self.inflight or self.room is not None)

    def keys_until(self, now: float) -> float:
        """When one of its keys may be used; a time that has passed: now."""
        return min(pair.blocked_until(now) for pair in self.pairs)

    def strict(self, now: float) -> bool:
        """Is none of its keys to be used, whatever else there is?"""
        for pair in self.pairs:
            if not pair.strict(now):
                return False
        return True

    def blocked_until(self, now: float) -> float:
        """When it may take a try, were there a place; a time that has passed: now."""
        return max(self.breaker.blocked_until(now), self.keys_until(now))

    def begun(self, lines: Sequence[Output]) -> None:
        """First outputs of some of its tries."""
        breaker = self.breaker
        if breaker.until or not self._calm():
            # Each may change what the next one means.
            for writer, seconds, now in lines:
                writer.succeed(seconds, now)
            return
        self.latency.note_all(lines)
        turn = breaker.turn
        breaker.did_well([now for writer, _, now in lines if writer.turn == turn])

    def _calm(self) -> bool:
        """Does none of its keys rest?"""
        for pair in self.pairs:
            if pair.rest.until or pair.key.rest.until:
                return False
        return True

    def fit(self, account: Account) -> None:
        """The provider's keys are these now; what is known of those that stay is kept."""
        for pair in self.pairs:
            pair.read()
        known = {pair.key: pair for pair in self.pairs}
        self.account = account
        self.pairs = [known.get(key) or Pair(key) for key in account.keys]


class Cells:
    """At most ``limit`` of them; when one more is needed, an old one goes that nobody uses and that is well."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._cells: dict[Place, Cell] = {}
        self.get = self._cells.get

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._cells.values())

    def __len__(self) -> int:
        return len(self._cells)

    def add(self, cell: Cell, now: float) -> Cell | None:
        """Keeps it; returns what is forgotten for it."""
        gone = self._one_to_forget(now) if len(self._cells) >= self._limit else None
        if gone is not None:
            del self._cells[gone.place]
        self._cells[cell.place] = cell
        return gone

    def drop(self, cell: Cell) -> None:
        """Forgets it."""
        del self._cells[cell.place]

    def _one_to_forget(self, now: float) -> Cell | None:
        """Of those that nobody uses: one that is well and was not used since its last turn, else one that is well, else any."""
        well: Cell | None = None
        unwell: Cell | None = None
        for _ in range(min(LOOKED_AT, len(self._cells))):
            cell = next(iter(self._cells.values()))
            if not cell.busy and cell.blocked_until(now) > now:
                unwell = unwell or cell
            elif not cell.busy:
                if not cell.touched:
                    return cell
                well = well or cell
            cell.touched = False
            self._cells[cell.place] = self._cells.pop(cell.place)
        return well or unwell
