"""Hits in the books of a real gateway: priced by the plan, followed live, killed before the database had them, and told in reports."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateways import Books, Call, Gateway, Load, costed, kill_all, load, sqlite_in, wait_up
from tests.support.observed import metric
from tests.support.processes import KEY, Mock, free_port

pytestmark = pytest.mark.e2e

OTHER = "sk-tw-another-key-of-the-tests"


def priced(mock: Mock, folder: Path) -> dict[str, Any]:
    """One account pays half for a hit, the other nothing."""
    return costed(
        mock.url,
        sqlite_in(folder),
        server={"port": free_port()},
        cache={"exact": {"ttl": "1h"}},
        accounts={"half": {"plan": {"cached": 50}}},
        keys=[
            {
                "name": "app",
                "key": KEY,
                "account": "half",
                "budget": {"usd": 1, "per": "total"},
                "limits": {"rpm": 1000},
            },
            {"name": "free", "key": OTHER, "limits": {"tpm": 100_000}},
        ],
    )


def said(call: Call) -> int:
    """Micro-dollars of the cost header."""
    return round(float(call.headers["x-tollway-cost-usd"]) * 1_000_000)


def left(call: Call, name: str) -> int:
    """A limit's header."""
    return int(call.headers[f"x-ratelimit-remaining-{name}"])


async def hit(clients: Load, gateway: Gateway, **how: Any) -> Call:
    """A request that must be one."""
    call = await clients.ask(gateway, **how)
    assert (call.status, call.headers["x-tollway-cache"], call.done) == (200, "hit", True), call
    assert call.headers["x-tollway-attempts"] == "0"
    return call


async def test_hits_are_in_the_books_at_the_plans_price_whatever_kills_the_gateway(mock: Mock, tmp_path: Path) -> None:
    config, books = priced(mock, tmp_path), Books(tmp_path / "tollway.db")
    gateway = Gateway(config)
    try:
        async with load() as clients:
            first = await clients.ask(gateway)
            assert (first.headers["x-tollway-cache"], said(first)) == ("miss", first.cost)
            half = -(-first.cost // 2)
            hits = [await hit(clients, gateway), await hit(clients, gateway, stream=True)]
            assert [said(call) for call in hits] == [half, half]
            free = await clients.ask(gateway, key=OTHER)
            assert free.headers["x-tollway-cache"] == "miss", "another key's answers are its own"
            free_hits = [await hit(clients, gateway, key=OTHER) for _ in range(3)]
            assert [said(call) for call in free_hits] == [0, 0, 0]
            assert left(free_hits[-1], "tokens") == left(free_hits[0], "tokens"), "what a hit held was given back"
            slow = [
                asyncio.create_task(clients.ask(gateway, stream=True, content="slowly", mock={"pace": "20"}))
                for _ in range(4)
            ]
            shared = await asyncio.gather(*slow)
            assert sorted(call.headers["x-tollway-cache"] for call in shared) == ["hit", "hit", "hit", "miss"]
            assert metric(gateway, "tollway_cache_saved_usd_total", of="cost") > 0
            # Some of these the database has, the last ones only the journal.
            late = [await hit(clients, gateway) for _ in range(5)]
            kill_all(gateway)
            gateway.close()
            gateway = Gateway(config, wait=False)
            await asyncio.to_thread(wait_up, gateway)
            await books.settled(1 + 2 + 1 + 3 + 4 + 5)
            entries = await books.entries()
            assert {len(rows) for rows in entries.values()} == {1}
            for call in hits + late:
                (row,) = entries[call.ident]
                assert (row["cache"], row["charge"], row["cost"], row["saved"]) == ("hit", half, 0, first.cost - half)
                assert (row["ending"], row["provider"], row["attempts"], row["flags"]) == ("cached", "mock", 0, [])
            for call in free_hits:
                (row,) = entries[call.ident]
                assert (row["charge"], row["saved"], row["saved_cost"]) == (0, first.cost, first.cost)
            followed = {entries[call.ident][0]["cache"] for call in shared if call.headers["x-tollway-cache"] == "hit"}
            assert followed == {"shared"}
            await books.check()
            usage = await clients.admin(gateway, "GET", "/usage?group_by=provider")
            [row] = usage["data"]
            assert (row["requests"], row["cache_hits"]) == (16, 13)
            sent = [first, free, shared[0]]
            assert row["input_tokens"] == sum(call.usage["prompt_tokens"] for call in sent if call.usage is not None)
            again = await clients.ask(gateway)
            assert again.headers["x-tollway-cache"] == "miss", "what was in memory died with its process"
    finally:
        gateway.close()
