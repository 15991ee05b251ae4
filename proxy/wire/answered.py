"""The head of a provider's answer, sorted out: what of it travels to the client, and what says how the rest is to be read.

A provider sends headers of the same names in the same order again and again, so what the names alone decide is worked out once.
"""

from collections.abc import Sequence

from msgspec import Struct

from ..errors import RawHeaders, UpstreamInvalid
from .headers import (
    DROPPED_DOWN,
    RATES,
    USUAL_CONNECTION,
    aside,
    check_names,
    check_texts,
    client_headers,
    limited,
)

_REMEMBERED = 1024
_LONGEST = 4096
"""Bytes of the names of one head that are kept, at most."""

_REQUEST_IDS = (b"x-request-id", b"request-id", b"x-amzn-requestid", b"apim-request-id", b"x-goog-request-id")
"""Where providers name a request, the surest first."""


class _Names:
    """What the names of a head decide: places in it, of the first where there are several, -1 where there is none."""

    __slots__ = ("connections", "encoding", "idents", "kind", "length", "lengths", "rates", "sound", "travelling")

    def __init__(self, names: tuple[bytes, ...]) -> None:
        self.sound = _sound(names)
        self.kind = _place(names, b"content-type")
        self.encoding = _place(names, b"content-encoding")
        self.length = _place(names, b"content-length")
        self.lengths = names.count(b"content-length")
        self.idents = [at for name in _REQUEST_IDS if (at := _place(names, name)) >= 0]
        self.connections = [at for at, name in enumerate(names) if name == b"connection"]
        self.travelling = [at for at, name in enumerate(names) if name not in DROPPED_DOWN]
        kept = [names[at] for at in self.travelling]
        self.rates = [(at, aside(name)) for at, name in enumerate(kept) if name.startswith(RATES)]
        """Places among those that travel, and the names that these have beside limits of ours."""


class Entity(Struct, frozen=True, gc=False):
    """What a head that was checked says of the body behind it: its content type as it was sent, its declared length, its encoding."""

    kind: bytes
    length: bytes | None = None
    encoding: bytes | None = None


class Head(Struct, frozen=True):
    """``theirs``: the headers that travel; ``rates``: where limits stand among them, and their names beside ours; ``kind``: the content
    type in lower case, b"" where there is none; ``ident``: the provider's own id of the request, b"" where it gives none; ``known``: what
    its names decide, ``None`` where its values do."""

    names: tuple[bytes, ...]
    values: tuple[bytes, ...]
    theirs: list[tuple[bytes, bytes]]
    rates: list[tuple[int, bytes]]
    kind: bytes
    encoding: bytes | None
    ident: bytes
    known: _Names | None

    def check(self) -> None:
        """Raises ``UpstreamInvalid`` for what must not reach a client's parser."""
        if self.known is None or not self.known.sound:
            check_names(self.names)
        check_texts(self.values)

    def entity(self, *, stream: bool) -> Entity | None:
        """Of the body as it travels; a ``stream`` has no length. ``None``: what it says is not that simple."""
        known, values = self.known, self.values
        if known is None or known.lengths > 1:
            return None
        length = None if stream or known.length < 0 else values[known.length]
        if length is not None and not length.isdigit():
            return None
        return Entity(values[known.kind] if known.kind >= 0 else b"", length, self.encoding)

    def beside(self, ours: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """``theirs``, not to be changed; where a limit of ours applies their ``x-ratelimit-*`` have another name."""
        if self.rates and limited(ours):
            theirs = [*self.theirs]
            for at, name in self.rates:
                theirs[at] = name, theirs[at][1]
            return theirs
        return self.theirs


_known: dict[tuple[bytes, ...], _Names] = {}


def head_of(raw: RawHeaders) -> Head:
    """Sorted out."""
    if not raw:
        return NO_HEAD
    names: tuple[bytes, ...]
    values: tuple[bytes, ...]
    names, values = zip(*raw)  # noqa: B905 - pairs all of them
    known = _known.get(names) or _looked_at(names)
    decided: _Names | None = known
    travelling, kind, encoding, ident = known.travelling, known.kind, known.encoding, b""
    rates = known.rates
    theirs = [*raw] if len(travelling) == len(raw) else [raw[at] for at in travelling]
    for at in known.connections:
        if values[at].lower() not in USUAL_CONNECTION:
            theirs = client_headers(raw)
            rates = _Names(tuple([name for name, _ in theirs])).rates
            decided = None
            break
    for at in known.idents:
        ident = values[at]
        if ident:
            break
    return Head(
        names,
        values,
        theirs,
        rates,
        values[kind].lower() if kind >= 0 else b"",
        values[encoding] if encoding >= 0 else None,
        ident,
        decided,
    )


def _looked_at(names: tuple[bytes, ...]) -> _Names:
    """Of names that had not come before, or not in this order."""
    found = _Names(names)
    if sum(map(len, names)) <= _LONGEST:
        if len(_known) >= _REMEMBERED:
            _known.clear()
        _known[names] = found
    return found


def _sound(names: tuple[bytes, ...]) -> bool:
    try:
        check_names(names)
    except UpstreamInvalid:
        return False
    return True


def _place(names: tuple[bytes, ...], name: bytes) -> int:
    return names.index(name) if name in names else -1


NO_HEAD = Head((), (), [], [], b"", None, b"", _Names(()))
