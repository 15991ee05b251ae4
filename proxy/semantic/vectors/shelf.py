"""The questions of one partition, in the order they came, and in groups of one guard signature each: only within a group vectors are compared."""

from itertools import islice

from ..embedders.unit import Floats
from . import Alike, Kept, Near
from .kin import kin, words
from .matrix import Matrix

NEWEST = 256
"""Rows among which the kin of a text is looked for."""


class Row:
    """A question, its words, and where its vector is."""

    __slots__ = ("kept", "number", "words")

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.words = words(kept.text)
        self.number = -1
        """In its group's matrix; -1: it has no vector yet."""


class Group:
    """Rows of one signature: ``bare`` ones by key, and those with a vector."""

    __slots__ = ("bare", "matrix")

    def __init__(self) -> None:
        self.bare: dict[bytes, Row] = {}
        self.matrix: Matrix[Row] | None = None

    def __len__(self) -> int:
        return len(self.bare) + (len(self.matrix.owners) if self.matrix else 0)

    def place(self, row: Row, vector: Floats) -> bool:
        """Gives it its vector; not one of another size than the others'."""
        if self.matrix is None or not self.matrix.owners:
            self.matrix = Matrix(len(vector))
        if self.matrix.size != len(vector):
            return False
        row.number = self.matrix.add(row, vector)
        del self.bare[row.kept.key]
        return True

    def strip(self) -> None:
        """All are bare again: their vectors are not of the size that the embedder gives."""
        for row in self.matrix.owners if self.matrix else ():
            row.number = -1
            self.bare[row.kept.key] = row
        self.matrix = None

    def remove(self, row: Row) -> None:
        """It was in this group."""
        if row.number < 0:
            del self.bare[row.kept.key]
        elif self.matrix is not None:
            moved = self.matrix.remove(row.number)
            if moved is not None:
                moved.number = row.number
        row.number = -1


class Shelf:
    """One partition."""

    __slots__ = ("_groups", "rows")

    def __init__(self) -> None:
        self.rows: dict[bytes, Row] = {}
        self._groups: dict[bytes, Group] = {}

    def add(self, kept: Kept, vector: Floats | None) -> bool:
        """The newest; one that says the same under the same key leaves it its vector. Is there a row more now?"""
        before = self.rows.get(kept.key)
        if vector is None and before is not None and before.kept.text == kept.text:
            vector = self._vector(before)
        more = not self.remove(kept.key)
        row = Row(kept)
        self.rows[kept.key] = row
        group = self._groups.setdefault(kept.signature, Group())
        group.bare[kept.key] = row
        if vector is not None:
            group.place(row, vector)
        return more

    def place(self, key: bytes, vector: Floats) -> bool:
        """Gives a row its vector. Was it one that the others can be compared with?"""
        row = self.rows.get(key)
        if row is None or row.number >= 0:
            return True
        return self._groups[row.kept.signature].place(row, vector)

    def remove(self, key: bytes) -> bool:
        """Was it there?"""
        row = self.rows.pop(key, None)
        if row is None:
            return False
        group = self._groups[row.kept.signature]
        group.remove(row)
        if not len(group):
            del self._groups[row.kept.signature]
        return True

    def due(self, now: float, most: int) -> list[bytes]:
        """Keys of the ``most`` oldest rows, as far as they have expired."""
        return [key for key, row in islice(self.rows.items(), most) if row.kept.expires <= now]

    def oldest(self) -> bytes:
        """The key of the row that came first."""
        return next(iter(self.rows))

    def alike(self, signature: bytes, text: str, most: int, now: float) -> Alike:
        """As ``VectorIndex.alike``."""
        group = self._groups.get(signature)
        if group is None:
            newest = islice(reversed(self.rows.values()), NEWEST)
            return Alike(count=0, kin=kin(text, ((row.words, row.kept.text) for row in newest)))
        bare = islice((row.kept for row in reversed(group.bare.values()) if row.kept.expires > now), most)
        return Alike(count=len(group), bare=tuple((kept.key, kept.text) for kept in bare))

    async def nearest(self, signature: bytes, vector: Floats) -> Near | None:
        """As ``VectorIndex.nearest``, expired rows included."""
        group = self._groups.get(signature)
        if group is None or group.matrix is None:
            return None
        if group.matrix.size != len(vector):
            group.strip()
            return None
        found = await group.matrix.nearest(vector)
        if found is None:
            return None
        row, similarity = found
        if row.number < 0:
            return None  # it was forgotten meanwhile
        return Near(key=row.kept.key, similarity=min(1.0, similarity), text=row.kept.text)

    def _vector(self, row: Row) -> Floats | None:
        matrix = self._groups[row.kept.signature].matrix
        return matrix.row(row.number).copy() if matrix is not None and row.number >= 0 else None
