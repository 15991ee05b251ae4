"""From values to places on an axis: linear or logarithmic, with ticks at round numbers."""

import math
from collections.abc import Iterable

from msgspec import Struct

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_ALIKE = 1e-9
"""Values that are no further apart than this, or than this share of their size, are drawn as one."""
_MOST_TICKS = 10
_DECADES = 6
"""A logarithmic axis shows so many decades; what is smaller is drawn at its begin."""


class Scale(Struct, frozen=True):
    """``low`` and ``high`` in the axis's unit, the ends of what is shown; ``ticks`` lie between them."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies: 0 at ``low``, 1 at ``high``; beyond them at the end."""
        if self.log:
            value = max(value, self.low)
            found = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            found = (value - self.low) / (self.high - self.low)
        return min(max(found, 0.0), 1.0)


def linear(values: Iterable[float], *, low: float | None = None, high: float | None = None, about: int = 5) -> Scale:
    """Round ends around ``values``, and ``about`` so many steps; a given end stays as it is."""
    found = [value for value in values if math.isfinite(value)]
    start = low if low is not None else min(found, default=0.0)
    end = high if high is not None else max(found, default=1.0)
    size = max(abs(start), abs(end))
    if end - start <= max(size * _ALIKE, _ALIKE):
        end = start + (abs(start) if size > _ALIKE else 1.0)
    step = _step((end - start) / about)
    first = start if low is not None else math.floor(start / step + 1e-9) * step
    last = end if high is not None else math.ceil(end / step - 1e-9) * step
    begin, count = math.ceil(first / step - 1e-9), math.floor(last / step + 1e-9)
    return Scale(first, last, tuple(float(f"{at * step:.12g}") + 0.0 for at in range(begin, count + 1)))


def logarithmic(values: Iterable[float]) -> Scale:
    """From below the least to above the greatest positive value, with ticks at 1, 1.5, 2, 3, 5 and 7 of each decade, or fewer."""
    found = [value for value in values if value > 0 and math.isfinite(value)]
    least, most = min(found, default=1.0), max(found, default=10.0)
    steps = [mantissa * 10.0**power for power in range(-12, 16) for mantissa in (1, 1.5, 2, 3, 5, 7)]
    least = max(least, most / 10**_DECADES)
    low = max((step for step in steps if step <= least * (1 + 1e-9)), default=least)
    high = min((step for step in steps if step >= most * (1 - 1e-9) and step > low), default=most * 10)
    ticks = [step for step in steps if low <= step <= high]
    for kept in ((1, 2, 5), (1,)):
        if len(ticks) > _MOST_TICKS:
            ticks = [step for step in ticks if round(step / 10 ** math.floor(math.log10(step) + 1e-9), 6) in kept]
    return Scale(low, high, tuple(ticks), log=True)


def _step(least: float) -> float:
    """The round number next above ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in _STEPS if step * power >= least * (1 - 1e-9))


def shown(value: float) -> str:
    """A tick's number, whole: as many digits as it takes, thousands apart."""
    size = abs(value)
    if size >= 1e6:
        return f"{value / 1e6:,.7g}M"
    return f"{value:,.7g}" if size >= 0.001 or not size else f"{value:.2g}"
