"""Accounts: made, found, changed against their version, closed; what a file owns stays the file's."""

import asyncio

import pytest
from msgspec import structs

from proxy.admin.app import admin_app
from proxy.policy.terms import Budget, Limits, Plan
from proxy.storage.database import Database
from proxy.storage.errors import StorageError
from proxy.storage.records import AccountRecord, AuditRecord

from .api import BOTH, Api, once

pytestmark = BOTH


async def test_an_account_is_made_with_its_terms_and_found_by_id_and_name(api: Api) -> None:
    made = await api.account(
        "acme",
        limits={"rpm": 10, "steady": ["rpm"]},
        budget={"usd": "20.50"},
        plan={"markup": 5, "prepaid": True, "cached": 12.5},
        metadata={"crm": "7"},
    )
    assert made["object"] == "account"
    assert made["status"] == "active"
    assert made["created"] == "2026-11-23T00:00:00Z"
    assert made["limits"] == {"rpm": 10, "steady": ["rpm"]}
    assert made["budgets"] == [
        {"usd": 20.5, "per": "month", "hard": True, "alerts": [0.8, 1.0], "on_failure": "closed"}
    ]
    assert made["plan"] == {"markup": 5.0, "prices": {}, "included_usd": 0.0, "prepaid": True, "cached": 12.5}
    assert made["metadata"] == {"crm": "7"}
    assert made["version"] == 1
    assert await api.good("GET", f"/accounts/{made['id']}") == made
    assert await api.good("GET", "/accounts/acme") == made
    assert api.told == 1


async def test_a_name_is_taken_once(api: Api) -> None:
    await api.account()
    reply = await api.ask("POST", "/accounts", {"name": "acme"})
    assert (reply.status, reply.error["code"]) == (409, "conflict")


async def test_what_is_named_is_replaced_whole_and_the_rest_stays(api: Api) -> None:
    made = await api.account(limits={"rpm": 10, "tpm": 5}, budgets=[{"usd": 5, "per": "day"}], metadata={"a": "b"})
    changed = await api.good("PATCH", "/accounts/acme", {"limits": {"rpm": 20}})
    assert changed == {**made, "limits": {"rpm": 20}, "version": 2}
    changed = await api.good("PATCH", "/accounts/acme", {"budget": None, "name": "acme 2", "status": "suspended"})
    assert (changed["budgets"], changed["name"], changed["status"], changed["limits"]) == (
        [],
        "acme 2",
        "suspended",
        {"rpm": 20},
    )
    assert (await api.ask("GET", "/accounts/acme")).status == 404
    assert api.told == 3


async def test_a_change_that_changes_nothing_is_none(api: Api) -> None:
    made = await api.account()
    assert await api.good("PATCH", "/accounts/acme", {"name": "acme"}) == made
    assert await api.good("PATCH", "/accounts/acme", {}) == made
    assert (api.told, len(await api.audit())) == (1, 1)


async def test_an_old_version_is_a_conflict(api: Api) -> None:
    await api.account()
    await api.good("PATCH", "/accounts/acme", {"metadata": {"a": "1"}, "version": 1})
    for more in ({"version": 1}, {}):
        headers = () if more else ((b"if-match", b'"1"'),)
        reply = await api.ask("PATCH", "/accounts/acme", {"metadata": {"a": "2"}, **more}, headers=headers)
        assert (reply.status, reply.error["code"]) == (409, "conflict")
    await api.good("PATCH", "/accounts/acme", {"metadata": {"a": "2"}}, headers=((b"if-match", b'W/"2"'),))
    await api.good("DELETE", "/accounts/acme", headers=((b"if-match", b"*"),))


async def test_changes_at_one_moment_are_all_made(api: Api) -> None:
    await api.account()
    bodies = [{"metadata": {"by": "me"}}, {"status": "suspended"}, {"limits": {"rpm": 3}}, {"budget": {"usd": 3}}]
    await asyncio.gather(*(api.good("PATCH", "/accounts/acme", body) for body in bodies))
    final = await api.good("GET", "/accounts/acme")
    assert (final["metadata"], final["status"], final["limits"], len(final["budgets"])) == (
        {"by": "me"},
        "suspended",
        {"rpm": 3},
        1,
    )
    assert final["version"] == 5


async def test_closing_is_for_good(api: Api) -> None:
    await api.account()
    closed = await api.good("DELETE", "/accounts/acme")
    assert closed["status"] == "closed"
    assert await api.good("DELETE", "/accounts/acme") == closed
    for method, path, body in (
        ("PATCH", "/accounts/acme", {"status": "active"}),
        ("POST", "/accounts/acme/credits", {"usd": 1}),
        ("POST", "/accounts/acme/vouchers", {"code": "twv-x"}),
        ("POST", "/keys", {"account": "acme", "name": "k"}),
    ):
        reply = await api.ask(method, path, body)
        assert (reply.status, reply.error["code"]) == (409, "conflict"), path
        assert "closed" in reply.error["message"]


async def test_every_change_has_its_audit_row(api: Api) -> None:
    made = await api.account()
    await api.ask("PATCH", "/accounts/acme", {"limits": {"rpm": 5}}, headers=((b"x-request-id", b"change-1"),))
    await api.good("DELETE", "/accounts/acme")
    rows = await api.audit()
    assert [row["action"] for row in rows] == ["account.close", "account.update", "account.create"]
    assert rows[2]["before"] is None
    assert rows[2]["after"]["name"] == "acme"
    assert (rows[1]["before"]["limits"], rows[1]["after"]["limits"]) == ({}, {"rpm": 5})
    assert (rows[1]["actor"], rows[1]["client"], rows[1]["request_id"]) == ("admin", "192.0.2.7", "change-1")
    assert {row["object_id"] for row in rows} == {made["id"]}


async def test_a_repeated_creation_is_answered_as_the_first(api: Api) -> None:
    first = await api.ask("POST", "/accounts", {"name": "acme", "metadata": {"a": "b"}}, headers=once("1"))
    api.clock.advance(60)
    again = await api.ask("POST", "/accounts", {"metadata": {"a": "b"}, "name": "acme"}, headers=once("1"))
    assert (first.status, again.status, again.json) == (201, 201, first.json)
    assert again.headers[b"idempotent-replayed"] == b"true"
    assert b"idempotent-replayed" not in first.headers
    other = await api.ask("POST", "/accounts", {"name": "other"}, headers=once("1"))
    assert (other.status, other.error["code"]) == (409, "conflict")
    assert len(await api.audit()) == 1


async def test_a_creation_that_failed_can_be_repeated(api: Api) -> None:
    await api.account("acme")
    for _ in range(2):
        assert (await api.ask("POST", "/accounts", {"name": "acme"}, headers=once("1"))).status == 409
    await api.good("PATCH", "/accounts/acme", {"name": "renamed"})
    assert (await api.ask("POST", "/accounts", {"name": "acme"}, headers=once("1"))).status == 201


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_creation_that_broke_off_can_be_repeated(api: Api, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """The key was claimed, and the account made or not, when the connection was lost."""
    create = Database.create_account

    async def breaks(self: Database, record: AccountRecord, audit: AuditRecord) -> None:
        if when == "after":
            await create(self, record, audit)
        raise StorageError("the connection was lost")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "create_account", breaks)
        assert (await api.ask("POST", "/accounts", {"name": "acme"}, headers=once("1"))).status == 503
    replies = [await api.ask("POST", "/accounts", {"name": "acme"}, headers=once("1")) for _ in range(2)]
    assert [reply.status for reply in replies] == [201, 201]
    assert [reply.headers.get(b"idempotent-replayed") for reply in replies] == [
        None if when == "before" else b"true",
        b"true",
    ]
    assert replies[0].json == replies[1].json
    assert await api.good("GET", "/accounts/acme") == replies[0].json
    assert len((await api.good("GET", "/accounts"))["data"]) == 1


async def test_a_change_is_made_though_nobody_can_be_told(api: Api) -> None:
    async def fails() -> None:
        raise RuntimeError("no push")

    deaf = Api(api.database)
    deaf.app = admin_app(structs.replace(deaf.desk, changed=fails), deaf.access)
    assert (await deaf.good("POST", "/accounts", {"name": "acme"}))["name"] == "acme"
    assert (await deaf.ask("POST", "/accounts/acme/credits", {"usd": 1})).status == 201


async def test_creations_at_one_moment_under_one_key_make_one(api: Api) -> None:
    replies = await asyncio.gather(
        *(api.ask("POST", "/accounts", {"name": "acme"}, headers=once("1")) for _ in range(8))
    )
    assert {reply.status for reply in replies} == {201}
    assert len({reply.json["id"] for reply in replies}) == 1
    assert len((await api.good("GET", "/accounts"))["data"]) == 1


async def test_an_account_of_the_file_is_shown_under_its_terms_and_changed_there(api: Api) -> None:
    owned = AccountRecord(
        id="team", name="team", created=0.0, limits=Limits(rpm=5), budgets=(Budget(usd=3),), plan=Plan(prepaid=True)
    )
    files = {"team": owned}
    own = Api(api.database, file_accounts=files)
    shown = await own.good("GET", "/accounts/team")
    assert (shown["id"], shown["limits"], shown["plan"]["prepaid"]) == ("team", {"rpm": 5}, True)
    await own.good("POST", "/accounts/team/credits", {"usd": 5})
    assert (await own.good("GET", "/accounts/team/balance"))["available"] == "5.00"
    files["team"] = structs.replace(owned, limits=Limits(rpm=6))
    assert (await own.good("GET", "/accounts/team"))["limits"] == {"rpm": 6}
    assert [each["limits"] for each in (await own.good("GET", "/accounts"))["data"]] == [{"rpm": 6}]
    reply = await own.ask("PATCH", "/accounts/team", {"limits": {"rpm": 50}})
    assert (reply.status, reply.error["param"]) == (409, "limits")
    assert "configuration file" in reply.error["message"]
    assert (await own.good("PATCH", "/accounts/team", {"status": "suspended"}))["status"] == "suspended"
    assert (await own.ask("POST", "/accounts", {"name": "team"})).status == 409


async def test_lists_have_pages(api: Api) -> None:
    for index in range(7):
        api.clock.advance(1)
        await api.account(f"account {index}")
    seen, cursor = [], ""
    while True:
        page = await api.good("GET", "/accounts", query=f"limit=3{cursor}".encode())
        assert page["object"] == "list"
        seen += [each["name"] for each in page["data"]]
        if not page["has_more"]:
            assert page["next"] is None
            break
        assert len(page["data"]) == 3
        cursor = f"&cursor={page['next']}"
    assert seen == [f"account {index}" for index in reversed(range(7))]
    assert (await api.good("GET", "/accounts", query=b"limit=7"))["has_more"] is False
    assert (await api.good("GET", "/accounts", query=b"cursor=unknown"))["data"] == []
