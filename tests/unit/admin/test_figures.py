"""Balances, usage, requests, transactions and status: what the ledger and the counters say, in the form the API has."""

from proxy.admin.routes import TABLE
from proxy.policy.rules import Level, Reservation, Rule
from proxy.storage.errors import StorageError

from .api import BOTH, NOW, Api
from .spent import entry, spend

pytestmark = BOTH


class Store:
    """Counters that say what they are told."""

    def __init__(self, levels: dict[str, Level]) -> None:
        self.asked: list[tuple[str, str]] = []
        self._levels = levels

    async def levels(self, rules: list[tuple[Rule, str]]) -> list[Level]:
        """By the rule's name."""
        self.asked += [(rule.ident, window) for rule, window in rules]
        return [self._levels.get(rule.name, Level(0, 0, 0.0)) for rule, _ in rules]

    async def renew(self, reservations: list[Reservation], lease: float) -> None:
        """Never asked."""


async def test_a_balance_from_the_ledger(api: Api) -> None:
    account = await api.account(
        plan={"prepaid": True, "included_usd": "2"},
        budgets=[{"usd": 10, "per": "day"}, {"usd": 50, "per": "total", "hard": False}],
    )
    assert api.database is not None
    await api.good("POST", "/accounts/acme/credits", {"usd": 10})
    await spend(api.database, entry("a" * 32, account["id"], charge=4_000_000), included=1_500_000)
    await spend(api.database, entry("b" * 32, account["id"], charge=1_000_000, at=NOW - 3 * 86_400))
    found = await api.good("GET", "/accounts/acme/balance")
    assert found == {
        "object": "balance",
        "account": account["id"],
        "prepaid": True,
        "granted": "10.00",
        "balance": "6.50",
        "held": "0.00",
        "available": "7.00",
        "included": "2.00",
        "included_left": "0.50",
        "live": False,
        "budgets": [
            {"scope": "account", "per": "day", "hard": True, "limit": "10.00", "used": "4.00", "held": "0.00", "left": "6.00", "resets_at": "2026-11-24T00:00:00Z"},
            {"scope": "account", "per": "total", "hard": False, "limit": "50.00", "used": "5.00", "held": "0.00", "left": "45.00", "resets_at": None},
        ],
    }  # fmt: skip


async def test_a_balance_with_live_counters(api: Api) -> None:
    account = await api.account(plan={"prepaid": True}, budget={"usd": 10})
    assert api.database is not None
    store = Store({"credit": Level(4_000_000, 1_000_000, 0), "budget.month": Level(6_000_000, 500_000, 0)})
    live = Api(api.database, store=store)  # type: ignore[arg-type]
    await live.good("POST", "/accounts/acme/credits", {"usd": 10})
    found = await live.good("GET", "/accounts/acme/balance")
    assert (found["live"], found["held"], found["available"]) == (True, "1.00", "5.00")
    (budget,) = found["budgets"]
    assert (budget["used"], budget["held"], budget["left"], budget["resets_at"]) == (
        "6.00",
        "0.50",
        "3.50",
        "2026-12-01T00:00:00Z",
    )
    assert store.asked == [
        (f"account/{account['id']}/budget.month", "2026-11"),
        (f"account/{account['id']}/credit", "total"),
    ]


async def test_counters_that_have_forgotten_do_not_make_money(api: Api) -> None:
    account = await api.account(plan={"prepaid": True}, budget={"usd": 10})
    assert api.database is not None
    live = Api(api.database, store=Store({}))  # type: ignore[arg-type]
    await live.good("POST", "/accounts/acme/credits", {"usd": 10})
    await spend(api.database, entry("a" * 32, account["id"], charge=4_000_000))
    found = await live.good("GET", "/accounts/acme/balance")
    assert (found["available"], found["budgets"][0]["used"]) == ("6.00", "4.00")


async def test_usage_in_groups(api: Api) -> None:
    account = await api.account()
    other = await api.account("other")
    assert api.database is not None
    await spend(
        api.database,
        entry("a" * 32, account["id"]),
        entry("b" * 32, account["id"], model="o1", key="key_2"),
        entry("c" * 32, account["id"], at=NOW - 86_400),
        entry("d" * 32, other["id"]),
    )
    rows = (await api.good("GET", "/usage", query=b"group_by=model,day&account=acme&from=2026-11-01&to=2026-11-23"))[
        "data"
    ]
    assert sorted((row["day"], row["model"], row["requests"], row["charge"], row["cost"]) for row in rows) == [
        ("2026-11-22", "gpt-4o", 1, "1.00", "0.50"),
        ("2026-11-23", "gpt-4o", 1, "1.00", "0.50"),
        ("2026-11-23", "o1", 1, "1.00", "0.50"),
    ]
    assert "account" not in rows[0]
    assert rows[0]["input_tokens"] == 10
    by_account = (await api.good("GET", "/usage", query=b"group_by=account"))["data"]
    assert {row["account"]: row["requests"] for row in by_account} == {account["id"]: 3, other["id"]: 1}
    today = (await api.good("GET", "/usage", query=b"from=2026-11-23&to=2026-11-24T00:00:00Z"))["data"]
    assert [(row["day"], row["requests"]) for row in today] == [("2026-11-23", 3)]
    assert (await api.good("GET", "/usage", query=b"key=key_2"))["data"][0]["requests"] == 1
    cut = await api.good("GET", "/usage", query=b"limit=1")
    assert (len(cut["data"]), cut["has_more"]) == (1, True)


async def test_what_the_cache_answered_and_saved(api: Api) -> None:
    account = await api.account()
    assert api.database is not None
    saved = {"saved": 1_500_000, "saved_cost": 750_000, "saved_input": 10, "saved_output": 20}
    hit = entry("b" * 32, account["id"], charge=0, cache="semantic-hit", **saved)
    await spend(api.database, entry("a" * 32, account["id"]), hit)
    [row] = (await api.good("GET", "/usage", query=b"group_by=model"))["data"]
    assert (row["requests"], row["cache_hits"], row["input_tokens"], row["charge"]) == (2, 1, 10, "1.00")
    shown = {"saved": "1.50", "saved_cost": "0.75", "saved_input_tokens": 10, "saved_output_tokens": 20}
    assert {name: row[name] for name in shown} == shown
    one = await api.good("GET", f"/requests/{'b' * 32}")
    assert {name: one[name] for name in ("cache", *shown)} == {"cache": "semantic-hit", **shown}
    assert (await api.good("GET", f"/requests/{'a' * 32}"))["cache"] == ""


async def test_requests_one_by_one(api: Api) -> None:
    account = await api.account()
    assert api.database is not None
    await spend(
        api.database,
        *(entry(f"{index:032x}", account["id"], at=NOW + index, flags=("recovered",)) for index in range(5)),
    )
    page = await api.good("GET", "/requests", query=b"limit=2")
    assert [each["id"] for each in page["data"]] == [f"{index:032x}" for index in (4, 3)]
    rest = await api.good("GET", "/requests", query=f"limit=3&cursor={page['next']}".encode())
    assert ([each["id"] for each in rest["data"]], rest["has_more"]) == (
        [f"{index:032x}" for index in (2, 1, 0)],
        False,
    )
    one = await api.good("GET", f"/requests/{2:032x}")
    assert await api.good("GET", f"/requests/req-{2:032x}") == one
    assert (one["charge"], one["count"], one["flags"], one["at"]) == (
        "1.00",
        "reported",
        ["recovered"],
        "2026-11-23T00:00:02Z",
    )
    window = b"from=2026-11-23T00:00:01Z&to=2026-11-23T00:00:03Z"
    assert [each["at"][-3:-1] for each in (await api.good("GET", "/requests", query=window))["data"]] == ["02", "01"]
    assert (await api.good("GET", "/requests", query=f"request_id=req-{1:032x}".encode()))["data"][0][
        "id"
    ] == f"{1:032x}"
    assert (await api.good("GET", "/requests", query=b"outcome=timeout"))["data"] == []
    assert (await api.ask("GET", "/requests/nothing")).status == 404


async def test_transactions_by_kind(api: Api) -> None:
    account = await api.account()
    assert api.database is not None
    await api.good("POST", "/accounts/acme/credits", {"usd": 10})
    await spend(api.database, entry("a" * 32, account["id"]))
    kinds = [each["kind"] for each in (await api.good("GET", "/transactions"))["data"]]
    assert kinds == ["capture", "top_up"]
    (capture,) = (await api.good("GET", "/transactions", query=b"kind=capture&account=acme"))["data"]
    assert (capture["usd"], capture["request"]) == ("-1.00", "a" * 32)
    assert (await api.ask("GET", "/transactions", query=b"kind=gift")).status == 400
    assert (await api.good("GET", "/transactions", query=("request=" + "b" * 32).encode()))["data"] == []


async def test_the_audit_log_by_object_and_actor(api: Api) -> None:
    account = await api.account()
    await api.account("other")
    assert len((await api.good("GET", "/audit", query=f"object={account['id']}".encode()))["data"]) == 1
    assert (await api.good("GET", "/audit", query=b"actor=nobody"))["data"] == []


class Broken:
    """A database that cannot be used."""

    def __getattr__(self, name: str) -> object:
        async def fail(*args: object, **more: object) -> object:
            raise StorageError("down")

        return fail


async def test_status_and_every_route_while_the_database_is_down(api: Api) -> None:
    assert await api.good("GET", "/status") == {
        "object": "status", "status": "ok", "version": "1.2.3", "storage": {"status": "ok"}, "details": {"journal": {"open": 0}},
    }  # fmt: skip
    broken = Api(Broken())  # type: ignore[arg-type]
    found = await broken.good("GET", "/status")
    assert (found["status"], found["storage"]) == ("degraded", {"status": "down"})
    bodies = {
        "/accounts": {"name": "a"}, "/keys": {"account": "a", "name": "a"}, "/vouchers": {"usd": 1}, "/accounts/{account}/credits": {"usd": 1},
        "/accounts/{account}/refunds": {"usd": 1}, "/accounts/{account}/vouchers": {"code": "x"},
    }  # fmt: skip
    for route in TABLE:
        if route.path == "/status" or route.path.startswith(("/traces", "/health", "/cache")):
            continue
        body = bodies.get(route.path, {}) if route.method == "POST" else None
        reply = await broken.ask(route.method, route.path.replace("{", "").replace("}", ""), body)
        assert (reply.status, reply.error["code"]) == (503, "storage_unavailable"), route.path
        assert reply.headers[b"retry-after"] == b"1"
