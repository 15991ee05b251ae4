"""Stored keys in memory: what changes in the database bites here, and what happens while there is none."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from proxy.context import Principal
from proxy.errors import AuthenticationFailed, KeysUnavailable, PermissionDenied
from proxy.identity import known as known_module
from proxy.identity import stored as stored_module
from proxy.identity.principals import Terms, file_account, file_key
from proxy.identity.stored import POLL, Seed, StoredKeys
from proxy.identity.virtual_keys import digest
from proxy.policy.rules import Rule
from proxy.policy.terms import Budget, Limits, Plan
from tests.support.clock import elapsed, turns, virtual

from .rows import NOW, PEPPER, Bench, Rows, account, key


def limits_of(found: object) -> dict[str, int]:
    assert isinstance(found, Principal)
    return {rule.ident: rule.limit for rule in found.rules}


async def test_a_stored_key_is_found() -> None:
    bench = Bench(keys=[key("one"), key("two", id="key_2", name="second")])
    assert not bench.stored.loaded
    assert bench.find("one") is None
    await bench.follow()
    assert bench.stored.loaded
    assert not bench.stored.down
    found = bench.find("one")
    assert isinstance(found, Principal)
    assert (found.key, found.account) == ("key_1", "acc_1")
    assert bench.find("one") is found, "made once"
    assert bench.find("three") is None


async def test_a_new_key_and_account_are_found_at_the_next_look() -> None:
    bench = Bench()
    await bench.follow()
    bench.rows.put(key("one", account="acc_2"), account("acc_2"))
    assert bench.find("one") is None
    await bench.follow()
    assert isinstance(bench.find("one"), Principal)


async def test_revocation() -> None:
    bench = Bench(keys=[key("one")])
    await bench.follow()
    assert isinstance(bench.find("one"), Principal)
    bench.rows.put(key("one", revoked=NOW))
    await bench.follow()
    with pytest.raises(AuthenticationFailed, match="was revoked at 2027-01-15 08:00:00 UTC"):
        bench.stored.find(digest(PEPPER, b"one"))


async def test_rotation_overlaps_to_the_second() -> None:
    old = key("old", revoked=NOW + 3600, replaced_by="key_2")
    bench = Bench(keys=[old, key("new", id="key_2")])
    await bench.follow()
    for seconds, works in [(0, True), (3599, True), (3599.9, True), (3600, False), (3601, False)]:
        bench.wall.now = NOW + seconds
        assert isinstance(bench.find("old"), Principal) is works
        assert isinstance(bench.find("new"), Principal)
    with pytest.raises(
        AuthenticationFailed, match="replaced by a newer one and stopped working at 2027-01-15 09:00:00"
    ):
        bench.stored.find(old.digest)


async def test_expiry_to_the_second() -> None:
    bench = Bench(keys=[key("one", expires=NOW + 10, revoked=NOW + 20)])
    await bench.follow()
    bench.wall.now = NOW + 9.9
    assert isinstance(bench.find("one"), Principal)
    bench.wall.now = NOW + 10
    with pytest.raises(AuthenticationFailed, match="expired at 2027-01-15 08:00:10 UTC"):
        bench.stored.find(digest(PEPPER, b"one"))


@pytest.mark.parametrize("moment", [1e300, -1e300, 0.0])
async def test_a_date_that_is_none_breaks_nothing(moment: float) -> None:
    bench = Bench(keys=[key("one", expires=moment)])
    await bench.follow()
    assert isinstance(bench.find("one"), Principal) is (moment > NOW)
    bench.wall.now = 1e301
    assert bench.find("one") is AuthenticationFailed


async def test_clock_steps_of_an_hour_both_ways() -> None:
    """Dates follow the wall clock, there and back; nothing else does."""
    bench = Bench(keys=[key("one", expires=NOW + 1800), key("two", id="key_2")], grace=300)
    await bench.follow()
    for step, works in [(3600, False), (0, True), (-3600, True), (3600, False), (0, True)]:
        bench.wall.now = NOW + step
        await bench.follow()
        assert isinstance(bench.find("one"), Principal) is works
        assert isinstance(bench.find("two"), Principal)
        assert not bench.stored.down


@pytest.mark.parametrize("status", ["suspended", "closed"])
async def test_an_account_that_is_not_active(status: str) -> None:
    bench = Bench(keys=[key("one")])
    await bench.follow()
    assert isinstance(bench.find("one"), Principal)
    bench.rows.put(account(status=status))
    await bench.follow()
    with pytest.raises(PermissionDenied, match=status) as caught:
        bench.stored.find(digest(PEPPER, b"one"))
    assert caught.value.status == 403
    bench.rows.put(account())
    await bench.follow()
    assert isinstance(bench.find("one"), Principal)


async def test_a_key_without_an_account_is_refused() -> None:
    bench = Bench(keys=[key("one", account="acc_gone")])
    await bench.follow()
    assert bench.find("one") is PermissionDenied


async def test_changes_of_limits_plans_and_credit_bite() -> None:
    bench = Bench([account(), account("acc_2")], [key("one"), key("two", id="key_2", account="acc_2")])
    await bench.follow()
    other = bench.find("two")
    assert limits_of(bench.find("one")) == {}
    bench.rows.put(account(limits=Limits(rpm=7), plan=Plan(prepaid=True), granted=100))
    await bench.follow()
    assert limits_of(bench.find("one")) == {"account/acc_1/rpm": 7, "account/acc_1/credit": 100}
    bench.rows.put(account(plan=Plan(prepaid=True, markup=5), granted=250))
    await bench.follow()
    found = bench.find("one")
    assert limits_of(found) == {"account/acc_1/credit": 250}
    assert isinstance(found, Principal)
    assert found.plan.markup == 5
    bench.rows.put(key("one", limits=Limits(tpm=3)))
    await bench.follow()
    assert limits_of(bench.find("one")) == {"key/key_1/tpm": 3, "account/acc_1/credit": 250}
    assert bench.find("two") is other, "others stay as they are"


async def test_a_new_month_is_told_to_the_accounts() -> None:
    bench = Bench([account(plan=Plan(prepaid=True, included_usd=10))], [key("one")])
    bench.wall.now = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC).timestamp()
    await bench.follow()
    assert limits_of(bench.find("one")) == {"account/acc_1/credit": 10_000_000}
    # Rolled over by somebody else; the log's row was lost.
    bench.rows.accounts["acc_1"] = account(plan=Plan(prepaid=True, included_usd=10), included_used=4_000_000)
    bench.rows.put(key("one", name="renamed"))
    await bench.follow()
    assert limits_of(bench.find("one")) == {"account/acc_1/credit": 10_000_000}
    bench.rows.put(key("one", name="again"))
    bench.wall.advance(1)
    await bench.follow()
    found = bench.find("one")
    assert limits_of(found) == {"account/acc_1/credit": 14_000_000}
    assert isinstance(found, Principal)
    assert found.name == "again", "a change in the month's first look is not lost"


async def test_new_terms() -> None:
    bench = Bench(keys=[key("one")])
    await bench.follow()
    assert limits_of(bench.find("one")) == {}
    before = bench.stored.generation
    bench.stored.use(Terms(default=Limits(rpm=9)))
    assert limits_of(bench.find("one")) == {"key/key_1/rpm": 9}
    assert bench.stored.generation > before


async def test_many_changes_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_module, "MANY", 10)
    bench = Bench(keys=[key(f"k{n}", id=f"key_{n}") for n in range(30)])
    await bench.follow()
    bench.rows.put(*(key(f"k{n}", id=f"key_{n}", revoked=NOW) for n in range(20)), account(limits=Limits(rpm=3)))
    bench.rows.asked = 0
    await bench.follow()
    assert bench.rows.asked == 4
    assert [bench.find(f"k{n}") is AuthenticationFailed for n in range(30)] == [True] * 20 + [False] * 10
    assert limits_of(bench.find("k29")) == {"account/acc_1/rpm": 3}


async def test_callers_kept_ready_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_module, "PRINCIPALS", 10)
    bench = Bench(keys=[key(f"k{n}", id=f"key_{n}") for n in range(30)])
    await bench.follow()
    first = bench.find("k0")
    for n in range(1, 10):
        bench.find(f"k{n}")
    assert bench.find("k0") is first
    bench.find("k10")
    assert bench.find("k0") is first, "the one used longest ago goes"
    for n in range(30):
        assert isinstance(bench.find(f"k{n}"), Principal)
    assert len(bench.stored._principals) == 10


async def test_names_of_accounts() -> None:
    bench = Bench([account("acc_1", name="x"), account("acc_2", name="y")])
    await bench.follow()
    bench.rows.put(account("acc_1", name="y"), account("acc_2", name="x"))
    await bench.follow()
    named = [bench.stored.account_named(name) for name in ("x", "y", "z", "")]
    assert [row and row.id for row in named] == ["acc_2", "acc_1", None, None]


# ---- new budgets of old keys ----------------------------------------------------------------------------------------


class Seeder:
    """The limit store's seeding. ``gate`` holds it up; ``broken`` fails it."""

    def __init__(self) -> None:
        self.seeded: list[list[str]] = []
        self.broken = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, rules: Sequence[Rule]) -> None:
        await self.gate.wait()
        if self.broken:
            raise ConnectionError("no store")
        self.seeded.append(sorted(rule.ident for rule in rules))


async def test_a_new_budget_is_in_force_once_its_past_is_known() -> None:
    seeder = Seeder()
    shut = account("acc_3")
    bench = Bench(
        [account(), shut], [key("one"), key("two", id="key_2"), key("three", id="key_3", account="acc_3")], seed=seeder
    )
    await bench.follow()
    bench.find("one")
    bench.rows.put(key("one", budgets=(Budget(usd=1),)))
    bench.rows.put(key("two", id="key_2", revoked=NOW, budgets=(Budget(usd=1),)))
    bench.rows.put(account("acc_3", status="suspended", budgets=(Budget(usd=1),)))
    bench.rows.put(account(plan=Plan(prepaid=True), budgets=(Budget(usd=5, per="day"),)))
    seeder.gate.clear()
    task = asyncio.create_task(bench.follow())
    await turns()
    assert limits_of(bench.find("one")) == {}, "not before the store knows what was spent"
    assert bench.find("two") is AuthenticationFailed, "a revocation does not wait"
    assert bench.find("three") is PermissionDenied, "nor does a suspension"
    seeder.gate.set()
    await task
    assert seeder.seeded == [["account/acc_1/budget.day", "account/acc_1/credit", "key/key_1/budget.month"]]
    assert len(limits_of(bench.find("one"))) == 3


async def test_nothing_is_seeded_that_has_no_past_or_is_not_new() -> None:
    seeder = Seeder()
    bench = Bench([account(budgets=(Budget(usd=5),))], [key("one", budgets=(Budget(usd=1),))], seed=seeder)
    await bench.follow()
    bench.rows.put(key("new", id="key_9", budgets=(Budget(usd=1),)), account("acc_9", budgets=(Budget(usd=1),)))
    bench.rows.put(account(budgets=(Budget(usd=50),)), key("one", budgets=()))
    await bench.follow()
    assert seeder.seeded == []
    assert limits_of(bench.find("one")) == {"account/acc_1/budget.month": 50_000_000}


async def test_while_the_store_is_down_a_new_budget_waits_and_all_else_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seeder = Seeder()
    bench = Bench(keys=[key("one"), key("two", id="key_2")], seed=seeder)
    await bench.follow()
    seeder.broken = True
    bench.rows.put(key("one", budgets=(Budget(usd=1),)), key("two", id="key_2", name="renamed"))
    with caplog.at_level(logging.WARNING):
        await bench.follow()
    assert "not in force yet" in caplog.text
    assert not bench.stored.down
    found = bench.find("two")
    assert isinstance(found, Principal)
    assert found.name == "renamed"
    assert limits_of(bench.find("one")) == {}
    seeder.broken = False
    await bench.follow()
    assert limits_of(bench.find("one")) == {"key/key_1/budget.month": 1_000_000}
    await bench.follow()
    assert seeder.seeded == [["key/key_1/budget.month"]]


@virtual
async def test_a_slow_store_holds_up_its_own_budget_only() -> None:
    seeder = Seeder()
    seeder.gate.clear()
    rows = Rows([account()], [key("one"), key("two", id="key_2")])
    async with running(rows, seed=seeder) as stored:
        rows.put(key("one", budgets=(Budget(usd=1),)))
        await asyncio.sleep(5)
        assert not stored.down
        assert limits_of(stored.find(digest(PEPPER, b"one"))) == {}
        rows.put(key("two", id="key_2", revoked=NOW), account(budgets=(Budget(usd=9),)))
        await asyncio.sleep(POLL + stored_module.SEED_PATIENCE)
        with pytest.raises(AuthenticationFailed):
            stored.find(digest(PEPPER, b"two"))
        seeder.gate.set()
        await asyncio.sleep(2 * POLL)
        assert seeder.seeded == [["key/key_1/budget.month"], ["account/acc_1/budget.month"]], "each once"
        assert len(limits_of(stored.find(digest(PEPPER, b"one")))) == 2
        rows.put(key("one"))
        await asyncio.sleep(POLL)
        rows.put(key("one", budgets=(Budget(usd=1),)))
        await asyncio.sleep(POLL)
        assert seeder.seeded[2:] == [["key/key_1/budget.month"]], "it has a new past"


# ---- without a database ---------------------------------------------------------------------------------------------


async def test_known_keys_outlive_the_database_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(keys=[key("one")], grace=300)
    await bench.follow()
    bench.rows.broken = ConnectionRefusedError("postgresql://user:secret@host")
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            await bench.follow()
    assert [record.levelname for record in caplog.records] == ["ERROR"], "said once"
    assert "secret" not in caplog.text
    assert bench.stored.down
    bench.clock.advance(299)
    assert isinstance(bench.find("one"), Principal)
    bench.clock.advance(2)
    with pytest.raises(KeysUnavailable) as caught:
        bench.stored.find(digest(PEPPER, b"one"))
    assert caught.value.status == 503
    assert dict(caught.value.headers)[b"retry-after"] == b"1"
    bench.rows.broken = None
    await bench.follow()
    assert not bench.stored.down
    assert isinstance(bench.find("one"), Principal)


async def test_without_grace_keys_work_while_the_database_does() -> None:
    bench = Bench(keys=[key("one")], grace=0)
    await bench.follow()
    bench.clock.advance(POLL)
    assert isinstance(bench.find("one"), Principal)
    bench.rows.broken = OSError()
    await bench.follow()
    assert bench.find("one") is KeysUnavailable


async def test_what_changed_meanwhile_bites_on_its_return() -> None:
    bench = Bench(keys=[key("one")])
    await bench.follow()
    bench.rows.broken = OSError()
    bench.rows.put(key("one", revoked=NOW))
    await bench.follow()
    assert isinstance(bench.find("one"), Principal)
    bench.rows.broken = None
    await bench.follow()
    assert bench.find("one") is AuthenticationFailed


async def test_a_database_that_took_over_and_lost_the_end_of_its_log() -> None:
    """Versions are given out a second time: what they say now must bite, and what never was must go."""
    bench = Bench([account(), account("acc_2")], [key("one")])
    bench.rows.put(key("lost", id="key_9"), account("acc_9"))
    await bench.follow()
    assert isinstance(bench.find("lost"), Principal)
    bench.rows.broken = OSError()
    await bench.follow()
    del bench.rows.keys["key_9"], bench.rows.accounts["acc_9"]
    bench.rows.log.clear()
    bench.rows.put(key("one", revoked=NOW), account("acc_2", status="closed"))
    bench.rows.broken = None
    await bench.follow()
    assert bench.find("one") is AuthenticationFailed
    assert bench.find("lost") is None
    assert bench.stored.account("acc_9") is None
    assert bench.stored.account_named("name of acc_9") is None
    assert bench.stored.count == 1
    bench.rows.put(key("two", id="key_3"))
    await bench.follow()
    assert isinstance(bench.find("two"), Principal)


async def test_money_that_was_charged_counts_against_these() -> None:
    terms = Terms(
        accounts={"team": file_account("team", budgets=(Budget(usd=3),))},
        keys={"app": file_key("app", account="team", budgets=(Budget(usd=1, per="day"),), limits=Limits(rpm=1))},
    )
    owner = account(plan=Plan(prepaid=True), limits=Limits(tpm=5))
    bench = Bench([owner], [key("one", budgets=(Budget(usd=2),))], terms=terms)
    await bench.follow()

    def idents(key: str, account: str) -> list[str]:
        return [rule.ident for rule in bench.stored.money_rules(key, account)]

    assert idents("key_1", "acc_1") == ["key/key_1/budget.month", "account/acc_1/credit"]
    assert idents("app", "team") == ["key/app/budget.day", "account/team/budget.month"]
    assert idents("gone", "gone") == []


async def test_how_fresh_it_is() -> None:
    bench = Bench(keys=[key("one")])
    bench.clock.advance(7)
    assert (bench.stored.stale, bench.stored.count) == (7, 0)
    await bench.follow()
    assert (bench.stored.stale, bench.stored.count) == (0, 1)


async def test_a_database_that_fails_half_way_loses_no_change() -> None:
    bench = Bench(keys=[key("one")])
    await bench.follow()

    real = bench.rows.key

    async def failing(id: str) -> object:
        raise OSError

    bench.rows.put(key("one", revoked=NOW))
    bench.rows.key = failing  # type: ignore[assignment,method-assign]
    await bench.follow()
    bench.rows.key = real  # type: ignore[method-assign]
    await bench.follow()
    assert bench.find("one") is AuthenticationFailed


async def test_a_start_without_a_database() -> None:
    bench = Bench(keys=[key("one")])
    bench.rows.broken = OSError()
    await bench.follow()
    assert not bench.stored.loaded
    assert bench.stored.down
    assert bench.find("one") is None
    bench.rows.broken = None
    await bench.follow()
    assert isinstance(bench.find("one"), Principal)


async def test_a_clock_that_has_stood_still_counts_as_down() -> None:
    """The loop hung, or the look does: nobody knows what has changed since."""
    bench = Bench(keys=[key("one")])
    await bench.follow()
    bench.clock.advance(10)
    assert bench.stored.down


# ---- in the background ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(rows: Rows, seed: Seed | None = None) -> AsyncIterator[StoredKeys]:
    loop = asyncio.get_running_loop()
    terms = Terms(ledgered=seed is not None)
    stored = StoredKeys(rows, terms=terms, grace=300, clock=loop.time, wall=lambda: NOW, seed=seed)
    task = asyncio.create_task(stored.run())
    await turns()
    try:
        yield stored
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@virtual
async def test_it_looks_often_enough() -> None:
    rows = Rows([account()], [key("one")])
    async with running(rows) as stored:
        assert isinstance(stored.find(digest(PEPPER, b"one")), Principal)
        await asyncio.sleep(POLL / 2)
        rows.put(key("one", revoked=NOW))
        begun = elapsed()
        while True:
            try:
                stored.find(digest(PEPPER, b"one"))
            except AuthenticationFailed:
                break
            await asyncio.sleep(0.01)
        assert elapsed() - begun <= POLL < 1.0


@virtual
async def test_a_nudge_makes_it_look_at_once() -> None:
    rows = Rows([account()], [key("one")])
    async with running(rows) as stored:
        rows.put(key("one", revoked=NOW))
        before = elapsed()
        stored.nudge()
        await turns(20)
        assert elapsed() == before
        with pytest.raises(AuthenticationFailed):
            stored.find(digest(PEPPER, b"one"))


@virtual
async def test_a_database_that_hangs_is_given_up_and_asked_again() -> None:
    rows = Rows([account()], [key("one")])
    async with running(rows) as stored:
        rows.hangs = True
        await asyncio.sleep(10)
        assert stored.down
        assert isinstance(stored.find(digest(PEPPER, b"one")), Principal)
        rows.hangs = False
        await asyncio.sleep(3)
        assert not stored.down


@virtual
async def test_the_first_reading_is_given_time_and_is_tried_again() -> None:
    rows = Rows([account()], [key("one")])
    rows.hangs = True
    async with running(rows) as stored:
        await asyncio.sleep(stored_module.LOAD_TIMEOUT - 1)
        rows.hangs = False
        assert not stored.loaded
        await asyncio.sleep(2)
        assert stored.loaded
