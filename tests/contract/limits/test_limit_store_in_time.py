"""What every ``LimitStore`` promises about time, with real and short periods: the shared stores go by their server's clock."""

import asyncio
import inspect
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proxy.policy.rules import Charge, Denial, Reservation
from proxy.protocols import LimitStore

from .asking import ask, charge, figures, granted, level, refused, rule

PATIENCE = 10.0


def on_all_stores(check: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """``check`` on stores of every kind side by side: what waits for seconds waits once."""

    async def on_one(name: str, store: LimitStore, case: dict[str, Any]) -> None:
        try:
            await check(store, **case)
        except BaseException as error:
            error.add_note(f"on {name}")
            raise

    async def test(stores: dict[str, LimitStore], **case: Any) -> None:
        async with asyncio.TaskGroup() as group:
            for name, store in stores.items():
                group.create_task(on_one(name, store, case))

    test.__doc__ = check.__doc__
    asked = inspect.signature(check).parameters
    taken = {name: each.replace(kind=each.KEYWORD_ONLY) for name, each in asked.items() if name != "store"}
    stores = inspect.Parameter("stores", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    test.__signature__ = inspect.Signature([stores, *taken.values()])  # type: ignore[attr-defined]
    return test


async def until_granted(store: LimitStore, asked: Charge) -> float:
    """Seconds until it was granted."""
    begun = time.monotonic()
    while isinstance(await ask(store, asked), Denial):
        assert time.monotonic() - begun < PATIENCE
        await asyncio.sleep(0.005)
    return time.monotonic() - begun


def most_in_a_period(log: list[tuple[float, float, int]], period: float) -> int:
    """The most that certainly fell into one period: what began and ended within it, of (begun, ended, amount)."""
    most = 0
    for place, (begun, _, _) in enumerate(log):
        most = max(most, sum(amount for _, ended, amount in log[place:] if ended - begun < period))
    return most


@on_all_stores
async def test_no_period_passes_more_requests_than_the_limit(store: LimitStore) -> None:
    asked, source = rule("rpm", 12, period=1), random.Random(1)
    log: list[tuple[float, float, int]] = []
    end = time.monotonic() + 3.2
    while (begun := time.monotonic()) < end:
        if isinstance(await ask(store, charge(asked, 1)), Reservation):
            log.append((begun, time.monotonic(), 1))
        await asyncio.sleep(source.choice([0.0, 0.002, 0.03, 0.1]))
    assert most_in_a_period(log, 1.0) == 12
    assert len(log) >= 24, "and in the next periods there is room again"


@on_all_stores
async def test_no_period_passes_more_tokens_however_late_they_are_used(store: LimitStore) -> None:
    """Reserved now, spent in parts and settled later: each token counts when it flows."""
    asked = rule("tpm", 60, period=1)
    log: list[tuple[float, float, int]] = []

    async def noted(work: object, amount: int, begun: float) -> None:
        log.append((begun, time.monotonic(), amount))

    async def stream(seed: int) -> None:
        source = random.Random(seed)
        end = time.monotonic() + 3.0
        while time.monotonic() < end:
            answer = await ask(store, charge(asked, 10))
            if isinstance(answer, Denial):
                await asyncio.sleep(0.01)
                continue
            spent = 0
            for amount in (source.randint(0, 4), source.randint(0, 4)):
                await asyncio.sleep(source.uniform(0, 0.3))
                begun = time.monotonic()
                await store.spend(answer, [amount])
                log.append((begun, time.monotonic(), amount))
                spent += amount
            used = source.randint(spent, 10)
            begun = time.monotonic()
            await store.settle(answer, [used])
            log.append((begun, time.monotonic(), used - spent))

    await asyncio.gather(*(stream(seed) for seed in range(12)))
    log.sort()
    assert 0 < most_in_a_period(log, 1.0) <= 60
    assert sum(amount for _, _, amount in log) > 60
    assert (await level(store, asked)).held == 0


@on_all_stores
async def test_a_window_has_room_when_it_said_it_would(store: LimitStore) -> None:
    asked = rule("rpm", 3, period=1)
    for _ in range(3):
        await granted(store, charge(asked, 1))
    denial = await refused(store, charge(asked, 2))
    assert denial.retry_after is not None
    waited = await until_granted(store, charge(asked, 2))
    assert denial.retry_after - 0.05 <= waited <= denial.retry_after + 0.5
    assert waited >= 0.9


@on_all_stores
async def test_what_is_held_is_not_freed_by_time(store: LimitStore) -> None:
    asked = rule("tpm", 10, period=1)
    reservation = await granted(store, charge(asked, 10))
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        await refused(store, charge(asked, 1))
        await asyncio.sleep(0.05)
    await store.settle(reservation, [10])
    waited = await until_granted(store, charge(asked, 1))
    assert waited >= 0.9, "it counts from when it was used"


@on_all_stores
async def test_a_steady_limit_refills_evenly(store: LimitStore) -> None:
    asked = rule("steady_rpm", 10, period=2)
    await granted(store, charge(asked, 10))
    begun, times = time.monotonic(), []
    for _ in range(5):
        await until_granted(store, charge(asked, 1))
        times.append(time.monotonic() - begun)
    for place, moment in enumerate(times, 1):
        assert place * 0.2 - 0.05 <= moment <= place * 0.2 + 0.5
    denial = await refused(store, charge(asked, 5))
    assert denial.retry_after is not None
    assert 0.5 <= denial.retry_after <= 1.0


@on_all_stores
async def test_a_steady_limit_never_passes_more_than_its_burst_and_its_refill(store: LimitStore) -> None:
    asked = rule("steady_tpm", 40, period=1)
    log: list[tuple[float, float, int]] = []
    end = time.monotonic() + 2.0
    while (begun := time.monotonic()) < end:
        answer = await ask(store, charge(asked, 3))
        if isinstance(answer, Reservation):
            await store.settle(answer, [3])
            log.append((begun, time.monotonic(), 3))
        await asyncio.sleep(0.004)
    for place, (first, _, _) in enumerate(log):
        passed = 0
        for _, last, amount in log[place:]:
            passed += amount
            assert passed <= 40 + 40 * (last - first) + 3
    assert 60 <= sum(amount for _, _, amount in log)


@pytest.mark.parametrize("kind", ["tpm", "steady_tpm", "concurrency", "budget"])
@on_all_stores
async def test_an_orphan_is_given_back_when_its_lease_ends(store: LimitStore, kind: str) -> None:
    asked = rule(kind, 10)
    await granted(store, charge(asked, 10), lease=0.4)
    waited = await until_granted(store, charge(asked, 10))
    assert 0.3 <= waited <= 3.0
    assert await figures(store, [asked]) == [(0, 10)]


@on_all_stores
async def test_a_lease_that_is_renewed_does_not_end(store: LimitStore) -> None:
    asked = rule("concurrency", 2)
    kept = await granted(store, charge(asked, 1), lease=0.5)
    lost = await granted(store, charge(asked, 1), lease=0.5)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        await store.renew([kept], 0.5)
        await asyncio.sleep(0.1)
    await granted(store, charge(asked, 1))
    await refused(store, charge(asked, 1))
    await store.settle(kept, [1])
    await granted(store, charge(asked, 1))
    await store.settle(lost, [1])
    await refused(store, charge(asked, 1))


@pytest.mark.parametrize("kind", ["tpm", "budget"])
@on_all_stores
async def test_what_an_orphan_used_counts_when_it_ends_after_all(store: LimitStore, kind: str) -> None:
    """A worker that was stopped for longer than a lease comes back and settles: no money is lost, and none counted twice."""
    asked = rule(kind, 10)
    late = await granted(store, charge(asked, 6), lease=0.3)
    await until_granted(store, charge(asked, 10))
    await store.settle(late, [6])
    await store.settle(late, [6])
    assert await figures(store, [asked]) == [(6, 10)]


@on_all_stores
async def test_levels_say_when_a_period_is_over(store: LimitStore) -> None:
    asked = rule("rpm", 5, period=2)
    await granted(store, charge(asked, 1))
    assert 1.5 <= (await level(store, asked)).reset <= 2.1
    end = time.monotonic() + PATIENCE
    while (await level(store, asked)).used:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    assert (await level(store, asked)).reset == 0
