"""What the limits of a request cost in memory: microseconds of CPU for a reservation and its end.

``python -m tests.bench.limits [--json]``. Target: 6 us to reserve and settle for a key with rpm, tpm, concurrency and a budget.
"""

import argparse
import gc
import json
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from proxy.limits.memory import MemoryLimitStore
from proxy.policy.rules import Charge, Reservation, budget_rule, rules_of, window_of
from proxy.policy.terms import Budget, Limits

T = TypeVar("T")

USED = (1, 800, 1, 3_000)
"""Requests, tokens, slots, micro-dollars of a request."""


def finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("it waited")


def charges_of(owner: str, limits: Limits) -> list[Charge]:
    """What a request asks of its key's limits and of a budget."""
    budget = budget_rule(Budget(usd=1e9), "key", owner, ledgered=False)
    month = window_of("month", time.time())
    return [
        *(
            Charge(rule, amount, amount)
            for rule, amount in zip(rules_of(limits, "key", owner), (1, 1_000, 1), strict=True)
        ),
        Charge(budget, 5_000, 5_000, month),
    ]


def measure(*, count: int = 20_000, rounds: int = 7) -> dict[str, float]:
    """Every figure, in microseconds: the best of ``rounds``."""
    roomy = Limits(rpm=10**12, tpm=10**12, concurrency=10**6)
    figures = {
        name: float("inf")
        for name in (
            "reserve and settle",
            "reserve",
            "settle",
            "live spend",
            "refused",
            "reserve and settle, 10,000 keys",
        )
    }

    def note(name: str, began: float) -> None:
        figures[name] = min(figures[name], (time.perf_counter() - began) / count * 1e6)

    for _ in range(rounds):
        store = MemoryLimitStore(time.monotonic, time.time)
        asked = charges_of("one", roomy)
        gc.collect()
        began = time.perf_counter()
        for _ in range(count):
            answer = finished(store.reserve("one", asked, 60.0))
            finished(store.settle(answer, USED))  # type: ignore[arg-type]
        note("reserve and settle", began)

        began = time.perf_counter()
        held = [finished(store.reserve(f"{number}", asked, 60.0)) for number in range(count)]
        note("reserve", began)
        began = time.perf_counter()
        for answer in held:
            finished(store.spend(answer, (0, 5, 0, 0)))  # type: ignore[arg-type]
        note("live spend", began)
        began = time.perf_counter()
        for answer in held:
            finished(store.settle(answer, USED))  # type: ignore[arg-type]
        note("settle", began)

        full = charges_of("full", Limits(rpm=10**12, tpm=10**12, concurrency=1))
        assert isinstance(finished(store.reserve("full", full, 1e6)), Reservation)
        began = time.perf_counter()
        for _ in range(count):
            finished(store.reserve("more", full, 60.0))
        note("refused", began)

        keys = [charges_of(f"key{number}", roomy) for number in range(min(count, 10_000))]
        for each in keys:
            finished(store.settle(finished(store.reserve("one", each, 60.0)), USED))  # type: ignore[arg-type]
        began = time.perf_counter()
        for number in range(count):
            answer = finished(store.reserve("one", keys[number % len(keys)], 60.0))
            finished(store.settle(answer, USED))  # type: ignore[arg-type]
        note("reserve and settle, 10,000 keys", began)
    return figures


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON object")
    options.add_argument("--count", type=int, default=20_000, help="requests a round")
    options.add_argument("--rounds", type=int, default=7, help="rounds, of which the best counts")
    chosen = options.parse_args()
    gc.collect()
    gc.freeze()
    figures = measure(count=chosen.count, rounds=chosen.rounds)
    if chosen.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
        return
    for name, value in figures.items():
        print(f"{name:34s} {value:8.2f} us")


if __name__ == "__main__":
    main()
