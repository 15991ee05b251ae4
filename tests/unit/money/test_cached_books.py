"""Hits from admission to the books: limits, a budget, an allowance, a journal and SQLite, mixed with requests that were sent, and a kill."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from proxy.admission.limiter import Limiter, Shared
from proxy.context import Attempt, Cached, Principal, RequestContext, TokenEstimate
from proxy.limits.memory import MemoryLimitStore
from proxy.money.bookkeeping import Bookkeeper
from proxy.money.journal import Journal
from proxy.money.ledger import JournaledLedger
from proxy.money.recovery import Recovery
from proxy.money.replay import SETTLED, replay
from proxy.policy.rules import Rule, budget_rule, rules_of
from proxy.policy.terms import Budget, Limits, Plan
from proxy.settlement import Settler
from proxy.storage.database import Database
from proxy.storage.queries import UsageQuery
from proxy.wire.chat import RequestView
from proxy.wire.usage import NO_USAGE, reported
from tests.support.clock import FakeClock
from tests.support.fakes import FakeCounter, FakeForecast, FakeTasks, FakeTelemetry
from tests.support.sqlite import migrated

from .abandoned import abandon
from .made import ENTRY, TARGET, pricing

NOW = 1_795_435_200.0
USUAL = 3000
"""Micro-dollars of 1,000 tokens in and 100 out."""


class Telemetry(FakeTelemetry):
    """A settler that breaks, breaks the test."""

    def settler_failed(self, name: str, error: BaseException) -> None:
        raise error


class Gateway:
    """One process, as far as money goes. The account has 2,000 micro-dollars of allowance a month."""

    def __init__(self, root: Path, database: Database) -> None:
        self.clock, self.prices, self.forecast = FakeClock(), pricing(), FakeForecast()
        self.keeper = Bookkeeper(database, allowance=lambda account: 2000)
        self.journal = Journal(root / "journal", limit=1 << 20, segment=65536)
        self.ledger = JournaledLedger(self.journal, self.keeper, sync=False, clock=self.clock)
        self.store = MemoryLimitStore(self.clock, lambda: NOW)
        shared = Shared(
            store=self.store, ledger=self.ledger, forecast=self.forecast, room=None, decisions=self,  # type: ignore[arg-type]
            wall=lambda: NOW, tasks=FakeTasks(),
        )  # fmt: skip
        self.limiter = Limiter(
            shared, gateway=(), models={}, providers={}, directory=None,  # type: ignore[arg-type]
            pricing=self.prices, counter=FakeCounter(), meter=None,  # type: ignore[arg-type]
        )  # fmt: skip
        self.settler = Settler(
            counter=FakeCounter(), telemetry=Telemetry(), pricing=self.prices, ledger=self.ledger, forecast=self.forecast,
            room=None, local=True, clock=self.clock, wall=lambda: NOW,
        )  # fmt: skip

    def held(self, *_: object) -> None:
        """No alerts here."""

    async def admit(self, *, cached: float = 0.0, rules: tuple[Rule, ...] = ()) -> RequestContext:
        """A request that may go on."""
        who = Principal(name="app", tenant="acc_1", key="key_1", account="acc_1", plan=Plan(cached=cached), rules=rules)
        ctx = RequestContext(request_id="req", principal=who, target=TARGET, route="fast", started=self.clock())
        ctx.request, ctx.body = RequestView(model="public"), b'{"model":"public"}'
        ctx.estimate = TokenEstimate(900, 4000, 200)
        await self.limiter.admit(ctx)
        return ctx

    async def hit(self, ctx: RequestContext, status: str = "hit", outcome: str = "ok") -> None:
        """The cache answers."""
        ctx.cached = Cached(status=status, usage=reported(prompt=1000, output=100), provider="openai", model="m")  # type: ignore[arg-type]
        ctx.status, ctx.outcome = 200, outcome  # type: ignore[assignment]
        await self.settler.settle(ctx, self.clock())

    async def sent(self, ctx: RequestContext) -> None:
        """A provider answers."""
        assert ctx.on_dispatch is not None
        ctx.on_dispatch()
        ctx.cached, ctx.status, ctx.usage = Cached(status="miss"), 200, reported(prompt=1000, output=100)
        ctx.attempts.append(Attempt(provider="openai", model="m", started=0.0, status=200, upstream_id="up"))
        await self.settler.settle(ctx, self.clock())

    async def used(self, *rules: Rule) -> list[int]:
        """What each rule has counted and holds."""
        levels = await self.store.levels([(rule, "2026-11" if rule.method == "money" else "") for rule in rules])
        return [level.used + level.held for level in levels]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database.sqlite(migrated(tmp_path / "t.db"))
    await made.open()
    yield made
    await made.close()


async def test_a_hit_counts_as_a_request_and_gives_back_tokens_and_money(tmp_path: Path, database: Database) -> None:
    gateway = Gateway(tmp_path, database)
    rpm, tpm = rules_of(Limits(rpm=10, tpm=100_000), "key", "key_1")
    budget = budget_rule(Budget(usd=1), "key", "key_1", ledgered=False)
    for cached, spent in ((0.0, 0), (50.0, 1500)):
        before = await gateway.used(rpm, tpm, budget)
        ctx = await gateway.admit(cached=cached, rules=(rpm, tpm, budget))
        held = await gateway.used(rpm, tpm, budget)
        assert held[1] > before[1]
        assert held[2] > before[2]
        costing = ctx.costing
        assert costing is not None
        await gateway.hit(ctx)
        assert costing(reported(prompt=1000, output=100)) == spent, "what the header says is what it is settled at"
        assert await gateway.used(rpm, tpm, budget) == [before[0] + 1, before[1], before[2] + spent]
    assert gateway.forecast.noted == [], "an answer that was there says nothing about how long answers are"
    gateway.ledger.close()


async def test_the_books_add_up_with_hits_among_requests_that_were_sent(tmp_path: Path, database: Database) -> None:
    gateway = Gateway(tmp_path, database)
    for number in range(12):
        ctx = await gateway.admit(cached=50.0 if number % 2 else 0.0)
        if number % 3 == 0:
            await gateway.sent(ctx)
        else:
            await gateway.hit(
                ctx, "semantic-hit" if number % 3 == 1 else "hit", "client_closed" if number == 11 else "ok"
            )
        if number == 5:
            assert await gateway.ledger.write()
    assert gateway.forecast.noted == [("fast", 100)] * 4
    assert await gateway.ledger.flush(1.0)
    [total] = await database.usage(UsageQuery(group_by=("account",)))
    charged = 4 * USUAL + 3 * USUAL // 2
    assert (total.requests, total.cache_hits, total.charge, total.cost) == (12, 8, charged, 4 * USUAL)
    assert (total.input_tokens, total.output_tokens) == (4000, 400), "those that a provider was asked for"
    assert (total.saved, total.saved_cost) == (4 * USUAL + 3 * USUAL // 2, 7 * USUAL)
    assert (total.saved_input, total.saved_output, total.included) == (7000, 700, 2000)
    assert await database.balance("revenue") == charged
    assert await database.balance("account/acc_1") == 2000 - charged
    assert await database.trial_balance() == (0, [])
    assert await database.open_holds(1e12) == []
    rows = await database.entries(limit=100)
    assert sum(row.saved for row in rows) == total.saved
    assert {row.cache for row in rows} == {"", "hit", "semantic-hit"}
    assert all(row.cost == 0 and row.upstream_id == "" and row.ending == "cached" for row in rows if row.cache)
    gateway.ledger.close()


async def test_books_and_log_name_who_made_the_answer(tmp_path: Path, database: Database) -> None:
    gateway = Gateway(tmp_path, database)
    ctx = await gateway.admit()
    ctx.target = structs.replace(TARGET, model="other")
    await gateway.hit(ctx)
    assert (ctx.target.provider, ctx.target.model) == ("openai", "m")
    gateway.ledger.close()


async def test_hits_of_a_killed_process_are_in_its_journal(tmp_path: Path, database: Database) -> None:
    """Those that had been answered are entries, those that were being answered leave none: nothing was spent on them."""
    gateway = Gateway(tmp_path, database)
    for cached in (0.0, 50.0):
        await gateway.hit(await gateway.admit(cached=cached))
    await gateway.admit(cached=50.0)
    await gateway.sent(await gateway.admit())
    abandon(gateway.journal)
    recovery = Recovery(tmp_path / "journal", database, gateway.keeper, wall=lambda: NOW + 9)
    found = await recovery.once()
    assert (found.entries, found.estimated, found.released) == (3, 0, 1)
    rows = await database.entries(limit=100)
    assert sorted((row.cache, row.charge, row.saved) for row in rows) == [
        ("", 3000, 0),
        ("hit", 0, 3000),
        ("hit", 1500, 1500),
    ]
    assert await database.open_holds(1e12) == []
    assert await database.trial_balance() == (0, [])


def test_a_journal_from_before_is_read() -> None:
    fields = {name: value for name, value in structs.asdict(ENTRY).items() if "cache" != name and "saved" not in name}
    old = msgspec.msgpack.encode((SETTLED, fields))
    assert replay([old]).entries == {ENTRY.ident: ENTRY}


async def test_a_request_that_nobody_answered_has_no_entry(tmp_path: Path, database: Database) -> None:
    gateway = Gateway(tmp_path, database)
    ctx = await gateway.admit()
    ctx.cached, ctx.outcome, ctx.usage = Cached(status="miss"), "client_closed", NO_USAGE
    await gateway.settler.settle(ctx, gateway.clock())
    assert await gateway.ledger.flush(1.0)
    assert (await database.entries(limit=9), gateway.journal.open) == ([], {})
    gateway.ledger.close()
