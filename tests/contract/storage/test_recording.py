"""Settled requests: an entry once, with everything it adds up to, however often its batch is sent."""

import asyncio
from datetime import UTC, datetime

import pytest
from msgspec import structs

from proxy.policy.rules import window_of
from proxy.storage.database import Database
from proxy.storage.queries import EntryFilter, Spent, UsageQuery, UsageRow
from proxy.storage.records import ALLOWANCE, REVENUE, account_book, held_book

from .conftest import Connect
from .made import NOW, account, audit, capture, entry, hold, moved, refund, release, top_up

DAY = 86_400


async def spent(database: Database, now: float = NOW) -> dict[tuple[str, str, str], int]:
    return {(each.scope, each.id, each.window): each.micro for each in await database.spent(now)}


def test_now_is_the_day_that_the_tests_speak_of() -> None:
    assert datetime.fromtimestamp(NOW, UTC).isoformat() == "2026-11-23T12:00:00+00:00"


async def test_an_entry_comes_back_as_it_was(database: Database) -> None:
    full = entry(
        "r1",
        flags=("usage_missing", "recovered"),
        cached_tokens=3,
        cache_write_tokens=4,
        reasoning_tokens=5,
        attempts=2,
        held=60,
        unpriced=True,
    )
    assert await database.record([full, entry("r2")], []) == [True, True]
    assert await database.entry("r1") == full
    assert await database.entry("r2") == entry("r2")
    assert await database.entry("r3") is None
    assert await database.known_entries(["r1", "r2", "r3"]) == {"r1", "r2"}


async def test_a_batch_sent_100_times_counts_once(database: Database) -> None:
    await database.create_account(account(), audit())
    await database.post([top_up("t1", 1000)])
    batch = (
        [entry("r1", charge=15), entry("r2", charge=7), entry("r2", charge=7)],
        [hold("r1", 40), capture("r1", 15), release("r1", 25), capture("r2", 7), hold("r3", 9)],
    )
    assert await database.record(*batch) == [True, True, False]
    seen = await asyncio.gather(*(database.record(*batch) for _ in range(99)))
    assert seen == [[False] * 3] * 99
    assert await database.balances([account_book("acc_1"), held_book("acc_1"), REVENUE]) == {
        account_book("acc_1"): 1000 - 22 - 9,
        held_book("acc_1"): 9,
        REVENUE: 22,
    }
    [row] = await database.usage(UsageQuery())
    assert (row.requests, row.charge) == (2, 22)
    assert (await spent(database))["key", "key_1", "total"] == 22
    assert await database.trial_balance() == (0, [])


async def test_an_entry_that_is_there_adds_nothing_under_any_ref(database: Database) -> None:
    """Two processes may settle one request (one was thought dead), each with transactions of its own."""
    await database.create_account(account(), audit())
    await database.record([entry("r1", charge=15)], [capture("r1", 15)])
    other = [structs.replace(capture("r1", 3), id="x", ref="recovered/r1"), hold("r1", 9)]
    assert await database.record([entry("r1", charge=3)], other) == [False]
    assert await database.balance(REVENUE) == 15
    assert await database.open_holds(NOW + 1) == []
    assert await database.post([refund("refund/r1", 5)]) == [True]
    assert await database.balance(REVENUE) == 10


async def test_many_processes_recording_the_same(connect: Connect) -> None:
    handles = [connect() for _ in range(3)]
    for handle in handles:
        await handle.open()
    await handles[0].create_account(account(), audit())
    batches = [
        ([entry(f"r{n}", charge=n) for n in numbers], [capture(f"r{n}", n) for n in numbers])
        for numbers in (range(60), range(59, -1, -1), range(20, 60))
    ]
    results = await asyncio.gather(*(handle.record(*batch) for handle, batch in zip(handles, batches, strict=True)))
    assert sum(map(sum, results)) == 60
    assert await handles[0].balance(REVENUE) == sum(range(60))
    assert (await spent(handles[0]))["account", "acc_1", "total"] == sum(range(60))
    [row] = await handles[0].usage(UsageQuery())
    assert row.requests == 60
    assert await handles[0].trial_balance() == (0, [])


async def test_spent_is_of_the_calendar_periods_of_now(database: Database) -> None:
    await database.create_account(account(), audit())
    await database.record(
        [
            entry("today", charge=1),
            entry("sunday", charge=10, at=NOW - DAY),
            entry("october", charge=100, at=NOW - 30 * DAY, key="key_2"),
            entry("free", charge=0, key="key_3"),
            entry("keyless", charge=1000, key="", account="other"),
        ],
        [],
    )
    assert await spent(database) == {
        ("key", "key_1", "2026-11-23"): 1,
        ("key", "key_1", "2026-W48"): 1,
        ("key", "key_1", "2026-11"): 11,
        ("key", "key_1", "total"): 11,
        ("key", "key_2", "total"): 100,
        ("account", "acc_1", "2026-11-23"): 1,
        ("account", "acc_1", "2026-W48"): 1,
        ("account", "acc_1", "2026-11"): 11,
        ("account", "acc_1", "total"): 111,
        ("account", "other", "2026-11-23"): 1000,
        ("account", "other", "2026-W48"): 1000,
        ("account", "other", "2026-11"): 1000,
        ("account", "other", "total"): 1000,
    }
    assert {each.window for each in await database.spent(NOW)} == {
        window_of(per, NOW) for per in ("day", "week", "month", "total")
    }
    assert isinstance((await database.spent(NOW))[0], Spent)


async def test_the_allowance_is_counted_by_month_and_rolled_once(database: Database) -> None:
    await database.create_account(account(), audit())
    last = NOW - 30 * DAY
    await database.record(
        [entry("r1", charge=15), entry("r2", charge=7, at=last)],
        [capture("r1", 15, free=10), capture("r2", 7, free=7)],
    )
    assert await database.included_of_month("acc_1", "2026-11") == 10
    assert await database.included_of_month("acc_1", "2026-10") == 7
    assert await database.included_of_month("acc_2", "2026-10") == 0
    assert await database.included_of("2026-11") == {"acc_1": 10}
    assert await database.balance(ALLOWANCE) == -17
    assert await database.roll_included(NOW) == ["acc_1"]
    assert await database.roll_included(NOW) == []
    found = await database.account("acc_1")
    assert found is not None
    assert found.included_used == 7
    # One that was settled late, after the month had been rolled.
    await database.record([entry("late", charge=3, at=last)], [capture("late", 3, free=2)])
    assert await database.roll_included(NOW) == ["acc_1"]
    assert await database.roll_included(NOW + 10 * DAY) == ["acc_1"]
    found = await database.account("acc_1")
    assert found is not None
    assert found.included_used == 7 + 2 + 10
    assert await database.latest_change() == 4
    [row] = await database.usage(UsageQuery(first="2026-11-01"))
    assert row.included == 10


async def test_usage_by_what_was_asked(database: Database) -> None:
    await database.record(
        [
            entry("r1", charge=1, cost=1),
            entry("r2", charge=2, model="o1", unpriced=True),
            entry("r3", charge=4, account="acc_2", key="key_2", at=NOW - DAY, cached_tokens=9),
            entry("r4", charge=8, account="acc_2", key="key_3", provider="other"),
        ],
        [],
    )
    by_day = await database.usage(UsageQuery())
    assert [(row.day, row.requests, row.charge) for row in by_day] == [("2026-11-23", 3, 11), ("2026-11-22", 1, 4)]
    assert by_day[1] == UsageRow(
        day="2026-11-22",
        requests=1,
        input_tokens=100,
        output_tokens=20,
        cached_tokens=9,
        cache_write_tokens=0,
        reasoning_tokens=0,
        charge=4,
        included=0,
        cost=5,
        unpriced=0,
    )
    by_account = await database.usage(UsageQuery(group_by=("account",)))
    assert [(row.account, row.charge) for row in by_account] == [("acc_2", 12), ("acc_1", 3)]
    several = await database.usage(UsageQuery(group_by=("model", "provider", "key"), limit=2))
    assert [(row.key, row.model, row.provider) for row in several] == [
        ("key_3", "gpt-4o", "other"),
        ("key_2", "gpt-4o", "mock"),
    ]
    [all_of_it] = await database.usage(UsageQuery(group_by=(), first="2026-11-22", last="2026-11-23"))
    assert (all_of_it.requests, all_of_it.unpriced) == (4, 1)
    assert await database.usage(UsageQuery(group_by=(), account="nobody")) == []
    [one] = await database.usage(UsageQuery(group_by=("route",), key="key_1", model="o1"))
    assert (one.route, one.charge) == ("fast", 2)
    assert await database.usage(UsageQuery(last="2026-11-21")) == []
    for day in ("yesterday", "2026-13-01", "'; DROP TABLE usage; --"):
        with pytest.raises(ValueError, match="is not a day"):
            await database.usage(UsageQuery(first=day))


async def test_pages_and_filters_of_entries(database: Database) -> None:
    sent = [
        entry(f"r{number:02}", at=NOW + number // 3, key=f"key_{number % 2}", outcome="ok" if number % 5 else "timeout")
        for number in range(30)
    ]
    await database.record(sent, [])
    found: list[str] = []
    after = None
    while page := await database.entries(EntryFilter(key="key_1"), limit=4, after=after):
        found += [each.ident for each in page]
        after = page[-1].ident
    assert found == [f"r{number:02}" for number in reversed(range(30)) if number % 2]
    assert len(await database.entries(EntryFilter(outcome="timeout", account="acc_1"))) == 6
    assert [each.ident for each in await database.entries(EntryFilter(upstream_id="chatcmpl-r07"))] == ["r07"]
    assert [each.ident for each in await database.entries(EntryFilter(request_id="req-r08", model="gpt-4o"))] == ["r08"]
    some = await database.entries(EntryFilter(since=NOW + 1, until=NOW + 2, provider="mock", route="fast"))
    assert [each.ident for each in some] == ["r05", "r04", "r03"]
    assert await database.entries(EntryFilter(model="o1")) == []


async def test_words_never_stop_money(database: Database) -> None:
    """A model's name comes from the client, an id from the provider: whatever they are, the request is billed."""
    await database.create_account(account(), audit())
    strange = entry(
        "r1",
        model="a\x00b\ud800c",
        upstream_id="x" * 1_000_000,
        request_id="'; DROP TABLE entries; --",
        flags=("\x00",),
    )
    assert await database.record([strange], [structs.replace(capture("r1", 7), note="\x00\udfff")]) == [True]
    found = await database.entry("r1")
    assert found is not None
    assert found.model == "a\ufffdb\ufffdc"
    assert found.upstream_id == "x" * 500
    assert found.request_id == "'; DROP TABLE entries; --"
    assert found.flags == ("\ufffd",)
    assert await database.record([strange], []) == [False]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("charge", -1),
        ("charge", 10**16),
        ("charge", 1.5),
        ("cost", -1),
        ("held", 2**63),
        ("input_tokens", -5),
        ("output_tokens", 10**13),
        ("at", float("nan")),
        ("at", -1.0),
        ("ended", float("inf")),
        ("at", 1e12),
        ("ident", ""),
        ("ident", "\x00"),
    ],
)
async def test_absurd_figures_name_their_entry_and_nothing_is_written(
    database: Database, field: str, value: object
) -> None:
    bad = structs.replace(entry("bad"), **{field: value})
    with pytest.raises(ValueError, match="Entry ''" if field == "ident" and not value else "Entry '"):
        await database.record([entry("good"), bad], [])
    assert await database.entries() == []


async def test_a_transaction_that_does_not_balance_stops_its_batch(database: Database) -> None:
    with pytest.raises(ValueError, match="does not balance"):
        await database.record([entry("r1")], [moved("x", "capture", {REVENUE: 5})])
    assert await database.entries() == []


async def test_a_large_batch(database: Database) -> None:
    numbers = range(2_500)
    batch = ([entry(f"r{n}", key=f"key_{n % 700}") for n in numbers], [capture(f"r{n}", 7) for n in numbers])
    assert await database.record(*batch) == [True] * 2_500
    assert await database.record(*batch) == [False] * 2_500
    assert await database.known_entries(f"r{n}" for n in numbers) == {f"r{n}" for n in numbers}
    assert await database.balance(REVENUE) == 2_500 * 7
    assert await database.record([], []) == []
