"""The secret that keys are hashed with: without it a stolen database holds nothing that can be tried.

It comes from the configuration or from a file that the first process to start makes; two that start at once get the same.
"""

import hmac
import logging
import os
import secrets
import stat
from pathlib import Path

_log = logging.getLogger("tollway.identity")

SIZE = 32
"""Bytes of a pepper that is made here."""


class PepperError(Exception):
    """The pepper cannot be read or made. The text says what to do; it never holds the pepper."""


def load_pepper(path: Path, *, has_keys: bool) -> bytes:
    """The pepper in ``path``; made there (mode 0600) unless ``has_keys``, because a new one would lock every stored key out.

    Raises ``PepperError``.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise PepperError(f"The pepper file {path} cannot be read: {error.strerror}.") from None
    if has_keys:
        raise PepperError(
            f"The pepper file {path} is missing, and the database holds keys that were hashed with it: put it back from a"
            " backup, or set storage.pepper to what it was. Without it none of those keys works again."
        )
    try:
        _make(path)
        return _read(path)
    except OSError as error:
        raise PepperError(
            f"The pepper file {path} cannot be made ({error.strerror}): make its folder writable, or set storage.pepper."
        ) from None


def fingerprint(pepper: bytes) -> int:
    """A number below 2^63 that tells two peppers apart and says nothing about either."""
    return int.from_bytes(hmac.digest(pepper, b"tollway pepper", "sha256")[:8], "big") >> 1


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
        pepper = stream.read(SIZE + 1)
    if len(pepper) != SIZE:
        raise PepperError(f"The pepper file {path} does not hold {SIZE} bytes: put it back from a backup.")
    if mode & 0o077:
        _log.warning("the pepper file %s can be read by others (mode %o): chmod 600 it", path, mode)
    return pepper


def _make(path: Path) -> None:
    """Whole or not at all, and never over another's: a hard link fails where a rename would replace."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(SIZE))
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        _log.info("made the pepper file %s: keep a copy of it apart from the database's backups", path)
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
