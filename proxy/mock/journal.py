"""What the mock received lately: a ring bounded in entries and bytes, read over GET /mock/requests."""

from base64 import b64encode
from collections import deque
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from .reply import Object

MAX_ENTRIES = 1000
MAX_BODY = 64 * 1024
MAX_KEPT = 16 * 1024 * 1024

Outcome = Literal["open", "complete", "fault", "client_closed"]


@dataclass(slots=True)
class Entry:
    """One request; `ended` is seconds after its head was read."""

    number: int
    method: str
    target: str
    version: str
    headers: tuple[tuple[bytes, bytes], ...]
    began: float
    connection: int
    body: bytes | None = b""
    length: int = 0
    sha256: str = ""
    whole: bool = False
    status: int = 0
    outcome: Outcome = "open"
    ended: float | None = None

    def shown(self) -> Object:
        """Return the entry as JSON values; times in milliseconds since the request's head was read."""
        milliseconds = None if self.ended is None else round(self.ended * 1000, 3)
        return {
            "number": self.number,
            "connection": self.connection,
            "method": self.method,
            "path": self.target,
            "version": self.version,
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers],
            "body_length": self.length,
            "body_sha256": self.sha256,
            "body_base64": None if self.body is None else b64encode(self.body).decode(),
            "body_whole": self.whole,
            "status": self.status,
            "outcome": self.outcome,
            "client_closed": self.outcome == "client_closed",
            "ended_after_ms": milliseconds,
            "closed_after_ms": milliseconds if self.outcome == "client_closed" else None,
        }


class Journal:
    """The ring, and the counts of GET /mock/stats."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._kept = 0
        self.requests = 0
        self.open = 0
        self.aborted = 0

    def begin(
        self, method: str, target: str, version: str, headers: tuple[tuple[bytes, bytes], ...], connection: int
    ) -> Entry:
        self.requests += 1
        self.open += 1
        entry = Entry(self.requests, method, target, version, headers, monotonic(), connection)
        self._entries.append(entry)
        if len(self._entries) > MAX_ENTRIES:
            self._drop()
        return entry

    def received(self, entry: Entry, body: bytes, length: int, sha256: str) -> None:
        """Note the whole body; its bytes are kept up to 64 KiB."""
        entry.whole, entry.length, entry.sha256 = True, length, sha256
        entry.body = body if length <= MAX_BODY else None
        if entry.body and self._entries and entry.number >= self._entries[0].number:
            self._kept += length
            while self._kept > MAX_KEPT and len(self._entries) > 1:
                self._drop()

    def end(self, entry: Entry, outcome: Outcome) -> None:
        entry.outcome = outcome
        entry.ended = monotonic() - entry.began
        self.open -= 1
        self.aborted += outcome == "client_closed"

    def entries(self) -> tuple[Entry, ...]:
        """All that are kept, oldest first."""
        return tuple(self._entries)

    def clear(self) -> None:
        """Forget the entries; the counts stay."""
        self._entries.clear()
        self._kept = 0

    def shown(self, last: int | None) -> list[Object]:
        """Return the newest `last` entries (all when None), oldest first."""
        entries = list(self._entries)
        return [entry.shown() for entry in (entries if last is None else entries[max(len(entries) - last, 0) :])]

    def _drop(self) -> None:
        gone = self._entries.popleft()
        if gone.body:
            self._kept -= gone.length
