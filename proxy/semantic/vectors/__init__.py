"""The questions whose answers are stored, found by partition, by guard signature and by vector. One contract, three engines."""

from typing import Protocol

from msgspec import Struct

from ...protocols import Purge, Vector


class Kept(Struct, frozen=True, kw_only=True):
    """A question whose answer is stored under ``key``. It has no vector until one is needed. ``expires``: unix seconds."""

    partition: bytes
    key: bytes
    signature: bytes
    """Equal where no guard would refuse."""
    text: str
    expires: float
    tenant: str = ""


class Alike(Struct, frozen=True, kw_only=True):
    """What a partition has for a signature. ``count``: rows that have it; ``bare``: (key, text) of those without a vector, newest
    first. ``kin``: where there is none with the signature, the text that has most words in common, "" where none has many."""

    count: int
    bare: tuple[tuple[bytes, str], ...] = ()
    kin: str = ""


class Near(Struct, frozen=True, kw_only=True):
    """The nearest of those compared. ``similarity``: cosine."""

    key: bytes
    similarity: float
    text: str


class VectorIndex(Protocol):
    """Rows never leave their partition. Nothing raises: an index that is down finds nothing, and is counted."""

    def empty(self, partition: bytes) -> bool:
        """Is it known, without waiting, that the partition has no rows?"""

    async def alike(self, partition: bytes, signature: bytes, text: str, most: int) -> Alike | None:
        """Who has this signature; at most ``most`` bare ones are told. ``None``: the partition has no rows, or the index is down."""

    async def nearest(self, partition: bytes, signature: bytes, vector: Vector) -> Near | None:
        """The nearest by cosine among the rows of this signature that have a vector of this size and have not expired."""

    def add(self, row: Kept, vector: Vector | None = None) -> None:
        """Keeps it; what had its key is gone. The oldest make room."""

    def place(self, partition: bytes, key: bytes, vector: Vector) -> None:
        """The vector (of length 1) of a row that had none."""

    def forget(self, partition: bytes, key: bytes) -> None:
        """The row is gone, here and everywhere."""

    async def purge(self, what: Purge) -> None:
        """Forgets the rows that ``what`` may mean. Models and tags are not kept here: a purge by them takes in whatever it cannot tell
        apart, since rows without an answer serve nobody."""

    def size(self) -> int:
        """Rows in this process."""

    async def open(self) -> None:
        """Begins to do what it does in the background."""

    async def close(self) -> None:
        """Ends that."""


def meant(what: Purge, key: bytes, tenant: str) -> bool:
    """May ``what`` mean the row?"""
    return what.key in ("", key.hex()) and what.account in ("", tenant)
