"""An account's money now: from the ledger, and from the live counters what requests under way hold."""

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from ..money.amounts import dollars
from ..policy.rules import Level, Rule, budget_rule, credit_rule, micro, window_end, window_of, window_start
from ..storage.queries import UsageQuery
from ..storage.records import AccountRecord, account_book, held_book
from . import answers
from .asked import Nothing
from .calls import Call
from .desk import Desk
from .times import iso_or_none

UNKNOWN = Level(0, 0, 0.0)


class _Books(Struct, frozen=True):
    """What the ledger says, in micro-dollars: ``own`` without what is ``held``; ``charged`` ever; ``included`` used this month."""

    own: int
    held: int
    charged: int
    included: int


async def balance(desk: Desk, call: Call[Nothing, Nothing]) -> answers.Balance:
    """What it was given, has, holds and may still spend, and how far its budgets are used."""
    account = await desk.account(call.path["account"])
    books = await _books(desk, account, call.at)
    credit = account.granted + account.included_used + micro(account.plan.included_usd)
    rules = [budget_rule(budget, "account", account.id, ledgered=True) for budget in account.budgets]
    levels = await _levels(desk, [*rules, credit_rule(account.id, credit)], call.at)
    held, left = books.held, max(micro(account.plan.included_usd) - books.included, 0)
    available = books.own + left
    if account.plan.prepaid and desk.store is not None:
        held = max(levels[-1].held, 0)
        available = credit - max(levels[-1].used, books.charged) - held
    return answers.Balance(
        account=account.id,
        prepaid=account.plan.prepaid,
        granted=dollars(account.granted),
        balance=dollars(books.own + books.held),
        held=dollars(held),
        available=dollars(available),
        included=dollars(micro(account.plan.included_usd)),
        included_left=dollars(left),
        budgets=[await _shown(desk, account, rule, level, call.at) for rule, level in zip(rules, levels, strict=False)],
        live=desk.store is not None,
    )


async def _books(desk: Desk, account: AccountRecord, now: float) -> _Books:
    own, held = account_book(account.id), held_book(account.id)
    found = await desk.db.balances([own, held])
    return _Books(
        own=found.get(own, 0),
        held=found.get(held, 0),
        charged=await _charged(desk, account, None),
        included=await desk.db.included_of_month(account.id, window_of("month", now)),
    )


async def _charged(desk: Desk, account: AccountRecord, since: float | None) -> int:
    """Micro-dollars charged since the begin of a day, by the ledger."""
    first = None if since is None else datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%d")
    rows = await desk.db.usage(UsageQuery(group_by=("account",), account=account.id, first=first))
    return sum(row.charge for row in rows)


async def _levels(desk: Desk, rules: Sequence[Rule], now: float) -> Sequence[Level]:
    if desk.store is None:
        return [UNKNOWN] * len(rules)
    return await desk.store.levels([(rule, window_of(rule.per, now)) for rule in rules])


async def _shown(desk: Desk, account: AccountRecord, rule: Rule, level: Level, now: float) -> answers.BudgetLevel:
    """A counter that was just made knows less than the ledger, and one that lives knows more."""
    used = max(level.used, await _charged(desk, account, window_start(rule.per, now)))
    return answers.BudgetLevel(
        per=rule.per,
        hard=not rule.soft,
        limit=dollars(rule.limit),
        used=dollars(used),
        held=dollars(max(level.held, 0)),
        left=dollars(max(rule.limit - used - max(level.held, 0), 0)),
        resets_at=iso_or_none(window_end(rule.per, now)),
    )
