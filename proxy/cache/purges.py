"""What is to be forgotten: which answers a purge means, and a short memory of purges for stores that cannot look through what they have.

An answer is forgotten when it was stored no later than a purge that means it; answers stored later stay.
"""

from collections.abc import Iterator
from typing import Literal

from ..protocols import CacheEntry, Purge

LONGEST = 2_592_000.0
"""Seconds: the longest that an answer is kept (``policy.caching.Ttl``), and so the longest that a purge must be known."""

MOST = 4096
"""Purges that are remembered; beyond, everything up to the latest of them is forgotten, which is never wrong."""

EVERYTHING = Purge()

Kind = Literal["account", "model", "tag"]


def means(what: Purge, key: bytes, entry: CacheEntry) -> bool:
    """Does ``entry``, kept under ``key``, agree with all that ``what`` gives?"""
    return (
        (not what.account or what.account == entry.tenant)
        and (not what.model or what.model == entry.public)
        and (not what.tag or what.tag in entry.tags)
        and (not what.key or what.key == key.hex())
    )


def key_of(what: Purge) -> bytes:
    """The one key that it names; ``b""`` for what is none, which nothing is kept under."""
    try:
        return bytes.fromhex(what.key)
    except ValueError:
        return b""


class Purges:
    """Purges, each with the moment (unix seconds) up to which it holds. Those by one name are found without looking at the others."""

    def __init__(self) -> None:
        self._everything = 0.0
        self._named: dict[tuple[Kind, str], float] = {}
        self._others: dict[Purge, float] = {}

    def __len__(self) -> int:
        return bool(self._everything) + len(self._named) + len(self._others)

    def __iter__(self) -> Iterator[tuple[Purge, float]]:
        if self._everything:
            yield EVERYTHING, self._everything
        for (kind, name), upto in self._named.items():
            yield Purge(**{kind: name}), upto
        yield from self._others.items()

    def add(self, what: Purge, upto: float) -> bool:
        """Remembers it. Does it mean anything that was not to be forgotten before?"""
        if upto <= self._everything:
            return False
        if what == EVERYTHING:
            self._everything_until(upto)
            return True
        name = _name(what)
        if upto <= (self._others.get(what, 0.0) if name is None else self._named.get(name, 0.0)):
            return False
        if name is None:
            self._others[what] = upto
        else:
            self._named[name] = upto
        if len(self) > MOST:
            self._everything_until(max(moment for _, moment in self))
        return True

    def expire(self, now: float) -> None:
        """Lets go of those that no answer is old enough for."""
        self._keep_later(now - LONGEST)
        if self._everything <= now - LONGEST:
            self._everything = 0.0

    def mean(self, key: bytes, entry: CacheEntry) -> bool:
        """Is the answer one of those that are to be forgotten?"""
        stored, named = entry.stored_at, self._named
        if stored <= self._everything:
            return True
        if named and (
            stored <= named.get(("account", entry.tenant), 0.0)
            or stored <= named.get(("model", entry.public), 0.0)
            or any(stored <= named.get(("tag", tag), 0.0) for tag in entry.tags)
        ):
            return True
        return any(stored <= upto and means(what, key, entry) for what, upto in self._others.items())

    def _everything_until(self, upto: float) -> None:
        self._keep_later(upto)
        self._everything = upto

    def _keep_later(self, moment: float) -> None:
        self._named = {name: upto for name, upto in self._named.items() if upto > moment}
        self._others = {what: upto for what, upto in self._others.items() if upto > moment}


def _name(what: Purge) -> tuple[Kind, str] | None:
    """The one name that it goes by; ``None`` where it goes by a key or by several."""
    given: list[tuple[Kind, str]] = [("account", what.account), ("model", what.model), ("tag", what.tag)]
    names = [(kind, name) for kind, name in given if name]
    return names[0] if len(names) == 1 and not what.key else None
