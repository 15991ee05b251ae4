"""What a provider says of its own limits in the head of an answer: how much is left of each, and until when.

OpenAI and those who follow it write ``x-ratelimit-remaining-tokens: 0`` and ``x-ratelimit-reset-tokens: 6m0s``, Anthropic
``anthropic-ratelimit-tokens-remaining`` with a reset in RFC 3339.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from ..errors import RawHeaders

PREFIXES = (b"x-ratelimit-", b"anthropic-ratelimit-")

LONGEST = 300.0
"""Seconds for which a key is passed over at most because of what was said."""

UNCLEAR = 5.0
"""Seconds to the reset where the header cannot be read."""

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)

EPOCH, EPOCH_MS = 1e9, 1e12
"""From here on a number is a time in unix seconds, or milliseconds, and no duration."""


class Allowance(Struct, frozen=True, gc=False):
    """``left``: the share (0 to 1) that is left of the limit that is nearest to its end; ``out``: is one at its end? It lasts for
    ``seconds``."""

    left: float
    out: bool
    seconds: float


Glance = Literal["nothing", "plenty", "scarce"]

_MOST_NAMES = 1024
_known: set[bytes] = set()
"""Header names that came, and those of them that say how much of a limit is left: looked up together, not each by itself."""
_left_names: set[bytes] = set()

_NOUGHT = frozenset((b"0", b".", b"+", b"-", b" ", b"\t", b""))
"""How a figure may begin that is nothing."""


def glance(headers: RawHeaders) -> Glance:
    """Is it said how much of a limit is left, and may that be nothing? Quick; ``scarce`` may be wrong, the others are not."""
    said = dict(headers)
    names = said.keys()
    found = names & _left_names if names <= _known else _new(said)
    if not found:
        return "nothing"
    for name in found:
        if said[name][:1] in _NOUGHT:
            return "scarce"
    return "plenty"


def _new(names: Iterable[bytes]) -> set[bytes]:
    """Of ``names`` those that say what is left; all are known from now on."""
    found = {name for name in names if name.startswith(PREFIXES) and _parts(name)[1] == "remaining"}
    if len(_known) < _MOST_NAMES:
        _known.update(names)
        _left_names.update(found)
    return found


def allowance(headers: RawHeaders) -> Allowance | None:
    """What the head says; ``None``: nothing of limits."""
    said: dict[bytes, dict[str, bytes]] = {}
    date = b""
    for name, value in headers:
        if name.startswith(PREFIXES):
            limit, figure = _parts(name)
            if figure:
                said.setdefault(limit, {})[figure] = value
        elif name == b"date":
            date = value
    if not said:
        return None
    least, resets = 2.0, b""
    for figures in said.values():
        left = _left(figures)
        if left is not None and left < least:
            least, resets = left, figures.get("reset", b"")
    if least > 1:
        return None
    return Allowance(least, not least, reset_in(resets.decode("latin-1"), date.decode("latin-1")))


@lru_cache(256)
def _parts(name: bytes) -> tuple[bytes, str]:
    """Which limit a header is about, and which figure of it: ``remaining``, ``limit``, ``reset``, or ""."""
    _, _, rest = name.partition(b"ratelimit-")
    words = rest.split(b"-")
    for word in (b"remaining", b"limit", b"reset"):
        if word in words:
            words.remove(word)
            return b"-".join(words), word.decode()
    return b"", ""


def _left(figures: dict[str, bytes]) -> float | None:
    """The share (0 to 1) of one limit that is left; ``None``: nobody knows."""
    remaining, limit = _number(figures.get("remaining")), _number(figures.get("limit"))
    if remaining is None or remaining < 0 or (limit is not None and limit <= 0):
        # A limit of 0 or below means in the wild that there is none.
        return None
    if not remaining or limit is None:
        return 1.0 if remaining else 0.0
    return min(remaining / limit, 1.0)


def _number(value: bytes | None) -> float | None:
    if value is None or len(value) > 20:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if number == number and abs(number) != float("inf") else None


def reset_in(text: str, date: str) -> float:
    """Seconds until a reset: a duration (``6m0s``, ``12ms``), a number of seconds, a unix time, or RFC 3339.

    A point in time is measured from the answer's own ``date``, so that no two clocks have to agree. Clamped to 0-300; unclear: 5.
    """
    text = text.strip()[:64]
    seconds = _duration(text)
    if seconds is None:
        at = _moment(text)
        now = _date(date) if at is not None else None
        if at is None or now is None:
            return UNCLEAR
        seconds = at - now
    return min(max(seconds, 0.0), LONGEST)


def _duration(text: str) -> float | None:
    if _DURATION.fullmatch(text):
        return sum(float(amount) * UNITS[unit] for amount, unit in _PART.findall(text))
    number = _number(text.encode("ascii", "replace"))
    return number if number is not None and number < EPOCH else None


def _moment(text: str) -> float | None:
    """Unix seconds."""
    number = _number(text.encode("ascii", "replace"))
    if number is not None:
        return number / 1000 if number >= EPOCH_MS else number
    try:
        at = datetime.fromisoformat(text)
        return at.timestamp() if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


@lru_cache(16)
def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
