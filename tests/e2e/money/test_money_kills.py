"""SIGKILL at any moment, under load: every request that the upstream saw is in the ledger once, and its money adds up."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from proxy.tokens.counter import TokenCounter
from tests.support.gateways import (
    INPUT,
    OUTPUT,
    Books,
    Call,
    Load,
    Witness,
    costed,
    kill_all,
    load,
    sqlite_in,
    wait_up,
)
from tests.support.processes import KEY, Gateway, Mock, free_port
from tests.support.valkey import Server, server

pytestmark = pytest.mark.e2e

CLIENTS = 12
PAID_IN = 1_000
"""Dollars that the prepaid account has."""

LATE_TOKENS, LATE_SECONDS = 200, 2.0
"""How far a recovered entry may be behind what was delivered: by the one or by the other."""

AHEAD = 16
"""Tokens that had left the gateway and never reached the client, when it was killed: one read of the upstream's, at most."""


@dataclass
class Story:
    """What happened."""

    calls: list[Call] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    """Which gateway each call went to."""
    kills: list[tuple[int, float]] = field(default_factory=list)
    """Which gateway died, and a moment just before."""
    down: list[float] = field(default_factory=list)
    """Seconds until the next process answered."""

    def end_of(self, call: Call) -> float | None:
        """When the gateway that had this call was killed."""
        return next((at for place, at in self.kills if place == self.asked[call.ident] and at >= call.begun), None)


class Fleet:
    """Gateways that die and live again at their places, and clients that do not mind."""

    def __init__(self, configs: list[dict[str, Any]], clients: Load, seed: int) -> None:
        self._configs = configs
        self._clients = clients
        self._seed = seed
        self.gateways = [Gateway(config, wait=False) for config in configs]
        self.story = Story()
        self._there: set[int] = set()
        self.over = False

    async def up(self) -> None:
        """All of them."""
        for place, gateway in enumerate(self.gateways):
            await asyncio.to_thread(wait_up, gateway)
            self._there.add(place)

    def close(self) -> None:
        """Ends what still runs."""
        for gateway in self.gateways:
            gateway.close()

    async def ask_for_ever(self, number: int, keys: list[str]) -> None:
        """One client: plain requests and streams, short and long, one after another, of whoever is there."""
        chance = random.Random(self._seed + number)
        while not self.over:
            if not self._there:
                await asyncio.sleep(0.01)
                continue
            place = chance.choice(sorted(self._there))
            tokens = chance.choice((5, 40, 150, 400))
            mock = {"tokens": str(tokens), "seed": str(chance.randrange(1000))}
            stream = chance.random() < 0.6
            mock |= {"pace": "4", "jitter": "3"} if stream else {"first-token": str(chance.randrange(250))}
            call = await self._clients.ask(
                self.gateways[place], key=chance.choice(keys), stream=stream, mock=mock, max_tokens=max(16, tokens)
            )
            self.story.calls.append(call)
            self.story.asked[call.ident] = place

    async def die_and_live(self, place: int, kills: int) -> None:
        """Kills the gateway at ``place`` so many times: some of them while it starts and recovers what the last one left."""
        chance = random.Random(self._seed - place)
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(0.1, 1.2))
            old = self.gateways[place]
            self._there.discard(place)
            self.story.kills.append((place, time.monotonic()))
            await asyncio.to_thread(kill_all, old)
            self.gateways[place] = Gateway(self._configs[place], wait=False)
            old.close()
            if chance.random() < 0.2:
                continue
            begun = time.monotonic()
            await asyncio.to_thread(wait_up, self.gateways[place])
            self._there.add(place)
            self.story.down.append(time.monotonic() - begun)

    async def terminate(self) -> None:
        """They write what they have and go."""
        for gateway in self.gateways:
            assert await asyncio.to_thread(gateway.terminate) == 0, gateway.log()


async def survive(configs: list[dict[str, Any]], mock: Mock, books: Books, kills: int, seed: int) -> None:
    """The whole of it."""
    witness = Witness(mock)
    async with load() as clients:
        fleet = Fleet(configs, clients, seed)
        try:
            await fleet.up()
            first = fleet.gateways[0]
            await clients.admin(first, "POST", "/accounts", {"name": "acme", "plan": {"prepaid": True}})
            await clients.admin(first, "POST", "/accounts/acme/credits", {"usd": PAID_IN})
            made = await clients.admin(first, "POST", "/keys", {"account": "acme", "name": "paid"})
            await clients.until_ready(fleet.gateways, key=made["key"])
            keys = [KEY, made["key"]]
            watching = asyncio.create_task(witness.watch())
            asking = [asyncio.create_task(fleet.ask_for_ever(each, keys)) for each in range(CLIENTS)]
            await asyncio.gather(*(fleet.die_and_live(place, kills // len(configs)) for place in range(len(configs))))
            await fleet.up()
            await asyncio.sleep(0.5)
            fleet.over = True
            await asyncio.gather(*asking)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await fleet.terminate()
        finally:
            fleet.close()
    await witness.finish()
    assert len(fleet.story.kills) == kills
    await judge(fleet.story, witness, books)


async def judge(story: Story, witness: Witness, books: Books) -> None:
    """The upstream's count against the ledger, the ledger against itself, each entry against what its client received."""
    await books.check()
    assert await books.holds() == 0
    entries = await books.entries()
    lost = [ident for ident in witness.seen if ident not in entries]
    assert not lost, f"{len(lost)} requests that the upstream saw have no entry"
    doubled = [ident for ident, found in entries.items() if len(found) != 1]
    assert not doubled, f"{len(doubled)} requests have several entries"
    for ident, (entry,) in entries.items():
        if ident not in witness.seen:
            # Written down, and killed before the bytes were on their way: that it may have been sent costs nobody anything.
            assert (entry["ending"], entry["charge"], entry["flags"]) == ("recovered_early", 0, ["recovered"]), entry
    counter = TokenCounter()
    await counter.load("o200k_base")
    count, _ = counter.inline_count("gpt-4o")
    for call in story.calls:
        for entry in entries.get(call.ident, ()):
            assert entry["charge"] in (0, entry["input_tokens"] * INPUT + entry["output_tokens"] * OUTPUT), entry
            if "recovered" in entry["flags"]:
                near(call, entry, story, count)
            elif call.usage is not None:
                exact(call, entry)
    counter.close()
    (acme,) = await books.rows("SELECT id FROM accounts WHERE name = 'acme'")
    spent = await books.one(f"SELECT SUM(charge) AS s FROM entries WHERE account = '{acme['id']}'")
    assert spent > 0
    balance = await books.one(f"SELECT amount FROM balances WHERE book = 'account/{acme['id']}'")
    assert balance == PAID_IN * 1_000_000 - spent
    report(story, witness, entries)


def exact(call: Call, entry: dict[str, Any]) -> None:
    """A whole answer costs what the upstream said."""
    assert call.usage is not None
    assert (entry["ending"], entry["count"], entry["flags"]) == ("complete", "reported", []), (call, entry)
    assert (entry["input_tokens"], entry["output_tokens"]) == (
        call.usage["prompt_tokens"],
        call.usage["completion_tokens"],
    )
    assert entry["charge"] == call.cost


def near(call: Call, entry: dict[str, Any], story: Story, count: Callable[[str], int]) -> None:
    """A recovered one is marked so, and at most so far behind what was delivered."""
    assert entry["count"] == "estimated", entry
    killed = story.end_of(call)
    assert killed is not None, (call, entry)
    total, before = count(call.text), count(call.text_by(killed - LATE_SECONDS))
    assert entry["output_tokens"] >= min(total - LATE_TOKENS, before), (total, before, entry)
    assert entry["output_tokens"] <= total + AHEAD, (total, entry)


def report(story: Story, witness: Witness, entries: dict[str, Any]) -> None:
    """For whoever reads the run's output."""
    endings = Counter(entry["ending"] for (entry,) in entries.values())
    unseen = sum(ident not in witness.seen for ident in entries)
    down = sorted(story.down)
    print(
        f"{len(story.kills)} kills, {len(story.calls)} calls, {len(witness.seen)} seen upstream, {len(entries)} entries "
        f"({unseen} never seen), endings {dict(endings)}, back after {down[len(down) // 2]:.1f} s (median)"
    )


def configured(mock: Mock, folder: Path, state: dict[str, Any] | None = None) -> dict[str, Any]:
    """A ledger in a file, and a key with a budget that is never reached."""
    keys = [{"name": "app", "key": KEY, "budget": {"usd": 1_000, "per": "total"}}]
    return costed(mock.url, sqlite_in(folder), state, keys=keys)


@pytest.fixture
def upstream() -> Iterator[Mock]:
    """A mock that nobody else asks."""
    with contextlib.closing(Mock()) as mock:
        yield mock


async def two_on_one_store(mock: Mock, folder: Path, kills: int, seed: int) -> None:
    """They share everything; each recovers what the other's killed ones left, when it comes first."""
    with server() as valkey:
        config = configured(mock, folder, {"type": "redis", "url": valkey.url, "replicas": 2, "timeout": 1})
        configs = [{**config, "server": {**config["server"], "port": free_port()}} for _ in range(2)]
        books = Books(folder / "tollway.db")
        await survive(configs, mock, books, kills, seed)
        await counters_agree(valkey, books)


async def counters_agree(valkey: Server, books: Books) -> None:
    """What the store thinks was spent is what the ledger says: never less, and more only by what died between the two.

    That is a millisecond of each request; two whole ones are a lot.
    """
    (acme,) = await books.rows("SELECT id FROM accounts WHERE name = 'acme'")
    where = f"account = '{acme['id']}'"
    spent = await books.one(f"SELECT SUM(charge) AS s FROM entries WHERE {where}")
    recovered = await books.one(f"SELECT SUM(charge) AS s FROM entries WHERE {where} AND ending = 'recovered'")
    (used,) = valkey.ask("HMGET", f"{{tollway}}:m:account/{acme['id']}/credit:total", "u").split(b"\r\n")[2:3]
    print(f"the ledger says {spent}, of which {recovered} were recovered; the store says {int(used)}")
    assert spent <= int(used) <= spent + recovered + 2 * (400 * OUTPUT + 22 * INPUT)


async def test_twenty_kills(upstream: Mock, tmp_path: Path) -> None:
    await two_on_one_store(upstream, tmp_path, 20, seed=20)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_two_hundred_kills(upstream: Mock, tmp_path: Path) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    await two_on_one_store(upstream, tmp_path, 200, seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_hundred_kills_of_one_alone(upstream: Mock, tmp_path: Path) -> None:
    """With everything in memory: nobody else is there to recover."""
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    await survive([configured(upstream, tmp_path)], upstream, Books(tmp_path / "tollway.db"), 100, seed)
