"""One limit or budget as a store decides it, what a request asks of it, and what it was given.

Amounts are requests, tokens, slots or micro-dollars, by ``Rule.unit``.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import force_setattr

from .terms import Budget, LimitName, Limits, OnFailure, Per

Scope = Literal["key", "account", "model", "provider", "gateway"]
Unit = Literal["requests", "tokens", "input_tokens", "output_tokens", "slots", "micro_usd"]
Method = Literal["window", "steady", "slots", "money"]
"""``window``: never more than the limit in any period; ``steady``: GCRA; ``slots``: at once; ``money``: per calendar period."""

MICRO = 1_000_000
"""Micro-dollars in a dollar."""

PERIODS: Mapping[str, int] = {"m": 60, "h": 3_600, "d": 86_400}
"""Last letter of a limit's name to seconds."""


NAMES: tuple[LimitName, ...] = get_args(LimitName)


class Rule(Struct, frozen=True, kw_only=True):
    """One limit. ``ident`` names its counter: whoever shares it is limited together."""

    ident: str
    name: str
    """As the operator wrote it: ``tpm``, ``budget.month``, ``credit``."""
    scope: Scope
    unit: Unit
    method: Method
    limit: int
    period: int = 0
    """Seconds, of ``window`` and ``steady``."""
    per: Per = "total"
    """Of ``money``."""
    on_failure: OnFailure = "share"
    shadow: bool = False
    soft: bool = False
    ledgered: bool = False
    """Does its use begin with what the ledger says? Then a store that has forgotten must be told before it decides."""
    alerts: tuple[float, ...] = ()
    key: tuple[str, str] = ("", "")
    """Of its counter, where no calendar period is its own: another method of limiting is another counter."""
    shown: bytes = b""
    """The limit, as a header says it."""

    def __post_init__(self) -> None:
        force_setattr(self, "key", (self.ident, self.method))
        force_setattr(self, "shown", b"%d" % self.limit)


class Charge(Struct, frozen=True, gc=False):
    """What a request asks of one rule. ``window`` names the calendar period of a ``money`` rule, as ``window_of`` makes it.

    Granted is ``amount``, or as much as is left where that is at least ``least``.
    """

    rule: Rule
    amount: int
    least: int
    window: str = ""


class Grant(Struct, gc=False):
    """What a reservation has of one rule: ``held`` micro-dollars, tokens … and what is ``left`` for others; ``reset`` in seconds."""

    rule: Rule
    held: int
    left: int
    reset: float
    window: str = ""


class Reservation(Struct, kw_only=True):
    """Everything that one request holds. ``degraded``: the store was down, and what was done instead (``open``, ``share``)."""

    ident: str
    grants: list[Grant]
    degraded: OnFailure | None = None
    local: bool = False
    """Made by this process alone, while the shared store was down."""


class Denial(Struct, frozen=True):
    """The rule that refused: it needed ``need`` and had ``left``. ``retry_after`` in seconds; ``None``: waiting does not help.

    ``reason``: ``limit``; ``store`` (down, and the rule is ``closed``); ``unseeded`` (the ledger's figures are being loaded).
    """

    rule: Rule
    need: int
    left: int
    retry_after: float | None
    reason: Literal["limit", "store", "unseeded"] = "limit"


class Level(Struct, frozen=True):
    """The state of one rule: ``used`` in its current period, ``held`` by requests under way, seconds until ``reset``."""

    used: int
    held: int
    reset: float


def rules_of(limits: Limits, scope: Scope, owner: str) -> tuple[Rule, ...]:
    """The rules of ``limits`` for one owner (a key's or account's id, a model's or provider's name, "" for the gateway)."""
    rules = []
    for name in NAMES:
        value = getattr(limits, name)
        if value is None:
            continue
        rules.append(
            Rule(
                ident=f"{scope}/{owner}/{name}",
                name=name,
                scope=scope,
                unit=_unit(name),
                method="slots" if name == "concurrency" else "steady" if name in limits.steady else "window",
                limit=value,
                period=0 if name == "concurrency" else PERIODS[name[-1]],
                on_failure="closed" if name in limits.closed else "open" if name in limits.open else "share",
                shadow=name in limits.shadow,
                soft=name in limits.soft,
            )
        )
    return tuple(rules)


def _unit(name: str) -> Unit:
    if name == "concurrency":
        return "slots"
    if name.startswith("input_"):
        return "input_tokens"
    if name.startswith("output_"):
        return "output_tokens"
    return "requests" if name.startswith("r") else "tokens"


def budget_rule(budget: Budget, scope: Scope, owner: str, *, ledgered: bool) -> Rule:
    """The rule of one budget."""
    return Rule(
        ident=f"{scope}/{owner}/budget.{budget.per}",
        name=f"budget.{budget.per}",
        scope=scope,
        unit="micro_usd",
        method="money",
        limit=micro(budget.usd),
        per=budget.per,
        on_failure=budget.on_failure,
        soft=not budget.hard,
        ledgered=ledgered,
        alerts=budget.alerts,
    )


def credit_rule(account: str, limit: int) -> Rule:
    """A prepaid account's balance, as a budget without end: ``limit`` is all that was ever granted, in micro-dollars."""
    return Rule(
        ident=f"account/{account}/credit",
        name="credit",
        scope="account",
        unit="micro_usd",
        method="money",
        limit=limit,
        per="total",
        on_failure="closed",
        ledgered=True,
    )


def micro(usd: float) -> int:
    """Micro-dollars of an amount in dollars, to the nearest."""
    return round(usd * MICRO)


def window_of(per: Per, now: float) -> str:
    """The name of the calendar period that ``now`` (unix seconds) is in, UTC: ``2026-11-23``, ``2026-W48``, ``2026-11``, ``total``."""
    if per == "total":
        return "total"
    moment = datetime.fromtimestamp(now, UTC)
    if per == "day":
        return moment.strftime("%Y-%m-%d")
    if per == "month":
        return moment.strftime("%Y-%m")
    year, week, _ = moment.isocalendar()
    return f"{year}-W{week:02d}"


def window_start(per: Per, now: float) -> float | None:
    """When the calendar period of ``now`` began, in unix seconds; ``None`` for ``total``."""
    if per == "total":
        return None
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if per == "week":
        day -= timedelta(days=day.weekday())
    elif per == "month":
        day = day.replace(day=1)
    return day.timestamp()


def window_end(per: Per, now: float) -> float | None:
    """When the calendar period of ``now`` ends, in unix seconds; ``None`` for ``total``."""
    begun = window_start(per, now)
    if begun is None:
        return None
    if per == "day":
        return begun + 86_400
    if per == "week":
        return begun + 7 * 86_400
    start = datetime.fromtimestamp(begun, UTC)
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1).timestamp()
