"""The file of pairs that were compared, one JSON object a line: what ``tollway cache calibrate`` reads. It holds prompts.

Written by a thread of its own from a bounded queue: a slow or full disk loses pairs, which are counted, and holds up nobody.
"""

import asyncio
import os
import queue
import threading
from pathlib import Path

import msgspec

from ..protocols import CacheRecords, Clock
from .layer import Pair

WAITING = 1000
"""Pairs that may wait to be written."""

LARGEST = 64 * 1024 * 1024
"""Bytes after which the file is put aside as ``.1``, in place of the one put aside before."""

LAST_WRITES = 2.0
"""Seconds that the end waits for what is still to be written."""

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
    """Keeps pairs. Readable by its owner alone."""

    def __init__(self, path: Path, *, wall: Clock, records: CacheRecords, largest: int = LARGEST) -> None:
        self._path = path
        self._wall = wall
        self._records = records
        self._largest = largest
        self._waiting: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._write, name="cache-pairs", daemon=True)
        self._thread.start()

    def __call__(self, pair: Pair) -> None:
        """One more; never waits."""
        line = Line(
            at=self._wall(),
            route=pair.route,
            partition=pair.partition.hex()[:16],
            a=pair.a,
            b=pair.b,
            similarity=pair.similarity,
            would_hit=pair.would_hit,
            same=pair.same,
        )
        try:
            self._waiting.put_nowait(_encode(line) + b"\n")
        except (queue.Full, UnicodeEncodeError):
            self._records.failed("record")

    async def close(self) -> None:
        """Writes what waits, within ``LAST_WRITES``."""
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        try:
            self._waiting.put(None, timeout=LAST_WRITES)
        except queue.Full:
            return
        self._thread.join(LAST_WRITES)

    def _write(self) -> None:
        while (line := self._waiting.get()) is not None:
            try:
                self._append(line)
            except OSError:
                self._records.failed("record")

    def _append(self, line: bytes) -> None:
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.fstat(file).st_size + len(line) > self._largest:
                os.replace(self._path, self._path.with_name(self._path.name + ".1"))
                os.close(file)
                file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(file, line)
        finally:
            os.close(file)
