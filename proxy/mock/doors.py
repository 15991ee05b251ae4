"""Ports that are no use to a client: one that refuses connections, and one where they are never made."""

import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

Door = Literal["shut", "stuck"]
Held = Sequence[socket.socket]
"""What has to be closed to give a port back; the first one has its number."""

_MOST = 16
"""Connections of our own that fill the queue of a stuck port; Linux takes two."""


def shut(host: str, port: int) -> list[socket.socket]:
    """Hold a port on which nobody listens: whoever connects is refused, and nobody else can take it."""
    held = _socket(host)
    held.bind((host, port))
    return [held]


def stuck(host: str, port: int) -> list[socket.socket]:
    """Listen without ever accepting, with the queue filled: whoever connects waits for an answer that does not come.

    The first socket is the listener. Its queue is full when a connection of our own is not made at once.
    """
    held = shut(host, port)
    held[0].listen(0)
    where = held[0].getsockname()
    for _ in range(_MOST):
        filling = _socket(host)
        held.append(filling)
        filling.settimeout(0.05)
        try:
            filling.connect(where)
        except TimeoutError:
            break
    return held


def close(held: Held) -> None:
    """Give the port back."""
    for one in held:
        with suppress(OSError):
            one.close()


def _socket(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
