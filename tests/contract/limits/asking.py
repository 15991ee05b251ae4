"""Short words for rules and for what is asked of them."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from proxy.policy.rules import Charge, Denial, Level, Reservation, Rule
from proxy.protocols import LimitStore

LEASE = 60.0

_numbers = count()

KINDS: dict[str, dict[str, Any]] = {
    "rpm": {"unit": "requests", "method": "window", "period": 60},
    "tpm": {"unit": "tokens", "method": "window", "period": 60},
    "steady_rpm": {"unit": "requests", "method": "steady", "period": 60},
    "steady_tpm": {"unit": "tokens", "method": "steady", "period": 60},
    "concurrency": {"unit": "slots", "method": "slots"},
    "budget": {"unit": "micro_usd", "method": "money", "per": "month"},
}


def rule(kind: str, limit: int, **changes: Any) -> Rule:
    """A rule with a counter of its own, of a kind in ``KINDS``."""
    made = {
        "ident": f"key/k{next(_numbers)}/{kind}",
        "name": kind,
        "scope": "key",
        "limit": limit,
        **KINDS[kind],
        **changes,
    }
    return Rule(**made)


def charge(asked: Rule, amount: int, least: int | None = None, window: str | None = None) -> Charge:
    """``least``: all of it; the window of money: this test's month."""
    if window is None:
        window = "2126-11" if asked.method == "money" else ""
    return Charge(asked, amount, amount if least is None else least, window)


async def ask(store: LimitStore, *charges: Charge, lease: float = LEASE) -> Reservation | Denial:
    """One request."""
    return await store.reserve(f"{next(_numbers):032x}", charges, lease)


async def granted(store: LimitStore, *charges: Charge, lease: float = LEASE) -> Reservation:
    """One that must be granted."""
    answer = await ask(store, *charges, lease=lease)
    assert isinstance(answer, Reservation), answer
    assert answer.degraded is None
    assert [grant.rule for grant in answer.grants] == [asked.rule for asked in charges]
    return answer


async def refused(store: LimitStore, *charges: Charge) -> Denial:
    """One that must be refused."""
    answer = await ask(store, *charges)
    assert isinstance(answer, Denial), answer
    return answer


async def level(store: LimitStore, asked: Rule, window: str | None = None) -> Level:
    """Of one rule."""
    (found,) = await store.levels([(asked, charge(asked, 0, window=window).window)])
    return found


async def figures(store: LimitStore, rules: Sequence[Rule]) -> list[tuple[int, int]]:
    """(used, held) of each."""
    return [(found.used, found.held) for found in [await level(store, asked) for asked in rules]]
