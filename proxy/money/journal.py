"""The write-ahead journal of one process: what it holds, sends and settles, in a file before it happens.

Writing is copying into mapped memory, so a killed process loses nothing; a thread brings it to the disk ten times a second, so a
machine that loses power loses at most that. One folder a process, locked while it lives.
"""

import fcntl
import logging
import os
import threading
from collections import deque
from itertools import count
from pathlib import Path
from random import getrandbits
from typing import NamedTuple

import msgspec
from msgspec import structs

from ..errors import LedgerUnavailable
from ..protocols import Entry, Hold
from .replay import CHECKPOINT, DISPATCHED, HOLD, RELEASED, SETTLED, Open, entry_in
from .segments import SIZE, Segment

_log = logging.getLogger("tollway.journal")
_encode = msgspec.msgpack.Encoder().encode

INTERVAL = 0.1
"""Seconds between two times that the disk has everything."""

RETRY = 1.0
"""Seconds between two tries to get room on a full disk."""

LOCK = "lock"


class Place(NamedTuple):
    """Where an entry is written."""

    segment: int
    begin: int


class Journal:
    """One event loop writes; a thread of its own syncs, prepares the next file and removes old ones.

    ``limit`` bytes in all. The last eighth, and one file, is for settling what is under way: holds end before.
    """

    def __init__(self, root: Path, *, limit: int, segment: int = SIZE, interval: float = INTERVAL) -> None:
        """``root``: the folder of all processes' journals. Raises ``OSError`` where it cannot be written."""
        self._size = segment
        self._most = max(3, limit // segment)
        self._most_for_holds = self._most - max(1, self._most // 8)
        self._interval = interval
        self._numbers = count(1)
        self.open: dict[str, Open] = {}
        self._settled: dict[str, int] = {}
        self._waste: deque[Segment] = deque()
        self._starved = False
        self.failing = False
        """Could the disk not be written last time?"""
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder, self._lock = _own_folder(root)
        try:
            self._segment = self._make()
            self._spare: Segment | None = self._make()
        except BaseException:
            os.close(self._lock)
            raise
        self._segments: dict[int, Segment] = {self._segment.number: self._segment}
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._attend, name="tollway-journal", daemon=True)
        self._thread.start()

    # ---- what happens to a request ----------------------------------------------------------------------------------

    def hold(self, hold: Hold) -> None:
        """Raises ``LedgerUnavailable`` where it cannot be written down."""
        if self._starved or hold.ident in self.open or hold.ident in self._settled:
            self._refuse(hold.ident)
        payload = _encode((HOLD, hold, False, 0))
        if not self._segment.append(payload):
            self._next(payload, self._most_for_holds)
        segment = self._segment
        segment.live += 1
        self.open[hold.ident] = Open(hold, segment.number)

    def dispatched(self, ident: str) -> None:
        """Raises ``LedgerUnavailable``; then the request must not be sent."""
        found = self.open.get(ident)
        if found is None:
            raise LedgerUnavailable("The request was not written down before it was to be sent, so it is not sent.")
        if found.dispatched:
            return
        found.dispatched = True
        if found.segment != self._segment.number or not self._segment.append(_encode((DISPATCHED, ident))):
            self._carry(found)

    def checkpoint(self, ident: str, output_tokens: int) -> None:
        """Delivered so far, in all. Where it cannot be written, the one before holds."""
        found = self.open.get(ident)
        if found is None or output_tokens <= found.output:
            return
        found.output = output_tokens
        if found.segment != self._segment.number or not self._segment.append(
            _encode((CHECKPOINT, ident, output_tokens))
        ):
            try:
                self._carry(found)
            except LedgerUnavailable:
                self.failing = True

    def retarget(self, hold: Hold) -> None:
        """The request is tried elsewhere: a killed process is settled by the new target's prices. What is held, and since when, stays.

        Where it cannot be written, the first target's prices hold.
        """
        found = self.open.get(hold.ident)
        if found is None:
            return
        found.hold = structs.replace(hold, held=found.hold.held, at=found.hold.at)
        try:
            self._carry(found)
        except LedgerUnavailable:
            self.failing = True

    def settle(self, entry: Entry) -> Place | None:
        """Closes the hold. ``None``: there is no room for the entry now, and only the caller has it."""
        return self._end(entry.ident, _encode((SETTLED, entry)))

    def release(self, ident: str) -> None:
        """Closes the hold of a request that was never sent."""
        self._end(ident, _encode((RELEASED, ident)))

    def done(self, ident: str) -> None:
        """The database has everything of a settled or released request."""
        number = self._settled.pop(ident, None)
        if number is not None:
            self._let_go(self._segments[number])

    def read(self, place: Place) -> Entry:
        """An entry that was written and is not ``done``."""
        return entry_in(self._segments[place.segment].read(place.begin))

    # ---- files ------------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._size * (len(self._segments) + (self._spare is not None))

    def compact(self, most: int = 256) -> int:
        """Frees the oldest file where only requests under way keep it: they are written again. Returns how many were.

        Without this one long stream would keep every file since it began.
        """
        if self._starved or len(self._segments) < 4:
            return 0
        oldest = next(iter(self._segments.values()))
        staying = [found for found in self.open.values() if found.segment == oldest.number]
        if len(staying) < oldest.live and len(self._segments) < self._most_for_holds:
            # Settled requests in it wait for the database; they will free it soon.
            return 0
        for found in staying[:most]:
            try:
                self._carry(found)
            except LedgerUnavailable:
                break
        return len(staying[:most])

    def sync(self) -> None:
        """Waits until the disk has everything."""
        for segment in [*self._segments.values()]:
            segment.sync()

    def close(self) -> None:
        """Ends. The folder stays for recovery if anything in it is not done."""
        self._closing = True
        self._wake.set()
        self._thread.join()
        if self._spare is not None:
            self._spare.discard()
        unfinished = bool(self.open or self._settled)
        for segment in self._segments.values():
            if unfinished:
                segment.sync()
                segment.close()
            else:
                segment.discard()
        self._segments.clear()
        if not unfinished:
            (self.folder / LOCK).unlink(missing_ok=True)
            self.folder.rmdir()
        os.close(self._lock)

    def _end(self, ident: str, payload: bytes) -> Place | None:
        found = self.open.pop(ident, None)
        if found is None:
            return None
        home = self._segments[found.segment]
        begin = self._segment.append(payload)
        if not begin:
            try:
                begin = self._next(payload, self._most)
            except LedgerUnavailable:
                # The hold stays in its file: should we die now, the request is settled from it.
                self._settled[ident] = found.segment
                self.failing = True
                return None
        segment = self._segment
        segment.live += 1
        self._settled[ident] = segment.number
        self._let_go(home)
        return Place(segment.number, begin)

    def _carry(self, found: Open) -> None:
        """Everything about a request again, in the file of now, so that one file has all of it. Raises ``LedgerUnavailable``."""
        payload = _encode((HOLD, found.hold, found.dispatched, found.output))
        if not self._segment.append(payload):
            self._next(payload, self._most)
        segment = self._segment
        segment.live += 1
        home = self._segments[found.segment]
        found.segment = segment.number
        self._let_go(home)

    def _let_go(self, segment: Segment) -> None:
        segment.live -= 1
        if not segment.live and segment is not self._segment:
            del self._segments[segment.number]
            self._waste.append(segment)

    def _next(self, payload: bytes, most: int) -> int:
        """Begins the next file with ``payload``; where that is. Raises ``LedgerUnavailable``."""
        if len(self._segments) >= most or len(payload) > self._size // 4:
            raise LedgerUnavailable(
                "The gateway's journal is full because the database has not taken its entries for a while; try again later.",
                detail=f"{self.size} bytes",
            )
        segment = self._spare
        if segment is not None:
            self._spare = None
        else:
            try:
                segment = self._make()
            except OSError as error:
                self._starve(error)
                raise LedgerUnavailable(_NO_ROOM, detail=type(error).__name__) from None
        old = self._segment
        self._segment = self._segments[segment.number] = segment
        if not old.live:
            del self._segments[old.number]
            self._waste.append(old)
        self._wake.set()
        return segment.append(payload)

    def _make(self) -> Segment:
        number = next(self._numbers)
        return Segment(self.folder / f"{number:08d}.seg", number, self._size)

    def _refuse(self, ident: str) -> None:
        if not self._starved:
            raise LedgerUnavailable("The request is written down already; a request is held once.", detail=ident)
        raise LedgerUnavailable(_NO_ROOM)

    def _starve(self, error: OSError) -> None:
        if not self._starved:
            _log.error("the journal gets no room on its disk, requests that cost money are refused: %s", error.strerror)
        self._starved = self.failing = True

    # ---- the thread -------------------------------------------------------------------------------------------------

    def _attend(self) -> None:
        waited = 0.0
        while not self._closing:
            self._wake.wait(self._interval)
            self._wake.clear()
            waited += self._interval
            self._tidy()
            if self._spare is None and (not self._starved or waited >= RETRY):
                waited = 0.0
                self._prepare()
        self._tidy()

    def _tidy(self) -> None:
        try:
            for segment in [*self._segments.values()]:
                segment.sync()
            while self._waste:
                self._waste.popleft().discard()
        except OSError as error:
            self._report(error)
        else:
            self.failing = self._starved

    def _report(self, error: OSError) -> None:
        if not self.failing:
            _log.error("the journal's disk cannot be written: %s", error.strerror)
        self.failing = True

    def _prepare(self) -> None:
        try:
            self._spare = self._make()
        except OSError as error:
            self._starve(error)
        else:
            if self._starved:
                _log.warning("the journal has room on its disk again")
            self._starved = False


_NO_ROOM = "The gateway's journal cannot be written (its disk may be full), so nothing that costs money is sent; try again later."


def _own_folder(root: Path) -> tuple[Path, int]:
    """A folder of a random name, locked before anybody can see it under that name."""
    name = f"{getrandbits(64):016x}"
    making = root / f".{name}"
    making.mkdir(mode=0o700)
    lock = os.open(making / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    folder = root / name
    making.rename(folder)
    return folder, lock
