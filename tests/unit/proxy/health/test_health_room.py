"""Places at a target, and the wait for one: tenants in turn, bounded in time and number."""

import asyncio

import pytest

from proxy.policy.faults import Fault
from tests.support.clock import elapsed, turns, virtual
from tests.unit.proxy.health.boards import B, Stand, candidate

ONE = candidate("a", capacity=1, queue=5.0, size=3)


class Crowd:
    """Requests that wait, take their place, and note it."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.served: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def add(self, name: str, tenant: str, hold: float = 1.0) -> "asyncio.Task[None]":
        async def ask() -> None:
            if not await self.stand.board.wait(ONE, tenant):
                self.served.append(f"-{name}")
                return
            lease = self.stand.enter(ONE)
            self.served.append(name)
            await asyncio.sleep(hold)
            lease.close()

        task = asyncio.get_running_loop().create_task(ask())
        self.tasks.append(task)
        await turns()
        return task


def test_a_full_target_is_not_ready_and_takes_nothing() -> None:
    stand = Stand()
    lease = stand.enter(ONE)
    assert stand.board.state(ONE) == "full"
    assert stand.ready(ONE, B) == ["b"]
    assert stand.ready(ONE) == [], "a place cannot be made"
    assert stand.board.enter(ONE) is None
    assert stand.board.back_in((ONE,)) > 0
    assert stand.board.state(candidate("a", capacity=2)) == "ready", "another route allows more"
    lease.close()
    assert stand.ready(ONE, B) == ["a", "b"]


@virtual
async def test_tenants_take_turns_and_within_one_the_first_is_first() -> None:
    stand = Stand()
    crowd = Crowd(stand)
    first = stand.enter(ONE)
    for name, tenant in (("x1", "x"), ("x2", "x"), ("y1", "y")):
        await crowd.add(name, tenant)
    assert stand.board.waiting == 3
    assert stand.board.shown()[0].waiting == 3
    assert not await stand.board.wait(ONE, "x"), "the room is full"
    first.close()
    assert stand.board.enter(ONE) is None, "the place is promised"
    await asyncio.gather(*crowd.tasks)
    assert crowd.served == ["x1", "y1", "x2"]
    await turns()
    assert stand.board.waiting == 0
    assert stand.board.ready((ONE,)) == (ONE,)


@virtual
async def test_whoever_waits_too_long_goes_away() -> None:
    stand = Stand()
    crowd = Crowd(stand)
    stand.enter(ONE)
    await crowd.add("late", "x")
    await asyncio.gather(*crowd.tasks)
    assert crowd.served == ["-late"]
    assert elapsed() == pytest.approx(5.0)


@virtual
async def test_where_there_is_room_nobody_waits() -> None:
    stand = Stand()
    assert await stand.board.wait(ONE, "x")
    assert await stand.board.wait(B, "x")
    stand.enter(ONE)
    assert not await stand.board.wait(candidate("a", capacity=1), "x"), "it may not wait"
    assert elapsed() == 0


@virtual
async def test_a_client_that_leaves_gives_its_turn_to_the_next() -> None:
    stand = Stand()
    crowd = Crowd(stand)
    first = stand.enter(ONE)
    gone = await crowd.add("gone", "x")
    called = await crowd.add("called", "x")
    await crowd.add("last", "x")
    gone.cancel()
    await turns()
    first.close()
    called.cancel()
    await asyncio.gather(*crowd.tasks, return_exceptions=True)
    assert crowd.served == ["last"]
    assert stand.board.inflight(ONE) == 0
    assert stand.board.enter(ONE) is not None


@virtual
async def test_a_place_that_is_not_taken_goes_to_the_next() -> None:
    stand = Stand()
    crowd = Crowd(stand)
    first = stand.enter(ONE)
    refused = asyncio.get_running_loop().create_task(stand.board.wait(ONE, "x"))
    await turns()
    await crowd.add("next", "y")
    first.failed(Fault(kind="connect"))
    first.close()
    assert await refused
    await asyncio.gather(*crowd.tasks)
    assert crowd.served == ["next"]


@virtual
async def test_places_are_never_more_than_allowed_whatever_happens() -> None:
    stand = Stand()
    two = candidate("a", capacity=2, queue=3.0, size=50)
    most = 0

    async def ask(number: int) -> None:
        nonlocal most
        await asyncio.sleep(number % 7 * 0.1)
        if await stand.board.wait(two, f"t{number % 3}"):
            lease = stand.board.enter(two)
            assert lease is not None
            most = max(most, stand.board.inflight(two))
            await asyncio.sleep(0.05 + number % 5 * 0.2)
            lease.close()

    tasks = [asyncio.get_running_loop().create_task(ask(number)) for number in range(40)]
    await asyncio.sleep(0.9)
    for task in tasks[::6]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await turns()
    assert [task.exception() for task in tasks if not task.cancelled()] == [None] * sum(
        not t.cancelled() for t in tasks
    )
    assert most == 2
    assert (stand.board.inflight(two), stand.board.waiting, stand.board.state(two)) == (0, 0, "ready")


@virtual
async def test_nobody_keeps_others_out_by_waiting_often() -> None:
    """In a full room the newest of whoever has most gives way, to one who would not have as many."""
    crowd = Crowd(Stand())
    await crowd.add("0", "holder")
    for name in ("h1", "h2", "h3"):
        await crowd.add(name, "hog")
    await crowd.add("h4", "hog")
    await crowd.add("o1", "other")
    await crowd.add("o2", "other")
    await asyncio.gather(*crowd.tasks)
    assert crowd.served == ["0", "-h4", "-h3", "-o2", "h1", "o1", "h2"]
