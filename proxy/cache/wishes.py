"""The usage chunk of a chat or completions stream, as each client wishes: taken out for one, put back for another."""

import re
from typing import Protocol

from ..context import RequestContext
from ..wire.stream import Withholder

USAGE_CHUNKS = ("chat", "completions")
"""Dialects whose streams have one only where it is asked for."""

_END = re.compile(rb"(?:^|(?<=[\r\n]))data: ?\[DONE\]")
_BEGUN = b"data: [DONE]"


class Wish(Protocol):
    """What stands between a recording and a client. ``Withholder`` is one."""

    def feed(self, data: bytes) -> bytes:
        """Of ``data`` and what waited, what may leave now."""

    def close(self) -> bytes:
        """What is left of it."""


class Inserter:
    """Holds the end of a stream back, so that a usage chunk can be put before it. Every other byte leaves as it came."""

    __slots__ = ("_at_line", "_ending", "_held", "usage")

    def __init__(self) -> None:
        self.usage = b""
        """The chunk, once it is known."""
        self._held = b""
        self._at_line = True
        self._ending = False

    def feed(self, data: bytes) -> bytes:
        """Everything but the end, and what may be the beginning of it."""
        data, self._held = self._held + data, b""
        if self._ending:
            self._held = data
            return b""
        # Within a line, its rest is no line of its own.
        found = _END.search(data, 0 if self._at_line else 1)
        if found is not None:
            self._ending = True
            return self._split(data, found.start())
        line = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if (line or self._at_line) and _BEGUN.startswith(data[line:]):
            return self._split(data, line)
        return self._split(data, len(data))

    def close(self) -> bytes:
        """The chunk, and the end."""
        rest, self._held = self._held, b""
        return self.usage + rest

    def _split(self, data: bytes, at: int) -> bytes:
        out, self._held = data[:at], data[at:]
        if out:
            self._at_line = out[-1:] in (b"\n", b"\r")
        return out


def asks_usage(ctx: RequestContext) -> bool:
    """Does the client want the chunk?"""
    options = ctx.request.stream_options
    return options is not None and options.include_usage is True


def wish_of(ctx: RequestContext, leader: RequestContext) -> Wish | None:
    """What a follower's stream needs; ``None``: it is to be as the leader's is."""
    if ctx.endpoint.dialect not in USAGE_CHUNKS or not ctx.request.stream:
        return None
    mine, theirs = asks_usage(ctx), asks_usage(leader)
    if mine == theirs:
        return None
    return Inserter() if mine else Withholder()
