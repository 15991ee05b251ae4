"""What the cache answered and saved in the database; and a database from before there was one."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from proxy.storage.database import Database
from proxy.storage.errors import SchemaMismatch, StorageConflict, StorageError
from proxy.storage.migrating import _config
from proxy.storage.queries import UsageQuery
from proxy.storage.tables import SUMS
from tests.support.postgres import server

from .made import NOW, account, audit, capture, entry, top_up
from .test_migrations import differences

HIT = {
    "cache": "hit",
    "ending": "cached",
    "upstream_id": "",
    "attempts": 0,
    "charge": 3,
    "cost": 0,
    "saved": 4,
    "saved_cost": 5,
    "saved_input": 100,
    "saved_output": 20,
}


async def test_an_entry_of_the_cache_comes_back_as_it_was(database: Database) -> None:
    sent = [entry("r1", **HIT), entry("r2", **HIT | {"cache": "semantic-hit"}), entry("r3", saved=1, saved_input=7)]
    assert await database.record(sent, []) == [True] * 3
    assert [await database.entry(each.ident) for each in sent] == sent


async def test_tokens_of_the_cache_are_none_of_a_providers(database: Database) -> None:
    await database.record(
        [
            entry("r1"),
            entry("r2", **HIT),
            entry("r3", **HIT | {"cache": "shared"}),
            entry("r4", saved=1, saved_input=7),
        ],
        [],
    )
    for query in (UsageQuery(), UsageQuery(group_by=("account",)), UsageQuery(group_by=("key", "model", "provider"))):
        [row] = await database.usage(query)
        assert (row.requests, row.cache_hits) == (4, 2)
        assert (row.input_tokens, row.output_tokens, row.charge, row.cost) == (200, 40, 7 + 3 + 3 + 7, 10)
        assert (row.saved, row.saved_cost, row.saved_input, row.saved_output) == (9, 10, 207, 40)


async def test_a_hit_counts_against_a_budget_by_its_charge_alone(database: Database) -> None:
    await database.create_account(account(), audit())
    await database.post([top_up("t1", 100)])
    free = entry("r2", **HIT | {"charge": 0})
    assert await database.record([entry("r1", **HIT), free], [capture("r1", 3)]) == [True, True]
    assert {each.micro for each in await database.spent(NOW)} == {3}
    assert await database.trial_balance() == (0, [])


@pytest.mark.parametrize("name", ["saved", "saved_cost", "saved_input", "saved_output"])
async def test_figures_that_cannot_be_are_refused(database: Database, name: str) -> None:
    for wrong in (-1, 10**18):
        with pytest.raises(ValueError, match=f"{name} is out of bounds"):
            await database.record([entry("r1", **{name: wrong})], [])


# ---- a database from before -----------------------------------------------------------------------------------------


def first_revision(connection: Connection) -> None:
    """The tables as the first version made them."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")


ENTRY = {
    **dict.fromkeys(("request_id", "upstream_id", "account", "key", "key_name", "endpoint", "route", "provider", "model"), "x"),
    **dict.fromkeys(("outcome", "ending", "count", "price_version"), "x"),
    **dict.fromkeys(("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"), 9),
    **{"attempts": 1, "held": 0, "charge": 7, "included": 0, "cost": 5, "at": NOW, "ended": NOW},
}  # fmt: skip
USAGE = {"level": 0, "account": "", "key": "", "day": "2026-11-23", "route": "x", "model": "x", "provider": "x"}
OLD_SUMS = [name for name in SUMS if name != "cache_hits" and not name.startswith("saved")]


def _insert(table: str, values: dict[str, object]) -> str:
    said = [f"'{value}'" if isinstance(value, str) else str(value) for value in values.values()]
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(said)})"


ROWS = (
    f"{_insert('entries', {'ident': 'old', **ENTRY})[:-1].replace(') VALUES', ', unpriced) VALUES')}, FALSE)",
    _insert("usage", USAGE | dict.fromkeys(OLD_SUMS, 9)),
)


@pytest.fixture(params=["sqlite", "postgres"])
async def from_before(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[], Database]]:
    """Makes handles to a database of the first version with one request in it."""
    async with AsyncExitStack() as stack:
        make: Callable[[], Database]
        if request.param == "postgres":
            make = partial(Database.postgres, await stack.enter_async_context(server().database(empty=True)))
        else:
            make = partial(Database.sqlite, tmp_path / "old.db")

        async def old(connection: AsyncConnection) -> None:
            await connection.run_sync(first_revision)
            for row in ROWS:
                await connection.exec_driver_sql(row)

        database = make()
        await database._engine.write(old)
        await database.close()
        yield make


async def test_a_database_from_before_is_brought_up_to_date_with_all_it_has(
    from_before: Callable[[], Database], request: pytest.FixtureRequest
) -> None:
    database = from_before()
    if "postgres" in request.node.name:
        with pytest.raises(SchemaMismatch, match="revision 0001, this program needs 0002: run `tollway migrate db`"):
            await database.open()
        assert await database.migrate() == "0002"
    await database.open()
    found = await database.entry("old")
    assert found is not None
    assert (found.charge, found.input_tokens, found.cache, found.saved, found.saved_output) == (7, 9, "", 0, 0)
    new = entry("new", route="x", model="x", provider="x", **HIT)
    assert await database.record([new], []) == [True]
    assert await database.entry("new") == new
    [row] = await database.usage(UsageQuery())
    assert (row.requests, row.input_tokens, row.charge, row.cache_hits, row.saved) == (10, 9, 12, 1, 4)

    async def compared(connection: AsyncConnection) -> list[object]:
        return await connection.run_sync(differences)

    assert await database._engine.read(compared) == []
    await database.close()


async def test_rows_stay_as_they_were_written_and_sums_within_bounds(
    from_before: Callable[[], Database], request: pytest.FixtureRequest
) -> None:
    database = from_before()
    await database.migrate()

    async def spoil(statement: str) -> None:
        async def work(connection: AsyncConnection) -> None:
            await connection.exec_driver_sql(statement)

        await database._engine.write(work)

    for statement in (
        "UPDATE entries SET saved = 1",
        "DELETE FROM entries",
        "UPDATE usage SET saved = 9000000000000000001",
        "UPDATE usage SET cache_hits = -9000000000000000001",
    ):
        with pytest.raises((StorageError, StorageConflict, ValueError)):
            await spoil(statement)
    [row] = await database.usage(UsageQuery())
    assert (row.requests, row.saved, row.cache_hits) == (9, 0, 0)
    await database.close()
