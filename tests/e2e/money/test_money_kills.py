"""SIGKILL at any moment, under load: every request that the upstream saw is in the ledger once, and its money adds up."""

import asyncio
import contextlib
import random
import time
from collections import Counter
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
from tests.support.processes import KEY, Gateway, Mock

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
    kills: list[float] = field(default_factory=list)
    """Moments just after which everything was killed."""
    down: list[float] = field(default_factory=list)
    """Seconds until the next process answered."""


async def keep_asking(clients: Load, current: list[Gateway], keys: list[str], story: Story, seed: int) -> None:
    """One client: plain requests and streams, short and long, one after another, whoever is there."""
    chance = random.Random(seed)
    while True:
        tokens = chance.choice((5, 40, 150, 400))
        mock = {"tokens": str(tokens), "seed": str(chance.randrange(1000))}
        stream = chance.random() < 0.6
        mock |= {"pace": "4", "jitter": "3"} if stream else {"first-token": str(chance.randrange(250))}
        call = await clients.ask(
            current[0], key=chance.choice(keys), stream=stream, mock=mock, max_tokens=max(16, tokens)
        )
        story.calls.append(call)
        if call.ending == "lost":
            await asyncio.sleep(0.1)


async def die_and_live(config: dict[str, Any], current: list[Gateway], story: Story, kills: int, seed: int) -> None:
    """Kills and starts again, so many times."""
    chance = random.Random(seed)
    for _ in range(kills):
        await asyncio.sleep(chance.uniform(0.05, 1.0))
        story.kills.append(time.monotonic())
        await asyncio.to_thread(kill_all, current[0])
        begun = time.monotonic()
        old, current[0] = current[0], Gateway(config, wait=False)
        old.close()
        await asyncio.to_thread(wait_up, current[0])
        story.down.append(time.monotonic() - begun)


async def survive(config: dict[str, Any], mock: Mock, books: Books, kills: int, seed: int) -> Story:
    """The whole of it; returns when the last process has written everything and gone."""
    story, witness = Story(), Witness(mock)
    current = [Gateway(config, wait=False)]
    try:
        await asyncio.to_thread(wait_up, current[0])
        async with load() as clients:
            await clients.admin(current[0], "POST", "/accounts", {"name": "acme", "plan": {"prepaid": True}})
            await clients.admin(current[0], "POST", "/accounts/acme/credits", {"usd": PAID_IN})
            made = await clients.admin(current[0], "POST", "/keys", {"account": "acme", "name": "paid"})
            await clients.until_ready(current, key=made["key"])
            tasks = [asyncio.create_task(witness.watch())]
            tasks += [
                asyncio.create_task(keep_asking(clients, current, [KEY, made["key"]], story, seed + each))
                for each in range(CLIENTS)
            ]
            await die_and_live(config, current, story, kills, seed)
            # The last one's load ends by itself: requests under way are settled, not recovered.
            await asyncio.sleep(0.5)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert await asyncio.to_thread(current[0].terminate) == 0, current[0].log()
    finally:
        current[0].close()
    await witness.finish()
    await judge(story, witness, books)
    return story


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


def near(call: Call, entry: dict[str, Any], story: Story, count: Any) -> None:
    """A recovered one is marked so, and at most so far behind what was delivered."""
    assert entry["count"] == "estimated", entry
    killed = next((moment for moment in story.kills if moment >= call.begun), None)
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


def configured(mock: Mock, folder: Path) -> dict[str, Any]:
    """One worker with a ledger in a file, and a key with a budget that is never reached."""
    keys = [{"name": "app", "key": KEY, "budget": {"usd": 1_000, "per": "total"}}]
    return costed(mock.url, sqlite_in(folder), keys=keys)


@pytest.fixture
def upstream() -> Any:
    """A mock that nobody else asks."""
    with contextlib.closing(Mock()) as mock:
        yield mock


async def test_twenty_kills(upstream: Mock, tmp_path: Path) -> None:
    config = configured(upstream, tmp_path)
    story = await survive(config, upstream, Books(tmp_path / "tollway.db"), 20, seed=20)
    assert len(story.kills) == 20


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_two_hundred_kills(upstream: Mock, tmp_path: Path) -> None:
    config = configured(upstream, tmp_path)
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    story = await survive(config, upstream, Books(tmp_path / "tollway.db"), 200, seed=seed)
    assert len(story.kills) == 200
