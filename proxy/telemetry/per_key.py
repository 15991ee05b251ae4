"""What each key asks for and costs, where the operator wants series by key: the first so many keys have their own."""

from typing import TYPE_CHECKING

from ..context import ANONYMOUS, RequestContext
from ..policy.rules import MICRO
from .series import Count, Series

if TYPE_CHECKING:
    from .metrics import Metrics

OTHERS = "other"
"""What keys beyond the limit count as; and a key of that name."""


class _Key:
    """The series of one key."""

    __slots__ = ("charge", "cost", "input", "output", "requests")

    def __init__(self, metrics: "Metrics", series: Series, name: str) -> None:
        self.requests = series.count(metrics.key_requests, name)
        self.input = series.count(metrics.key_tokens, name, "input")
        self.output = series.count(metrics.key_tokens, name, "output")
        self.charge = series.count(metrics.key_usd, name, "charge")
        self.cost = series.count(metrics.key_usd, name, "cost")


class KeySeries:
    """At most ``most`` keys by their names; every other counts as one."""

    def __init__(self, metrics: "Metrics", series: Series, *, most: int) -> None:
        self._metrics = metrics
        self._series = series
        self._most = most
        self._keys: dict[str, _Key] = {}

    def observe(self, ctx: RequestContext) -> None:
        """What one settled request adds. Those that were refused for want of a key are nobody's."""
        if ctx.principal is ANONYMOUS:
            return
        name = ctx.principal.name
        key = self._keys.get(name) or self._made(name)
        key.requests.value += 1
        if not ctx.from_cache:
            _add(key.input, ctx.usage.input)
            _add(key.output, ctx.usage.output)
        settled = ctx.settled
        if settled is not None:
            _add(key.charge, (settled.charge or 0) / MICRO)
            _add(key.cost, (settled.cost or 0) / MICRO)

    def _made(self, name: str) -> _Key:
        if len(self._keys) >= self._most:
            name = OTHERS
            found = self._keys.get(name)
            if found is not None:
                return found
        key = self._keys[name] = _Key(self._metrics, self._series, name)
        return key


def _add(count: Count, amount: float) -> None:
    """A provider that reports nonsense breaks nothing: counters only grow."""
    if amount > 0:
        count.value += amount
