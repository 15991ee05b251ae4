"""Both transports under the one contract, on the loop of production and, where loops differ, on asyncio's own.

Whatever a test does, it must leave as many descriptors, tasks and timers as it found, and the loop must have had nothing to report.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
import uvloop

from proxy.protocols import Transport
from tests.support.raw_upstream import PATIENCE, RawUpstream, raw_upstream

from .exchanges import KINDS, made

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """uvloop; a module that says ``BOTH_LOOPS`` runs on asyncio's, too."""
    found: dict[str, LoopFactory] = {"uvloop": uvloop.new_event_loop}
    module = item.getparent(pytest.Module)
    if module is not None and getattr(module.obj, "BOTH_LOOPS", False):
        found["asyncio"] = asyncio.new_event_loop
    return found


def _sockets() -> int:
    """Open ones, where the system tells. Loops keep other descriptors of their own, which come and go."""
    found = 0
    if not os.path.isdir("/proc/self/fd"):
        return found
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return found


def _timers(loop: asyncio.AbstractEventLoop) -> int:
    """Timers that will fire; 0 on uvloop, which does not tell."""
    return sum(not handle.cancelled() for handle in getattr(loop, "_scheduled", ()))


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    """Fails a test that leaks, or makes the loop report an error that nobody saw."""
    loop = asyncio.get_running_loop()
    reported: list[str] = []

    def report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        reported.append(f"{context.get('message')} {context.get('exception')!r}")

    loop.set_exception_handler(report)
    sockets, tasks, timers = _sockets(), asyncio.all_tasks(), _timers(loop)
    yield
    deadline = time.monotonic() + 2.0
    while True:
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - tasks - {asyncio.current_task()}
        more = _sockets() - sockets
        if not left and more <= 0 and _timers(loop) <= timers:
            break
        assert time.monotonic() < deadline, f"left behind: {more} sockets, {left}, {_timers(loop)} timers"
        await asyncio.sleep(0.005)
    assert not reported


@pytest.fixture
async def upstream(tidy: None) -> AsyncIterator[RawUpstream]:
    """An upstream that each test speaks for."""
    async with raw_upstream() as found:
        yield found


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which transport."""
    name: str = request.param
    return name


@pytest.fixture
async def transport(tidy: None, kind: str) -> AsyncIterator[Transport]:
    """A new one of each kind."""
    found = made(kind)
    yield found
    async with asyncio.timeout(PATIENCE):
        await found.close()
