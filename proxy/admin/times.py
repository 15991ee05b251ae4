"""Times as people write them, to unix seconds and back. Years outside 2000 to 2199 are mistakes, not plans."""

import re
from datetime import UTC, datetime

from ..errors import InvalidRequest

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY = 86_400.0
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_YEAR = 31_536_000
_FIRST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LAST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


def moment(text: str, field: str, *, end: bool) -> float:
    """Unix seconds of an ISO 8601 time (UTC without an offset) or a date: its end with ``end``, else its begin."""
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        seconds = found.timestamp()
    except (ValueError, OverflowError):
        raise _not_a_time(field) from None
    if _DATE.fullmatch(text) and end:
        seconds += _DAY
    if not _FIRST <= seconds < _LAST:
        raise _not_a_time(field)
    return seconds


def _not_a_time(field: str) -> InvalidRequest:
    return InvalidRequest(
        f"{field} is not a time between 2000 and 2199: write 2027-01-14 or 2027-01-14T12:00:00Z.",
        param=field,
        code="invalid_value",
    )


def iso(seconds: float) -> str:
    """``2027-01-14T12:00:00Z``, with as many digits of a second as it has."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").removesuffix("+00:00")
    return f"{text.rstrip('0').rstrip('.')}Z"


def iso_or_none(seconds: float | None) -> str | None:
    """The same where there may be no time."""
    return None if seconds is None else iso(seconds)


def span(value: int | str, field: str) -> int:
    """Seconds of a number or of ``10m``; at most a year."""
    seconds = value if isinstance(value, int) else int(value[:-1]) * _UNITS[value[-1]]
    if seconds > _YEAR:
        raise InvalidRequest(f"{field} is longer than a year.", param=field, code="invalid_value")
    return seconds
