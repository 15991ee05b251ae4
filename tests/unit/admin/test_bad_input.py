"""What people and programs get wrong: each is a 400 that names the path, never a 500, and nothing is stored."""

import json
from typing import Any

import pytest

from .api import Api, once

AMOUNTS: list[Any] = [
    0, -1, -0.01, 1e15, 10**18, "", " ", "1e3", "0x10", "NaN", "Infinity", "-5", "+5", "1,000", "1_000", "١٢", "10.1234567", 0.00000001,
    "0", "0.000000", None, True, [], {}, [5], "5 usd", "9" * 30, 10**400,
]  # fmt: skip


@pytest.mark.parametrize("amount", AMOUNTS, ids=repr)
async def test_amounts(api: Api, amount: Any) -> None:
    account = await api.account()
    raw = json.dumps({"usd": amount}).encode()
    for path in (f"/accounts/{account['id']}/credits", f"/accounts/{account['id']}/refunds", "/vouchers"):
        reply = await api.ask("POST", path, raw=raw)
        assert (reply.status, reply.error["param"]) == (400, "usd"), (path, reply)
    assert (await api.good("GET", "/transactions"))["data"] == []


@pytest.mark.parametrize(
    "number", [b"NaN", b"Infinity", b"-Infinity", b"1e309", b"-1e400", b"9" * 5000, b"0x10", b"01", b".5", b"1.", b"+1"]
)
async def test_numbers_that_json_does_not_have(api: Api, number: bytes) -> None:
    await api.account()
    reply = await api.ask("POST", "/accounts/acme/credits", raw=b'{"usd": ' + number + b"}")
    assert (reply.status, reply.error["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("value", [0, -1, 10**18, 10**30, 1.5, 1.0, "10", True, [], {}, "x"], ids=repr)
@pytest.mark.parametrize("name", ["rpm", "tpd", "concurrency"])
async def test_limits(api: Api, name: str, value: Any) -> None:
    account = await api.account()
    for path, base in (("/keys", {"name": "k", "account": "acme"}), ("/accounts", {"name": "b"})):
        # Not orjson, which has no integers beyond 64 bits.
        raw = json.dumps({**base, "limits": {name: value}}).encode()
        reply = await api.ask("POST", path, raw=raw)
        assert (reply.status, reply.error["param"]) == (400, f"limits.{name}"), reply
    assert (await api.good("GET", "/accounts"))["data"] == [account]
    assert (await api.good("GET", "/keys"))["data"] == []


@pytest.mark.parametrize(
    "time",
    [
        "0000-01-01",
        "9999-12-31",
        "1999-12-31",
        "2200-01-01",
        "2026-13-01",
        "2026-02-30",
        "garbage-in",
        "1795392000",
        "tomorrow!!",
        "2026-11-22",
        "2026-11-22T23:59:59Z",
        "2026-11-24T25:00:00",
        "2026-11-24T00:00:00+99:00",
        " 2027-01-01",
        "2027-01-01\n",
        1795392000,
        True,
        [],
        "2027-01-01" * 10,
    ],
)
async def test_times(api: Api, time: Any) -> None:
    await api.account()
    for path, body in (("/keys", {"account": "acme", "name": "k"}), ("/vouchers", {"usd": 1})):
        reply = await api.ask("POST", path, {**body, "expires": time})
        assert (reply.status, reply.error["param"]) == (400, "expires"), reply


@pytest.mark.parametrize("time", ["0000-01-01", "9999-12-31", "garbage-in", "2026-02-30"])
@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize("path", ["/usage", "/requests", "/transactions"])
async def test_times_in_queries(api: Api, path: str, name: str, time: str) -> None:
    reply = await api.ask("GET", path, query=f"{name}={time}".encode())
    assert (reply.status, reply.error["param"]) == (400, name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " a",
        "a ",
        "a/b",
        "a\nb",
        "a\x00b",
        "\x1b[31mred",
        "a\u202eb",
        "a\u2028b",
        "\x7f",
        "x" * 201,
        "x" * 1_000_000,
        None,
        5,
        ["a"],
        "acc_mine",
    ],
)
async def test_names(api: Api, name: Any) -> None:
    account = await api.account()
    reply = await api.ask("POST", "/accounts", {"name": name})
    assert (reply.status, reply.error["param"]) == (400, "name")
    assert len(reply.error["message"]) < 500
    reply = await api.ask("PATCH", f"/accounts/{account['id']}", {"name": name})
    assert (reply.status, reply.error["param"]) == (400, "name")


async def test_names_that_only_look_dangerous_are_names(api: Api) -> None:
    for name in ("'; DROP TABLE accounts; --", '" OR 1=1', "Ünïcode ✓", "%s %n {0}", "../up".replace("/", "\\")):
        made = await api.account(name)
        assert made["name"] == name
        assert (await api.good("GET", f"/accounts/{name}"))["id"] == made["id"]
    assert len((await api.good("GET", "/accounts"))["data"]) == 5


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "invalid_json"),
        (b"[]", "invalid_value"),
        (b"null", "invalid_value"),
        (b'"text"', "invalid_value"),
        (b'{"name": "a", "name": "b"}', "duplicate_field"),
        (b'{"name": "a", "limits": {"rpm": 1, "rpm": 2}}', "duplicate_field"),
        (b'{"name": "a", "n\\u0061me": "b"}', "duplicate_field"),
        (b'{"name": "\\ud800"}', "invalid_value"),
        (b'{"\\ud800": 1}', "invalid_value"),
        (b'{"name": "\xff"}', "invalid_json"),
        (b"\xef\xbb\xbf{}", "invalid_json"),
        (b'{"name": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", "invalid_json"),
        (b'{"name": ' + b"[" * 40 + b"]" * 40 + b"}", "invalid_json"),
        (b'{"name": "a", "metadata": {"a\\u0000": "b"}}', "invalid_value"),
        (b'{"name": "a",}', "invalid_json"),
        (b"{'name': 'a'}", "invalid_json"),
        (b'{"name": "a"} {}', "invalid_json"),
    ],
)
async def test_bodies(api: Api, raw: bytes, code: str) -> None:
    reply = await api.ask("POST", "/accounts", raw=raw)
    assert (reply.status, reply.error["code"]) == (400, code), reply
    assert (await api.good("GET", "/accounts"))["data"] == []


async def test_bodies_that_are_too_large_or_no_json(api: Api) -> None:
    reply = await api.ask("POST", "/accounts", raw=b" " * (1024 * 1024 + 1))
    assert (reply.status, reply.error["code"]) == (413, "request_too_large")
    reply = await api.ask("POST", "/accounts", raw=b"{}", headers=((b"content-length", b"9" * 11),))
    assert reply.status == 413
    reply = await api.ask(
        "POST", "/accounts", raw=b"name=a", headers=((b"content-type", b"application/x-www-form-urlencoded"),)
    )
    assert (reply.status, reply.error["code"]) == (415, "unsupported_content_type")
    reply = await api.ask("POST", "/accounts", raw=b"{}", headers=((b"content-encoding", b"gzip"),))
    assert (reply.status, reply.error["code"]) == (415, "unsupported_content_encoding")


@pytest.mark.parametrize(
    ("body", "param", "hint"),
    [
        ({"nme": "a"}, "nme", "name"),
        ({"name": "a", "limits": {"rmp": 1}}, "limits.rmp", "rpm"),
        ({"name": "a", "plan": {"prices": {"gpt-*": {"inptu": 1, "output": 1}}}}, "plan.prices[...].inptu", "input"),
        ({"name": "a", "budgets": [{"usd": 1}, {"usd": 1, "pre": "day"}]}, "budgets[1].pre", "per"),
        ({"name": "a", "zzzz": 1}, "zzzz", None),
    ],
)
async def test_unknown_fields_name_the_path_and_the_nearest(api: Api, body: Any, param: str, hint: str | None) -> None:
    reply = await api.ask("POST", "/accounts", body)
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "unknown_field", param)
    assert (f"did you mean {hint}?" in reply.error["message"]) == (hint is not None)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"budget": {"usd": 5}, "budgets": [{"usd": 5, "per": "day"}]}, "budget"),
        ({"budgets": [{"usd": 5}, {"usd": 6}]}, "budgets[1]"),
        ({"budget": {"usd": "1e3"}}, "budget.usd"),
        ({"budget": {"usd": "-1"}}, "budget.usd"),
        ({"budget": {"usd": 0}}, "budget.usd"),
        ({"budget": {"usd": 5, "per": "year"}}, "budget.per"),
        ({"budget": {"usd": 5, "alerts": [0.9, 0.5]}}, "budgets[0].alerts"),
        ({"budget": {}}, "budget.usd"),
        ({"budgets": [{"usd": 1, "per": "day"}] * 5}, "budgets"),
        ({"limits": {"steady": ["concurrency"]}}, "limits.steady"),
        ({"limits": {"open": ["rpm"], "closed": ["rpm"]}}, "limits.open"),
        ({"limits": {"soft": ["rpm", "rpm"]}}, "limits.soft"),
        ({"limits": {"soft": ["bpm"]}}, "limits.soft[0]"),
        ({"limits": None}, "limits"),
        ({"metadata": {"a": 5}}, "metadata[...]"),
        ({"metadata": {"a" * 65: "x"}}, "metadata"),
        ({"metadata": {str(index): "x" for index in range(33)}}, "metadata"),
    ],
)
async def test_terms(api: Api, body: Any, param: str) -> None:
    await api.account()
    for path, base in (("/accounts", {"name": "b"}), ("/keys", {"name": "k", "account": "acme"})):
        reply = await api.ask("POST", path, {**base, **body})
        assert (reply.status, reply.error["param"]) == (400, param), reply


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"plan": {"markup": -101}}, "plan.markup"),
        ({"plan": {"included_usd": "x"}}, "plan.included_usd"),
        ({"plan": {"prices": {"a": {"input": -1, "output": 1}}}}, "plan.prices[...].input"),
    ],
)
async def test_plans(api: Api, body: Any, param: str) -> None:
    reply = await api.ask("POST", "/accounts", {"name": "b", **body})
    assert (reply.status, reply.error["param"]) == (400, param), reply


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"models": []}, "models"),
        ({"models": [""]}, "models[0]"),
        ({"models": "*"}, "models"),
        ({"models": ["x" * 201]}, "models[0]"),
        ({"networks": ["10.0.0.0/99"]}, "networks[0]"),
        ({"networks": ["10.0.0.1", "::1/129"]}, "networks[1]"),
        ({"stability": "beta"}, "stability"),
        ({"passthrough": "yes"}, "passthrough"),
        ({"cache": False}, "cache"),
        ({"cache": {"exact": "no"}}, "cache.exact"),
        ({"cache": {"exat": False}}, "cache.exat"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"account": "nobody"}, "account"),
        ({"account": ""}, "account"),
    ],
)
async def test_keys(api: Api, body: Any, param: str) -> None:
    await api.account()
    reply = await api.ask("POST", "/keys", {"account": "acme", "name": "k", **body})
    assert (reply.status, reply.error["param"]) == (404 if body == {"account": "nobody"} else 400, param), reply


async def test_a_key_that_is_absurdly_large_is_refused(api: Api) -> None:
    await api.account()
    names = [f"{index:03}" + "é" * 190 for index in range(200)]
    reply = await api.ask("POST", "/keys", {"account": "acme", "name": "k", "models": names})
    assert (reply.status, reply.error["code"]) == (400, "invalid_value")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        (b"limit=0", "limit"), (b"limit=1001", "limit"), (b"limit=x", "limit"), (b"limit=-1", "limit"), (b"limit=1e2", "limit"),
        (b"limt=5", "limt"), (b"limit=5&limit=6", "limit"), (b"cursor=", "cursor"), (b"cursor=" + b"x" * 501, "cursor"),
        (b"%ff=1", None), (b"cursor=%00", None), (b"cursor=%ed%a0%80", None), (b"&".join(b"a%d=1" % index for index in range(60)), None),
    ],
)  # fmt: skip
async def test_queries(api: Api, query: bytes, param: str | None) -> None:
    reply = await api.ask("GET", "/accounts", query=query)
    assert (reply.status, reply.error["param"]) == (400, param), reply


@pytest.mark.parametrize(
    "query", [b"group_by=hour", b"group_by=day,day", b"group_by=", b"group_by=day,", b"from=2026-11-02&to=2026-11-01"]
)
async def test_sums(api: Api, query: bytes) -> None:
    reply = await api.ask("GET", "/usage", query=query)
    assert (reply.status, reply.error["param"]) == (400, "to" if b"from" in query else "group_by")


@pytest.mark.parametrize("ident", ["a\x00b", "x" * 201, "x" * 100_000, "\ud800", "\x1b[0m"])
async def test_ids(api: Api, ident: str) -> None:
    paths = ["/accounts/{}", "/accounts/{}/balance", "/keys/{}", "/vouchers/{}", "/requests/{}", "/traces/{}"]
    for path in paths:
        scope_path = path.format(ident)
        reply = await api.ask(
            "GET", scope_path.encode("utf-8", "replace").decode() if "\ud800" in ident else scope_path
        )
        assert reply.status == 404
        assert len(reply.error["message"]) < 300


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "tab\t", "é"])
async def test_idempotency_keys(api: Api, key: str) -> None:
    reply = await api.ask("POST", "/accounts", {"name": "a"}, headers=once(key))
    assert (reply.status, reply.error["code"]) == (400, "invalid_value")
    assert "Idempotency-Key" in reply.error["message"]


@pytest.mark.parametrize("version", [b"x", b'"1', b"-1", b"1.0", b"9" * 19, b""])
async def test_versions(api: Api, version: bytes) -> None:
    account = await api.account()
    reply = await api.ask("PATCH", f"/accounts/{account['id']}", {"name": "b"}, headers=((b"if-match", version),))
    assert reply.status == (200 if version == b'"1' else 400), reply
