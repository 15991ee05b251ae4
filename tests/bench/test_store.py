"""One call of the store before a request is sent and one after its answer, as a real Valkey counts them; and that the bench runs."""

import asyncio
import json
import sys

import pytest

from proxy.context import Limits as TimeLimits
from proxy.protocols import Exchange, UpstreamRequest
from tests.support.valkey import Server, server

from . import store
from .admission import BUDGET, LIMITS
from .chain import BODY, Bench, requests
from .store import evaluated, measure, store_at


async def test_a_request_is_two_round_trips(monkeypatch: pytest.MonkeyPatch) -> None:
    with server() as valkey:
        async with store_at(valkey.unix) as counters:
            bench = Bench(limits=LIMITS, budget=BUDGET, store=counters)
            bench.transport.plain()
            try:
                assert await _calls_when_sent(bench, valkey, monkeypatch) == [1, 3, 5]
            finally:
                bench.close()


async def _calls_when_sent(bench: Bench, valkey: Server, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many scripts had run when each of three requests left for the provider."""
    seen: list[int] = []
    send, before = bench.transport.send, evaluated(valkey)

    async def counting(request: UpstreamRequest, limits: TimeLimits, *, fresh: bool = False) -> Exchange:
        seen.append(evaluated(valkey) - before)
        return await send(request, limits, fresh=fresh)

    monkeypatch.setattr(bench.transport, "send", counting)
    for number in (2, 4, 6):
        await requests(bench.chain(), BODY, 1)
        # Settling is no part of the answer.
        for _ in range(2_000):
            if evaluated(valkey) - before >= number:
                break
            await asyncio.sleep(0.005)
    assert evaluated(valkey) - before == 6
    return seen


async def test_each_call_is_one_round_trip() -> None:
    figures = await measure(rounds=1, count=10)
    assert set(figures) == {"unix", "tcp"}
    for found in figures.values():
        assert (found["trips to reserve"], found["trips to settle"]) == (1, 1)
        assert found["reserve"] > 0 < found["settle"]


def test_it_runs_as_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["store", "--json", "--rounds", "1"])
    monkeypatch.setattr(store, "collect_as_served", lambda: None)
    monkeypatch.setattr(store.gc, "collect", lambda: 0)
    store.main()
    assert set(json.loads(capsys.readouterr().out)) == {"unix", "tcp"}
