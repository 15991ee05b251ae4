"""The embedded Valkey's life: private, back when it dies, gone with the gateway however that ends."""

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.state.embedded import embedded_state
from proxy.state.link import StateLink
from proxy.state.settings import LinkSettings
from tests.support.processes import ROOT

from .conftest import ask, budget, charge, fleet, granted, rule

pytestmark = pytest.mark.e2e

GATEWAY = """
import sys
from proxy.state.embedded import embedded_state
with embedded_state() as url:
    print(url, flush=True)
    sys.stdin.readline()
"""


async def fact(url: str, name: str) -> int:
    """A number from the server's own account of itself."""
    link = StateLink(LinkSettings(url=url))
    assert await link.open()
    told = await link.call("INFO", "everything")
    await link.close()
    assert isinstance(told, bytes)
    (line,) = [line for line in told.decode().splitlines() if line.startswith(f"{name}:")]
    return int(line.split(":")[1])


async def gone(pid: int, within: float = 3.0) -> None:
    """Waits until no process has this number."""
    deadline = time.monotonic() + within
    while _runs(pid):
        assert time.monotonic() < deadline, f"{pid} still runs"
        await asyncio.sleep(0.01)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def gateway() -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A main process with its store, in a process that can be killed."""
    child = subprocess.Popen(
        [sys.executable, "-c", GATEWAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert child.stdout is not None
        yield child, child.stdout.readline().strip()
    finally:
        child.kill()
        child.communicate(timeout=10)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with embedded_state() as found:
        yield found


async def test_it_is_private_bounded_and_forgets_nothing_by_itself(url: str) -> None:
    path = url.removeprefix("unix://")
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert await fact(url, "tcp_port") == 0
    assert await fact(url, "maxmemory") == 256 * 1024 * 1024
    link = StateLink(LinkSettings(url=url))
    assert await link.open()
    assert await link.call("CONFIG", "GET", "maxmemory-policy") == [b"maxmemory-policy", b"noeviction"]
    assert await link.call("CONFIG", "GET", "save") == [b"save", b""]
    await link.close()
    assert set(os.listdir(os.path.dirname(path))) <= {"state.sock", "state.log"}


async def test_limits_work_in_it(url: str) -> None:
    async with fleet(url) as found:
        for _ in range(3):
            assert not (await granted(found.store, charge(rule(limit=3)))).local
        assert not hasattr(await ask(found.store, charge(rule(limit=3))), "grants")


async def test_a_crash_is_mended_in_a_second(capfd: pytest.CaptureFixture[str]) -> None:
    with embedded_state() as url:
        await _mended(url)
    assert "ended with code -9; starting it again" in capfd.readouterr().err


async def _mended(url: str) -> None:
    pid = await fact(url, "process_id")
    async with fleet(url) as found:
        asked = budget(100, ledgered=True)
        await found.store.seed([(asked.ident, "total", 5)])
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        await found.until(up=False, within=1)
        fresh = await _answers_again(url, pid)
        assert time.monotonic() - began < 1.0
        assert fresh != pid
        await found.until(up=True, within=3)
        assert await found.store.wants_seed(), "it has forgotten, and says so"


async def _answers_again(url: str, before: int) -> int:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(AssertionError):
            if (pid := await fact(url, "process_id")) != before:
                return pid
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come back")


async def test_the_keeper_itself_may_be_killed(url: str) -> None:
    server = await fact(url, "process_id")
    keeper = _parent(server)
    assert keeper != os.getpid()
    os.kill(keeper, signal.SIGKILL)
    await gone(server)
    assert await _answers_again(url, server) != server


async def test_it_ends_with_the_gateway() -> None:
    with gateway() as (child, url):
        pid = await fact(url, "process_id")
        assert child.stdin is not None
        child.stdin.write("end\n")
        child.stdin.flush()
        assert await asyncio.to_thread(child.wait, 10) == 0
        assert not _runs(pid)
        assert not Path(url.removeprefix("unix://")).parent.exists()


async def test_a_gateway_that_is_killed_leaves_nothing() -> None:
    with gateway() as (child, url):
        pid = await fact(url, "process_id")
        child.kill()
        await gone(pid)
        deadline = time.monotonic() + 3
        while Path(url.removeprefix("unix://")).parent.exists():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


async def test_signals_for_the_gateway_do_not_end_it(url: str) -> None:
    """A service manager stops every process of a group; the gateway has answers to finish."""
    server = await fact(url, "process_id")
    keeper = _parent(server)
    for pid in (server, keeper):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
    await asyncio.sleep(0.5)
    assert await fact(url, "process_id") == server
