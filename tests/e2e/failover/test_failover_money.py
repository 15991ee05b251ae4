"""Money under failover: however a request with several tries ends there is one entry, its charge is the answer's, nothing stays held.

All ways to end are gone once, at the same time, through one gateway; the tests then look at what came of each.
"""

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from proxy.tokens.estimate import estimate_prompt
from tests.support.gateways import PROMPT, Books, costed, kill_all, sqlite_in, wait_up
from tests.support.observed import access_lines
from tests.support.processes import KEY, Gateway, Mock, running
from tests.support.rawhttp import Answer, Client, ask, eventually, request

pytestmark = pytest.mark.e2e

PRICES = {"zero": (0, 0), "one": (3, 5), "two": (7, 11), "three": (13, 17)}
"""Micro-dollars for a token of the prompt, and of the answer, by model."""

PATIENCE = 1.0
"""Seconds of every target's ``first_byte`` and ``idle``."""

AFTER = 0.25
"""Seconds after which a hedge starts."""

AT_ONCE = 50
"""Requests that each provider takes at once by a limit of ours."""

CAP = 1000
"""Tokens that every request allows its answer."""

BUDGET = 1_000_000_000
"""Micro-dollars of the key that most requests are made with."""

FOR_TEN = int(10.5 * (22 * 13 + CAP * 17))
"""Micro-dollars that pay for ten whole answers of the dearest model."""

NEVER = {"consecutive": 1_000_000, "error_rate": 1.0, "minimum": 1_000_000}
"""Health that nothing spoils."""


# ---- the gateway ----------------------------------------------------------------------------------------------------


def upstream(mock: Mock, **controls: str) -> dict[str, Any]:
    """A provider whose every answer is made by these controls of the mock."""
    headers = {f"x-mock-{name.replace('_', '-')}": value for name, value in controls.items()}
    return {
        "use": "openai",
        "base_url": mock.url,
        "api_key": "sk-upstream",
        "headers": headers,
        "limits": {"concurrency": AT_ONCE, "rpm": 1000, "tpm": 1_000_000},
    }


UPSTREAMS: dict[str, dict[str, str]] = {
    "good": {},
    "good-too": {},
    "paced": {"pace": "30", "tokens": "300"},
    "error": {"fault": "status:500"},
    "reset": {"fault": "reset"},
    "hang": {"fault": "hang"},
    "event": {"fault": "sse-error:quiet"},
    "cut": {"fault": "cut:quiet"},
    "slow": {"pace": "500"},
    "late": {"first_token": "500"},
    "lame": {"first_token": "5000"},
    "long": {"first_token": "500", "pace": "5", "tokens": "2000"},
    "resting": {"fault": "status:500", "reply_headers": "retry-after=7"},
    "breaks": {"fault": "cut-mid-event:9"},
}


def target(place: str, **more: Any) -> dict[str, Any]:
    """``provider/model``."""
    provider, model = place.split("/")
    return {"provider": provider, "model": model, **more}


def model(*places: str, **more: Any) -> dict[str, Any]:
    """A public name over them."""
    return {"targets": [target(place) for place in places], **more}


def catalogue() -> dict[str, Any]:
    """The prices as configured: dollars for a million tokens."""
    return {
        "models": {
            f"openai/{name}": {"prices": {"input": prices[0], "output": prices[1]}, "max_output": 4096}
            for name, prices in PRICES.items()
        }
    }


HEDGE = {"after": AFTER, "extra_spend": 1.0, "error_rate": 1.0}


def models() -> dict[str, Any]:
    """One name for each case."""
    return {
        "after-error": model("error/one", "good/two"),
        "after-reset": model("reset/one", "good/two"),
        "after-hang": model("hang/one", "good/two"),
        "after-event": model("event/one", "good/two"),
        "after-cut": model("cut/one", "good/two"),
        "after-slow": model("slow/one", "good/two", slow_stream={"tokens_per_second": 20.0, "window": 0.4}),
        "all-fail": model("error/one", "hang/two", "error/three"),
        "all-hang": model("hang/one", "hang/two"),
        "all-reset": model("reset/one", "reset/two"),
        "hang-alone": model("hang/one"),
        "then-hangs": model("error/one", "hang/two"),
        "rests": model("resting/one"),
        "event-alone": model("event/one", retry={"attempts": 1}),
        "error-alone": model("error/one", retry={"attempts": 1}),
        "then-streams": model("error/one", "paced/two"),
        "hedge-second": model("lame/one", "good/two", hedge=HEDGE),
        "hedge-first": model("late/one", "hang/two", hedge=HEDGE),
        "hedge-none": model("hang/one", "error/two", hedge=HEDGE, retry={"attempts": 2}),
        "hedge-left": model("hang/one", "hang/two", hedge=HEDGE, retry={"attempts": 2}),
        "hedge-long": model("long/one", "hang/two", hedge=HEDGE),
        "then-waits": model("error/one", "good/two"),
        "free-fails": model("error/zero", "good/three"),
        "cheap-fails": model("error/one", "good/three"),
        "narrow-first": model("narrow/one", "good/two"),
        "to-narrow": model("error/one", fallbacks=["narrow", "standing-in"]),
        "narrow": model("good/one", limits={"rpm": 1}),
        "shadowed": model("good/one", shadow={"model": "standing-in", "share": 1.0}),
        "continued": {
            "targets": [target("breaks/one"), target("good/two", continues=True)],
            "continue_streams": True,
        },
        "falls-back": model("error/one", fallbacks=["standing-in"]),
        "standing-in": model("good/three"),
        "alone": model("good/one"),
        "pair": model("good/two"),
        "*": {"targets": [target("error/one"), {**target("good/*")}]},
    }


def configured(mock: Mock, folder: Path, **changes: Any) -> dict[str, Any]:
    """All of it, with a ledger in ``folder``."""
    prices = {"standing-in": (100, 200), "alone": (50, 60), "two": (30, 40), "pair": (70, 80)}
    plan = {"prices": {name: {"input": each[0], "output": each[1]} for name, each in prices.items()}}
    providers = {name: upstream(mock, **controls) for name, controls in UPSTREAMS.items()}
    providers["narrow"] = {**upstream(mock), "limits": {"rpm": 1}}
    sections: dict[str, Any] = {
        "keys": [
            {"name": "app", "key": KEY, "limits": {"tpm": 10_000_000}, "budget": {"usd": BUDGET / 1e6, "per": "total"}},
            {"name": "few", "key": "sk-few", "limits": {"rpm": 1, "concurrency": 1}},
            {"name": "full", "key": "sk-full", "limits": {"concurrency": AT_ONCE}},
            {"name": "other", "key": "sk-other"},
            *(
                {"name": name, "key": f"sk-{name}", "budget": {"usd": FOR_TEN / 1e6, "per": "total"}}
                for name in ("free-fails", "cheap-fails")
            ),
            {"name": "listed", "key": "sk-listed", "account": "listed"},
            {"name": "auto", "key": "sk-auto", "account": "listed", "models": ["auto*", "alone", "pair"]},
        ],
        "accounts": {"listed": {"plan": plan}},
        "providers": providers,
        "timeouts": {"first_byte": PATIENCE, "idle": PATIENCE},
        "models": models(),
        "catalogue": catalogue(),
        "health": NEVER,
        "retry": {"per_second": 1000.0, "attempts": 3, "base": 0.05},
        "telemetry": {"access_log": "stdout"},
    }
    return costed(mock.url, sqlite_in(folder), **{**sections, **changes})


# ---- the cases ------------------------------------------------------------------------------------------------------


@dataclass
class Told:
    """What a client was told, and what the books and the log say of its request."""

    answer: Answer | None
    entries: list[dict[str, Any]] = field(default_factory=list)
    line: dict[str, Any] = field(default_factory=dict)

    @property
    def entry(self) -> dict[str, Any]:
        """The one entry."""
        assert len(self.entries) == 1, self.entries
        return self.entries[0]


Leave = Callable[[Client], Awaitable[Any]]


def after(seconds: float) -> Leave:
    """Leaves so many seconds after it has asked."""

    async def wait(_: Client) -> None:
        await asyncio.sleep(seconds)

    return wait


def on(mark: bytes) -> Leave:
    """Leaves when it has been sent ``mark``."""

    async def wait(client: Client) -> None:
        await client.until(mark)

    return wait


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request and what it must come to.

    ``charged``: what the customer pays for: ``answer``, ``prompt`` or "" for nothing; ``price``: at another than the provider's.
    ``prompts``: the models whose prompts the operator pays for beside the answer; ``losers``: those outrun by another.
    """

    model: str
    attempts: int
    provider: str
    ending: str = "complete"
    charged: str = "answer"
    price: tuple[int, int] | None = None
    prompts: tuple[str, ...] = ()
    losers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    stream: bool = False
    status: int = 200
    leave: Leave | None = None
    key: str = KEY
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)


BILLED: dict[str, Any] = {"attempts": 2, "provider": "good/two", "prompts": ("one",), "flags": ("retried",)}
"""Ends well after a try that may have been billed."""

LISTED: dict[str, Any] = {"key": "sk-listed", "provider": "good/two", "attempts": 2}


def limit(milliseconds: int) -> dict[str, str]:
    """A deadline."""
    return {"x-tollway-timeout-ms": str(milliseconds)}


CASES: dict[str, Case] = {
    # Another target answers.
    "error": Case(model="after-error", attempts=2, provider="good/two"),
    "error-stream": Case(model="after-error", attempts=2, provider="good/two", stream=True),
    "dropped": Case(model="after-reset", **{**BILLED, "attempts": 3, "prompts": ("one", "one")}),
    "first-byte": Case(model="after-hang", **BILLED),
    "first-byte-stream": Case(model="after-hang", **BILLED, stream=True),
    "error-event": Case(model="after-event", **BILLED, stream=True),
    "error-in-200": Case(model="after-event", **BILLED),
    "cut": Case(model="after-cut", **BILLED, stream=True),
    "slow": Case(model="after-slow", **BILLED, stream=True),
    "fallback": Case(model="falls-back", attempts=2, provider="good/three"),
    # Nobody does.
    "all-fail": Case(
        model="all-fail", attempts=3, provider="error/three", ending="upstream_error", charged="", prompts=("two",),
        flags=("retried",), status=500,
    ),
    "all-hang": Case(
        model="all-hang", attempts=3, provider="hang/one", ending="timeout_early", charged="", prompts=("one", "two", "one"),
        flags=("retried",), status=504,
    ),
    "event-alone": Case(
        model="event-alone", attempts=1, provider="event/one", ending="upstream_cut_early", charged="", prompts=("one",),
        stream=True,
    ),
    "error-in-200-alone": Case(
        model="event-alone", attempts=1, provider="event/one", ending="upstream_cut_early", charged="", prompts=("one",)
    ),
    "all-reset": Case(
        # Three tries, and the dead connection of the first one renewed.
        model="all-reset", attempts=4, provider="reset/one", ending="upstream_cut_early", charged="",
        prompts=("one", "one", "two", "one"), flags=("retried",), status=502,
    ),
    # The client leaves.
    "left-first": Case(
        model="hang-alone", attempts=1, provider="hang/one", ending="client_left_early", charged="prompt", prompts=("one",),
        leave=after(0.2),
    ),
    "left-between": Case(
        model="rests", attempts=1, provider="resting/one", ending="client_left_between", charged="", leave=after(0.8)
    ),
    "left-second": Case(
        model="then-hangs", attempts=2, provider="hang/two", ending="client_left_early", charged="prompt", prompts=("two",),
        leave=after(0.8),
    ),
    "left-late": Case(
        model="then-streams", attempts=2, provider="paced/two", ending="client_left", stream=True, leave=on(b"data: ")
    ),
    # The deadline passes.
    "deadline-first": Case(
        model="hang-alone", attempts=1, provider="hang/one", ending="timeout_early", charged="", prompts=("one",),
        headers=limit(250), status=504,
    ),
    "deadline-second": Case(
        model="then-hangs", attempts=2, provider="hang/two", ending="timeout_early", charged="", prompts=("two",),
        headers=limit(700), status=504,
    ),
    "deadline-between": Case(
        model="rests", attempts=1, provider="resting/one", ending="upstream_error", charged="", headers=limit(400), status=500
    ),
    "deadline-late": Case(
        model="then-streams", attempts=2, provider="paced/two", ending="timeout", stream=True, headers=limit(1500)
    ),
    # Two targets race.
    "hedge-second": Case(model="hedge-second", attempts=2, provider="good/two", losers=("one",), flags=("hedged",)),
    "hedge-second-stream": Case(
        model="hedge-second", attempts=2, provider="good/two", losers=("one",), flags=("hedged",), stream=True
    ),
    "hedge-first": Case(model="hedge-first", attempts=2, provider="late/one", losers=("two",), flags=("hedged",)),
    "hedge-first-stream": Case(
        model="hedge-first", attempts=2, provider="late/one", losers=("two",), flags=("hedged",), stream=True
    ),
    "hedge-none": Case(
        model="hedge-none", attempts=2, provider="hang/one", ending="timeout_early", charged="", prompts=("one",),
        flags=("hedged",), status=504,
    ),
    "hedge-left": Case(
        model="hedge-left", attempts=2, provider="hang/one", ending="client_left_early", charged="prompt",
        losers=("one", "two"), flags=("hedged",), leave=after(0.7),
    ),
    # Prices go by the public name that answers.
    "wildcard": Case(model="two", attempts=2, provider="good/two"),
    "listed-wildcard": Case(model="two", **LISTED, price=(30, 40)),
    "listed-fallback": Case(model="falls-back", **{**LISTED, "provider": "good/three"}, price=(100, 200)),
    "listed-auto": Case(model="auto:cheapest", **{**LISTED, "provider": "good/one", "attempts": 1, "key": "sk-auto"}, price=(50, 60)),
    "listed-body": Case(model="error-alone", **LISTED, price=(70, 80), body={"models": ["pair"]}),
}  # fmt: skip


def body_of(name: str, *, stream: bool = False, **fields: Any) -> bytes:
    """A chat request."""
    body = {"model": name, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": CAP, **fields}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body).encode()


def chat(name: str, key: str, headers: Mapping[str, str], *, stream: bool = False, **fields: Any) -> bytes:
    """The bytes of one."""
    body = body_of(name, stream=stream, **fields)
    return request("POST", "/v1/chat/completions", body, key=key, headers=headers)


async def gone_through(gateway: Gateway, name: str, wait: float) -> Told:
    """One case, to its end. A little after the one before it: a burst would make some late that must not be."""
    await asyncio.sleep(wait)
    case = CASES[name]
    asked = chat(case.model, case.key, {"x-request-id": name, **case.headers}, stream=case.stream, **case.body)
    async with await Client.open(gateway.port) as client:
        await client.send(asked)
        if case.leave is None:
            return Told(await client.answer(10))
        await case.leave(client)
    return Told(None)


async def all_gone_through(gateway: Gateway, books: Books) -> dict[str, Told]:
    """Every case at once, and what is left of it when the books have it."""
    names = list(CASES)
    told = await asyncio.gather(*(gone_through(gateway, name, place * 0.01) for place, name in enumerate(names)))
    found = dict(zip(names, told, strict=True))
    lines = await eventually(lambda: len(found := access_lines(gateway)) >= len(names) and found)
    await books.settled(sum(line["attempts"] > 0 for line in lines))
    for ident, entries in (await books.entries()).items():
        found[ident].entries = entries
    for line in lines:
        assert not found[line["request_id"]].line, line
        found[line["request_id"]].line = line
    return found


@dataclass(frozen=True)
class Stand:
    """A gateway, its books, and what became of every case."""

    gateway: Gateway
    books: Books
    told: dict[str, Told]


@pytest.fixture(scope="module")
def stand(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """One gateway for all of these tests."""
    folder = tmp_path_factory.mktemp("money")
    with running(configured(mock, folder)) as gateway:
        wait_up(gateway)
        books = Books(folder / "tollway.db")
        yield Stand(gateway, books, asyncio.run(all_gone_through(gateway, books)))


def likely_in(name: str, *, stream: bool = False, **fields: Any) -> int:
    """Tokens of a prompt by its bytes: what is held for it, and what is known of a try that was outrun."""
    return estimate_prompt(body_of(name, stream=stream, **fields)).likely


@pytest.mark.parametrize("name", CASES)
def test_each_way_to_end_is_entered_once_and_charged_by_the_answer(stand: Stand, name: str) -> None:
    case, entry = CASES[name], stand.told[name].entry
    provider, answered = case.provider.split("/")
    shown = {key: entry[key] for key in ("provider", "model", "attempts", "ending", "flags")}
    assert shown == {
        "provider": provider, "model": answered, "attempts": case.attempts, "ending": case.ending, "flags": list(case.flags),
    }  # fmt: skip
    estimated = likely_in(case.model, stream=case.stream, **case.body)
    prompt, output = entry["input_tokens"] or estimated, entry["output_tokens"]
    own = PRICES[answered]
    inward, outward = case.price or own
    charges = {"answer": prompt * inward + output * outward, "prompt": prompt * inward, "": 0}
    assert entry["charge"] == charges[case.charged]
    cost = sum(PRICES[each][0] * prompt for each in case.prompts) + sum(
        # A loser read the same prompt: where the answer says how long it was, that holds.
        PRICES[each][0] * (prompt if case.charged == "answer" else estimated)
        for each in case.losers
    )
    assert entry["cost"] == cost + (prompt * own[0] + output * own[1] if case.charged == "answer" else 0)
    assert (output > 0) == (case.charged == "answer")


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.leave is None])
def test_the_client_gets_one_answer(stand: Stand, name: str) -> None:
    case, answer = CASES[name], stand.told[name].answer
    assert answer is not None
    assert answer.status == case.status
    if case.stream and case.ending == "complete":
        assert answer.data.count("[DONE]") == 1
        assert len({json.loads(data)["id"] for data in answer.data[:-1]}) == 1
    assert answer.header("x-tollway-attempts") == str(case.attempts)
    assert f"{answer.header('x-tollway-provider')}/{answer.header('x-tollway-model')}" == case.provider


async def test_the_books_add_up_and_nothing_is_held(stand: Stand) -> None:
    await stand.books.check()
    assert await stand.books.holds() == 0
    assert await stand.books.one("SELECT SUM(amount) AS s FROM balances WHERE book LIKE 'held/%'") == 0
    transactions = await stand.books.rows("SELECT request, kind FROM transactions WHERE kind = 'capture'")
    charged = [each.entry["ident"] for each in stand.told.values() if each.entry["charge"]]
    assert sorted(row["request"] for row in transactions) == sorted(charged)


@pytest.mark.parametrize("name", CASES)
def test_headers_and_log_say_what_the_books_say(stand: Stand, name: str) -> None:
    told = stand.told[name]
    entry, line, answer = told.entry, told.line, told.answer
    assert {key: entry[key] for key in ("provider", "model", "attempts", "ending", "outcome", "route")} == {
        key: line[key] for key in ("provider", "model", "attempts", "ending", "outcome", "route")
    }
    assert (round(line["charge_usd"] * 1e6), round(line["cost_usd"] * 1e6)) == (entry["charge"], entry["cost"])
    said = answer.header("x-tollway-cost-usd") if answer is not None else None
    if not CASES[name].stream and entry["charge"] and answer is not None:
        assert said is not None
    assert said is None or round(float(said) * 1e6) == entry["charge"]


async def test_no_place_is_kept_at_a_provider_or_by_a_key(stand: Stand) -> None:
    """As many as may be under way at once are taken, by the key and by the provider where others failed, hung and were outrun."""
    asked = [chat("then-waits", "sk-full", {"x-mock-first-token": "300"}) for _ in range(AT_ONCE)]
    answers = await asyncio.gather(*(ask(stand.gateway.port, each) for each in asked))
    assert {(each.status, each.header("x-tollway-attempts")) for each in answers} == {(200, "2")}
    assert not [each for each in answers if "limited_here" in (each.header("x-tollway-reason") or "")]


async def told_of(stand: Stand, name: str, key: str, **headers: str) -> tuple[Answer, str]:
    """One more request, and its id."""
    ident = f"{name}-{uuid.uuid4().hex}"
    named = {each.replace("_", "-"): value for each, value in headers.items()}
    return await ask(stand.gateway.port, chat(name, key, {"x-request-id": ident, **named})), ident


async def entries_of(stand: Stand, ident: str, number: int = 1) -> list[dict[str, Any]]:
    """Its entries, when there are so many."""
    deadline = time.monotonic() + 5
    while len(found := (await stand.books.entries()).get(ident, [])) < number:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)
    return found


async def test_what_is_left_of_a_budget_is_what_the_books_leave_of_it(stand: Stand) -> None:
    """And what the present request may cost at the dearer target that answers it."""
    answer, ident = await told_of(stand, "after-error", KEY)
    spent = await stand.books.one(
        f"SELECT SUM(charge) AS s FROM entries WHERE key_name = 'app' AND request_id <> '{ident}'"
    )
    held = likely_in("after-error") * PRICES["two"][0] + CAP * PRICES["two"][1]
    assert left_of(answer) == BUDGET - spent - held


def left_of(answer: Answer) -> int:
    """Micro-dollars of a budget that are left, as the client is told."""
    left = answer.header("x-tollway-budget-remaining-usd")
    assert left is not None
    return round(float(left) * 1e6)


@pytest.mark.parametrize("name", ["free-fails", "cheap-fails"])
async def test_a_budget_for_ten_holds_when_fifty_fail_over_to_a_dearer_target(stand: Stand, name: str) -> None:
    """A first target that costs nothing leaves all of the money to the second; a cheap one holds a part of it meanwhile."""
    key, controls = f"sk-{name}", {"x-mock-tokens": str(CAP), "x-mock-first-token": "300"}
    asked = [chat(name, key, controls, stream=each % 2 == 0) for each in range(AT_ONCE)]
    answers = await asyncio.gather(*(ask(stand.gateway.port, each) for each in asked))
    counts = Counter(each.status for each in answers)
    if name == "free-fails":
        assert counts == {200: 10, 500: AT_ONCE - 10}
    assert set(counts) <= {200, 429, 500}
    await entries_settled(stand, f"key_name = '{name}'", counts[200] + counts[500])
    spent = await stand.books.one(f"SELECT SUM(charge) AS s FROM entries WHERE key_name = '{name}'")
    assert spent <= FOR_TEN
    # Nothing stays held: what is left pays for one more answer, and is all there but for that.
    answer = await ask(stand.gateway.port, chat(name, key, {}, max_tokens=50))
    held = likely_in(name, max_tokens=50) * PRICES["three"][0] + 50 * PRICES["three"][1]
    assert (answer.status, answer.header("x-tollway-model")) == (200, "three")
    assert left_of(answer) == FOR_TEN - spent - held


async def entries_settled(stand: Stand, where: str, number: int) -> None:
    """Waits until there are so many."""
    deadline = time.monotonic() + 5
    while await stand.books.one(f"SELECT COUNT(*) AS n FROM entries WHERE {where}") != number:
        assert time.monotonic() < deadline, where
        await asyncio.sleep(0.05)


async def test_a_limited_target_is_passed_over_and_costs_nothing(stand: Stand) -> None:
    """By its provider's limit, and by a fallback model's own."""
    for name, free, then in (("narrow-first", "narrow/one", "good/two"), ("to-narrow", "good/one", "good/three")):
        places = []
        for _ in range(2):
            answer, ident = await told_of(stand, name, "sk-other")
            (entry,) = await entries_of(stand, ident)
            places.append(f"{entry['provider']}/{entry['model']}")
            inward, outward = PRICES[entry["model"]]
            assert (answer.status, entry["flags"]) == (200, [])
            assert entry["charge"] == entry["cost"] == entry["input_tokens"] * inward + entry["output_tokens"] * outward
        assert places == [free, then]
        assert f"{free}: limited_here" in (answer.header("x-tollway-reason") or "")


async def test_a_dry_run_reserves_counts_and_writes_nothing(stand: Stand) -> None:
    for _ in range(3):
        answer, dry = await told_of(stand, "after-error", "sk-few", x_tollway_dry_run="true")
        assert (answer.status, answer.header("x-ratelimit-limit-requests")) == (200, None)
    answer, ident = await told_of(stand, "after-error", "sk-few")
    assert (answer.status, answer.header("x-ratelimit-remaining-requests")) == (200, "0")
    assert (await told_of(stand, "after-error", "sk-few"))[0].status == 429
    await entries_of(stand, ident)
    assert dry not in await stand.books.entries()


async def test_a_shadow_charges_nobody_and_costs_once(stand: Stand) -> None:
    _, ident = await told_of(stand, "shadowed", KEY)
    own, shadow = sorted(await entries_of(stand, ident, 2), key=lambda entry: "shadow" in entry["flags"])
    assert (own["model"], own["flags"], own["charge"] > 0, own["cost"]) == ("one", [], True, own["charge"])
    assert (shadow["account"], shadow["key_name"], shadow["charge"], shadow["flags"]) == ("", "shadow", 0, ["shadow"])
    inward, outward = PRICES["three"]
    assert shadow["cost"] == shadow["input_tokens"] * inward + shadow["output_tokens"] * outward > 0
    await stand.books.check()


async def test_a_continued_answer_is_one_to_the_customer_and_two_to_the_operator(stand: Stand) -> None:
    ident = f"continued-{uuid.uuid4().hex}"
    answer = await ask(stand.gateway.port, chat("continued", KEY, {"x-request-id": ident}, stream=True))
    first, seam, _ = answer.body.partition(b": tollway-seam good/two\n\n")
    said = first.count(b'"content":"') - first.count(b'"content":""')
    usage = json.loads(answer.data[-2])["usage"]
    (entry,) = await entries_of(stand, ident)
    assert (bool(seam), said > 0, answer.data.count("[DONE]")) == (True, True, 1)
    assert (entry["provider"], entry["attempts"], entry["ending"], entry["flags"]) == (
        "good",
        2,
        "complete",
        ["continued"],
    )
    one, two = PRICES["one"], PRICES["two"]
    assert entry["charge"] == entry["input_tokens"] * two[0] + entry["output_tokens"] * two[1]
    # To the client the first part is answer; to the second target it was prompt.
    before = likely_in("continued", stream=True) * one[0] + said * one[1]
    assert (
        entry["cost"]
        == before + (usage["prompt_tokens"] + said) * two[0] + (usage["completion_tokens"] - said) * two[1]
    )


# ---- a killed process -----------------------------------------------------------------------------------------------

KILLED = {
    "between": ("rests", False, "resting/one", False),
    "second": ("then-hangs", False, "hang/two", False),
    "race": ("hedge-left", False, "hang/two", False),
    "won-by-the-first": ("hedge-long", True, "long/one", True),
    "second-streams": ("then-streams", True, "paced/two", True),
}
"""Where each request is when the process dies: (model, streamed, whose prices settle it, was something delivered?)."""


async def test_a_killed_process_loses_and_doubles_nothing(mock: Mock, tmp_path: Path) -> None:
    config, books = configured(mock, tmp_path, timeouts={"first_byte": 30, "idle": 30}), Books(tmp_path / "tollway.db")
    gateway = Gateway(config, wait=False)
    try:
        await asyncio.to_thread(wait_up, gateway)
        clients = [await Client.open(gateway.port) for _ in KILLED]
        for client, (name, (model_name, stream, _, _)) in zip(clients, KILLED.items(), strict=True):
            await client.send(chat(model_name, KEY, {"x-request-id": name}, stream=stream, max_tokens=4000))
        for client, (_, stream, _, _) in zip(clients, KILLED.values(), strict=True):
            if stream:
                await client.until(b"data: ")
        # A checkpoint is due every two seconds.
        await asyncio.sleep(2.5)
        await asyncio.to_thread(kill_all, gateway)
        for client in clients:
            client.close()
    finally:
        gateway.close()
    with running(config) as again:
        await asyncio.to_thread(wait_up, again)
        await books.settled(len(KILLED))
        found = await books.entries()
        await books.check()
    for name, (_, stream, place, delivered) in KILLED.items():
        (entry,) = found[name]
        assert (f"{entry['provider']}/{entry['model']}", entry["flags"]) == (place, ["recovered"])
        inward, outward = PRICES[entry["model"]]
        cost = entry["input_tokens"] * inward + entry["output_tokens"] * outward
        assert (entry["charge"], entry["cost"]) == (cost if delivered else 0, cost), name
        assert (entry["output_tokens"] > 0) == delivered
        assert (entry["ending"] == "recovered") == stream
