"""``balanced``: the cheapest target that is nearly as good as the best one."""

from ..scores import Scores
from .best import Best


def balanced(scores: Scores | None, *, quality: float) -> Best:
    """``best`` with a lower bar: ``quality`` is the share of the highest score that is good enough."""
    return Best(scores, quality=quality)
