"""When requests are due in an open loop: at even distances, or at random as independent clients come (a Poisson process)."""

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Literal

Arrivals = Literal["poisson", "constant"]


def due_times(rate: float, arrivals: Arrivals, chance: Random) -> Iterator[float]:
    """Seconds since the begin, without end, ``rate`` a second on average. No error adds up: the n-th is n / rate when constant."""
    if arrivals == "constant":
        for number in count():
            yield number / rate
    at = 0.0
    while True:
        yield at
        at += chance.expovariate(rate)
