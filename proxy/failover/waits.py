"""How long a provider asks to be left alone, in every spelling: seconds, milliseconds, dates, durations, moments.

Nothing here raises. What can be read is clamped to 0-300 s; what cannot is 5 s, because the provider did ask for a pause.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..errors import RawHeaders
from ..wire.headers import value_of

LONGEST = 300.0
"""Seconds; a provider that asks for more is asked again after this long."""

GARBAGE = 5.0
"""Seconds for a value that cannot be read."""

_MOST = 64
"""Bytes of a value that are worth reading."""

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?|[+-]?\.\d+", re.ASCII)
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_WORDS = re.compile(r"(?:try again|retry)(?: in| after)? ((?:\d+(?:\.\d+)?(?:ms|s|m|h))+)", re.IGNORECASE | re.ASCII)

_RESETS = ((b"x-ratelimit-reset", b"-reset", b"-remaining"), (b"anthropic-ratelimit-", b"-reset", b"-remaining"))

_EPOCH = 1e8
"""A number this large is a moment in unix seconds, not a number of seconds."""
_EPOCH_MILLISECONDS = 1e11


def clamped(seconds: float) -> float:
    """``seconds`` within 0-300."""
    return min(max(0.0, seconds), LONGEST)


def asked(headers: RawHeaders, *, now: float, resets: bool = False) -> float | None:
    """Seconds that an answer's headers ask for; ``None``: they say nothing.

    ``now``: unix seconds. ``resets``: without a ``retry-after``, the reset of the limit that is used up counts.
    """
    milliseconds, after = value_of(headers, b"retry-after-ms"), value_of(headers, b"retry-after")
    if milliseconds is not None:
        found = _number(_readable(milliseconds))
        if found is not None:
            return clamped(found / 1000)
    if after is not None:
        found = _until(_readable(after), now)
        return clamped(found) if found is not None else GARBAGE
    if milliseconds is not None:
        return GARBAGE
    return _until_reset(headers, now) if resets else None


def in_duration(text: str) -> float | None:
    """``2m3.5s``, ``120ms``, ``23`` as seconds, clamped; ``None`` for anything else."""
    found = _duration(text.strip()) if len(text) <= _MOST else None
    return clamped(found) if found is not None else None


def in_words(message: str) -> float | None:
    """The pause that a sentence names (“Please try again in 5.289s”), clamped; ``None``: it names none."""
    told = _WORDS.search(message)
    return in_duration(told[1]) if told is not None else None


def _until_reset(headers: RawHeaders, now: float) -> float | None:
    """The latest reset among the limits of which nothing is left, or of which the answer does not say what is left."""
    found = []
    for name, value in headers:
        for prefix, suffix, remaining in _RESETS:
            if name.startswith(prefix) and suffix in name:
                left = value_of(headers, name.replace(suffix, remaining))
                seconds = _until_full(_readable(value), now) if left is None or left.strip() == b"0" else None
                if seconds is not None:
                    found.append(clamped(seconds))
    return max(found, default=None)


def _readable(value: bytes) -> str:
    return value.strip().decode("latin-1") if len(value) <= _MOST else ""


def _until_full(text: str, now: float) -> float | None:
    """As ``_until``, and unix seconds or milliseconds, told by their size."""
    found = _number(text)
    if found is None or found <= _EPOCH:
        return _until(text, now)
    return (found / 1000 if found > _EPOCH_MILLISECONDS else found) - now


def _until(text: str, now: float) -> float | None:
    """Seconds from ``now``, from a number of them, a duration or a moment."""
    found = _duration(text)
    if found is not None:
        return found
    moment = _moment(text)
    return moment - now if moment is not None else None


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) is not None else None


def _duration(text: str) -> float | None:
    if _DURATION.fullmatch(text) is None:
        return _number(text)
    return sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(text))


def _moment(text: str) -> float | None:
    """An HTTP date (RFC 9110 5.6.7) or an RFC 3339 moment as unix seconds; without a zone it is UTC."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = read(text)
            return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None
