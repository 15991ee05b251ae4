"""Rows and vectors for the tests, and whoever counts what an index says."""

import math
from typing import Literal

import numpy as np

from proxy.semantic.embedders.unit import Floats
from proxy.semantic.vectors import Kept

MINE = b"p" * 32
THEIRS = b"q" * 32
SIGNATURE = b"same-all"
LONG = 4_000_000_000.0
"""A time that is far away."""


class Records:
    """Counts failures by kind, and keeps what else was told."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.embeddings: list[str] = []
        self.guards: list[str] = []
        self.observations: list[tuple[str, str]] = []

    def looked_up(self, kind: Literal["exact", "semantic", "input"], result: str) -> None: ...

    def bypassed(self, reason: str) -> None: ...

    def kept(self, result: str) -> None: ...

    def guarded(self, guard: str) -> None:
        self.guards.append(guard)

    def embedded(self, result: str, seconds: float) -> None:
        self.embeddings.append(result)

    def observed(self, route: str, result: Literal["same", "different"]) -> None:
        self.observations.append((route, result))

    def failed(self, kind: str) -> None:
        self.failures.append(kind)

    def evicted(self, count: int) -> None: ...


def kept(
    number: int,
    *,
    partition: bytes = MINE,
    signature: bytes = SIGNATURE,
    text: str = "",
    expires: float = LONG,
    tenant: str = "acme",
) -> Kept:
    """The row of question ``number``."""
    return Kept(
        partition=partition,
        key=key(number),
        signature=signature,
        text=text or f"question {number}",
        expires=expires,
        tenant=tenant,
    )


def key(number: int) -> bytes:
    """Of question ``number``."""
    return number.to_bytes(32, "big")


def at(degrees: float, size: int = 384) -> Floats:
    """A vector of length 1, so far from ``at(0)``."""
    vector = np.zeros(size, dtype=np.float32)
    vector[0], vector[size - 1] = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return vector
