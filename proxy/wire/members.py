"""Finds the members of a top-level JSON object in its bytes, so that edits splice and duplicates are seen.

Works on bytes that a strict decoder has already accepted; costs little because strings are skipped with ``bytes.find``.
"""

import re
from collections.abc import Iterator

import orjson
from msgspec import Struct

_STRUCTURE = re.compile(rb'["{}\[\]]')
_SPACE = b" \t\r\n"
_NOT_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))


class Member(Struct, frozen=True):
    """One ``"key": value`` with the byte offsets of the value, end exclusive. ``key`` is unescaped."""

    key: bytes
    start: int
    end: int


def _string_end(data: bytes, start: int) -> int:
    """Offset after the closing quote of the string that opens at ``start``."""
    at = start
    while True:
        at = data.index(b'"', at + 1)
        slashes = at - 1
        while data[slashes] == 0x5C:
            slashes -= 1
        if (at - 1 - slashes) % 2 == 0:
            return at + 1


def _value_end(data: bytes, start: int) -> int:
    first = data[start]
    if first == 0x22:
        return _string_end(data, start)
    if first in b"{[":
        depth, at = 1, start + 1
        while depth:
            found = _STRUCTURE.search(data, at)
            assert found is not None
            mark = found[0]
            if mark == b'"':
                at = _string_end(data, found.start())
                continue
            depth += 1 if mark in b"{[" else -1
            at = found.end()
        return at
    at = start
    while data[at] not in b",}]" and data[at] not in _SPACE:
        at += 1
    return at


def _skip_space(data: bytes, at: int) -> int:
    while data[at] in _SPACE:
        at += 1
    return at


def members(data: bytes) -> Iterator[Member]:
    """Members of the top-level object in ``data``, in order, duplicates included."""
    at = _skip_space(data, _skip_space(data, 0) + 1)
    while data[at] != 0x7D:
        key_end = _string_end(data, at)
        raw_key = data[at:key_end]
        key = orjson.loads(raw_key).encode() if b"\\" in raw_key else raw_key[1:-1]
        start = _skip_space(data, _skip_space(data, key_end) + 1)
        end = _value_end(data, start)
        yield Member(key, start, end)
        at = _skip_space(data, end)
        if data[at] == 0x2C:
            at = _skip_space(data, at + 1)


def find(data: bytes, key: bytes) -> Member | None:
    """The member ``key``; ``None`` when absent."""
    for member in members(data):
        if member.key == key:
            return member
    return None


def deeper_than(data: bytes, limit: int) -> bool:
    """Does the nesting of ``data`` exceed ``limit`` levels? Strings do not count."""
    # What a replacement leaves out is found several times as fast as a count, or anything else that looks at each byte.
    if 2 * len(data) - len(data.replace(b"{", b"")) - len(data.replace(b"[", b"")) <= limit:
        return False
    # Without escaped quotes every quote delimits, and every second piece is outside strings.
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(plain.split(b'"')[::2]).translate(None, _NOT_BRACKETS)
    # Each round takes the innermost level: marked first and removed together, or one round could take two.
    for _ in range(limit):
        if not brackets:
            return False
        brackets = brackets.replace(b"{}", b" ").replace(b"[]", b" ").translate(None, b" ")
    return bool(brackets)


class Watchlist:
    """Top-level keys that must not appear twice, or not at all. One linear scan decides for nearly every body."""

    def __init__(self, *, unique: tuple[bytes, ...], forbidden: tuple[bytes, ...]) -> None:
        self._unique = frozenset(unique)
        self._forbidden = frozenset(forbidden)
        names = b"|".join(re.escape(name) for name in sorted((*unique, *forbidden), key=len, reverse=True))
        self._scan = re.compile(rb'"(?:' + names + rb')"')

    def offence(self, data: bytes) -> tuple[str, bytes] | None:
        """``("duplicate" | "forbidden", key)`` for the first offending top-level key, else ``None``."""
        hits = self._scan.findall(data)
        # A key may also be spelt with \\uXXXX for its ASCII letters, all of which are below \\u0080.
        if (
            b"\\u00" not in data
            and len(hits) == len(set(hits))
            and not any(hit[1:-1] in self._forbidden for hit in hits)
        ):
            return None
        seen: set[bytes] = set()
        for member in members(data):
            if member.key in self._forbidden:
                return "forbidden", member.key
            if member.key in seen and member.key in self._unique:
                return "duplicate", member.key
            seen.add(member.key)
        return None
