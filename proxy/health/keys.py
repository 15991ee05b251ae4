"""Which of a provider's keys a try uses: in turn, by what is left of each one's limits, and none that rests.

Equal hints get the same key as long as it can be used: what a provider caches of a prompt belongs to the key's account.
"""

from collections.abc import Sequence
from zlib import crc32

from ..errors import RawHeaders
from .allowance import Allowance, allowance
from .rests import Rest

FEW = 0.05
"""A key is chosen at least as often as if this share of its limits were left."""

WORD = 0xFFFFFFFF


class Key:
    """One of a provider's keys, whatever it is used for."""

    __slots__ = ("index", "rest", "salt")

    def __init__(self, index: int) -> None:
        self.index = index
        self.salt = crc32(b"%d" % index)
        self.rest = Rest()


class Pair:
    """One key for one model: limits are counted so."""

    __slots__ = ("_heard", "_heard_at", "credit", "key", "left", "out_until", "rest", "said_until")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.rest = Rest()
        self.left = 1.0
        """The share of its limits that was left when the provider last said."""
        self.said_until = 0.0
        self.out_until = 0.0
        """Until when nothing is left."""
        self.credit = 0.0
        """What it is owed by the rotation."""
        self._heard: RawHeaders | None = None
        self._heard_at = 0.0

    @property
    def plain(self) -> bool:
        """Does nothing speak against it?"""
        return not (self.rest.until or self.key.rest.until or self.out_until)

    def hear(self, headers: RawHeaders, now: float) -> None:
        """Keeps an answer's head, to be read when somebody wants to know."""
        self._heard, self._heard_at = headers, now

    def read(self) -> None:
        """What was heard last is known from now on."""
        said = allowance(self._heard) if self._heard is not None else None
        self._heard = None
        if said is not None:
            self.learn(said, self._heard_at)

    def learn(self, said: Allowance, now: float) -> bool:
        """Keeps what the provider said. Has that changed whether the key is passed over?"""
        self._heard = None
        was = self.out_until > now
        self.left = said.left
        self.said_until = now + said.seconds
        self.out_until = now + said.seconds if said.out and said.seconds else 0.0
        return was is not (self.out_until > now)

    def blocked_until(self, now: float) -> float:
        """When it may be used; a time that has passed: now."""
        return max(self.key.rest.blocked_until(now), self.rest.blocked_until(now), self.out_until)

    def strict(self, now: float) -> bool:
        """Is it out of use even for want of anything else?"""
        return self.key.rest.strict(now) or self.rest.strict(now)


def choose(pairs: Sequence[Pair], hint: str, now: float) -> Pair | None:
    """One that may be used now; ``None``: there is none."""
    usable = [
        pair
        for pair in pairs
        if not (pair.rest.until or pair.key.rest.until or pair.out_until) or pair.blocked_until(now) <= now
    ]
    if len(usable) <= 1:
        return usable[0] if usable else None
    return _agreed(usable, hint) if hint else _next(usable, now)


def least_bad(pairs: Sequence[Pair], now: float) -> Pair | None:
    """Where none may be used: the one that may be first, among those that nobody asked to leave alone."""
    return min((pair for pair in pairs if not pair.strict(now)), key=lambda pair: pair.blocked_until(now), default=None)


def _next(usable: Sequence[Pair], now: float) -> Pair:
    """The smooth weighted rotation: each is credited with its weight, whoever has most pays for all."""
    total = 0.0
    best = usable[0]
    for pair in usable:
        weight = 1.0 if now >= pair.said_until else max(pair.left, FEW)
        total += weight
        pair.credit += weight
        if pair.credit > best.credit:
            best = pair
    best.credit -= total
    return best


def _agreed(usable: Sequence[Pair], hint: str) -> Pair:
    """The one with the highest hash of hint and key: without one of the keys only that key's hints move, in every process alike."""
    said = crc32(hint.encode("utf-8", "surrogatepass"))
    best, highest = usable[0], -1
    for pair in usable:
        word = (said ^ pair.key.salt) * 0x85EBCA6B & WORD
        word = (word ^ word >> 15) * 0xC2B2AE35 & WORD
        word ^= word >> 16
        if word > highest:
            best, highest = pair, word
    return best
