"""A rest: something is not used for a while because a provider said no, and comes back by one try."""

from .breaker import DOUBLINGS, SILENCE

HEALTHY = 60.0
"""Seconds of use after which earlier refusals are forgotten."""


class Rest:
    """Of a key, or of a key for one model. Each refusal that comes after the last rest is over rests it longer than the one before.

    ``turn`` counts the rests: a try keeps the turn in which it began, and its success ends no rest that began later.
    """

    __slots__ = ("asked", "freed_at", "probe_until", "reason", "times", "turn", "until")

    def __init__(self) -> None:
        self.until = 0.0
        """When it may be used again; 0: it is in use."""
        self.asked = False
        """Did the provider say how long? Then nobody uses it meanwhile, whatever else there is."""
        self.times = 0
        self.turn = 0
        self.freed_at = 0.0
        self.probe_until = 0.0
        """While a try is under way that may show whether it may be used; 0: none."""
        self.reason = ""

    def blocked_until(self, now: float) -> float:
        """When it may be used; a time that has passed: now."""
        if not self.until or now < self.until:
            return self.until
        return self.probe_until

    def strict(self, now: float) -> bool:
        """Is it out of use even for want of anything else?"""
        return self.asked and now < self.until

    def growing(self, now: float, first: float, longest: float) -> float:
        """How long the next rest is, where nobody said."""
        if not self.until and now - self.freed_at >= HEALTHY:
            self.times = 0
        return min(longest, first * 2.0**self.times)

    def begin(self, now: float, seconds: float, *, asked: bool, reason: str) -> bool:
        """Rests for ``seconds`` from now. False: it does already, for as long."""
        until = now + seconds
        if self.until > now:
            # One more refusal of the same kind, of a try that was under way.
            if until <= self.until or not asked:
                return False
        else:
            self.times = min(self.times + 1, DOUBLINGS)
        self.until = until
        self.asked = asked
        self.reason = reason
        self.probe_until = 0.0
        self.turn += 1
        return True

    def probe(self, now: float) -> None:
        """A try begins with it after its rest."""
        self.probe_until = now + SILENCE

    def end(self, now: float) -> None:
        """It may be used."""
        self.until = 0.0
        self.probe_until = 0.0
        self.freed_at = now

    def forget(self) -> None:
        """As new: it is another key now."""
        self.until = self.probe_until = self.freed_at = 0.0
        self.times = 0
        self.turn += 1
