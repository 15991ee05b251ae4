"""A bounded memory of counted texts: a conversation's old messages come back with every request and are counted once."""

from collections import OrderedDict
from hashlib import sha256
from threading import Lock

from msgspec import Struct

from ..wire.usage import Source

SHORT = 1024
"""Characters up to which a text is its own key; longer ones are remembered by SHA-256, so the memory holds no long text."""

ENTRY = 240
"""Bytes an entry costs besides its text: dictionary slot, key object, value."""


class Counted(Struct, frozen=True):
    """A number of tokens and where it came from."""

    tokens: int
    source: Source


class Memo:
    """Counts by text, least recently used out first, bounded by bytes. Safe from several threads; a hit is about 1 µs."""

    def __init__(self, *, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._entries: OrderedDict[str | bytes, tuple[Counted, int]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str | bytes) -> Counted | None:
        """The count remembered for a key of ``key_of``."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: str | bytes, counted: Counted) -> None:
        """Remember a count, forgetting the oldest ones beyond ``max_bytes``."""
        # A str beyond ASCII takes up to 4 bytes a character.
        size = ENTRY + (len(key) if isinstance(key, bytes) or key.isascii() else 4 * len(key))
        with self._lock:
            if key in self._entries:
                return
            self._entries[key] = (counted, size)
            self.bytes += size
            while self.bytes > self.max_bytes:
                _, (_, freed) = self._entries.popitem(last=False)
                self.bytes -= freed


def key_of(text: str) -> str | bytes:
    """What a text is remembered by."""
    return text if len(text) <= SHORT else sha256(text.encode("utf-8", "surrogatepass")).digest()
