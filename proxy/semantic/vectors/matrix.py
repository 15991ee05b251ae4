"""Vectors of one size, one a row, in blocks that grow: searched as a whole, in slices that leave the event loop room to breathe."""

import asyncio
from typing import Generic, TypeVar

import numpy as np

from ..embedders.unit import Floats

T = TypeVar("T")

BLOCK = 3 * 1024 * 1024
"""Bytes of a block: what is copied at most when one grows, in about a millisecond."""

FIRST = 4
"""Rows that the first block begins with: most questions have few that are like them."""

SLICE = 2 * 1024 * 1024
"""Numbers that are multiplied before others have a turn: some 0.3 ms."""


class Matrix(Generic[T]):
    """Each row belongs to one of ``owners``, by position. ``numpy.vecdot`` goes through the rows one by one: a product by BLAS would wake
    threads of its own, which on busy cores costs more than it saves."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.owners: list[T] = []
        self._blocks: list[Floats] = []
        self._rows = max(16, BLOCK // (4 * size))

    def add(self, owner: T, vector: Floats) -> int:
        """At the end. Returns where."""
        number = len(self.owners)
        block, row = divmod(number, self._rows)
        if block == len(self._blocks):
            self._blocks.append(np.empty((self._rows if block else FIRST, self.size), dtype=np.float32))
        if row == len(self._blocks[block]):
            grown = np.empty((min(2 * row, self._rows), self.size), dtype=np.float32)
            grown[:row] = self._blocks[block]
            self._blocks[block] = grown
        self._blocks[block][row] = vector
        self.owners.append(owner)
        return number

    def remove(self, number: int) -> T | None:
        """The last row takes its place. Returns whose that is, unless it was the last itself."""
        last = len(self.owners) - 1
        moved = self.owners.pop()
        if len(self.owners) <= (len(self._blocks) - 2) * self._rows:
            self._blocks.pop()
        if number == last:
            return None
        self.row(number)[:] = self.row(last)
        self.owners[number] = moved
        return moved

    def row(self, number: int) -> Floats:
        """One vector, as it is stored."""
        block, row = divmod(number, self._rows)
        found: Floats = self._blocks[block][row]
        return found

    async def nearest(self, vector: Floats) -> tuple[T, float] | None:
        """Whose is nearest by scalar product, and how near. Rows may come and go meanwhile; the caller looks whether this one is still there."""
        best: tuple[T, float] | None = None
        step = max(1, SLICE // (self._rows * self.size))
        for block in range(-(-len(self.owners) // self._rows)):
            if block and not block % step:
                await asyncio.sleep(0)
            rows = min(self._rows, len(self.owners) - block * self._rows)
            if rows <= 0:
                break
            products = np.vecdot(self._blocks[block][:rows], vector)
            number = int(products.argmax())
            if best is None or products[number] > best[1]:
                best = self.owners[block * self._rows + number], float(products[number])
        return best
