"""Vouchers: each account once, no more uses than there are, whoever comes at the same time."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from proxy.storage.database import Database
from proxy.storage.errors import StorageConflict, StorageMissing
from proxy.storage.queries import Idempotency, Voucher
from proxy.storage.records import FUNDING, account_book

from .conftest import Connect
from .made import NOW, account, audit

CODE = b"c" * 32


def voucher(**changes: Any) -> Voucher:
    return Voucher(**{"id": "vou_1", "micro_usd": 500, "uses": 3, "created": NOW, "note": "welcome", **changes})


async def accounts(database: Database, number: int) -> list[str]:
    ids = [f"acc_{index}" for index in range(number)]
    for id in ids:
        await database.create_account(account(id), audit())
    return ids


async def test_redeeming_gives_credit(database: Database) -> None:
    [id] = await accounts(database, 1)
    await database.create_voucher(voucher(), CODE, audit())
    given = await database.redeem_voucher(CODE, id, NOW, "admin", audit=audit(action="redeem"))
    assert (given.kind, given.account, given.actor, given.note) == ("voucher", id, "admin", "welcome")
    assert await database.transactions() == [given]
    assert await database.balances([account_book(id), FUNDING]) == {account_book(id): 500, FUNDING: -500}
    found = await database.account(id)
    assert found is not None
    assert found.granted == 500
    assert await database.voucher("vou_1") == voucher(used=1)
    assert (await database.audit())[0].action == "redeem"


async def test_who_cannot_redeem(database: Database) -> None:
    ids = await accounts(database, 3)
    await database.create_voucher(voucher(uses=1, expires=NOW + 10), CODE, audit())
    with pytest.raises(StorageMissing, match="no voucher with this code"):
        await database.redeem_voucher(b"x" * 32, ids[0], NOW, "")
    with pytest.raises(StorageMissing, match="no account"):
        await database.redeem_voucher(CODE, "acc_9", NOW, "")
    with pytest.raises(StorageConflict, match="has expired"):
        await database.redeem_voucher(CODE, ids[0], NOW + 10, "")
    await database.redeem_voucher(CODE, ids[0], NOW + 9, "")
    with pytest.raises(StorageConflict, match="redeemed this voucher already"):
        await database.redeem_voucher(CODE, ids[0], NOW, "")
    with pytest.raises(StorageConflict, match="is used up"):
        await database.redeem_voucher(CODE, ids[1], NOW, "")
    await database.create_voucher(voucher(id="vou_2"), b"d" * 32, audit())
    await database.revoke_voucher("vou_2", NOW, audit())
    with pytest.raises(StorageConflict, match="was revoked"):
        await database.redeem_voucher(b"d" * 32, ids[2], NOW, "")
    assert await database.balance(FUNDING) == -500
    assert await database.trial_balance() == (0, [])


async def test_many_at_once(connect: Connect) -> None:
    handles = [connect() for _ in range(3)]
    for handle in handles:
        await handle.open()
    ids = await accounts(handles[0], 8)
    await handles[0].create_voucher(voucher(uses=5), CODE, audit())
    results = await asyncio.gather(
        *(handle.redeem_voucher(CODE, id, NOW, "") for id in ids for handle in handles), return_exceptions=True
    )
    given = [result.account for result in results if not isinstance(result, BaseException)]
    assert len(given) == len(set(given)) == 5
    assert all(isinstance(result, StorageConflict) for result in results if isinstance(result, BaseException))
    assert await handles[0].voucher("vou_1") == voucher(uses=5, used=5)
    assert await handles[0].balance(FUNDING) == -2500
    assert await handles[0].trial_balance() == (0, [])


async def test_a_replay_gets_what_the_first_got(database: Database) -> None:
    [id] = await accounts(database, 1)
    await database.create_voucher(voucher(), CODE, audit())
    once = Idempotency(key="k", scope="admin", request_digest=b"a")
    first = await database.redeem_voucher(CODE, id, NOW, "", idempotency=once)
    assert await database.redeem_voucher(CODE, id, NOW + 5, "", idempotency=once) == first
    answer = await database.answered(once)
    assert answer is not None
    assert answer.body["transactions"] == [first.id]
    with pytest.raises(StorageConflict, match="another request"):
        await database.redeem_voucher(CODE, id, NOW, "", idempotency=structs.replace(once, request_digest=b"b"))
    assert await database.balance(FUNDING) == -500


async def test_revoking_twice_changes_nothing(database: Database) -> None:
    await database.create_voucher(voucher(), CODE, audit())
    assert await database.revoke_voucher("vou_1", NOW, audit()) == voucher(revoked=NOW)
    assert await database.revoke_voucher("vou_1", NOW + 1, audit()) == voucher(revoked=NOW)
    assert len(await database.audit()) == 2
    with pytest.raises(StorageMissing, match="no voucher 'vou_9'"):
        await database.revoke_voucher("vou_9", NOW, audit())


async def test_codes_and_ids_are_taken_once(database: Database) -> None:
    await database.create_voucher(voucher(), CODE, audit())
    for other, code in ((voucher(id="vou_2"), CODE), (voucher(), b"d" * 32)):
        with pytest.raises(StorageConflict, match="id or code"):
            await database.create_voucher(other, code, audit())
    for number in range(2, 8):
        await database.create_voucher(voucher(id=f"vou_{number}", created=NOW + number), bytes([number] * 32), audit())
    page = await database.vouchers(limit=4)
    assert [each.id for each in page] == ["vou_7", "vou_6", "vou_5", "vou_4"]
    assert [each.id for each in await database.vouchers(after="vou_4")] == ["vou_3", "vou_2", "vou_1"]


@pytest.mark.parametrize(
    "changes",
    [
        {"micro_usd": 0},
        {"micro_usd": -5},
        {"micro_usd": 1.5},
        {"micro_usd": 10**16},
        {"uses": 0},
        {"uses": 10**9},
        {"expires": float("nan")},
        {"expires": -1.0},
        {"note": "\x00"},
        {"note": "x" * 1_000_000},
        {"id": ""},
    ],
)
async def test_absurd_vouchers_are_refused(database: Database, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"voucher|expires"):
        await database.create_voucher(voucher(**changes), CODE, audit())
    assert await database.vouchers() == []
