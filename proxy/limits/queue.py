"""The waiting room: instead of a 429, a bounded wait for a limit that will have room soon.

Whoever waits stands in the line of the limit that refused. Tenants take turns, within one the first comes first, and each time that
room may be there one tries: the next follows when it got through, or when what is left would do for it.
"""

import asyncio
from bisect import insort
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Protocol

from ..policy.rules import Charge, Denial, Reservation
from ..protocols import Clock

Attempt = Callable[[], Awaitable[Reservation | Denial]]


class Waited(Protocol):
    """Is told how long a request waited, and whether it got through."""

    def __call__(self, seconds: float, *, admitted: bool) -> None:
        """A request that was given up by its client did not get through."""


LOOK = 1.0
"""Seconds after which a line in which some need less than others is tried again at the latest."""

MOMENT = 0.001
"""Seconds by which a wait may last longer, so that a try that is due at its very end is made."""


class _Waiter:
    """One request. ``called``: True when it is its turn to try, False when its time is over."""

    __slots__ = ("called", "denial", "line", "number", "tenant")

    def __init__(self, number: int, tenant: str, denial: Denial) -> None:
        self.number = number
        self.tenant = tenant
        self.denial = denial
        self.line: _Line | None = None
        self.called: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def call(self, *, turn: bool) -> None:
        if not self.called.done():
            self.called.set_result(turn)


class _Line:
    """Those who wait for one limit, by tenant, the tenant whose turn it is first. At most one of them is ``trying``."""

    __slots__ = ("again", "due", "ident", "left", "tenants", "timer", "trying")

    def __init__(self, ident: str) -> None:
        self.ident = ident
        self.tenants: dict[str, list[_Waiter]] = {}
        self.trying: _Waiter | None = None
        self.again = False
        """Did room appear while one was trying?"""
        self.left = 0
        """Of the limit, when it last refused."""
        self.due = 0.0
        self.timer: asyncio.TimerHandle | None = None

    def add(self, waiter: _Waiter) -> None:
        waiter.line = self
        insort(self.tenants.setdefault(waiter.tenant, []), waiter, key=lambda other: other.number)

    def remove(self, waiter: _Waiter) -> None:
        waiter.line = None
        waiters = self.tenants[waiter.tenant]
        waiters.remove(waiter)
        if not waiters:
            del self.tenants[waiter.tenant]

    def put_last(self, tenant: str) -> None:
        """It had its turn."""
        if tenant in self.tenants:
            self.tenants[tenant] = self.tenants.pop(tenant)

    def next(self, most: int | None) -> _Waiter | None:
        """Whose turn it is, among those who need no more than ``most``."""
        firsts = (waiters[0] for waiters in self.tenants.values())
        return next((waiter for waiter in firsts if most is None or waiter.denial.need <= most), None)


class Queue:
    """At most ``size`` requests, each for at most ``wait`` seconds. One event loop."""

    def __init__(self, *, wait: float, size: int, clock: Clock, waited: Waited | None = None) -> None:
        """``waited``: is told of each wait that has ended."""
        self._waited = waited
        self._wait = wait
        self._size = size
        self._clock = clock
        self._waiting = 0
        self._numbers = count()
        self._lines: dict[str, _Line] = {}

    @property
    def waiting(self) -> int:
        """Requests that wait now."""
        return self._waiting

    def ahead(self, charges: Sequence[Charge]) -> Denial | None:
        """Does somebody wait already for what a newcomer asks for? Then it enters with this, instead of jumping the line."""
        if self._lines:
            for charge in charges:
                line = self._lines.get(charge.rule.ident)
                if line is not None and charge.least > line.left:
                    return Denial(charge.rule, charge.least, line.left, max(line.due - self._clock(), MOMENT))
        return None

    async def enter(self, tenant: str, denial: Denial, attempt: Attempt) -> Reservation | Denial:
        """Waits until ``attempt`` got through: its reservation, or the last denial. At once where waiting is no use or there is no room."""
        if denial.retry_after is None or denial.retry_after > self._wait or self._waiting >= self._size:
            return denial
        waiter = _Waiter(next(self._numbers), tenant, denial)
        limit = asyncio.get_running_loop().call_later(self._wait + MOMENT, lambda: waiter.call(turn=False))
        begun = self._clock()
        deadline = begun + self._wait
        self._waiting += 1
        outcome: Reservation | Denial = denial
        try:
            outcome = await self._stand(waiter, attempt, deadline)
            return outcome
        finally:
            if self._waited is not None:
                self._waited(self._clock() - begun, admitted=isinstance(outcome, Reservation))
            self._waiting -= 1
            limit.cancel()
            self._leave(waiter)

    def freed(self, reservation: Reservation | None = None) -> None:
        """Something was given back: what ``reservation`` held, or anything. Called by whoever settles; cheap when nobody waits."""
        if not self._lines:
            return
        if reservation is None:
            for line in list(self._lines.values()):
                self._wake(line)
            return
        for grant in reservation.grants:
            waited = self._lines.get(grant.rule.ident)
            if waited is not None:
                self._wake(waited)

    async def _stand(self, waiter: _Waiter, attempt: Attempt, deadline: float) -> Reservation | Denial:
        self._join(waiter)
        while await waiter.called:
            answer = await attempt()
            if isinstance(answer, Reservation):
                self._entered(waiter)
                return answer
            waiter.denial = answer
            waiter.called = asyncio.get_running_loop().create_future()
            self._refused(waiter, answer)
            if answer.retry_after is None or self._clock() >= deadline:
                return answer
        return waiter.denial

    # ---- lines ------------------------------------------------------------------------------------------------------

    def _join(self, waiter: _Waiter) -> None:
        """Into the line of the limit that refused it."""
        denial = waiter.denial
        line = self._lines.get(denial.rule.ident)
        if line is None:
            line = self._lines[denial.rule.ident] = _Line(denial.rule.ident)
        line.add(waiter)
        line.left = denial.left
        if denial.retry_after is not None:
            self._schedule(line, denial.retry_after)

    def _leave(self, waiter: _Waiter) -> None:
        """However it ended: out of its line, and its turn, if it has it, goes on to the next."""
        line = waiter.line
        if line is None:
            return
        line.remove(waiter)
        if line.trying is waiter:
            self._turn_over(line)
        else:
            self._close_empty(line)

    def _entered(self, waiter: _Waiter) -> None:
        """The next one tries: for all that is known there is room for it too."""
        line = waiter.line
        assert line is not None
        line.remove(waiter)
        line.put_last(waiter.tenant)
        self._turn_over(line)

    def _refused(self, waiter: _Waiter, denial: Denial) -> None:
        """It keeps its turn, or stands in another limit's line. The next one tries if that limit is another, or what is left may do."""
        line = waiter.line
        assert line is not None
        if denial.rule.ident != line.ident:
            line.remove(waiter)
            self._join(waiter)
            self._turn_over(line)
        elif denial.retry_after is None:
            line.remove(waiter)
            self._turn_over(line)
        else:
            line.left = denial.left
            self._schedule(line, denial.retry_after)
            self._turn_over(line, min(denial.left, denial.need - 1))

    def _turn_over(self, line: _Line, most: int | None = None) -> None:
        """The next one tries, whatever it needs if room appeared meanwhile."""
        line.trying = None
        again, line.again = line.again, False
        self._wake(line, None if again else most)

    def _wake(self, line: _Line, most: int | None = None) -> None:
        """Lets the next one try."""
        if line.trying is not None:
            line.again = True
            return
        line.trying = line.next(most)
        if line.trying is not None:
            line.trying.call(turn=True)
        else:
            self._close_empty(line)

    def _schedule(self, line: _Line, delay: float) -> None:
        """A try in ``delay`` seconds, unless one comes sooner anyway. Whose need is less than another's may not have to wait as long."""
        if len({waiters[0].denial.need for waiters in line.tenants.values()}) > 1:
            delay = min(delay, LOOK)
        due = self._clock() + delay
        if line.timer is not None:
            if line.due <= due:
                return
            line.timer.cancel()
        line.due = due
        line.timer = asyncio.get_running_loop().call_later(delay, self._ring, line)

    def _ring(self, line: _Line) -> None:
        line.timer = None
        self._wake(line)

    def _close_empty(self, line: _Line) -> None:
        if not line.tenants and line.trying is None:
            if line.timer is not None:
                line.timer.cancel()
                line.timer = None
            if self._lines.get(line.ident) is line:
                del self._lines[line.ident]
