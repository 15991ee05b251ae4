"""The top-level members of a request, read on demand and changed one by one.

``Draft`` works on the client's bytes: a member that nobody changes keeps its own, spaces and number spellings included.
``Sheet`` is the same over a decoded request of the hub.
"""

import re
from collections.abc import Collection
from typing import Protocol

import msgspec
import orjson

from ...errors import InvalidJson
from ...wire.members import members
from ...wire.values import Json, JsonObject, dumps
from .reading import read

_LEAD = re.compile(rb'[\s,]*"((?:[^"\\]|\\.)*)"\s*:\s*')
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Fields(Protocol):
    """A request's top-level members. ``text``: its bytes, to look for words in; ``None`` where it has none yet."""

    text: bytes | None

    def __contains__(self, name: str) -> bool:
        """Is there a member ``name``?"""

    def names(self) -> Collection[str]:
        """Every name, in the order of the request."""

    def get(self, name: str) -> Json:
        """The value; ``None`` when absent. Not to be changed in place."""

    def set(self, name: str, value: Json) -> None:
        """Another value, or a new member at the end."""

    def remove(self, name: str) -> None:
        """Takes the member out, if it is there."""

    def rename(self, name: str, other: str) -> None:
        """The same value under another name; a member that had that name gives way."""


class Sheet:
    """A request of the hub. The object it is made of stays as it is."""

    __slots__ = ("text", "values")

    def __init__(self, request: JsonObject) -> None:
        self.text: bytes | None = None
        self.values = dict(request)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def names(self) -> Collection[str]:
        """See ``Fields``."""
        return tuple(self.values)

    def get(self, name: str) -> Json:
        """See ``Fields``."""
        return self.values.get(name)

    def set(self, name: str, value: Json) -> None:
        """See ``Fields``."""
        self.values[name] = value

    def remove(self, name: str) -> None:
        """See ``Fields``."""
        self.values.pop(name, None)

    def rename(self, name: str, other: str) -> None:
        """See ``Fields``."""
        self.values = {(other if key == name else key): value for key, value in self.values.items() if key != other}


class Draft:
    """A client's body. Raises ``InvalidJson`` for what is no JSON object."""

    __slots__ = ("_changed", "_new", "_removed", "_renamed", "_values", "text")

    def __init__(self, body: bytes) -> None:
        self.text: bytes | None = body
        try:
            self._values = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidJson("The request body must be a JSON object that every parser reads alike.") from error
        self._changed: dict[str, bytes] = {}
        self._new: dict[str, bytes] = {}
        self._removed: set[str] = set()
        self._renamed: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._new or self._own(name) is not None

    def _own(self, name: str) -> str | None:
        """What the client called the member that is now ``name``; ``None`` when it gave none."""
        for before, after in self._renamed.items():
            if after == name and before not in self._removed:
                return before
        return name if name in self._values and name not in self._removed and name not in self._renamed else None

    def names(self) -> Collection[str]:
        """See ``Fields``."""
        return tuple(self._values)

    def get(self, name: str) -> Json:
        """See ``Fields``."""
        own = self._own(name)
        raw = self._new.get(name) or (self._changed.get(own) if own is not None else None)
        if raw is None and own is None:
            return None
        return read(bytes(self._values[own]) if raw is None and own is not None else raw or b"null")

    def set(self, name: str, value: Json) -> None:
        """See ``Fields``."""
        own = self._own(name)
        if own is not None:
            self._changed[own] = dumps(value)
        else:
            self._new[name] = dumps(value)

    def remove(self, name: str) -> None:
        """See ``Fields``."""
        own = self._own(name)
        self._new.pop(name, None)
        if own is not None:
            self._removed.add(own)

    def rename(self, name: str, other: str) -> None:
        """See ``Fields``."""
        own = self._own(name)
        self.remove(other)
        if own is not None:
            self._renamed[own] = other
        elif name in self._new:
            self._new[other] = self._new.pop(name)

    def bytes(self) -> bytes:
        """The body as it now is; the very object it was made of when nothing changed."""
        body = self.text or b"{}"
        if not (self._changed or self._new or self._removed or self._renamed):
            return body
        pieces: list[bytes] = []
        at = body.index(b"{") + 1
        opening = body[:at]
        for key, start, end in _places(body, self._values):
            lead, value = body[at:start], body[start:end]
            at = end
            if key in self._removed:
                continue
            if key in self._renamed:
                lead = lead[: lead.index(b'"') + 1] + orjson.dumps(self._renamed[key])[1:-1] + lead[lead.rindex(b'"') :]
            if not pieces and lead.lstrip().startswith(b","):
                lead = lead.replace(b",", b"", 1)
            pieces += (lead, self._changed.get(key, value))
        for key, value in self._new.items():
            pieces.append(b"%s%s:%s" % (b"," if pieces else b"", orjson.dumps(key), value))
        return b"".join((opening, *pieces, body[at:]))


def _places(body: bytes, values: dict[str, msgspec.Raw]) -> list[tuple[str, int, int]]:
    """Name, start and end of every value. One match a member: the decoder has told how long each value is."""
    found: list[tuple[str, int, int]] = []
    at = body.index(b"{") + 1
    for name, raw in values.items():
        lead = _LEAD.match(body, at)
        if lead is None or lead[1] != name.encode():
            return _carefully(body)
        at = lead.end() + memoryview(raw).nbytes
        found.append((name, lead.end(), at))
    return found if body[at:].strip() == b"}" else _carefully(body)


def _carefully(body: bytes) -> list[tuple[str, int, int]]:
    """The same for names that are escaped or repeated: rare."""
    return [(member.key.decode(), member.start, member.end) for member in members(body)]
