"""The files a configuration is made from: what they hold and how to see that they changed."""

import hashlib
import os
import stat

MAX_HASHED = 16 * 1024 * 1024
"""Bytes of a file that count; certificates and secrets are far smaller."""

FRESH = 2_000_000_000
"""Nanoseconds. A file changed this recently may change again without its times showing it, so it is read again."""

Stamp = tuple[str, int, int, int, int] | None
"""Real path, inode, size, mtime and ctime in nanoseconds; None for a file that is not there."""


def stamp(name: str) -> Stamp:
    """What ``stat`` says about the file that ``name`` leads to."""
    try:
        found = os.stat(name)
        return os.path.realpath(name), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    except (OSError, ValueError):
        return None


def content(name: str) -> bytes | None:
    """SHA-256 of a regular file, None when it cannot be read. Devices and pipes are never opened."""
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):
            return None
        with open(name, "rb") as stream:
            return hashlib.sha256(stream.read(MAX_HASHED)).digest()
    except (OSError, ValueError):
        return None
