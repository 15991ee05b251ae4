"""What is worked out of a list of candidates, remembered: lists recur, and are made of the same objects until a reload."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ..policy.targets import Candidate

T = TypeVar("T")

_KEPT = 1024
"""Lists."""


class Remembered(Generic[T]):
    """``make`` of each candidate of a list; looked up for the whole list at once."""

    def __init__(self, make: Callable[[Candidate], T]) -> None:
        self._make = make
        self._kept: dict[tuple[int, ...], tuple[list[Candidate], list[T]]] = {}

    def __call__(self, candidates: Sequence[Candidate]) -> list[T]:
        """One for each, in their order. Not to be changed."""
        # What is kept is alive, so no other candidate can have its id.
        ids = tuple(map(id, candidates))
        found = self._kept.get(ids)
        if found is None:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            kept = list(candidates)
            found = self._kept[ids] = kept, [self._make(candidate) for candidate in kept]
        return found[1]
