"""Tool calls in pieces: put together from deltas as hosts number them, and cut into deltas as OpenAI does."""

from typing import cast

from ...wire.values import JsonObject, count, text
from .growing import Growing, Kept, grow, says, settled
from .pieces import spoken
from .reading import written

_BODIES = {"function": "arguments", "custom": "input"}
"""What a call consists of, and its member that is told in pieces."""


class Calls:
    """The calls of one message."""

    __slots__ = ("_found", "_places")

    def __init__(self) -> None:
        self._found: list[tuple[int, Growing]] = []
        self._places: dict[int, Growing] = {}
        """The call that a number stands for at present."""

    def take(self, pieces: list[JsonObject]) -> None:
        """The pieces of one delta."""
        for piece in pieces:
            call = self._call(piece)
            for name, value in piece.items():
                if name == "index":
                    continue
                body = call.get(name)
                if name in _BODIES and isinstance(value, dict) and isinstance(body, dict):
                    for member, told in value.items():
                        grow(body, member, told)
                elif name in _BODIES and isinstance(value, dict):
                    call[name] = cast("Kept", {**value})
                else:
                    grow(call, name, value)

    def _call(self, piece: JsonObject) -> Growing:
        """The call that ``piece`` belongs to. Hosts that number no calls name each by its id; some use one number for several."""
        index, ident = count(piece.get("index")), text(piece.get("id"))
        if index is None:
            known = [call for _, call in self._found if not ident or call.get("id") == ident]
            return known[-1] if known else self._begin(len(self._found))
        call = self._places.get(index)
        if call is not None and ident and says(call.get("id")) and call.get("id") != ident:
            call = self._places[index] = self._begin(max(place for place, _ in self._found) + 1)
        elif call is None:
            call = self._places[index] = self._begin(index)
        return call

    def _begin(self, place: int) -> Growing:
        call: Growing = {}
        self._found.append((place, call))
        return call

    def whole(self) -> list[JsonObject]:
        """The calls of the plain answer, in their order."""
        ordered = sorted(self._found, key=lambda each: each[0])
        return [{name: settled(value) for name, value in call.items()} for _, call in ordered if call]


def fragments_of(call: JsonObject, index: int) -> list[bytes]:
    """The deltas of one call: what it is, then what it is given in pieces."""
    told: JsonObject = {"index": index, **{name: value for name, value in call.items() if name != "index"}}
    more: list[bytes] = []
    for name, member in _BODIES.items():
        body = call.get(name)
        given = text(body.get(member)) if isinstance(body, dict) else ""
        if given and isinstance(body, dict):
            told[name] = {**body, member: ""}
            start = b'{"tool_calls":[{"index":%d,"%b":{"%b":"' % (index, name.encode(), member.encode())
            more += [start + piece + b'"}}]}' for piece in spoken(given)]
    return [written({"tool_calls": [told]}), *more]
