"""Four processes on one store: a limit is one limit, and what a killed process held comes back."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.processes import ROOT
from tests.support.valkey import Server

from .conftest import budget, charge, fleet, granted, rule, slots

pytestmark = pytest.mark.e2e


@contextlib.contextmanager
def hammers(url: str, mode: str, count: int, processes: int = 4) -> Iterator[list["subprocess.Popen[str]"]]:
    """Processes that are about to begin."""
    command = [sys.executable, "-m", "tests.e2e.stores.hammer", mode, url, str(count)]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(processes)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        yield children
    finally:
        for child in children:
            child.kill()
            child.communicate(timeout=10)


def total(children: list["subprocess.Popen[str]"]) -> int:
    """Starts them all, and adds up what they say."""
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return sum(int(child.stdout.readline()) for child in children if child.stdout is not None)


@pytest.mark.parametrize("mode", ["requests", "slots", "budget"])
async def test_five_hundred_at_once_for_a_limit_of_ten(engine: Server, mode: str) -> None:
    async with fleet(engine.url) as found:
        await found.store.seed([(budget(1000).ident, "total", 0)])
    with hammers(engine.unix, mode, 125) as children:
        assert await asyncio.to_thread(total, children) == 10


async def test_fifty_streams_never_pass_the_tokens_of_a_minute(valkey: Server) -> None:
    with hammers(valkey.unix, "stream", 13) as children:
        spent = await asyncio.to_thread(total, children)
    assert 9_900 <= spent <= 10_000
    async with fleet(valkey.url) as found:
        (level,) = await found.store.levels([(rule("tpm", 10_000, unit="tokens"), "")])
        assert (level.used, level.held) == (spent, 0)


async def test_what_a_killed_process_held_comes_back_when_its_lease_ends(valkey: Server) -> None:
    with hammers(valkey.unix, "slots", 125, processes=1) as children:
        assert await asyncio.to_thread(total, children) == 10
        os.kill(children[0].pid, signal.SIGKILL)
    async with fleet(valkey.url) as found:
        assert (await found.store.levels([(slots(10), "")]))[0].held == 10
        valkey.ask("HINCRBY", "{tollway}:clock", "behind", 61_000_000)
        for _ in range(10):
            await granted(found.store, charge(slots(10)))


async def test_ten_thousand_leases_that_end_at_once_do_not_hold_up_a_call(valkey: Server) -> None:
    """Each call ends a few; all are over soon."""
    async with fleet(valkey.unix) as found:
        asked = charge(slots(10**6))
        for _ in range(200):
            await asyncio.gather(*(granted(found.shared, asked) for _ in range(50)))
        valkey.ask("HINCRBY", "{tollway}:clock", "behind", 61_000_000)
        held = [(await found.shared.levels([(asked.rule, "")]))[0].held for _ in range(500)]
        assert held == [10_000 - 20 * call for call in range(1, 501)]
