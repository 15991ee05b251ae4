"""The pause before a target is tried again: of a random length, so that many who failed together do not come back together."""

from random import Random

from ..policy.routes import Retry

LEAST = 0.05
"""Seconds that must be left of a deadline for one more try to be worth it."""


def pause(retry: Retry, again: int, rng: Random, *, left: float) -> float:
    """Seconds before the ``again``-th repetition (from 0): anything up to ``base`` doubled each time, at most ``longest``.

    ``left``: seconds until the deadline; the pause leaves enough of them for a try.
    """
    most = min(retry.longest, retry.base * 2.0 ** min(again, 60))
    return max(0.0, min(rng.uniform(0.0, most), left - LEAST))
