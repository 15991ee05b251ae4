"""A Lua script that the state store runs: one key, which leads to the node, and one argument, packed."""

import hashlib
from importlib.resources import files

from .connection import pack
from .settings import TAG


class Script:
    """``source`` is known to the store by its digest. Its argument is MessagePack, as ``cmsgpack`` reads it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        # Of five words only the last changes.
        self._head = pack((b"EVALSHA", self.digest, 1, TAG)).replace(b"*4", b"*5", 1)

    def command(self, argument: bytes) -> bytes:
        """One call of it, as it travels."""
        return b"%b$%d\r\n%b\r\n" % (self._head, len(argument), argument)

    def load(self) -> bytes:
        """Makes it known, as it travels."""
        return pack((b"SCRIPT", b"LOAD", self.source))


def read(package: str, *names: str) -> Script:
    """The script made of ``names`` (files of ``package``, in this order)."""
    return Script("\n".join(files(package).joinpath(name).read_text(encoding="utf-8") for name in names))
