"""Virtual keys: shown once, never again, nowhere; changed, rotated with an overlap, revoked for good."""

import asyncio

import orjson

from proxy.identity.principals import Terms, key_rules
from proxy.identity.virtual_keys import digest, well_formed

from .api import BOTH, PEPPER, Api, Json, once

pytestmark = BOTH


async def make(api: Api, **more: Json) -> Json:
    """A key of a new account ``acme``, or the one that is there."""
    await api.ask("POST", "/accounts", {"name": "acme"})
    return await api.good("POST", "/keys", {"account": "acme", "name": "app", **more})


async def test_a_key_is_shown_once_and_stored_as_its_digest(api: Api) -> None:
    made = await make(
        api, models=["gpt-*"], networks=["10.0.0.0/8"], limits={"rpm": 5}, max_output_tokens=100, expires="2027-01-14"
    )
    assert well_formed(made["key"])
    assert made["hint"] not in made["key"]
    assert (made["key"][:8], made["key"][-4:]) == (made["hint"][:8], made["hint"][-4:])
    assert made["expires"] == "2027-01-15T00:00:00Z"
    assert made["models"] == ["gpt-*"]
    assert made["max_output_tokens"] == 100
    assert api.database is not None
    record = await api.database.key_by_digest(digest(PEPPER, made["key"].encode()))
    assert record is not None
    assert record.id == made["id"]
    shown = await api.good("GET", f"/keys/{made['id']}")
    assert shown == {name: value for name, value in made.items() if name != "key"}
    everything = [await api.good("GET", path) for path in ("/keys", "/audit", f"/keys/{made['id']}")]
    text = orjson.dumps(everything).decode()
    assert made["key"] not in text
    assert record.digest.hex() not in text
    assert api.told == 2


async def test_a_repeated_creation_makes_no_second_key_and_does_not_show_the_first_again(api: Api) -> None:
    await api.account()
    body = {"account": "acme", "name": "app"}
    first = await api.ask("POST", "/keys", body, headers=once("k"))
    again = await api.ask("POST", "/keys", body, headers=once("k"))
    assert (first.status, again.status) == (201, 201)
    assert well_formed(first.json["key"])
    assert again.json == {**first.json, "key": None}
    assert (await api.ask("POST", "/keys", {**body, "name": "other"}, headers=once("k"))).status == 409
    assert len((await api.good("GET", "/keys"))["data"]) == 1
    await api.good("POST", "/keys", body, headers=once("K"))
    assert len((await api.good("GET", "/keys"))["data"]) == 2


async def test_keys_made_at_one_moment_under_one_key_are_one(api: Api) -> None:
    await api.account()
    body = {"account": "acme", "name": "app"}
    replies = await asyncio.gather(*(api.ask("POST", "/keys", body, headers=once("k")) for _ in range(8)))
    assert {reply.status for reply in replies} == {201}
    (made,) = [reply.json for reply in replies if reply.json["key"] is not None]
    assert all(reply.json == {**made, "key": None} for reply in replies if reply.json["key"] is None)
    assert (await api.ask("POST", "/keys", body, headers=once("k"))).json == {**made, "key": None}
    assert (made["key"][:8], made["key"][-4:]) == (made["hint"][:8], made["hint"][-4:])
    assert len((await api.good("GET", "/keys"))["data"]) == 1


async def test_long_keys_of_repetition_are_told_apart(api: Api) -> None:
    await api.account()
    long = "x" * 250
    first = await api.good("POST", "/keys", {"account": "acme", "name": "a"}, headers=once(long + "1"))
    second = await api.good("POST", "/keys", {"account": "acme", "name": "b"}, headers=once(long + "2"))
    again = await api.good("POST", "/keys", {"account": "acme", "name": "a"}, headers=once(long + "1"))
    assert first["id"] == again["id"] != second["id"]


async def test_a_change_replaces_what_it_names(api: Api) -> None:
    made = await make(api, limits={"rpm": 5}, expires="2027-01-14T12:00:00+02:00", budget={"usd": 1}, passthrough=True)
    assert made["expires"] == "2027-01-14T10:00:00Z"
    path = f"/keys/{made['id']}"
    changed = await api.good(
        "PATCH", path, {"expires": None, "models": ["a"], "budgets": [], "passthrough": None, "name": "other"}
    )
    assert (changed["expires"], changed["models"], changed["budgets"], changed["passthrough"]) == (
        None,
        ["a"],
        [],
        None,
    )
    assert (changed["limits"], changed["name"], changed["version"]) == ({"rpm": 5}, "other", 2)
    assert (await api.ask("PATCH", path, {"name": "b", "version": 1})).status == 409
    assert (await api.good("PATCH", path, {"max_output_tokens": 7}))["max_output_tokens"] == 7
    assert (await api.good("PATCH", path, {"max_output_tokens": None}))["max_output_tokens"] is None


async def test_what_a_key_is_answered_from_is_replaced_whole_and_outlives_a_rotation(api: Api) -> None:
    made = await make(api, cache={"exact": True, "semantic": False})
    path = f"/keys/{made['id']}"
    assert made["cache"] == (await api.good("GET", path))["cache"] == {"exact": True, "semantic": False}
    assert (await api.good("PATCH", path, {"name": "other"}))["cache"] == {"exact": True, "semantic": False}
    assert (await api.good("PATCH", path, {"cache": {"exact": False}}))["cache"] == {"exact": False}
    assert (await api.good("POST", f"{path}/rotate", {}))["cache"] == {"exact": False}
    assert (await make(api, name="plain"))["cache"] == {}


async def test_rotation_with_an_overlap(api: Api) -> None:
    old = await make(api, limits={"rpm": 5}, models=["gpt-*"])
    new = await api.good("POST", f"/keys/{old['id']}/rotate", {"overlap": "10m"})
    assert well_formed(new["key"])
    assert new["key"] != old["key"]
    same = ("account", "name", "limits", "models", "expires", "budgets")
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    ending = await api.good("GET", f"/keys/{old['id']}")
    assert (ending["status"], ending["revoked"], ending["replaced_by"]) == (
        "retiring",
        "2026-11-23T00:10:00Z",
        new["id"],
    )
    api.clock.advance(600)
    assert (await api.good("GET", f"/keys/{old['id']}"))["status"] == "revoked"
    assert (await api.good("GET", f"/keys/{new['id']}"))["status"] == "active"
    reply = await api.ask("POST", f"/keys/{old['id']}/rotate", {})
    assert (reply.status, reply.error["code"]) == (409, "conflict")


async def test_a_rotation_changes_the_secret_and_not_what_was_used(api: Api) -> None:
    first = await make(api, limits={"rpm": 5}, budget={"usd": 3})
    second = await api.good("POST", f"/keys/{first['id']}/rotate", {"overlap": "10m"})
    third = await api.good("POST", f"/keys/{second['id']}/rotate")
    records = [await api.database.key(made["id"]) for made in (first, second, third)]
    assert [record.counted_as for record in records if record is not None] == [first["id"]] * 3
    rules = [key_rules(record, Terms(ledgered=True)) for record in records if record is not None]
    assert rules[0] == rules[1] == rules[2]
    assert {rule.ident for rule in rules[2]} == {f"key/{first['id']}/rpm", f"key/{first['id']}/budget.month"}


async def test_rotation_at_once_and_by_seconds(api: Api) -> None:
    old = await make(api)
    new = await api.good("POST", f"/keys/{old['id']}/rotate")
    assert (await api.good("GET", f"/keys/{old['id']}"))["status"] == "revoked"
    await api.good("POST", f"/keys/{new['id']}/rotate", {"overlap": 90})
    assert (await api.good("GET", f"/keys/{new['id']}"))["revoked"] == "2026-11-23T00:01:30Z"
    for overlap in ("10", "1w", -1, 31_536_001, "366d", "m", None, 1.5):
        reply = await api.ask("POST", f"/keys/{new['id']}/rotate", {"overlap": overlap})
        assert (reply.status, reply.error["param"]) == (400, "overlap"), overlap


async def test_a_repeated_rotation_rotates_once(api: Api) -> None:
    old = await make(api)
    path = f"/keys/{old['id']}/rotate"
    replies = [await api.ask("POST", path, {"overlap": 60}, headers=once("r")) for _ in range(3)]
    assert [reply.status for reply in replies] == [201] * 3
    assert [reply.json["id"] for reply in replies] == [replies[0].json["id"]] * 3
    assert well_formed(replies[0].json["key"])
    assert [reply.json["key"] for reply in replies[1:]] == [None, None]
    assert len((await api.good("GET", "/keys"))["data"]) == 2


async def test_an_expired_key_is_not_rotated_into_a_dead_one(api: Api) -> None:
    old = await make(api, expires="2026-11-23T01:00:00Z")
    api.clock.advance(3600)
    assert (await api.good("GET", f"/keys/{old['id']}"))["status"] == "expired"
    reply = await api.ask("POST", f"/keys/{old['id']}/rotate")
    assert (reply.status, reply.error["param"]) == (409, "expires")


async def test_revocation_is_for_good_and_tells_the_workers(api: Api) -> None:
    for method, end in (("POST", "/revoke"), ("DELETE", "")):
        made = await make(api)
        told = api.told
        gone = await api.good(method, f"/keys/{made['id']}{end}")
        assert (gone["status"], gone["revoked"]) == ("revoked", "2026-11-23T00:00:00Z")
        assert api.told == told + 1
        assert await api.good(method, f"/keys/{made['id']}{end}") == gone
        assert (await api.ask("PATCH", f"/keys/{made['id']}", {"name": "b"})).status == 409
    assert [row["action"] for row in await api.audit()].count("key.revoke") == 2


async def test_a_retiring_key_can_be_revoked_at_once(api: Api) -> None:
    old = await make(api)
    await api.good("POST", f"/keys/{old['id']}/rotate", {"overlap": "1d"})
    assert (await api.good("DELETE", f"/keys/{old['id']}"))["revoked"] == "2026-11-23T00:00:00Z"


async def test_rotations_at_one_moment_leave_one_new_key(api: Api) -> None:
    old = await make(api)
    replies = await asyncio.gather(*(api.ask("POST", f"/keys/{old['id']}/rotate", {"overlap": 60}) for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409, 409]
    assert len((await api.good("GET", "/keys"))["data"]) == 2


async def test_lists_are_by_account(api: Api) -> None:
    await make(api)
    await api.account("other")
    await api.good("POST", "/keys", {"account": "other", "name": "b"})
    assert [key["name"] for key in (await api.good("GET", "/keys", query=b"account=other"))["data"]] == ["b"]
    assert len((await api.good("GET", "/keys"))["data"]) == 2
    assert (await api.ask("GET", "/keys", query=b"account=nobody")).status == 404
