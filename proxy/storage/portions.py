"""Long lists for IN, in portions: a statement has a bounded number of parameters."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

PORTION = 500


def portions(values: Iterable[T]) -> Iterator[list[T]]:
    """``values`` in lists of at most ``PORTION``; none for none."""
    rest = iter(values)
    while portion := list(islice(rest, PORTION)):
        yield portion
