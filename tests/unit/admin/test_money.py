"""Top-ups, refunds and vouchers: each once, however often and from however many sides it is asked for; the ledger adds up."""

import asyncio

import pytest

from proxy.admin import credits
from proxy.policy.rules import MICRO

from .api import BOTH, Api, Json, once
from .spent import entry, spend

pytestmark = BOTH


async def check_ledger(api: Api) -> None:
    """Everything adds up to zero."""
    assert api.database is not None
    assert await api.database.trial_balance() == (0, [])


async def available(api: Api) -> str:
    """What ``acme`` may spend."""
    found: str = (await api.good("GET", "/accounts/acme/balance"))["available"]
    return found


@pytest.mark.parametrize(
    ("usd", "text"),
    [("10.50", "10.50"), (10.5, "10.50"), (1, "1.00"), ("0.000001", "0.000001"), (0.1, "0.10"), (1e9, "1000000000.00")],
)
async def test_a_top_up(api: Api, usd: Json, text: str) -> None:
    account = await api.account()
    reply = await api.ask("POST", "/accounts/acme/credits", {"usd": usd, "note": "invoice 7"})
    assert reply.status == 201
    moved = reply.json
    assert (moved["kind"], moved["usd"], moved["note"], moved["actor"], moved["account"]) == (
        "top_up",
        text,
        "invoice 7",
        "admin",
        account["id"],
    )
    assert moved["postings"] == [
        {"book": "funding", "usd": f"-{text}"},
        {"book": f"account/{account['id']}", "usd": text},
    ]
    assert await available(api) == text
    assert (await api.good("GET", "/transactions"))["data"] == [moved]
    assert api.told == 2
    row = (await api.audit())[0]
    assert (row["action"], row["after"]["usd"]) == ("credit.top_up", text)
    await check_ledger(api)


async def test_a_repeated_top_up_is_one(api: Api) -> None:
    await api.account()
    asked = {"usd": "5", "note": "x"}
    first = await api.ask("POST", "/accounts/acme/credits", asked, headers=once("t"))
    again = await api.ask("POST", "/accounts/acme/credits", {"note": "x", "usd": "5"}, headers=once("t"))
    assert (again.status, again.json, again.headers[b"idempotent-replayed"]) == (201, first.json, b"true")
    for other in ({"usd": "6", "note": "x"}, {"usd": "5"}):
        reply = await api.ask("POST", "/accounts/acme/credits", other, headers=once("t"))
        assert (reply.status, reply.error["code"]) == (409, "conflict")
    reply = await api.ask("POST", "/accounts/acme/refunds", asked, headers=once("t"))
    assert reply.status == 409
    assert await available(api) == "5.00"
    assert len(await api.audit()) == 2


async def test_top_ups_at_one_moment(api: Api) -> None:
    await api.account()
    asked = [once("same")] * 10 + [once(f"other {index}".replace(" ", "-")) for index in range(5)] + [()] * 3
    replies = await asyncio.gather(
        *(api.ask("POST", "/accounts/acme/credits", {"usd": 1}, headers=key) for key in asked)
    )
    assert {reply.status for reply in replies} == {201}
    assert len({reply.json["id"] for reply in replies[:10]}) == 1
    assert await available(api) == "9.00"
    await check_ledger(api)


async def test_an_account_is_not_given_more_than_can_be_counted(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.account()
    await api.good("POST", "/accounts/acme/credits", {"usd": 1_000_000_000})
    reply = await api.ask("POST", "/accounts/acme/credits", {"usd": "1000000000.01"})
    assert (reply.status, reply.error["param"]) == (400, "usd")
    monkeypatch.setattr(credits, "MOST_GRANTED", 1_500_000_000 * MICRO)
    for path in ("credits", "refunds"):
        reply = await api.ask("POST", f"/accounts/acme/{path}", {"usd": "500000000.01"})
        assert (reply.status, reply.error["param"]) == (400, "usd")
    await api.good("POST", "/accounts/acme/credits", {"usd": 500_000_000})
    assert await available(api) == "1500000000.00"


async def test_a_refund_gives_back_no_more_than_the_request_cost(api: Api) -> None:
    account = await api.account()
    assert api.database is not None
    await api.good("POST", "/accounts/acme/credits", {"usd": 10})
    await spend(api.database, entry("a" * 32, account["id"], charge=3_000_000))
    path = "/accounts/acme/refunds"
    assert await available(api) == "7.00"
    reply = await api.ask("POST", path, {"usd": "3.000001", "request": "a" * 32})
    assert (reply.status, reply.error["param"]) == (400, "usd")
    moved = await api.good("POST", path, {"usd": 2, "request": "a" * 32, "note": "sorry"})
    assert (moved["kind"], moved["usd"], moved["request"]) == ("refund", "2.00", "a" * 32)
    assert (await api.ask("POST", path, {"usd": "1.01", "request": "a" * 32})).status == 400
    await api.good("POST", path, {"usd": 1, "request": "a" * 32})
    assert (await api.ask("POST", path, {"usd": "0.01", "request": "a" * 32})).status == 400
    assert await available(api) == "10.00"
    await check_ledger(api)


async def test_what_the_allowance_paid_is_not_refunded(api: Api) -> None:
    account = await api.account(plan={"included_usd": 2, "prepaid": True})
    assert api.database is not None
    await spend(api.database, entry("a" * 32, account["id"], charge=3_000_000), included=2_000_000)
    reply = await api.ask("POST", "/accounts/acme/refunds", {"usd": 2, "request": "a" * 32})
    assert (reply.status, reply.error["param"]) == (400, "usd")
    await api.good("POST", "/accounts/acme/refunds", {"usd": 1, "request": "a" * 32})
    assert await available(api) == "0.00"


async def test_refunds_at_one_moment_give_back_once(api: Api) -> None:
    account = await api.account()
    assert api.database is not None
    await spend(api.database, entry("a" * 32, account["id"], charge=3_000_000))
    asked = {"usd": 3, "request": "a" * 32}
    replies = await asyncio.gather(
        *(api.ask("POST", "/accounts/acme/refunds", asked, headers=once(f"k{index}")) for index in range(6))
    )
    assert sorted(reply.status for reply in replies)[0] == 201
    assert all(reply.status in (400, 409) for reply in replies if reply.status != 201)
    assert [reply.status for reply in replies].count(201) == 1
    won = next(index for index, reply in enumerate(replies) if reply.status == 201)
    for index in range(6):
        again = await api.ask("POST", "/accounts/acme/refunds", asked, headers=once(f"k{index}"))
        assert (again.status == 201) == (index == won)
    assert await available(api) == "0.00"
    await check_ledger(api)


async def test_a_refund_is_of_the_accounts_own_request(api: Api) -> None:
    await api.account()
    other = await api.account("other")
    assert api.database is not None
    await spend(api.database, entry("b" * 32, other["id"]))
    for request in ("b" * 32, "c" * 32):
        reply = await api.ask("POST", "/accounts/acme/refunds", {"usd": 1, "request": request})
        assert (reply.status, reply.error["param"]) == (404, "request")
    await api.good("POST", "/accounts/acme/refunds", {"usd": 1, "note": "goodwill"})
    assert await available(api) == "1.00"


async def test_a_voucher_is_shown_once_and_redeemed_once_an_account(api: Api) -> None:
    await api.account()
    await api.account("other")
    made = await api.good("POST", "/vouchers", {"usd": "5.25", "uses": 2, "expires": "2026-12-31", "note": "fair"})
    assert made["code"].startswith("twv-")
    assert len(made["code"]) == 30
    assert (made["usd"], made["uses"], made["used"], made["expires"]) == ("5.25", 2, 0, "2027-01-01T00:00:00Z")
    shown = await api.good("GET", f"/vouchers/{made['id']}")
    assert shown == {name: value for name, value in made.items() if name != "code"}
    moved = await api.good("POST", "/accounts/acme/vouchers", {"code": f" {made['code'].upper()} "})
    assert (moved["kind"], moved["usd"]) == ("voucher", "5.25")
    assert (await api.ask("POST", "/accounts/acme/vouchers", {"code": made["code"]})).status == 409
    await api.good("POST", "/accounts/other/vouchers", {"code": made["code"]})
    await api.account("third")
    reply = await api.ask("POST", "/accounts/third/vouchers", {"code": made["code"]})
    assert (reply.status, reply.error["code"]) == (409, "conflict")
    assert (await api.good("GET", "/vouchers"))["data"][0]["used"] == 2
    assert made["code"] not in str(await api.audit())
    await check_ledger(api)


async def test_a_repeated_redemption_is_one(api: Api) -> None:
    await api.account()
    made = await api.good("POST", "/vouchers", {"usd": 5})
    replies = [
        await api.ask("POST", "/accounts/acme/vouchers", {"code": made["code"]}, headers=once("v")) for _ in range(2)
    ]
    assert [reply.status for reply in replies] == [201, 201]
    assert replies[0].json == replies[1].json
    assert await available(api) == "5.00"


async def test_a_repeated_voucher_is_one_and_its_code_is_not_shown_again(api: Api) -> None:
    first = await api.good("POST", "/vouchers", {"usd": 5}, headers=once("v"))
    again = await api.good("POST", "/vouchers", {"usd": 5}, headers=once("v"))
    assert again == {**first, "code": None}
    assert len((await api.good("GET", "/vouchers"))["data"]) == 1


async def test_vouchers_that_do_not_work(api: Api) -> None:
    await api.account()
    assert (await api.ask("POST", "/accounts/acme/vouchers", {"code": "twv-unknown"})).status == 404
    short = await api.good("POST", "/vouchers", {"usd": 5, "expires": "2026-11-23T01:00:00Z"})
    revoked = await api.good("POST", "/vouchers", {"usd": 5})
    gone = await api.good("DELETE", f"/vouchers/{revoked['id']}")
    assert gone["revoked"] == "2026-11-23T00:00:00Z"
    assert await api.good("DELETE", f"/vouchers/{revoked['id']}") == gone
    api.clock.advance(3600)
    for voucher in (short, revoked):
        assert (await api.ask("POST", "/accounts/acme/vouchers", {"code": voucher["code"]})).status == 409
    assert (await api.ask("DELETE", "/vouchers/vch_none")).status == 404
    assert await available(api) == "0.00"
