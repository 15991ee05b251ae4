"""Single events of a stream: cut out of it for pacing, and written into one."""

import re

from ...wire.values import Json
from .reading import written

_EVENT = re.compile(rb".*?(?:\r\n|\n|\r(?!\n)){2,}", re.DOTALL)


def events_in(body: bytes) -> list[bytes]:
    """The events in ``body``, each with its blank line: joined they are ``body`` again, whatever ends its lines."""
    if b"\r" not in body and b"\n\n\n" not in body and body[:1] != b"\n":
        found = [block + b"\n\n" for block in body.split(b"\n\n")]
        last = found.pop()[:-2]
    else:
        found = _EVENT.findall(body)
        last = body[sum(map(len, found)) :]
    return [*found, last] if last else found


def named(kind: str, /, **members: Json) -> bytes:
    """An event that says its name twice, as those of the Responses and Messages APIs do."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), written({"type": kind, **members}))
