"""One timer looks at all requests that began a while ago, in their order, and at none that has ended."""

import asyncio
import gc
import weakref

from proxy.relay.rounds import APART, Rounds
from tests.support.clock import virtual

AFTER = 0.05


class Seen:
    """Who was looked at, and when (seconds after the start)."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.looks: list[tuple[str, float]] = []
        self.rounds = Rounds(AFTER)

    def join(self, name: str) -> object:
        return self.rounds.join(self.loop, self.loop.time(), lambda: self.looks.append((name, self.now)))

    @property
    def now(self) -> float:
        return round(self.loop.time() - self.began, 6)


@virtual
async def test_each_is_looked_at_in_its_time() -> None:
    seen = Seen()
    seen.join("a")
    await asyncio.sleep(0.02)
    seen.join("b")
    await asyncio.sleep(1.0)
    assert seen.looks == [("a", 0.05), ("b", 0.07)]
    seen.join("c")
    await asyncio.sleep(1.0)
    assert seen.looks[2:] == [("c", 1.07)]


@virtual
async def test_who_has_ended_is_not_looked_at() -> None:
    seen = Seen()
    first, _, third = seen.join("a"), seen.join("b"), seen.join("c")
    first.leave()  # type: ignore[attr-defined]
    third.leave()  # type: ignore[attr-defined]
    await asyncio.sleep(1.0)
    assert seen.looks == [("b", 0.05)]


@virtual
async def test_many_at_once_are_looked_at_together() -> None:
    seen = Seen()
    for number in range(100):
        seen.join(str(number))
        await asyncio.sleep(0.0001)
    await asyncio.sleep(1.0)
    assert [name for name, _ in seen.looks] == [str(number) for number in range(100)]
    assert all(at - AFTER - int(name) * 0.0001 < APART + 1e-6 for name, at in seen.looks), "hardly late"
    assert len({at for _, at in seen.looks}) <= 4, "in few rounds"


@virtual
async def test_nobody_is_kept_by_an_empty_place() -> None:
    class Request:
        def look(self) -> None: ...

    loop, rounds, request = asyncio.get_running_loop(), Rounds(AFTER), Request()
    place, gone = rounds.join(loop, loop.time(), request.look), weakref.ref(request)
    place.leave()
    del request
    gc.collect()
    assert gone() is None


@virtual
async def test_what_looks_may_join() -> None:
    seen = Seen()
    seen.rounds.join(seen.loop, seen.loop.time(), lambda: seen.join("later") and None)
    await asyncio.sleep(1.0)
    assert seen.looks == [("later", 0.1)]


def test_another_loop_begins_anew() -> None:
    rounds, looks = Rounds(AFTER), []

    async def one(name: str, *, wait: float) -> None:
        loop = asyncio.get_running_loop()
        rounds.join(loop, loop.time(), lambda: looks.append(name))
        await asyncio.sleep(wait)

    asyncio.run(one("of a loop that is closed", wait=0.0))
    asyncio.run(one("of the next", wait=2 * AFTER))
    assert looks == ["of the next"]
