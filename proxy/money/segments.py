"""Files of the write-ahead journal: preallocated, mapped into memory, filled by copying. A record is a marker, its length, its
CRC-32 and msgpack; whatever is torn, cut or flipped is passed over and the records around it are still read.
"""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from zlib import crc32

SIZE = 1024 * 1024
HEADER = b"tollway journal1"
_HEAD = Struct("<4sII")
MARK = b"\xff\xfe\xf5\xc1"
"""Begins each record. No UTF-8 text holds these bytes, so that nothing a client names can pass for one."""


class Segment:
    """One file being written. ``live``: requests that need it; at 0 it may go."""

    __slots__ = ("_file", "at", "live", "number", "path", "size", "synced", "view")

    def __init__(self, path: Path, number: int, size: int = SIZE) -> None:
        """Raises ``OSError`` where there is no room: blocks are taken now, so that a full disk shows here and never as a signal."""
        self.path = path
        self.number = number
        self.size = size
        self.live = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _allocate(self._file, size)
            self.view = mmap.mmap(self._file, size)
        except BaseException:
            os.close(self._file)
            path.unlink(missing_ok=True)
            raise
        self.view[: len(HEADER)] = HEADER
        self.at = self.synced = len(HEADER)

    def append(self, payload: bytes) -> int:
        """Copies one record in; where it begins, or 0 where it does not fit."""
        begin = self.at
        body = begin + _HEAD.size
        end = body + len(payload)
        if end > self.size:
            return 0
        view = self.view
        # The head goes last: before it the record is not there, after it it is whole.
        view[body:end] = payload
        _HEAD.pack_into(view, begin, MARK, len(payload), crc32(payload))
        self.at = end
        return begin

    def read(self, begin: int) -> bytes:
        """The payload of the record at ``begin``."""
        _, length, _ = _HEAD.unpack_from(self.view, begin)
        body = begin + _HEAD.size
        return self.view[body : body + length]

    def sync(self) -> None:
        """Brings what was written to the disk itself. Any thread; on Linux this covers what was written through the map."""
        at = self.at
        if at != self.synced:
            _to_disk(self._file)
            self.synced = at

    def close(self) -> None:
        """Lets go; the file stays."""
        self.view.close()
        os.close(self._file)

    def discard(self) -> None:
        """Lets go, and the file with it."""
        self.close()
        self.path.unlink(missing_ok=True)


_to_disk = getattr(os, "fdatasync", os.fsync)


def _allocate(file: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
        return
    written = 0
    while written < size:
        written += os.write(file, bytes(min(65536, size - written)))


def records_in(data: bytes) -> Iterator[bytes]:
    """The payloads of a file's whole records, in order, whatever happened to it."""
    at = data.find(MARK)
    while at >= 0:
        payload = _payload(data, at)
        if payload is not None:
            yield payload
            at += _HEAD.size + len(payload)
            if data[at : at + 4] == MARK:
                continue
        else:
            at += 1
        at = data.find(MARK, at)


def _payload(data: bytes, at: int) -> bytes | None:
    body = at + _HEAD.size
    if body > len(data):
        return None
    _, length, check = _HEAD.unpack_from(data, at)
    if not length or body + length > len(data):
        return None
    payload = data[body : body + length]
    return payload if crc32(payload) == check else None
