"""What of a request may be written at all. Whatever would end a line, or the request, before its time is refused, not repaired."""

import re
from collections.abc import Sequence
from operator import itemgetter

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VISIBLE = re.compile(r"[^\x00-\x20\x7f]+")

MADE_HERE = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect")
)
"""Headers that say how a message is sent, or where it ends: one that came with the request would make two of them."""

_NAMES = 1024
_sound: set[str] = set()
"""Header names that were looked at before. Bounded: more are looked at each time."""

_name = itemgetter(0)


class Unsendable(ValueError):
    """Something that would change the request around it, or cannot be written. The text names no value."""


def check_line(method: str, url: str) -> None:
    """Raises ``Unsendable`` for a method that is no word, or a URL with blanks or control characters."""
    if not _TOKEN.fullmatch(method):
        raise Unsendable("the method is none")
    if not _VISIBLE.fullmatch(url):
        raise Unsendable("the URL has characters that no request line can carry")


def check_names(headers: Sequence[tuple[str, str]]) -> None:
    """Raises ``Unsendable`` for a header name that is no word, or that is made here."""
    if _sound.issuperset(map(_name, headers)):
        return
    for name, _ in headers:
        if not _TOKEN.fullmatch(name) or name.lower() in MADE_HERE:
            raise Unsendable("a header name is none, or one that is made here")
        if len(_sound) < _NAMES:
            _sound.add(name)
