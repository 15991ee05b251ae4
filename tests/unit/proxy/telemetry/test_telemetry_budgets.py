"""What is left of budgets, as gauges: which are shown, and what happens when the counters do not answer."""

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from proxy.identity.known import KnownKeys
from proxy.identity.principals import Terms, file_account, file_key
from proxy.limits.memory import MemoryLimitStore
from proxy.policy.rules import Charge, Level, Reservation, Rule, budget_rule, window_of
from proxy.policy.terms import Budget, Plan
from proxy.remaining import SHOWN, Remaining
from proxy.storage.records import AccountRecord, KeyRecord
from proxy.telemetry.budgets import BudgetGauges, BudgetLevel

NOW = 1_795_000_000.0


def clock() -> float:
    return NOW


def shown(registry: CollectorRegistry, name: str = "tollway_budget_remaining_usd") -> dict[tuple[str, str, str], float]:
    return {
        (sample.labels["scope"], sample.labels["name"], sample.labels["period"]): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def monthly(usd: float) -> tuple[Budget, ...]:
    return (Budget(usd=usd, per="month"),)


async def test_what_the_counters_say_of_every_key_and_account_with_a_budget() -> None:
    store = MemoryLimitStore(clock, clock)
    await store.seed([])
    terms = Terms(
        keys={name: file_key(name, budgets=monthly(10)) for name in ("app", "batch")} | {"free": file_key("free")},
        accounts={"acme": file_account("acme", budgets=(Budget(usd=5, per="day"), Budget(usd=50, per="total")))},
    )
    known = KnownKeys(terms=terms, wall=clock)
    known.put(
        [AccountRecord(id="a1", name="prepaid", created=0.0, granted=7_000_000, plan=Plan(prepaid=True))],
        [
            KeyRecord(id="k1", account="a1", name="stored", digest=b"1", hint="", created=0.0, budgets=monthly(3)),
            KeyRecord(
                id="k2", account="a1", name="gone", digest=b"2", hint="", created=0.0, budgets=monthly(3), revoked=1.0
            ),
            KeyRecord(id="k3", account="a1", name="bare", digest=b"3", hint="", created=0.0),
        ],
    )
    rule = budget_rule(monthly(10)[0], "key", "app", ledgered=False)
    held = await store.reserve("r", [Charge(rule, 2_500_000, 2_500_000, window_of("month", NOW))], 60.0)
    assert isinstance(held, Reservation)
    registry = CollectorRegistry()
    gauges = BudgetGauges(registry)
    remaining = Remaining(gauges, store=store, terms=lambda: terms, stored=lambda: known, wall=clock)  # type: ignore[arg-type, return-value]
    assert shown(registry) == {}, "nobody has looked"
    await remaining.look()
    assert shown(registry) == {
        ("account", "acme", "day"): 5.0,
        ("account", "acme", "total"): 50.0,
        ("key", "app", "month"): 7.5,
        ("key", "batch", "month"): 10.0,
        ("account", "prepaid", "credit"): 7.0,
        ("key", "stored", "month"): 3.0,
    }
    limits = shown(registry, "tollway_budget_limit_usd")
    assert limits[("key", "app", "month")] == 10.0
    assert ("account", "prepaid", "credit") not in limits, "what was ever granted is no limit"
    await store.settle(held, [4_000_000])
    await remaining.look()
    assert shown(registry)[("key", "app", "month")] == 6.0


class Slow(MemoryLimitStore):
    """Counters that do not answer."""

    async def levels(self, rules: Sequence[tuple[Rule, str]]) -> Sequence[Level]:
        await asyncio.sleep(60)
        return []


async def test_counters_that_do_not_answer_leave_the_last_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.remaining.PATIENCE", 0.01)
    terms = Terms(keys={"app": file_key("app", budgets=monthly(10))})
    registry = CollectorRegistry()
    gauges = BudgetGauges(registry)
    level = BudgetLevel(scope="key", name="app", period="month", limit=10, left=4_000_000)
    gauges.show([level], unlisted=0)
    await Remaining(gauges, store=Slow(clock, clock), terms=lambda: terms, stored=lambda: None, wall=clock).look()
    assert shown(registry) == {("key", "app", "month"): 4.0}


async def test_as_many_as_a_page_can_bear() -> None:
    terms = Terms(keys={f"key{index}": file_key(f"key{index}", budgets=monthly(1)) for index in range(SHOWN + 30)})
    registry = CollectorRegistry()
    store = MemoryLimitStore(clock, clock)
    gauges = BudgetGauges(registry)
    await Remaining(gauges, store=store, terms=lambda: terms, stored=lambda: None, wall=clock).look()
    assert len(shown(registry)) == SHOWN
    assert registry.get_sample_value("tollway_budgets_unlisted") == 30


def test_of_two_of_one_name_the_worse_is_shown() -> None:
    registry = CollectorRegistry()
    levels = [BudgetLevel(scope="key", name="app", period="day", limit=9_000_000, left=left) for left in (5, 2, 8)]
    BudgetGauges(registry).show(levels, unlisted=0)
    gauges = BudgetGauges(other := CollectorRegistry())
    gauges.show(levels, unlisted=0)
    assert shown(other) == {("key", "app", "day"): 2e-06}
