"""Accounts and keys: what is stored comes back, nobody overwrites what he has not read, and every change is in the log."""

import asyncio
import time

import pytest
from msgspec import structs

from proxy.policy.terms import AT_COST, EVERYTHING, NO_LIMITS, Budget, Limits, ListPrice, Plan, Scopes
from proxy.storage.database import Database
from proxy.storage.errors import StorageConflict, StorageMissing
from proxy.storage.records import Change

from .conftest import Connect
from .made import NOW, account, audit, key, refund, top_up

FULL = account(
    status="suspended",
    limits=Limits(rpm=10, tpm=1000, concurrency=3, steady=("rpm",), shadow=("tpm",)),
    budgets=(Budget(usd=20.5, per="week", hard=False, alerts=(0.5,)),),
    plan=Plan(markup=12.5, prices={"gpt-*": ListPrice(input=1.5, output=3.0)}, included_usd=5.0, prepaid=True),
    granted=77,
    included_used=8,
    metadata={"team": "größe 🚗", "sql": "'; DROP TABLE accounts; --"},
)


async def test_an_account_comes_back_as_it_was(database: Database) -> None:
    await database.create_account(FULL, audit())
    assert await database.account("acc_1") == FULL
    assert await database.account_named(FULL.name) == FULL
    assert await database.all_accounts() == [FULL]
    assert await database.account("acc_2") is None
    assert await database.account_named("other") is None


async def test_defaults_are_shared_constants(database: Database) -> None:
    await database.create_account(account(), audit())
    await database.create_key(key(), audit())
    [found], [stored] = await database.all_accounts(), await database.all_keys()
    assert found == account()
    assert found.limits is NO_LIMITS
    assert found.plan is AT_COST
    assert stored == key()
    assert stored.limits is NO_LIMITS
    assert stored.scopes is EVERYTHING


async def test_a_name_is_taken_once(database: Database) -> None:
    await database.create_account(account(), audit())
    with pytest.raises(StorageConflict, match="named 'name of acc_1' already"):
        await database.create_account(account("acc_2", name="name of acc_1"), audit())
    with pytest.raises(StorageConflict):
        await database.create_account(account(name="another"), audit())
    await database.create_account(account("acc_2"), audit())
    with pytest.raises(StorageConflict, match="already"):
        await database.update_account(account("acc_2", name="name of acc_1"), 1, audit())
    assert len(await database.all_accounts()) == 2
    assert len(await database.audit()) == 2


async def test_one_of_many_gets_a_name_that_all_want(connect: Connect) -> None:
    one, other = connect(), connect()
    await one.open()
    await other.open()
    made = [
        handle.create_account(account(f"acc_{number}", name="wanted"), audit())
        for number in range(10)
        for handle in (one, other)
    ]
    results = await asyncio.gather(*made, return_exceptions=True)
    assert results.count(None) == 1
    assert all(isinstance(result, StorageConflict) for result in results if result is not None)
    assert await one.latest_change() == 1


async def test_a_change_needs_the_version_that_was_read(database: Database) -> None:
    await database.create_account(account(), audit())
    changed = await database.update_account(structs.replace(FULL, id="acc_1"), 1, audit())
    assert changed == structs.replace(FULL, granted=0, included_used=0, version=2)
    assert await database.account("acc_1") == changed
    with pytest.raises(StorageConflict, match=r"version 2, not 1"):
        await database.update_account(account(name="late"), 1, audit())
    with pytest.raises(StorageMissing, match="no account 'acc_9'"):
        await database.update_account(account("acc_9"), 1, audit())
    assert await database.account("acc_1") == changed


async def test_of_two_changes_at_once_one_is_refused(database: Database) -> None:
    await database.create_account(account(), audit())
    results = await asyncio.gather(
        *(database.update_account(account(name=f"n{number}"), 1, audit()) for number in range(8)),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, StorageConflict)]
    assert len(refused) == 7
    assert len(await database.audit()) == 2


async def test_money_moves_granted_and_a_change_does_not(database: Database) -> None:
    await database.create_account(account(), audit())
    await database.post([top_up("t1", 1000), refund("r1", 50)])
    before = await database.account("acc_1")
    assert before is not None
    assert before.granted == 1050
    changed = await database.update_account(account(granted=5, name="renamed"), before.version, audit())
    assert changed.granted == 1050
    assert [change.object for change in (await database.changes_since(0))[0]] == ["acc_1"] * 3


async def test_file_owned_accounts_are_made_once(connect: Connect) -> None:
    one, other = connect(), connect()
    await one.open()
    await other.open()
    made = await asyncio.gather(*(handle.ensure_account(account()) for handle in (one, other) * 5))
    assert made == [account()] * 10
    await one.post([top_up("t1", 5)])
    assert (await other.ensure_account(account(name="other"))).granted == 5
    assert await one.latest_change() == 2


async def test_pages_of_accounts(database: Database) -> None:
    for number in range(25):
        await database.create_account(
            account(f"acc_{number:02}", name=f"Team {number:02}", created=NOW + number // 2), audit()
        )
    found: list[str] = []
    after = None
    while page := await database.accounts(limit=10, after=after):
        found += [each.id for each in page]
        after = page[-1].id
    assert found == [f"acc_{number:02}" for number in reversed(range(25))]
    assert [each.id for each in await database.accounts(name="TEAM 1")] == [f"acc_{n}" for n in reversed(range(10, 20))]
    assert await database.accounts(name="%") == []
    assert await database.accounts(name="_eam") == []
    for limit in (0, -1, 1001):
        with pytest.raises(ValueError, match="1 to 1,000 rows"):
            await database.accounts(limit=limit)


async def test_a_key_comes_back_as_it_was(database: Database) -> None:
    await database.create_account(account(), audit())
    full = key(
        scopes=Scopes(models=("gpt-*",), networks=("10.0.0.0/8",), passthrough=False, stability="stable"),
        limits=Limits(tpd=5),
        budgets=(Budget(usd=1), Budget(usd=2, per="total")),
        output_cap=100,
        expires=NOW + 1.5,
        revoked=NOW + 2,
        replaced_by="key_2",
        metadata={"a": "b"},
    )
    await database.create_key(full, audit())
    assert await database.key("key_1") == full
    assert await database.key_by_digest(full.digest) == full
    assert await database.key_by_digest(b"x" * 32) is None
    assert await database.keys("acc_1") == [full]
    assert await database.keys("acc_2") == []


async def test_a_key_needs_its_account_and_a_digest_of_its_own(database: Database) -> None:
    with pytest.raises(StorageMissing, match="no account 'acc_1'"):
        await database.create_key(key(), audit())
    await database.create_account(account(), audit())
    await database.create_key(key(), audit())
    with pytest.raises(StorageConflict, match="id or digest"):
        await database.create_key(key("key_2", digest=key().digest), audit())
    with pytest.raises(StorageConflict):
        await database.create_key(key(), audit())
    assert await database.latest_change() == 2


async def test_a_key_changes_but_not_into_another(database: Database) -> None:
    await database.create_account(account(), audit())
    await database.create_key(key(), audit())
    changed = await database.update_key(key(name="new", digest=b"y" * 32, revoked=NOW, account="acc_9"), 1, audit())
    assert changed == key(name="new", revoked=NOW, version=2)
    with pytest.raises(StorageConflict, match="key was changed meanwhile"):
        await database.update_key(key(), 1, audit())
    with pytest.raises(StorageMissing):
        await database.update_key(key("key_9"), 1, audit())


async def test_rotation_is_one_step(database: Database) -> None:
    await database.create_account(account(), audit())
    await database.create_key(key(), audit())
    old = key(revoked=NOW + 3600, replaced_by="key_2")
    with pytest.raises(StorageConflict):
        await database.rotate_key(old, 1, key("key_2", digest=key().digest), audit())
    assert await database.all_keys() == [key()]
    changed, new = await database.rotate_key(old, 1, key("key_2"), audit())
    assert changed == structs.replace(old, version=2)
    assert new == key("key_2") == await database.key("key_2")
    assert (await database.changes_since(2))[0] == [Change(3, "key", "key_1"), Change(4, "key", "key_2")]


async def test_pages_of_keys(database: Database) -> None:
    for owner in ("acc_1", "acc_2"):
        await database.create_account(account(owner), audit())
        for number in range(7):
            await database.create_key(key(f"{owner}_{number}", owner, created=NOW + number), audit())
    found: list[str] = []
    after = None
    while page := await database.keys("acc_2", limit=3, after=after):
        found += [each.id for each in page]
        after = page[-1].id
    assert found == [f"acc_2_{number}" for number in reversed(range(7))]
    assert len(await database.keys()) == 14


async def test_every_change_is_in_the_log_in_order(database: Database) -> None:
    assert await database.latest_change() == 0
    assert await database.changes_since(0) == ([], 0)
    await database.create_account(account(), audit())
    await database.create_key(key(), audit())
    await database.update_key(key(revoked=NOW), 1, audit())
    await database.update_account(account(status="closed"), 1, audit())
    found, version = await database.changes_since(0)
    assert found == [
        Change(1, "account", "acc_1"),
        Change(2, "key", "key_1"),
        Change(3, "key", "key_1"),
        Change(4, "account", "acc_1"),
    ]
    assert version == 4 == await database.latest_change()
    assert await database.changes_since(3) == ([Change(4, "account", "acc_1")], 4)
    assert await database.changes_since(4) == ([], 4)


async def test_a_follower_misses_no_change_of_many_writers(connect: Connect) -> None:
    """Versions must become visible in their order: one that is skipped would never be read."""
    writers = [connect() for _ in range(3)]
    follower = connect()
    for handle in (*writers, follower):
        await handle.open()
    await follower.create_account(account(), audit())

    async def write(handle: Database, name: int) -> None:
        for number in range(15):
            await handle.create_key(key(f"key_{name}_{number}"), audit())

    work = asyncio.gather(*(write(handle, name) for name, handle in enumerate(writers)))
    seen: list[Change] = []
    version = 0
    deadline = time.monotonic() + 30
    while len(seen) < 46 and time.monotonic() < deadline:
        found, version = await follower.changes_since(version)
        seen += found
    await work
    assert [change.version for change in seen] == list(range(1, 47))
    assert {change.object for change in seen if change.kind == "key"} == {key.id for key in await follower.all_keys()}


async def test_the_first_pepper_is_the_databases_own(database: Database) -> None:
    assert await database.belongs_to(2**62 + 1)
    assert await database.belongs_to(2**62 + 1)
    assert not await database.belongs_to(5)
