"""What is worked out of a list of candidates, remembered: lists recur, and are made of the same objects until a reload."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ..policy.targets import Candidate

T = TypeVar("T")

_KEPT = 1024
"""Lists."""


class Remembered(Generic[T]):
    """``make`` of a list; a look-up costs hardly more than the identities of its candidates."""

    def __init__(self, make: Callable[[list[Candidate]], T]) -> None:
        self._make = make
        self._kept: dict[tuple[int, ...], tuple[list[Candidate], T]] = {}

    def __call__(self, candidates: Sequence[Candidate]) -> T:
        """Not to be changed."""
        # What is kept is alive, so no other candidate can have its id.
        ids = tuple(map(id, candidates))
        found = self._kept.get(ids)
        if found is None:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            kept = list(candidates)
            found = self._kept[ids] = kept, self._make(kept)
        return found[1]
