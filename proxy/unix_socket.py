"""The data listener as a Unix socket: a path that is free, or holds a socket that nobody listens on any more."""

import os
import socket
import stat
from pathlib import Path

MODE = 0o660
"""Owner and group: in a pod the group is the volume's ``fsGroup``, which the containers share."""

_PATIENCE = 1.0
"""Seconds that a listener has to take our connection; a full backlog also means that somebody is there."""


class UnixSocketError(Exception):
    """Nobody can listen on this path; the message is one sentence with the fix."""


def clear_path(path: Path) -> None:
    """Removes the socket that a killed process left at ``path``. Raises ``UnixSocketError`` when we cannot listen there."""
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UnixSocketError(
            f"Cannot listen on {path}: {folder} is not a folder that can be written to; make it, or set server.uds."
        )
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise UnixSocketError(
            f"Cannot listen on {path}: what is there is no socket and is left alone; remove it, or set server.uds."
        )
    if answers(path):
        raise UnixSocketError(f"Socket {path} is taken: stop what listens there or set server.uds.")
    path.unlink(missing_ok=True)


def answers(path: Path) -> bool:
    """Does anybody listen on the socket? One that we may not connect to counts as taken."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PATIENCE)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True
