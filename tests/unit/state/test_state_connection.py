"""Calls on one connection: batched, answered in order, bounded in number and time. The store is a list of bytes here."""

import asyncio
import time

import hiredis
import pytest

from proxy.state.connection import BULKHEAD, CROWD, Connection, Reply
from proxy.state.settings import StoreDown

PING = b"*1\r\n$4\r\nPING\r\n"


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.aborted = False

    def write(self, data: "bytes | bytearray | memoryview[int]") -> None:
        self.writes.append(bytes(data))

    def abort(self) -> None:
        self.aborted = True


class Setting:
    """A connection, its wire, and why it ended."""

    def __init__(self, timeout: float = 0.05) -> None:
        self.ended: list[str] = []
        self.wire = Wire()
        self.connection = Connection(timeout, self.ended.append)
        self.connection.connection_made(self.wire)

    def says(self, data: bytes) -> None:
        self.connection.data_received(data)


async def failed(future: "asyncio.Future[Reply]") -> str:
    with pytest.raises(StoreDown) as caught:
        await future
    return caught.value.kind


async def test_calls_of_one_turn_leave_in_one_write() -> None:
    setting = Setting()
    futures = [setting.connection.submit(PING) for _ in range(3)]
    assert setting.wire.writes == []
    await asyncio.sleep(0)
    assert setting.wire.writes == [PING * 3]
    setting.says(b"+1\r\n:2\r\n$1\r\n")
    setting.says(b"3\r\n")
    assert await asyncio.gather(*futures) == [b"1", 2, b"3"]


async def test_nothing_and_nested_replies() -> None:
    setting = Setting()
    futures = [setting.connection.submit(PING) for _ in range(2)]
    setting.says(b"$-1\r\n*2\r\n:1\r\n*1\r\n$1\r\na\r\n")
    assert await asyncio.gather(*futures) == [None, [1, [b"a"]]]


async def test_an_error_reply_is_for_its_call_alone() -> None:
    setting = Setting()
    wrong, right = setting.connection.submit(PING), setting.connection.submit(PING)
    setting.says(b"-NOSCRIPT none\r\n+OK\r\n")
    with pytest.raises(hiredis.ReplyError, match="NOSCRIPT"):
        await wrong
    assert await right == b"OK"
    assert setting.ended == []


async def test_a_caller_that_left_does_not_shift_the_answers() -> None:
    setting = Setting()
    gone, there = setting.connection.submit(PING), setting.connection.submit(PING)
    gone.cancel()
    setting.says(b"+1\r\n+2\r\n")
    assert await there == b"2"


@pytest.mark.parametrize("data", [b"?what\r\n", b"+unasked\r\n+more\r\n"])
async def test_nonsense_ends_the_connection(data: bytes) -> None:
    setting = Setting()
    call = setting.connection.submit(PING)
    setting.says(data)
    assert setting.ended == ["protocol"]
    assert setting.wire.aborted
    if data.startswith(b"?"):
        assert await failed(call) == "protocol"


async def test_a_closed_connection_fails_every_call_once() -> None:
    setting = Setting()
    calls = [setting.connection.submit(PING) for _ in range(2)]
    setting.connection.connection_lost(None)
    assert [await failed(call) for call in calls] == ["lost", "lost"]
    setting.connection.end("again")
    assert setting.ended == ["lost"]
    with pytest.raises(StoreDown, match="lost"):
        setting.connection.submit(PING)


async def test_late_is_late() -> None:
    setting = Setting(timeout=0.05)
    began = asyncio.get_running_loop().time()
    calls = [setting.connection.submit(PING) for _ in range(2)]
    assert [await failed(call) for call in calls] == ["timeout", "timeout"]
    assert 0.05 <= asyncio.get_running_loop().time() - began < 0.2
    assert setting.ended == ["timeout"]


async def test_answers_in_time_keep_it_open() -> None:
    setting = Setting(timeout=0.04)
    for _ in range(10):
        call = setting.connection.submit(PING)
        await asyncio.sleep(0.012)
        setting.says(b"+OK\r\n")
        assert await call == b"OK"
    assert setting.ended == []


async def test_a_busy_loop_is_not_a_slow_store() -> None:
    """Something blocks the loop in the very turn in which the timer is due; the answer is read in the next one."""
    loop = asyncio.get_running_loop()
    setting = Setting(timeout=0.05)
    before = loop.time() + 0.025

    def block() -> None:
        time.sleep(0.1)
        loop.call_soon(setting.says, b"+OK\r\n")

    loop.call_at(before, block)
    call = setting.connection.submit(PING)
    assert await call == b"OK"
    assert setting.ended == []


async def test_the_bulkhead_closes_only_while_the_store_is_slow() -> None:
    setting = Setting(timeout=0.2)
    calls = [setting.connection.submit(PING) for _ in range(BULKHEAD + 8)]
    await asyncio.sleep(0.15)
    with pytest.raises(StoreDown, match="busy"):
        setting.connection.submit(PING)
    setting.says(b"+OK\r\n" * len(calls))
    await asyncio.gather(*calls)
    calls = [setting.connection.submit(PING) for _ in range(BULKHEAD + 8)]
    setting.says(b"+OK\r\n" * len(calls))
    await asyncio.gather(*calls)


async def test_calls_are_bounded_in_number() -> None:
    setting = Setting()
    calls = [setting.connection.submit(PING) for _ in range(CROWD)]
    with pytest.raises(StoreDown, match="busy"):
        setting.connection.submit(PING)
    setting.connection.end("closed")
    await asyncio.gather(*calls, return_exceptions=True)


async def test_a_crowd_is_served_late_without_losing_the_connection() -> None:
    """Answers come all the time, at last in time again: only the calls that waited too long are told so."""
    setting = Setting(timeout=0.05)
    calls = [setting.connection.submit(PING) for _ in range(70)]
    for _ in calls:
        await asyncio.sleep(0.001)
        setting.says(b"+OK\r\n")
    answers = await asyncio.gather(*calls, return_exceptions=True)
    late = [answer for answer in answers if isinstance(answer, StoreDown)]
    assert 0 < len(late) < 70
    assert {error.kind for error in late} == {"timeout"}
    assert setting.ended == []
    call = setting.connection.submit(PING)
    setting.says(b"+fresh\r\n")
    assert await call == b"fresh"


async def test_a_store_that_answers_everything_late_is_down() -> None:
    """It never falls silent for the time of a call; but nobody gets an answer in time."""
    setting = Setting(timeout=0.05)
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def ask() -> None:
        try:
            await setting.connection.submit(PING)
        except StoreDown:
            pass

    asking = []
    while not setting.ended:
        assert loop.time() - began < 2
        asking.append(asyncio.create_task(ask()))
        await asyncio.sleep(0)
        loop.call_later(0.08, setting.says, b"+OK\r\n")
        await asyncio.sleep(0.01)
    assert loop.time() - began < 0.4
    await asyncio.gather(*asking)


async def test_a_store_that_falls_silent_after_some_answers_is_down() -> None:
    setting = Setting(timeout=0.05)
    calls = [setting.connection.submit(PING) for _ in range(3)]
    await asyncio.sleep(0.03)
    setting.says(b"+OK\r\n")
    assert await calls[0] == b"OK"
    assert [await failed(call) for call in calls[1:]] == ["timeout", "timeout"]
    async with asyncio.timeout(0.3):
        while not setting.ended:  # noqa: ASYNC110 - a callback, no event
            await asyncio.sleep(0.005)
    assert setting.ended == ["timeout"]
