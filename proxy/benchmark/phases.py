"""Warm-up, what is measured, cool-down: which of them a request belongs to when they are counted or timed."""

import re
from typing import Literal

from msgspec import Struct

Phase = Literal["warmup", "measured", "cooldown"]
PHASES: tuple[Phase, ...] = ("warmup", "measured", "cooldown")

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


class BadExtent(ValueError):
    """No number of requests and no time can be read from it."""


class Extent(Struct, frozen=True, kw_only=True):
    """How far a phase goes: so many requests, so many seconds, whichever comes first. Neither: there is no such phase."""

    requests: int | None = None
    seconds: float | None = None

    @property
    def none(self) -> bool:
        """Is there no such phase?"""
        return not self.requests and not self.seconds

    def over(self, requests: int, seconds: float) -> bool:
        """Are so many requests in so many seconds all of it?"""
        if self.none:
            return True
        return (self.requests is not None and requests >= self.requests) or (
            self.seconds is not None and seconds >= self.seconds
        )


class Phases:
    """Asked for each request in turn; every phase begins with the first request that is due in it."""

    def __init__(self, warmup: Extent, measured: Extent, cooldown: Extent) -> None:
        self._extents = (warmup, measured, cooldown)
        self._at = 0
        self._begun: float | None = None
        self._requests = 0

    def next(self, due: float) -> Phase | None:
        """The phase of the request that is due then (seconds of a clock); ``None``: the load is over."""
        while self._at < len(PHASES):
            begun = due if self._begun is None else self._begun
            if not self._extents[self._at].over(self._requests, due - begun):
                self._begun = begun
                self._requests += 1
                return PHASES[self._at]
            self._at, self._begun, self._requests = self._at + 1, None, 0
        return None


def seconds(text: str) -> float:
    """``90``, ``90s``, ``1.5m``, ``500ms`` in seconds. Raises ``BadExtent``."""
    found = _FORM.fullmatch(text.strip().lower())
    if found is not None:
        return float(found[1]) * _SECONDS[found[2]]
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise BadExtent(f"{text!r} is no time: write it like 30s, 5m or 1.5h")
    return value


def extent(text: str) -> Extent:
    """``20`` is 20 requests, ``5s`` five seconds. Raises ``BadExtent``."""
    if text.strip().isdigit():
        return Extent(requests=int(text))
    if _FORM.fullmatch(text.strip().lower()) is None:
        raise BadExtent(f"{text!r} is neither a number of requests nor a time: write it like 20 or 5s")
    return Extent(seconds=seconds(text))
