"""What is left of budgets, as gauges. The counters know it, so nothing is kept here but what they said when somebody last looked."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from ..policy.rules import MICRO, Scope

CREDIT = "credit"
"""The period of a prepaid account's balance, which has no limit that stays."""

_LABELS = ("scope", "name", "period")


class BudgetLevel(Struct, frozen=True):
    """One budget: ``name`` of its key or account, ``period`` of the calendar, amounts in micro-dollars."""

    scope: Scope
    name: str
    period: str
    limit: int
    left: int


class BudgetGauges:
    """A collector: see ``prometheus_client.registry.Collector``. Any worker's view is the truth, since all ask the same counters."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._levels: Sequence[BudgetLevel] = ()
        self._unlisted = 0
        registry.register(self)

    def show(self, levels: Iterable[BudgetLevel], *, unlisted: int) -> None:
        """From now on these; ``unlisted``: how many more there are. Of two of one name the one with less left is shown."""
        found: dict[tuple[str, str, str], BudgetLevel] = {}
        for level in levels:
            place = (level.scope, level.name, level.period)
            other = found.get(place)
            if other is None or level.left < other.left:
                found[place] = level
        self._levels = tuple(found.values())
        self._unlisted = unlisted

    def collect(self) -> Iterator[Metric]:
        """The families, empty ones too."""
        limit = GaugeMetricFamily("tollway_budget_limit_usd", "What a budget allows in its period.", labels=_LABELS)
        left = GaugeMetricFamily(
            "tollway_budget_remaining_usd",
            "What is left of a budget, less what requests under way hold.",
            labels=_LABELS,
        )
        for level in self._levels:
            place = (level.scope, level.name, level.period)
            if level.period != CREDIT:
                limit.add_metric(place, level.limit / MICRO)
            left.add_metric(place, level.left / MICRO)
        yield limit
        yield left
        yield GaugeMetricFamily(
            "tollway_budgets_unlisted", "Budgets without gauges of their own, since there are too many.", self._unlisted
        )
