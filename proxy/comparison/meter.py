"""The bar that is shown while a comparison runs."""

from .lines import usd
from .running import Progress
from .spending import MICRO

WIDTH, LEAST = 24, 5
"""Characters of the bar."""


def bar(progress: Progress, elapsed: float, *, columns: int = 100) -> str:
    """One line: how much is done, what it cost, what failed, how long it may take yet. ``elapsed`` in seconds.

    It fits into ``columns``: the bar is as wide as the figures leave room for.
    """
    parts = [f"{progress.done} of {progress.total}", usd(progress.spent / MICRO)]
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if progress.waits > 1:
        parts.append(f"rate limit: {span(progress.waits)} to wait")
    elif progress.done and progress.done < progress.total:
        parts.append(f"about {span(elapsed / progress.done * (progress.total - progress.done))} left")
    told = " · ".join(parts)
    width = min(columns - len(told) - 4, WIDTH)
    if width < LEAST:
        return told[: columns - 1]
    filled = int(width * progress.done / progress.total) if progress.total else width
    return f"[{'#' * filled}{'.' * (width - filled)}] {told}"


def span(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
