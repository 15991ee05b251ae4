"""Loads on a server of the test's own that can be told to stall."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from time import perf_counter

import pytest

from proxy.benchmark.arrivals import due_times
from proxy.benchmark.asking import INTERRUPTED, Side
from proxy.benchmark.driving import Load, Turns
from proxy.benchmark.figures import figures
from proxy.benchmark.lengths import Lengths
from proxy.benchmark.phases import Extent, Phases
from proxy.benchmark.prompts import Shape, Synthetic
from proxy.benchmark.timeline import Timeline

NONE = Extent()
LENGTH = Lengths("uniform", 4, 4)
EVENTS = (
    b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
    + b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n' * 3
)
ANSWER = EVENTS + b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n"


class Stalling:
    """Answers at once, but for requests that come while ``open`` is cleared: those wait until it is set."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.split(b":")[1]))
                self.asked += 1
                await self.open.wait()
                writer.write(HEAD % len(ANSWER) + ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def under_load(
    measured: Extent, *, warmup: Extent = NONE, cooldown: Extent = NONE, sides: int = 1
) -> AsyncIterator[tuple[Stalling, Load]]:
    stalling = Stalling()
    server = await asyncio.start_server(stalling.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/chat/completions"
    made = [Side(url, [], stream=True, timeout=10) for _ in range(sides)]
    turns = Turns(Phases(warmup, measured, cooldown), sides, Random(1))
    load = Load(made, Synthetic(Shape(model="m"), prompt=LENGTH, answer=None, seed=1), turns, perf_counter)
    try:
        yield stalling, load
    finally:
        for side in made:
            await side.close()
        server.close()
        await server.wait_closed()


def measured(load: Load) -> list[Timeline]:
    return [each for each in load.timelines if each.phase == "measured"]


async def stall(stalling: Stalling, after: float, seconds: float) -> None:
    await asyncio.sleep(after)
    stalling.open.clear()
    await asyncio.sleep(seconds)
    stalling.open.set()


async def reached(state: Callable[[], bool]) -> None:
    while not state():  # noqa: ASYNC110 - what is looked at has no event
        await asyncio.sleep(0.005)


async def test_an_open_loop_shows_a_stall_to_all_who_would_have_met_it() -> None:
    """Half a second in one and a half: a third of the requests were due in it, and waited a quarter second on average."""
    async with under_load(Extent(seconds=1.5)) as (stalling, load):
        stalled = asyncio.create_task(stall(stalling, 0.4, 0.5))
        await load.open_loop(due_times(100.0, "constant", Random(1)), None)
        await stalled
        found = figures(measured(load), {})
    assert found.completed == 150
    assert found.ttft is not None
    waited = sum((each.ttft or 0) > 0.05 for each in measured(load))
    assert waited >= 40
    assert found.ttft.percentiles[90.0] >= 0.25
    assert found.ttft.most >= 0.45


async def test_places_that_are_taken_hide_nothing() -> None:
    """With two places nearly nobody is sent during the stall, and still everybody's time counts from when they were due."""
    async with under_load(Extent(seconds=1.5)) as (stalling, load):
        stalled = asyncio.create_task(stall(stalling, 0.4, 0.5))
        await load.open_loop(due_times(100.0, "constant", Random(1)), 2)
        await stalled
        found = figures(measured(load), {})
    assert found.peak_in_flight <= 2
    assert found.ttft is not None
    assert found.ttft.percentiles[90.0] >= 0.25
    late = [each for each in measured(load) if each.sent - each.due > 0.1]
    assert len(late) >= 30
    assert all((each.ttft or 0) >= each.sent - each.due for each in late)


async def test_a_closed_loop_stops_asking_while_it_is_kept_waiting() -> None:
    """The reason why latency is measured in an open loop: of hundreds of requests one met the stall."""
    async with under_load(Extent(seconds=1.0)) as (stalling, load):
        stalled = asyncio.create_task(stall(stalling, 0.2, 0.5))
        await load.closed_loop(1)
        await stalled
        found = figures(measured(load), {})
    assert found.ttft is not None
    assert sum((each.ttft or 0) > 0.3 for each in measured(load)) == 1
    assert found.ttft.percentiles[90.0] < 0.1
    assert found.peak_in_flight == 1


async def test_requests_are_sent_when_they_are_due() -> None:
    async with under_load(Extent(requests=100)) as (_, load):
        await load.open_loop(due_times(200.0, "constant", Random(1)), None)
    found = measured(load)
    assert [each.due - found[0].due for each in found] == pytest.approx([at / 200 for at in range(100)], abs=1e-6)
    assert all(each.sent >= each.due for each in found)
    # The least, since the machine may be busy: no timer of a millisecond's grain is between.
    assert min(each.sent - each.due for each in found) < 0.001


async def test_phases_of_a_closed_loop() -> None:
    async with under_load(Extent(requests=20), warmup=Extent(requests=7), cooldown=Extent(requests=5)) as (
        _,
        load,
    ):
        await load.closed_loop(4)
    kinds = [each.phase for each in load.timelines]
    assert (kinds.count("warmup"), kinds.count("measured")) == (7, 20)
    assert load.finished == len(load.timelines)
    assert load.in_flight == 0
    assert all(each.error == "" for each in measured(load))
    assert load.cpu > 0
    assert not load.interrupted


async def test_the_cool_down_goes_on_until_all_measured_ones_have_ended() -> None:
    """Measured requests end under the load they began under; what is then left of the cool-down is given up."""
    async with under_load(Extent(requests=5), cooldown=Extent(seconds=60)) as (stalling, load):
        stalled = asyncio.create_task(stall(stalling, 0.0, 0.3))
        await load.open_loop(due_times(100.0, "constant", Random(1)), None)
        await stalled
    assert all(each.error == "" for each in measured(load))
    assert len(load.timelines) - 5 >= 10


async def test_an_interruption_keeps_what_is_known() -> None:
    async with under_load(Extent(seconds=600)) as (stalling, load):
        running = asyncio.create_task(load.open_loop(due_times(100.0, "constant", Random(1)), 3))
        async with asyncio.timeout(5):
            await reached(lambda: load.measured.ended >= 10)
            stalling.open.clear()
            await reached(lambda: load.in_flight >= 6)
            load.interrupt()
            await running
    assert load.interrupted
    found = figures(measured(load), {})
    assert found.completed >= 10
    assert found.interrupted >= 6
    assert found.errors == {}
    assert {each.error for each in measured(load)} == {"", INTERRUPTED}


async def test_both_sides_get_the_load() -> None:
    async with under_load(Extent(requests=30), sides=2) as (stalling, load):
        await load.closed_loop(3)
    assert [sum(each.side == side for each in load.timelines) for side in (0, 1)] == [30, 30]
    assert stalling.asked == 60


async def test_a_bug_of_ours_ends_the_run() -> None:
    class Broken:
        def body(self, number: int, side: int) -> bytes:
            raise ZeroDivisionError

        def input_tokens(self, number: int) -> int | None:
            return None

        def estimate(self) -> tuple[float, float | None]:
            return 0.0, None

    async with under_load(Extent(requests=3)) as (_, load):
        load._prompts = Broken()
        with pytest.raises(ZeroDivisionError):
            await load.closed_loop(1)
