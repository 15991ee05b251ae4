"""Events of one stream that differ from each other in nothing but a piece of text: hundreds of them say what one says with all of it.

That is seen without a look at each: a run of them is cut by lines, what is around their texts is put back, and it must be the same bytes.
"""

import re
from io import BytesIO
from operator import itemgetter

import msgspec
from msgspec import Struct

from .values import UNREADABLE

END = b"\n\n"
"""What follows an event. Streams with other line ends have no runs here."""

_GROWING = re.compile(
    rb'"(?:content|text|reasoning_content|reasoning|thinking|arguments|partial_json)"\s*:\s*"([^"\\]+)"'
)
"""A string that grows from event to event. What is judged by its value, such as how an answer ended, is none of them."""

_TRIES = 8
"""Events that are looked at for one whose text shows where it begins and ends."""

_text = msgspec.json.Decoder(str).decode


class Shape(Struct, frozen=True, gc=False):
    """What such events have around their text: ``head`` from their first byte, ``tail`` up to the blank line; ``text`` of one of them."""

    head: bytes
    text: bytes
    tail: bytes

    def event(self, text: bytes) -> bytes:
        """One that says this, without the blank line."""
        return b"%b%b%b" % (self.head, text, self.tail)

    def run(self, body: bytes) -> tuple[int, int]:
        """From the first of them in ``body`` to the blank line after the last."""
        begin = 0 if body.startswith(self.head) else body.find(END + self.head) + len(END)
        return begin, body.rfind(self.tail + END) + len(self.tail) + len(END)

    def texts(self, run: bytes) -> list[bytes] | None:
        """Of each event of ``run``; ``None``: not all of them are of this shape. They are yet to be ``pieces``."""
        head, tail = self.head, self.tail
        if tail.find(b"\n") >= 0:
            return None
        lines = head.count(b"\n") + 2
        said = itemgetter(slice(len(head) - (head.rfind(b"\n") + 1), -len(tail) - 1))
        texts = list(map(said, BytesIO(run).readlines()[lines - 2 :: lines]))
        return texts if self.event((tail + END + head).join(texts)) + END == run else None


def usual(body: bytes) -> Shape | None:
    """The shape of an event about the middle of ``body``, whose text has nothing escaped in it."""
    at = len(body) // 2
    for _ in range(_TRIES):
        start = body.find(END, at) + len(END)
        end = body.find(END, start)
        if start < len(END) or end < 0:
            return None
        found = _GROWING.search(body, start, end)
        if found is not None:
            return Shape(body[start : found.start(1)], found[1], body[found.end(1) : end])
        at = end
    return None


def pieces(texts: list[bytes]) -> bool:
    """Is each of them a piece of a string in JSON, whatever it was cut from?"""
    try:
        # A space is no part of an escape or of a character: together they are a string only if each of them is a piece of one.
        _text(b'"%b"' % b" ".join(texts))
    except UNREADABLE:
        return False
    return True
