"""The strict sliding window: in no period whatever, however it is placed, more than the limit.

A period is cut into 60 buckets. The current one and the 60 before it count, so everything counts for at least a whole period, and
for at most one bucket longer. Plain arithmetic: the clock is an argument, and may step back.
"""

BUCKETS = 60
"""Parts of a period."""

_COUNTED = BUCKETS + 1
"""Buckets that count: the current one, and as many as a period has before it."""


class Window:
    """What was ``used`` in the period up to now, and what is ``held`` by requests under way: that does not age.

    ``until``: when ``advance`` is due next.
    """

    __slots__ = ("_bucket", "_buckets", "_frees", "_fresh", "_width", "held", "until", "used")

    def __init__(self, period: float, now: float) -> None:
        """``period`` in seconds."""
        self.used = 0
        self.held = 0
        self._buckets: dict[int, int] = {}
        """Number of a bucket before the current one to what was used in it, oldest first; empty ones are left out."""
        self._fresh = 0
        """What was used in the current bucket."""
        self._width = period / BUCKETS
        self._enter(int(now // self._width))

    def advance(self, now: float, limit: int) -> None:
        """Time has passed: forgets what is older than a period. After a step back all that is known ages from ``now`` on."""
        bucket = int(now // self._width)
        if bucket == self._bucket:
            return
        buckets = self._buckets
        if self._fresh:
            buckets[self._bucket] = self._fresh
            self._fresh = 0
        if bucket > self._bucket:
            oldest = bucket - BUCKETS
            while buckets and (first := next(iter(buckets))) < oldest:
                self.used -= buckets.pop(first)
        else:
            step = self._bucket - bucket
            self._buckets = {number - step: amount for number, amount in buckets.items()}
            self._fresh = self._buckets.pop(bucket, 0)
        self._enter(bucket)

    def add(self, amount: int) -> None:
        """Used now. Nothing is given back: whose bucket it came from is not known, and too little must never count."""
        if amount > 0:
            self.used += amount
            self._fresh += amount

    def undo(self, amount: int) -> None:
        """Takes back an ``add`` of this very moment."""
        if amount > 0:
            self.used -= amount
            self._fresh -= amount

    def wait(self, excess: int, now: float) -> float | None:
        """Seconds until ``excess`` of what was used has aged out; ``None``: less than that was used."""
        for number, amount in self._buckets.items():
            excess -= amount
            if excess <= 0:
                return self._gone(number) - now
        return self._frees - now if excess <= self._fresh else None

    def reset(self, now: float) -> float:
        """Seconds until nothing counts, were all that is held used now."""
        if self.held or self._fresh:
            return self._frees - now
        return self._gone(next(reversed(self._buckets))) - now if self.used else 0.0

    def idle(self, now: float) -> bool:
        """Would a new one in its place say the same?"""
        return not self.held and (not self.used or now >= self._gone(self._bucket))

    def _enter(self, bucket: int) -> None:
        self._bucket = bucket
        self.until = (bucket + 1) * self._width
        self._frees = self._gone(bucket)

    def _gone(self, bucket: int) -> float:
        """When a bucket counts no more."""
        return (bucket + _COUNTED) * self._width
