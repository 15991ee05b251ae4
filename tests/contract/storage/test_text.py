"""Strange words: stored exactly, or refused with a sentence that says why. Never cut, never half."""

import contextlib
from typing import Any

import pytest
from msgspec import structs

from proxy.storage.database import Database
from proxy.storage.queries import EntryFilter, Idempotency, TransactionFilter, UsageQuery

from .made import account, audit, key, top_up

STORED = [
    "'; DROP TABLE accounts; --",
    '" OR 1=1 --',
    "tab\tnew\nline\r\x01\x1f\x7f\u200b\u202e",
    "größe 🚗 中文 \U0010ffff \ufffe",
    "%_\\ {} $1 :name ?",
    " ",
    "x" * 200,
]

REFUSED = [
    ("a\x00b", "holds a NUL"),
    ("\ud800", "half of a surrogate pair"),
    ("\udfff\x00", "half of a surrogate pair"),
    ("x" * 201, "201 characters; at most 200"),
    ("x" * 1_000_000, "1,000,000 characters; at most 200"),
    ("", "is empty"),
]


@pytest.mark.parametrize("name", STORED)
async def test_kept_exactly(database: Database, name: str) -> None:
    record = account(name=name, metadata={name: name})
    await database.create_account(record, audit(actor=name, after={name: name}))
    assert await database.account_named(name) == record
    assert await database.accounts(name=name) == [record]
    await database.create_key(key(name=name, hint=name), audit())
    assert [each.name for each in await database.all_keys()] == [name]
    await database.post([top_up("t1", 1, note=name * 5)])
    assert [each.note for each in await database.transactions()] == [name * 5]
    assert (await database.audit(actor=name))[0].after == {name: name}


@pytest.mark.parametrize(("name", "said"), REFUSED)
async def test_refused_with_a_reason(database: Database, name: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"account's name .*{said}|account's name {said}"):
        await database.create_account(account(name=name), audit())
    await database.create_account(account(), audit())
    with pytest.raises(ValueError, match=said):
        await database.update_account(account(name=name), 1, audit())
    with pytest.raises(ValueError, match=said):
        await database.post([top_up("t1", 1, id=name)])
    if name:
        with pytest.raises(ValueError, match=said):
            await database.create_key(key(name=name), audit())
        with pytest.raises(ValueError, match=said):
            await database.create_key(key(), audit(actor=name))
    assert await database.all_keys() == []
    assert len(await database.audit()) == 1


@pytest.mark.parametrize(
    "metadata", [{"a": "\ud800"}, {"\udc00": "b"}, {"a": "x" * 70_000}, {str(n): "x" * 10 for n in range(10_000)}]
)
async def test_metadata_is_bounded(database: Database, metadata: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"metadata (has|holds)"):
        await database.create_account(account(metadata=metadata), audit())
    assert await database.all_accounts() == []


async def test_a_nul_in_json_is_kept(database: Database) -> None:
    record = account(metadata={"a\x00": "\x00"})
    await database.create_account(record, audit())
    assert await database.account("acc_1") == record


@pytest.mark.parametrize("strange", ["a\x00b", "\ud800", "x" * 1_000_000, "'; DROP TABLE keys; --"])
async def test_asking_for_strange_things_finds_nothing_or_is_refused(database: Database, strange: str) -> None:
    questions: list[Any] = [
        lambda: database.account(strange),
        lambda: database.account_named(strange),
        lambda: database.accounts(name=strange),
        lambda: database.accounts(after=strange),
        lambda: database.keys(strange, after=strange),
        lambda: database.entry(strange),
        lambda: database.entries(EntryFilter(model=strange), after=strange),
        lambda: database.transactions(TransactionFilter(account=strange, request=strange)),
        lambda: database.balance(strange),
        lambda: database.usage(UsageQuery(model=strange)),
        lambda: database.owners([strange]),
        lambda: database.audit(object=strange, actor=strange),
        lambda: database.included_of_month(strange, strange),
        lambda: database.answered(Idempotency(key=strange[:200], scope=strange[:200], request_digest=b"")),
    ]
    plain = strange.startswith("'")
    for question in questions:
        with contextlib.nullcontext() if plain else contextlib.suppress(ValueError):
            assert not await question()


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**40])
async def test_numbers_that_do_not_fit(database: Database, number: int) -> None:
    for name in ("granted", "included_used", "version"):
        record = structs.replace(account(), **{name: number})
        with pytest.raises(ValueError, match="out of bounds"):
            await database.create_account(record, audit())
    await database.create_account(account(), audit())
    with pytest.raises(ValueError, match="out of bounds"):
        await database.create_key(key(output_cap=number), audit())
    with pytest.raises(ValueError, match="out of bounds"):
        await database.post([top_up("t1", number)])


@pytest.mark.parametrize("moment", [float("nan"), float("inf"), -1.0, 1e15])
async def test_times_that_are_none(database: Database, moment: float) -> None:
    await database.create_account(account(), audit())
    with pytest.raises(ValueError, match="not a time"):
        await database.create_account(account("acc_2", created=moment), audit())
    for name in ("created", "expires", "revoked"):
        with pytest.raises(ValueError, match="not a time"):
            await database.create_key(structs.replace(key(), **{name: moment}), audit())
    with pytest.raises(ValueError, match="not a time"):
        await database.post([top_up("t1", 1, at=moment)])
