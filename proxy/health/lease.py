"""One try at one target, and what its course makes known."""

from msgspec import Struct

from ..errors import RawHeaders
from ..policy.faults import Fault
from .allowance import allowance, glance
from .cells import Cell
from .diary import PAGE
from .keys import Pair
from .register import Register
from .verdicts import Verdicts


class Lease(Struct, eq=False):
    """See ``protocols.Lease``. Made by the board, which has taken the place for it; ``close`` gives it back."""

    register: Register
    verdicts: Verdicts
    subject: Cell
    pair: Pair
    key: int
    turn: int
    """How often the target had been given up when it began."""
    turns: tuple[int, int]
    """How often the key had had to rest, with this target and at all."""
    probe: int = 0
    proving: float = 0.0
    """Of a try that shows whether a key that rested may be used: when another one may begin; else 0."""
    won: bool = False
    lost: bool = False
    closed: bool = False

    def answered(self, status: int, headers: RawHeaders) -> None:
        """An answer's head came: what the provider says of its own limits is learnt, and that it took the key."""
        pair, cell, register = self.pair, self.subject, self.register
        if cell.account.forwards or not register.heeds:
            return
        # How long a 429 lasts its own fault says: a retry-after goes before any reset.
        if status != 429:
            register.diary.heads.append((self, headers, register.now()))
        if status < 400 and (pair.rest.until or pair.key.rest.until):
            self.verdicts.well(cell, pair, self.turns, register.now())

    def learn(self, headers: RawHeaders, now: float) -> bool:
        """See ``diary.Writer``."""
        pair, cell = self.pair, self.subject
        told = glance(headers)
        if told == "plenty" and len(cell.pairs) == 1 and not pair.out_until:
            # It is no question which key is next, nor whether: nobody needs to know how much it is.
            pair.hear(headers, now)
            return True
        said = allowance(headers) if told != "nothing" else None
        if said is not None and pair.learn(said, now):
            self.register.refresh(cell, now)
        return said is not None

    def first_output(self, seconds: float) -> None:
        """The first real output came. It counts as a success, once."""
        if self.won or self.lost:
            return
        self.won = True
        pair, register = self.pair, self.register
        diary = register.diary
        diary.outputs.append((self, seconds, register.now()))
        if len(diary.outputs) >= PAGE or self.subject.breaker.until or pair.rest.until or pair.key.rest.until:
            # The page is full, or others wait to hear of it.
            diary.read()

    def succeed(self, seconds: float, now: float) -> None:
        """See ``diary.Writer``."""
        pair, cell = self.pair, self.subject
        cell.latency.note(seconds, now)
        if cell.breaker.succeeded(self.turn, now):
            self.verdicts.closed(cell, now)
        if (pair.rest.until or pair.key.rest.until) and not cell.account.forwards:
            self.verdicts.well(cell, pair, self.turns, now)

    def failed(self, fault: Fault) -> None:
        """The try failed. The first fault counts; it does so after a first output too."""
        if self.lost or not self.register.heeds:
            return
        self.lost = True
        self.register.diary.read()
        action, cell = fault.action, self.subject
        if action.counts and not self._of_the_request(fault):
            now = self.register.now()
            if cell.breaker.faulted(self.turn, self.probe, now):
                self.verdicts.opened(cell, fault.kind, now)
        elif action.cools and not cell.account.forwards:
            self.verdicts.refused(cell, self.pair, fault, self.register.now())

    def _of_the_request(self, fault: Fault) -> bool:
        """Is it what was asked for that is missing: an operation that the provider does not have, or a path without a model?"""
        return fault.kind == "model_missing" and not (fault.status and self.subject.place[1])

    def close(self) -> None:
        """The try is over; its place is the next one's. Idempotent."""
        if self.closed:
            return
        self.closed = True
        cell = self.subject
        cell.inflight -= 1
        if not self.won and len(self.register.diary.heads) >= PAGE:
            self.register.diary.read()
        if self.probe or self.proving:
            self.verdicts.unproved(cell, self.pair, self.probe, self.proving, self.register.now())
        if cell.capacity:
            if cell.room is not None and cell.taken < cell.capacity:
                cell.room.wake()
            self.register.crowd(cell)
