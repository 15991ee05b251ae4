"""A list without the items of other accounts: the members that change are cut into the provider's bytes, every item stays as it was."""

from collections.abc import Collection, Iterable

import msgspec
import orjson
from msgspec import Raw, Struct

from ..errors import PermissionDenied
from ..wire.members import Member, members
from ..wire.values import UNREADABLE, Json, object_in
from .google import name_in
from .naming import looks_handed_out, scoped
from .table import Row

ANY = "*"

_IDENTS = ("id", "name", "job_id", "request_id", "file_id", "response_id", "uid", "uuid", "arn")
"""Where items of lists that the table does not know have their id."""

_list = msgspec.json.Decoder(list[Raw])


class Item(Struct, frozen=True):
    """One item: its bytes, and its id as it is owned; ``None``: it has none, and is nobody's."""

    raw: bytes
    ident: str | None
    shown: str
    """The id as it stands there, for ``first_id`` and ``last_id``."""


class Page(Struct, frozen=True):
    """A list as the provider sent it: ``whole`` and, for each list in it, where it stands and what is in it."""

    whole: bytes
    lists: tuple[tuple[Member, tuple[Item, ...]], ...]
    more: bool
    last: str
    """The provider's own cursor: ``last_id``, or the last item's id."""

    @property
    def items(self) -> tuple[Item, ...]:
        """Of every list."""
        return tuple(item for _, items in self.lists for item in items)


def read_page(body: bytes, row: Row, scope: str = "") -> Page:
    """``body`` as a list; ``scope``: where the short ids of a path without a row belong. Raises ``PermissionDenied`` for an answer in which somebody else's objects could not be found."""
    if row.listed == ANY and body.lstrip()[:1] == b"[":
        start = body.index(b"[")
        end = body.rindex(b"]") + 1
        return Page(body, ((Member(b"", start, end), _items(body[start:end], row, scope)),), more=False, last="")
    document = object_in(body)
    if document is None:
        raise unfiltered()
    every = list(members(body))
    found = {member.key.decode(): member for member in every}
    # A list of which few items are anybody's, such as that of models, has other members at other providers.
    loose = row.listed == ANY or (bool(row.only) and row.listed not in found)
    names = [name for name in found if isinstance(document[name], list)] if loose else [row.listed]
    if len(every) != len(document) or not all(isinstance(document.get(name), list) for name in names):
        raise unfiltered()
    lists = tuple((found[name], _items(body[found[name].start : found[name].end], row, scope)) for name in names)
    items = lists[0][1] if lists else ()
    last = document.get("last_id")
    last = last if isinstance(last, str) else items[-1].shown if items else ""
    return Page(body, lists, more=document.get("has_more") is True, last=last)


def _items(raw: bytes, row: Row, scope: str) -> tuple[Item, ...]:
    try:
        return tuple(_item(bytes(part), row, scope) for part in _list.decode(raw))
    except UNREADABLE as error:
        raise unfiltered() from error


def _item(raw: bytes, row: Row, scope: str) -> Item:
    document = object_in(raw)
    if document is None:
        return Item(raw, None, "")
    for name in _IDENTS if row.listed == ANY or row.only else (row.item,):
        value = document.get(name)
        if isinstance(value, str) and value:
            return Item(raw, _owned_as(value, row, scope), value)
    if row.listed != ANY and not row.only:
        raise unfiltered()
    return Item(raw, None, "")


def _owned_as(value: str, row: Row, scope: str) -> str | None:
    if row.only:
        return value if row.only in value.lower() else name_in(value)
    if row.listed != ANY:
        return value
    return name_in(value) or (scoped(value, scope) if looks_handed_out(value) else None)


def idents_of(items: Iterable[Item]) -> list[str]:
    """The ids whose owners are to be asked for."""
    return [item.ident for item in items if item.ident is not None]


def kept(items: Iterable[Item], owned: Collection[str]) -> list[Item]:
    """The items that are the caller's, or nobody's by their nature."""
    return [item for item in items if item.ident is None or item.ident in owned]


def shown(page: Page, lists: Iterable[list[Item]], *, more: bool) -> bytes:
    """``page`` with other items in its lists; ``first_id``, ``last_id`` and ``has_more`` follow."""
    edits: dict[tuple[int, int], bytes] = {}
    first = last = b"null"
    for (member, _), items in zip(page.lists, lists, strict=True):
        edits[member.start, member.end] = b"[" + b",".join([item.raw for item in items]) + b"]"
        if items and first == b"null":
            first, last = orjson.dumps(items[0].shown), orjson.dumps(items[-1].shown)
    if page.whole.lstrip()[:1] == b"{":
        values = {b"first_id": first, b"last_id": last, b"has_more": b"true" if more else b"false"}
        for member in members(page.whole):
            if member.key in values:
                edits[member.start, member.end] = values[member.key]
            elif member.key in (b"total", b"total_count", b"count", b"total_size", b"totalSize"):
                edits[member.start, member.end] = b"null"
    out, at = [], 0
    for (start, end), value in sorted(edits.items()):
        out += [page.whole[at:start], value]
        at = end
    return b"".join([*out, page.whole[at:]])


def stray_ident(body: bytes, scope: str) -> str | None:
    """The id of an object that an unknown path answered with, if it looks like one that was handed out."""
    document: dict[str, Json] | None = object_in(body)
    value = document.get("id") if document is not None else None
    return scoped(value, scope) if isinstance(value, str) and looks_handed_out(value) else None


def unfiltered() -> PermissionDenied:
    """The 403 for a list that cannot be taken apart."""
    return PermissionDenied(
        "This list cannot be filtered: its answer is too large, or no JSON list that shows whose objects are in it. Several accounts "
        "share this gateway, so it is withheld; ask for your objects by their ids.",
        code="list_not_filtered",
    )
