"""The file of pairs that were compared, one JSON object a line: what ``tollway cache calibrate`` reads. It holds prompts.

Written by a thread of its own from a bounded queue: a slow or full disk loses pairs, which are counted, and holds up nobody.
"""

import asyncio
import errno
import fcntl
import logging
import os
import queue
import stat
import threading
from math import isfinite
from pathlib import Path

import msgspec

from ..protocols import CacheRecords, Clock
from .layer import Pair

_log = logging.getLogger("tollway.semantic")

WAITING = 1000
"""Pairs that may wait to be written."""

WAITING_BYTES = 16 * 1024 * 1024
"""Bytes of them together."""

LARGEST = 64 * 1024 * 1024
"""Bytes after which the file is put aside as ``.1``, in place of the one put aside before."""

LAST_WRITES = 2.0
"""Seconds that the end waits for what is still to be written."""

_OPEN = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK
"""A pipe that nobody reads is an error, not a wait."""

_encode = msgspec.json.Encoder().encode


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """``at``: unix seconds; ``partition``: the first 16 hexadecimal digits; ``same``: ``null`` where it could not be told."""

    at: float
    route: str
    partition: str
    a: str
    b: str
    similarity: float
    would_hit: bool
    same: bool | None


class Recorded:
    """Keeps pairs, readable by their owner alone. Several processes may write to one file."""

    def __init__(self, path: Path, *, wall: Clock, records: CacheRecords, largest: int = LARGEST) -> None:
        self._path = path
        self._wall = wall
        self._records = records
        self._largest = largest
        self._waiting: queue.Queue[bytes | None] = queue.Queue(WAITING)
        # Bytes that went in, and that came out: each is written by one thread alone.
        self._taken = self._done = 0
        self._ended = self._told = False
        self._thread = threading.Thread(target=self._write, name="cache-pairs", daemon=True)
        self._thread.start()

    def __call__(self, pair: Pair) -> None:
        """One more; never waits."""
        try:
            line = _encode(self._line(pair)) + b"\n"
        except UnicodeEncodeError:
            self._records.failed("record")
            return
        full = self._taken - self._done + len(line) > WAITING_BYTES
        if full or self._ended or not isfinite(pair.similarity):
            self._records.failed("record")
            return
        try:
            self._waiting.put_nowait(line)
            self._taken += len(line)
        except queue.Full:
            self._records.failed("record")

    async def close(self) -> None:
        """Writes what waits, within ``LAST_WRITES``; what is left then is counted as lost."""
        self._ended = True
        await asyncio.to_thread(self._end)

    def _line(self, pair: Pair) -> Line:
        return Line(
            at=self._wall(),
            route=pair.route,
            partition=pair.partition.hex()[:16],
            a=pair.a,
            b=pair.b,
            similarity=pair.similarity,
            would_hit=pair.would_hit,
            same=pair.same,
        )

    # ---- the thread -------------------------------------------------------------------------------------------------
    def _end(self) -> None:
        try:
            self._waiting.put(None, timeout=LAST_WRITES)
            self._thread.join(LAST_WRITES)
        except queue.Full:
            pass
        while True:
            try:
                left = self._waiting.get_nowait()
            except queue.Empty:
                return
            if left is not None:
                self._records.failed("record")

    def _write(self) -> None:
        while (line := self._waiting.get()) is not None:
            try:
                self._append(line)
                self._told = False
            except OSError as error:
                self._records.failed("record")
                if not self._told:
                    self._told = True
                    _log.warning("pairs cannot be recorded in %s: %s", self._path, error.strerror)
            self._done += len(line)

    def _append(self, line: bytes) -> None:
        """A whole line or none. Raises ``OSError``."""
        file = self._locked()
        try:
            size = os.fstat(file).st_size
            if size and size + len(line) > self._largest:
                os.replace(self._path, self._path.with_name(self._path.name + ".1"))
                os.close(file)
                file = -1
                file, size = self._locked(), 0
            written = os.write(file, line)
            if written < len(line):
                os.ftruncate(file, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            if file >= 0:
                os.close(file)

    def _locked(self) -> int:
        """The file that has the name, once no other process is at it; closing it lets go."""
        while True:
            file = os.open(self._path, _OPEN, 0o600)
            try:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise OSError(errno.EINVAL, "it is no regular file")
                fcntl.flock(file, fcntl.LOCK_EX)
                os.fchmod(file, 0o600)
                if os.path.samestat(os.fstat(file), os.stat(self._path)):
                    return file
            except FileNotFoundError:
                pass
            except OSError:
                os.close(file)
                raise
            # Another process put it aside in the meantime.
            os.close(file)
