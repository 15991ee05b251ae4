"""Names that are known, that changed, that a name server keeps to itself."""

import asyncio
import socket
import threading

import pytest

from proxy.upstream.resolver import FRESH, LAST_GOOD, Address, Addresses, Resolver, Unresolved
from proxy.upstream.session_names import SessionNames
from tests.support.clock import FakeClock


def at(address: str) -> Address:
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 443)


class Names:
    """A name server. ``answer`` may be an error; while ``hanging`` it says nothing."""

    def __init__(self) -> None:
        self.answer: Addresses | OSError = [at("192.0.2.1")]
        self.asked = 0
        self.free = threading.Event()
        self.free.set()

    def __call__(self, host: str, port: int) -> Addresses:
        self.asked += 1
        self.free.wait(5.0)
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


async def test_an_answer_serves_for_a_while() -> None:
    names, clock = Names(), FakeClock()
    resolver = Resolver(names, clock=clock)
    assert await resolver.resolve("h.test", 443) == [at("192.0.2.1")]
    names.answer = [at("192.0.2.2")]
    clock.advance(FRESH - 0.1)
    assert await resolver.resolve("h.test", 443) == [at("192.0.2.1")]
    clock.advance(0.2)
    assert await resolver.resolve("h.test", 443) == [at("192.0.2.2")]
    assert names.asked == 2


async def test_the_last_good_answer_outlives_its_server_for_ten_minutes() -> None:
    names, clock = Names(), FakeClock()
    resolver = Resolver(names, clock=clock)
    await resolver.resolve("h.test", 443)
    names.answer = socket.gaierror(socket.EAI_AGAIN, "no")
    clock.advance(LAST_GOOD - 1)
    assert await resolver.resolve("h.test", 443) == [at("192.0.2.1")]
    assert await resolver.resolve("h.test", 443) == [at("192.0.2.1")]
    # A failure is not asked about again at once, by everybody.
    assert names.asked == 2
    clock.advance(FRESH + 1)
    with pytest.raises(Unresolved, match="gaierror"):
        await resolver.resolve("h.test", 443)


async def test_a_name_server_that_hangs_is_asked_once_and_waited_for_briefly() -> None:
    names, clock = Names(), FakeClock()
    resolver = Resolver(names, clock=clock, patience=0.05)
    await resolver.resolve("h.test", 443)
    names.free.clear()
    names.answer = [at("192.0.2.3")]
    clock.advance(FRESH + 1)
    try:
        found = await asyncio.gather(*[resolver.resolve("h.test", 443) for _ in range(20)])
        assert found == [[at("192.0.2.1")]] * 20
        with pytest.raises(Unresolved, match="TimeoutError"):
            await resolver.resolve("other.test", 443)
    finally:
        names.free.set()
    assert names.asked == 3
    # What comes late is learnt all the same.
    async with asyncio.timeout(2.0):
        while await resolver.resolve("h.test", 443) != [at("192.0.2.3")]:  # noqa: ASYNC110 - a thread, no event
            await asyncio.sleep(0.001)
    assert names.asked == 3


@pytest.mark.parametrize("host", ["192.0.2.9", "2001:db8::9"])
async def test_an_address_needs_no_server(host: str) -> None:
    names = Names()
    ((_, _, _, _, place),) = await Resolver(names).resolve(host, 8443)
    assert place[:2] == (host, 8443)
    assert names.asked == 0


async def test_what_the_session_is_told() -> None:
    names = Names()
    (found,) = await SessionNames(Resolver(names)).resolve("h.test", 443)
    assert (found["hostname"], found["host"], found["port"]) == ("h.test", "192.0.2.1", 443)
    assert await SessionNames(Resolver(names)).resolve("h.test", 443, socket.AF_INET6) == []
