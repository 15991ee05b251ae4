"""The gateway that a drill plays against, in a process of its own: ``python -m proxy.cli.drilled FILE``.

It ends with the drill, even one that is killed, and may connect to this machine alone: a way out that the drill's configuration
overlooked is closed here.
"""

import os
import sys

from ..config.checks import is_loopback


def loopback_only(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook. Raises ``PermissionError`` for a connection, a datagram or a lookup of Python's that would leave this machine, and
    says so. uvloop looks names up by itself, but connects the sockets that Python gives it.
    """
    host: object = None
    if event in ("socket.connect", "socket.sendto") and len(arguments) > 1 and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if isinstance(text, str) and text and not is_loopback(text):
        told = f"a drill does not leave this machine: {event} to {text}"
        os.write(2, f"{told}\n".encode())
        raise PermissionError(told)


def run(file: str) -> None:
    """Serves until a signal."""
    from ..accounts import load_checked
    from ..server import end_with_the_launcher, serve

    sys.addaudithook(loopback_only)
    end_with_the_launcher()
    serve(load_checked(file, os.environ), overrides={})


if __name__ == "__main__":
    run(sys.argv[1])
