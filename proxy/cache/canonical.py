"""One spelling for all spellings of a JSON document, so that key order, whitespace and escapes make no other question.

Where two parsers could read a body differently (a key twice, integers beyond 64 bits) or none can, its own bytes stand for it: then it
equals nothing but itself. Numbers are equal as RFC 8259 section 6 has it: integers as such, all others as IEEE doubles.
"""

import msgspec
import orjson

from ..wire.values import UNREADABLE, JsonObject

_decode = msgspec.json.Decoder().decode
_format = msgspec.json.format
_dumps = orjson.dumps
_SORTED = orjson.OPT_SORT_KEYS


def canonical(body: bytes, ignore: frozenset[str]) -> tuple[bytes, JsonObject | None]:
    """(what stands for ``body``, the document without its top-level members ``ignore``).

    The document is ``None`` where there is none, or more than one reading of it. Beyond 64 bits the bytes stand for it all the same.
    """
    try:
        document = _decode(body)
    except UNREADABLE:
        return body, None
    if type(document) is not dict:
        return body, None
    try:
        whole = _dumps(document)
    except TypeError:
        # It refuses integers beyond 64 bits, which other parsers round.
        return body, _unspelt(body, document)
    # Equal bytes show at once that no key was there twice. Most clients write no spaces; of many others they are all that differs.
    if whole != body and _format(body, indent=-1) != whole and not _each_once(body, whole.count(b'"')):
        return body, None
    return without(document, ignore), document


def without(document: JsonObject, ignore: frozenset[str]) -> bytes:
    """What stands for a document that has one reading; it loses its top-level members ``ignore``."""
    if not ignore.isdisjoint(document):
        for name in ignore:
            document.pop(name, None)
    return _dumps(document, option=_SORTED)


def spelt(document: JsonObject) -> bytes:
    """The one spelling of a document that ``canonical`` gave. Raises ``TypeError`` for an integer beyond 64 bits."""
    return _dumps(document, option=_SORTED)


def _each_once(body: bytes, quotes: int) -> bool:
    """Is no key of one object in ``body`` there twice? ``quotes``: quote characters of the document, written with ``\\"`` for a quote.

    A decoder drops all but one of such keys, with at least its two quotes; nothing else changes their number but ``\\u0022``.
    """
    escaped = 0
    if b"\\u0022" in body:
        # Without pairs of backslashes, what is left of them begins an escape.
        escaped = body.replace(b"\\\\", b"").count(b"\\u0022")
    return body.count(b'"') + escaped == quotes


def _unspelt(body: bytes, document: JsonObject) -> JsonObject | None:
    """``document`` if it is the one reading of ``body``."""
    try:
        quotes = msgspec.json.encode(document).count(b'"')
    except (RecursionError, ValueError):
        return None
    return document if _each_once(body, quotes) else None
