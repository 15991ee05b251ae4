"""The waiting room of a target that is full: each waits a bounded time for a place, tenants in turn.

Within a tenant whoever came first is first, and a full room turns the newcomer away, or the newest of a tenant who has more there:
nobody waits longer than ``queue`` anyway, so no stale request stands before a fresh one.
"""

import asyncio
from collections import deque


class Room:
    """One event loop. ``promised``: places that were given to somebody who has yet to take them."""

    __slots__ = ("_tenants", "promised", "waiting")

    def __init__(self) -> None:
        self._tenants: dict[str, deque[asyncio.Future[bool]]] = {}
        self.promised = 0
        self.waiting = 0

    @property
    def empty(self) -> bool:
        """Does nobody wait, and is nothing promised?"""
        return not self.waiting and not self.promised

    def admits(self, tenant: str, size: int) -> bool:
        """May one more of ``tenant`` wait where ``size`` may? In a full room the newest of whoever has most there gives way to one who has
        fewer, so that nobody keeps others out by waiting often."""
        if self.waiting < size:
            return True
        lines = {name: [turn for turn in line if not turn.done()] for name, line in self._tenants.items()}
        most = max(lines.values(), key=len, default=[])
        if len(most) <= len(lines.get(tenant, ())) + 1:
            return False
        most[-1].set_result(False)
        return True

    async def wait(self, tenant: str, seconds: float) -> bool:
        """Until there is a place: True, and it is to be taken at once. False: the time is over."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        line = self._tenants.setdefault(tenant, deque())
        line.append(turn)
        self.waiting += 1
        limit = loop.call_later(seconds, _over, turn)
        try:
            came = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                # The place was given in the moment in which the client left.
                self.promised -= 1
                self.wake()
            raise
        finally:
            limit.cancel()
            self.waiting -= 1
            self._leave(tenant, turn)
        if came:
            self.promised -= 1
        return came

    def wake(self) -> bool:
        """A place is free: the next one's. False: nobody wants it."""
        for tenant, line in list(self._tenants.items()):
            while line:
                turn = line.popleft()
                if turn.done():
                    continue
                # Its tenant had its turn.
                self._tenants[tenant] = self._tenants.pop(tenant)
                self.promised += 1
                turn.set_result(True)
                return True
        return False

    def _leave(self, tenant: str, turn: "asyncio.Future[bool]") -> None:
        line = self._tenants.get(tenant)
        if line is None:
            return
        if turn in line:
            line.remove(turn)
        if not line:
            del self._tenants[tenant]


def _over(turn: "asyncio.Future[bool]") -> None:
    if not turn.done():
        turn.set_result(False)
