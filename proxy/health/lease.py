"""One try at one target, and what its course makes known."""

from ..errors import RawHeaders
from ..policy.faults import Fault
from .allowance import allowance, glance
from .cells import Cell
from .diary import PAGE
from .keys import Pair
from .register import Register
from .verdicts import Verdicts


class Lease:
    """See ``protocols.Lease``. Made by the board, which has taken the place for it; ``close`` gives it back."""

    __slots__ = (
        "_cell", "_closed", "_failed", "_probe", "_proving", "_register", "_turn", "_turns", "_verdicts", "_won", "key", "pair",
    )  # fmt: skip

    def __init__(
        self, register: Register, verdicts: Verdicts, cell: Cell, pair: Pair, probe: int, proving: float
    ) -> None:
        self._register = register
        self._verdicts = verdicts
        self._cell = cell
        self.pair = pair
        self._probe = probe
        self._proving = proving
        """Of a try that shows whether a key that rested may be used: when another one may begin; else 0."""
        self._turn = cell.breaker.turn
        self._turns = (pair.rest.turn, pair.key.rest.turn)
        self._won = False
        self._failed = False
        self._closed = False
        self.key = pair.key.index

    def answered(self, status: int, headers: RawHeaders) -> None:
        """An answer's head came: what the provider says of its own limits is learnt, and that it took the key."""
        pair, cell, register = self.pair, self._cell, self._register
        if cell.account.forwards or not register.heeds:
            return
        # How long a 429 lasts its own fault says: a retry-after goes before any reset.
        if status != 429:
            register.diary.heads.append((self, headers, register.now()))
        if status < 400 and (pair.rest.until or pair.key.rest.until):
            self._verdicts.well(cell, pair, self._turns, register.now())

    def learn(self, headers: RawHeaders, now: float) -> bool:
        """See ``diary.Writer``."""
        pair, cell = self.pair, self._cell
        told = glance(headers)
        if told == "plenty" and len(cell.pairs) == 1 and not pair.out_until:
            # It is no question which key is next, nor whether: nobody needs to know how much it is.
            pair.hear(headers, now)
            return True
        said = allowance(headers) if told != "nothing" else None
        if said is not None and pair.learn(said, now):
            self._register.refresh(cell, now)
        return said is not None

    def first_output(self, seconds: float) -> None:
        """The first real output came. It counts as a success, once."""
        if self._won or self._failed:
            return
        self._won = True
        pair, register = self.pair, self._register
        diary = register.diary
        diary.outputs.append((self, seconds, register.now()))
        if len(diary.outputs) >= PAGE or self._cell.breaker.until or pair.rest.until or pair.key.rest.until:
            # The page is full, or others wait to hear of it.
            diary.read()

    def succeed(self, seconds: float, now: float) -> None:
        """See ``diary.Writer``."""
        pair, cell = self.pair, self._cell
        cell.latency.note(seconds, now)
        if cell.breaker.succeeded(self._turn, now):
            self._verdicts.closed(cell, now)
        if (pair.rest.until or pair.key.rest.until) and not cell.account.forwards:
            self._verdicts.well(cell, pair, self._turns, now)

    def failed(self, fault: Fault) -> None:
        """The try failed. The first fault counts; it does so after a first output too."""
        if self._failed or not self._register.heeds:
            return
        self._failed = True
        self._register.diary.read()
        action, cell = fault.action, self._cell
        if action.counts and not self._of_the_request(fault):
            now = self._register.now()
            if cell.breaker.faulted(self._turn, self._probe, now):
                self._verdicts.opened(cell, fault.kind, now)
        elif action.cools and not cell.account.forwards:
            self._verdicts.refused(cell, self.pair, fault, self._register.now())

    def _of_the_request(self, fault: Fault) -> bool:
        """Is it what was asked for that is missing: an operation that the provider does not have, or a path without a model?"""
        return fault.kind == "model_missing" and not (fault.status and self._cell.place[1])

    def close(self) -> None:
        """The try is over; its place is the next one's. Idempotent."""
        if self._closed:
            return
        self._closed = True
        cell = self._cell
        cell.inflight -= 1
        if not self._won and len(self._register.diary.heads) >= PAGE:
            self._register.diary.read()
        if self._probe or self._proving:
            self._verdicts.unproved(cell, self.pair, self._probe, self._proving, self._register.now())
        if cell.capacity:
            if cell.room is not None and cell.taken < cell.capacity:
                cell.room.wake()
            self._register.crowd(cell)
