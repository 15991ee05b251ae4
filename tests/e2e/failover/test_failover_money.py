"""Money under failover: however a request with several tries ends there is one entry, its charge is the answer's, nothing stays held.

All ways to end are gone once, at the same time, through one gateway; the tests then look at what came of each.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from proxy.tokens.estimate import estimate_prompt
from tests.support.gateways import ADMIN, PROMPT, Books, Load, costed, fleet, kill_all, load, sqlite_in, wait_up
from tests.support.observed import access_lines
from tests.support.processes import KEY, Gateway, Mock, running
from tests.support.rawhttp import Answer, Client, eventually, request

pytestmark = pytest.mark.e2e

PRICES = {"one": (3, 5), "two": (7, 11), "three": (13, 17)}
"""Micro-dollars for a token of the prompt, and of the answer, by model."""

PATIENCE = 0.6
"""Seconds of every target's ``first_byte`` and ``idle``."""

AFTER = 0.2
"""Seconds after which a hedge starts."""

AT_ONCE = 20
"""Requests that each provider takes at once by a limit of ours."""

BODY: dict[str, Any] = {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": 400}

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
    "late": {"first_token": "350"},
    "lame": {"first_token": "5000"},
    "resting": {"fault": "status:500", "reply_headers": "retry-after=3"},
    "breaks": {"fault": "cut-mid-event:9"},
}


def target(place: str, **more: Any) -> dict[str, Any]:
    """``provider/model``."""
    provider, model = place.split("/")
    return {"provider": provider, "model": model, "timeouts": {"first_byte": PATIENCE, "idle": PATIENCE}, **more}


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
    sections: dict[str, Any] = {
        "keys": [
            {"name": "app", "key": KEY, "limits": {"concurrency": 100, "tpm": 10_000_000}},
            {"name": "few", "key": "sk-few", "models": ["alone", "pair"], "limits": {"rpm": 1}},
            {"name": "listed", "key": "sk-listed", "account": "listed"},
            {"name": "auto", "key": "sk-auto", "account": "listed", "models": ["auto*", "alone", "pair"]},
        ],
        "accounts": {"listed": {"plan": plan}},
        "providers": {name: upstream(mock, **controls) for name, controls in UPSTREAMS.items()},
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
    # The client leaves.
    "left-first": Case(
        model="hang-alone", attempts=1, provider="hang/one", ending="client_left_early", charged="prompt", prompts=("one",),
        leave=after(0.2),
    ),
    "left-between": Case(
        model="rests", attempts=1, provider="resting/one", ending="client_left_between", charged="", leave=after(0.3)
    ),
    "left-second": Case(
        model="then-hangs", attempts=2, provider="hang/two", ending="client_left_early", charged="prompt", prompts=("two",),
        leave=after(0.3),
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
        headers=limit(300), status=504,
    ),
    "deadline-between": Case(
        model="rests", attempts=1, provider="resting/one", ending="upstream_error", charged="", headers=limit(400), status=500
    ),
    "deadline-late": Case(
        model="then-streams", attempts=2, provider="paced/two", ending="timeout", stream=True, headers=limit(700)
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
        model="hedge-left", attempts=2, provider="hang/one", ending="client_left_early", charged="prompt", prompts=("one",),
        losers=("two",), flags=("hedged",), leave=after(0.45),
    ),
    # Prices go by the public name that answers.
    "wildcard": Case(model="two", attempts=2, provider="good/two"),
    "listed-wildcard": Case(model="two", **LISTED, price=(30, 40)),
    "listed-fallback": Case(model="falls-back", **{**LISTED, "provider": "good/three"}, price=(100, 200)),
    "listed-auto": Case(model="auto:cheapest", **{**LISTED, "provider": "good/one", "attempts": 1, "key": "sk-auto"}, price=(50, 60)),
    "listed-body": Case(model="error-alone", **LISTED, price=(70, 80), body={"models": ["pair"]}),
}  # fmt: skip


async def gone_through(gateway: Gateway, name: str) -> Told:
    """One case, to its end."""
    case = CASES[name]
    body = {"model": case.model, **BODY, **case.body}
    if case.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    headers = {"x-request-id": name, **case.headers}
    asked = request("POST", "/v1/chat/completions", json.dumps(body).encode(), key=case.key, headers=headers)
    async with await Client.open(gateway.port) as client:
        await client.send(asked)
        if case.leave is None:
            return Told(await client.answer(10))
        await case.leave(client)
    return Told(None)


async def all_gone_through(gateway: Gateway, books: Books) -> dict[str, Told]:
    """Every case at once, and what is left of it when the books have it."""
    names = list(CASES)
    found = dict(zip(names, await asyncio.gather(*(gone_through(gateway, name) for name in names)), strict=True))
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


def likely(case: Case) -> int:
    """Tokens of the prompt by its bytes: what is known of a try that was outrun."""
    return estimate_prompt(json.dumps({"model": case.model, **BODY}).encode()).likely


@pytest.mark.parametrize("name", CASES)
def test_each_way_to_end_is_entered_once_and_charged_by_the_answer(stand: Stand, name: str) -> None:
    case, entry = CASES[name], stand.told[name].entry
    provider, answered = case.provider.split("/")
    shown = {key: entry[key] for key in ("provider", "model", "attempts", "ending", "flags")}
    assert shown == {
        "provider": provider, "model": answered, "attempts": case.attempts, "ending": case.ending, "flags": list(case.flags),
    }  # fmt: skip
    prompt, output = entry["input_tokens"] or likely(case), entry["output_tokens"]
    own = PRICES[answered]
    inward, outward = case.price or own
    charges = {"answer": prompt * inward + output * outward, "prompt": prompt * inward, "": 0}
    assert entry["charge"] == charges[case.charged]
    cost = sum(PRICES[each][0] * prompt for each in case.prompts) + sum(PRICES[each][0] * likely(case) for each in case.losers)
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
