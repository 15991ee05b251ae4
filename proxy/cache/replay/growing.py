"""Members that a stream tells in pieces: texts are continued, lists go on, objects are filled in. Texts are joined once, at the end."""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from typing import TypeAlias, Union, cast

from ...wire.values import Json, JsonObject

Kept: TypeAlias = Union[bool, int, float, str, "Told", "list[Kept]", "dict[str, Kept]", None]
Growing: TypeAlias = dict[str, Kept]

_ONCE = frozenset(("id", "type", "name", "role", "format", "index"))
"""Members that are said once; a repetition adds nothing."""

_TOLD = frozenset(("arguments", "input", "data", "transcript", "text", "summary", "thinking", "content", "reasoning"))
"""Members inside a member that are told in pieces; others are replaced."""


class Told:
    """A text in pieces."""

    __slots__ = ("pieces",)

    def __init__(self, *pieces: str) -> None:
        self.pieces = list(pieces)

    def __str__(self) -> str:
        return "".join(self.pieces)


def says(value: object) -> bool:
    """Is there anything in ``value``?"""
    return value is not None and value != "" and value != [] and value != {}


def continued(old: Kept, new: str) -> Told:
    """``old`` and more of it."""
    if isinstance(old, Told):
        old.pieces.append(new)
        return old
    return Told(old, new) if isinstance(old, str) else Told(new)


def grow(kept: Growing, name: str, value: Json) -> None:
    """The member ``name`` of ``kept``, and what a later piece says of it."""
    old = kept.get(name)
    if value is None:
        kept.setdefault(name, None)
    elif old is None:
        kept[name] = cast("Kept", value)
    elif name in _ONCE:
        if not says(old):
            kept[name] = cast("Kept", value)
    elif isinstance(value, str):
        kept[name] = continued(old, value)
    elif isinstance(value, list) and isinstance(old, list):
        kept[name] = _longer(old, value)
    elif isinstance(value, dict) and isinstance(old, dict):
        kept[name] = fuller(old, value)
    else:
        kept[name] = cast("Kept", value)


def note(rest: Growing, name: str, value: Json) -> None:
    """A member that each piece tells anew: the last that says something holds; lists of token ids go on."""
    old = rest.get(name)
    if name == "token_ids" and isinstance(old, list) and isinstance(value, list):
        rest[name] = [*old, *cast("list[Kept]", value)]
    elif old is None or says(value):
        rest[name] = cast("Kept", value)


def fuller(old: Growing, new: JsonObject) -> Growing:
    """An object that a later piece fills in."""
    found = {**old}
    for name, value in new.items():
        if isinstance(value, str) and name not in _TOLD and name not in _ONCE:
            found[name] = value or found.get(name, "")
        elif name == "data" and isinstance(value, str):
            found[name] = _joined_data(found.get(name), value)
        else:
            grow(found, name, value)
    return found


def _joined_data(old: Kept, new: str) -> Kept:
    """Base64 that ends with padding cannot simply be continued."""
    last = old.pieces[-1] if isinstance(old, Told) else old
    if not isinstance(last, str) or not last.endswith("="):
        return continued(old, new)
    before = str(old)
    try:
        return b64encode(b64decode(before, validate=True) + b64decode(new, validate=True)).decode()
    except (NotBase64, ValueError):
        return before + new


def _longer(old: list[Kept], new: list[Json]) -> list[Kept]:
    """A list that goes on. An entry that names the index and type of an earlier one continues it."""
    found = [*old]
    known = {_place(entry): at for at, entry in enumerate(old) if isinstance(entry, dict) and "index" in entry}
    for entry in new:
        at = known.get(_place(entry)) if known and isinstance(entry, dict) and "index" in entry else None
        earlier = found[at] if at is not None else None
        if at is not None and isinstance(earlier, dict) and isinstance(entry, dict):
            found[at] = fuller(earlier, entry)
        else:
            found.append(cast("Kept", entry))
    return found


def _place(entry: "Growing | JsonObject") -> tuple[str, str]:
    return str(entry.get("index")), str(entry.get("type"))


def settled(value: Kept) -> Json:
    """``value`` with every text in one piece."""
    if isinstance(value, Told):
        return str(value)
    if isinstance(value, dict):
        return {name: settled(member) for name, member in value.items()}
    if isinstance(value, list):
        return [settled(item) for item in value]
    return value
