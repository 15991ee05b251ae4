"""Bounds guessing: wrong keys per client address and in all, a minute at a time, in bounded memory."""

from collections import OrderedDict

from ..errors import RateLimited, retry_after
from ..protocols import Clock

ADDRESSES = 10_000
"""Client addresses remembered; the oldest is forgotten first, and the limit over all still holds."""


class FailureLimiter:
    """Counts failed authentications. Good keys never pass through here, so they are never slowed down."""

    def __init__(self, *, per_address: int, total: int, clock: Clock) -> None:
        self._per_address = per_address
        self._total = total
        self._clock = clock
        self._minute = 0
        self._failures: OrderedDict[str, int] = OrderedDict()
        self._all = 0

    def failed(self, address: str) -> None:
        """Notes one. Raises ``RateLimited`` once a bound is passed."""
        now = self._clock()
        minute = int(now // 60)
        if minute != self._minute:
            self._minute = minute
            self._failures.clear()
            self._all = 0
        self._all += 1
        count = self._failures.pop(address, 0) + 1
        self._failures[address] = count
        if len(self._failures) > ADDRESSES:
            self._failures.popitem(last=False)
        if count > self._per_address or self._all > self._total:
            raise RateLimited(
                "Too many wrong keys from here; wait a moment and check the key.",
                headers=retry_after(60 - now % 60),
            )
