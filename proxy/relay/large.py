"""A JSON answer that is too large to be held: its usage, which stands near its beginning or its end, is read as it passes."""

import re

import msgspec

from ..wire.usage import ReportedUsage, Usage
from ..wire.values import UNREADABLE
from .inflate import Inflater

KEPT = 64 * 1024
"""Bytes of the beginning, and again of the end, that are looked at."""

_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_DEEPEST = 4096
"""Bytes that a usage object may have."""

_decode = msgspec.json.Decoder(ReportedUsage).decode


class LargeAnswer:
    """Fed with the body in order. A key inside somebody's text has escaped quotes, so it cannot pass for one of these."""

    def __init__(self, inflater: Inflater | None) -> None:
        """``inflater``: for a body that is compressed."""
        self._inflater = inflater
        self._head = b""
        self._tail = b""
        self.size = 0
        """Bytes, decompressed as far as they can be."""

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        plain = data if self._inflater is None else self._inflater.feed(data)
        self.size += len(plain)
        if len(self._head) < KEPT:
            self._head += plain[: KEPT - len(self._head)]
        self._tail = (self._tail + plain)[-KEPT:]

    @property
    def text(self) -> str:
        """The beginning, for a count where nothing is reported: rough, and not less than what was written."""
        return self._head.decode(errors="replace")

    def usage(self) -> Usage | None:
        """As reported; the last of several."""
        found = None
        for part in (self._head, self._tail):
            for match in _USAGE.finditer(part):
                found = _read(part[match.end() - 1 : match.end() + _DEEPEST]) or found
        return found


def _read(data: bytes) -> Usage | None:
    """The object that ``data`` begins with."""
    end = 0
    while end := data.find(b"}", end) + 1:
        try:
            return _decode(data[:end]).normalised()
        except UNREADABLE:
            continue
    return None
