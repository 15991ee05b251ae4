"""Reversible renaming: tool names and ids that a provider's rules do not admit."""

import re
from collections.abc import Iterable
from hashlib import blake2b

_DIGITS = 8


class Names:
    """Public name to the provider's, and back. Two names never become one; a name that is right stays as it is."""

    __slots__ = ("_back", "_forth")

    def __init__(self) -> None:
        self._forth: dict[str, str] = {}
        self._back: dict[str, str] = {}

    def reserve(self, names: Iterable[str], *, invalid: re.Pattern[str], limit: int) -> None:
        """Takes in the names that need no change, so that no changed one can collide with them."""
        for name in names:
            if name and len(name) <= limit and invalid.search(name) is None:
                self._forth[name] = name
                # A name that is another's spelling already came from a front, which wants that one back.
                self._back.setdefault(name, name)

    def forth(self, name: str, *, invalid: re.Pattern[str], limit: int) -> str:
        """``name`` for the provider: characters matching ``invalid`` replaced, at most ``limit`` long."""
        known = self._forth.get(name)
        if known is not None:
            return known
        plain = invalid.sub("_", name)
        if plain != name or not plain or len(plain) > limit or plain in self._back:
            plain = self._marked(name, plain, limit)
        self._forth[name] = plain
        self._back[plain] = name
        return plain

    def _marked(self, name: str, plain: str, limit: int) -> str:
        """``plain`` ending in a digest of ``name``, which depends on nothing else unless two digests are the same."""
        seed = name.encode("utf-8", "surrogatepass")
        while True:
            found = f"{plain[: limit - _DIGITS - 1]}_{blake2b(seed, digest_size=_DIGITS // 2).hexdigest()}"
            if found not in self._back:
                return found
            seed += b"+"

    def back(self, name: str) -> str:
        """The name that the client knows."""
        return self._back.get(name, name)

    @property
    def changed(self) -> bool:
        """Did any name have to change?"""
        return any(public != sent for public, sent in self._forth.items())
