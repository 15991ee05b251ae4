"""Who owns what providers keep, and who changed what here."""

import asyncio

import pytest

from proxy.storage.database import Database
from proxy.storage.queries import OwnedObject

from .conftest import Connect
from .made import NOW, audit


def owned(id: str, account: str = "acc_1", at: float = NOW, place: str = "openai#0") -> OwnedObject:
    return OwnedObject(id, account, place, at)


async def accounts(database: Database, *ids: str) -> dict[str, str]:
    return {id: found.account for id, found in (await database.owners(ids)).items()}


async def test_the_first_owner_stays(database: Database) -> None:
    await database.claim_objects([owned("file-1"), owned("file-2", "acc_2"), owned("file-1", "acc_3")])
    await database.claim_objects([owned("file-2", "acc_1"), owned("file-3", "acc_2")])
    await database.claim_objects([])
    assert await accounts(database, "file-1", "file-2", "file-3", "file-4") == {
        "file-1": "acc_1",
        "file-2": "acc_2",
        "file-3": "acc_2",
    }


async def test_the_place_is_kept_with_the_first_owner(database: Database) -> None:
    first = owned("file-1", place="azure eu#12")
    await database.claim_objects([first, owned("file-1", "acc_2", place="openai#1"), owned("file-2", place="")])
    await database.claim_objects([owned("file-1", place="openai#2")])
    assert await database.owners(["file-1", "file-2"]) == {"file-1": first, "file-2": owned("file-2", place="")}


async def test_of_many_at_once_one_owns_it(connect: Connect) -> None:
    handles = [connect() for _ in range(3)]
    for handle in handles:
        await handle.open()
    ids = [f"file-{number}" for number in range(40)]
    await asyncio.gather(
        *(
            handle.claim_objects([owned(id, f"acc_{name}") for id in (ids if name % 2 else reversed(ids))])
            for name, handle in enumerate(handles)
        )
    )
    owners = await handles[0].owners(ids)
    assert owners == await handles[1].owners(ids)
    assert owners.keys() == set(ids)


async def test_they_are_forgotten_and_expire(database: Database) -> None:
    await database.claim_objects([owned(f"file-{number}", at=NOW + number) for number in range(10)])
    await database.forget_objects(["file-9", "file-0", "unknown"])
    assert await database.expire_objects(NOW + 5) == 4
    assert {each.id async for each in database.objects()} == {"file-5", "file-6", "file-7", "file-8"}
    await database.claim_objects([owned("file-1", "acc_2")])
    assert await accounts(database, "file-1") == {"file-1": "acc_2"}


async def test_all_of_them_are_loaded(database: Database) -> None:
    many = [owned(f"file-{number}") for number in range(4_500)]
    await database.claim_objects(many)
    assert sorted([each async for each in database.objects()], key=lambda each: each.id) == sorted(
        many, key=lambda each: each.id
    )
    assert len(await database.owners(each.id for each in many)) == 4_500


@pytest.mark.parametrize(
    "bad",
    [
        owned(""),
        owned("a\x00b"),
        owned("\ud800"),
        owned("x" * 1_000_000),
        owned("f", at=-1),
        owned("f", place="x" * 1000),
    ],
)
async def test_absurd_objects_are_refused(database: Database, bad: OwnedObject) -> None:
    with pytest.raises(ValueError, match=r"object|claim"):
        await database.claim_objects([owned("good"), bad])
    assert await database.owners(["good"]) == {}


async def test_the_trail_comes_back_as_it_was(database: Database) -> None:
    full = audit(
        before={"limits": {"rpm": 5}, "text": "\x00 '; DROP TABLE audit; -- ü"},
        after={},
        client="203.0.113.7",
        request_id="req_1",
    )
    await database.note(full)
    await database.note(full)
    assert await database.audit() == [full]


async def test_pages_of_the_trail(database: Database) -> None:
    for number in range(12):
        await database.note(audit(id=f"aud-{number}", object=f"key_{number % 2}", actor=f"admin-{number % 3}"))
    found: list[str] = []
    after = None
    while page := await database.audit(object="key_1", limit=2, after=after):
        found += [row.id for row in page]
        after = page[-1].id
    assert found == [f"aud-{number}" for number in (11, 9, 7, 5, 3, 1)]
    assert [row.id for row in await database.audit(actor="admin-0", limit=2)] == ["aud-9", "aud-6"]
