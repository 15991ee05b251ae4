"""What one worker finds out, the others know: over a real Valkey, with hostile words, and without a store."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from proxy.health.sharing import CHANNEL, ENDS, KEPT, LONG, SUBJECTS, WAITING, SharedHealth, Word
from proxy.policy.faults import Fault
from proxy.state.link import StateLink
from proxy.state.push import Push
from proxy.state.settings import LinkSettings
from tests.support.valkey import Server, server
from tests.unit.proxy.health.boards import A, B, Stand, candidate

KEYS = {"a": 2, "b": 1}


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with server() as found:
        yield found


@pytest.fixture
def valkey(running: Server) -> Server:
    """One server for all tests, empty for each."""
    running.ask("FLUSHALL")
    return running


async def until(condition: Callable[[], bool], what: str) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(what)


@asynccontextmanager
async def worker(valkey: Server, name: str, **options: object) -> AsyncIterator[Stand]:
    """A board that shares what it knows, listening."""
    stand = Stand(KEYS, **options)  # type: ignore[arg-type]
    settings = LinkSettings(url=valkey.unix, timeout=1.0)
    link = StateLink(settings)
    push = Push(settings, link, channel=CHANNEL)
    shared = SharedHealth(stand.board, link, push, sender=name)
    await link.open()
    task = asyncio.get_running_loop().create_task(shared.run())
    try:
        before = listeners(valkey)
        await until(lambda: listeners(valkey) > before, "nobody listens")
        yield stand
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await push.close()
        await link.close()


def listeners(valkey: Server) -> int:
    """How many hear what is published."""
    return int(valkey.ask("PUBSUB", "NUMSUB", CHANNEL).split(b":")[-1])


async def test_openings_probes_and_closings_are_heard(valkey: Server) -> None:
    async with worker(valkey, "one") as one, worker(valkey, "two") as two:
        one.open(A)
        await until(lambda: two.board.state(A) == "open", "the opening was not heard")
        assert two.ready(A, B) == ["b"]
        wait = one.board.back_in((A,))
        assert wait < two.board.back_in((A,)) < wait * 1.1 + 0.1, "whoever found out comes back first"
        for each in (one, two):
            each.clock.advance(wait * 1.2)
        probe = one.enter(A)
        await until(lambda: two.board.state(A) == "probing", "the probe was not heard")
        assert two.board.enter(A) is None
        probe.close()
        await until(lambda: two.board.state(A) == "ready", "the place was not given back")
        one.succeed(A)
        await until(
            lambda: two.board.ready((A,)) == (A,) and not two.board.shown()[0].back_in, "the closing was not heard"
        )
        await until(lambda: valkey.ask("ZCARD", ENDS) == b":0\r\n", "the store still has it")
        assert not {"opened", "closed"} & set(two.kinds()), "hearsay is not told again"


async def test_a_worker_that_starts_later_reads_what_still_holds(valkey: Server) -> None:
    async with worker(valkey, "one") as one:
        one.open(A)
        one.fail(B, "rate_limited", wait=40.0)
        lease = one.enter(candidate("a", "x"), key=1)
        lease.failed(Fault(kind="credentials"))
        await until(lambda: valkey.ask("ZCARD", ENDS) == b":3\r\n", "not everything was kept")
        async with worker(valkey, "two") as two:
            await until(lambda: two.board.state(B) == "cooling", "the rest was not read")
            assert two.board.state(A) == "open"
            assert 39.0 < two.board.back_in((B,)) < 45.0
            assert [key.usable for key in two.board.shown()[0].keys] == [True, False]
            assert two.ready(B) == [], "its provider asked"
        async with worker(valkey, "one") as again:
            await until(lambda: again.board.ready((A,)) == (A,), "it heard itself")


async def test_the_store_says_how_long_it_still_holds(valkey: Server) -> None:
    text = json.dumps({"sender": "gone", "kind": "opened", "provider": "a", "model": "m", "seconds": 200.0})
    write = "local t = redis.call('TIME') redis.call('ZADD', KEYS[1], t[1] * 1000 + 5000, 's') redis.call('HSET', KEYS[2], 's', ARGV[1])"
    valkey.ask("EVAL", write, 2, ENDS, SUBJECTS, text)
    async with worker(valkey, "one") as one:
        await until(lambda: one.board.state(A) == "open", "it was not read")
        assert 3.5 < one.board.back_in((A,)) < 5.6


async def test_what_has_ended_is_not_read_and_subjects_are_few(valkey: Server) -> None:
    async with worker(valkey, "one") as one:
        one.fail(B, "rate_limited", wait=0.02)
        await until(lambda: valkey.ask("ZCARD", ENDS) == b":1\r\n", "it was not kept")
        await asyncio.sleep(0.03)
        fill = "local t = redis.call('TIME') for n = 1, ARGV[1] do redis.call('ZADD', KEYS[1], t[1] * 1000 + 9000 + n % 9, n) "
        fill += "redis.call('HSET', KEYS[2], n, '{}') end"
        valkey.ask("EVAL", fill, 2, ENDS, SUBJECTS, KEPT + 20)
        one.open(A)
        await until(lambda: valkey.ask("ZCARD", ENDS) == b":%d\r\n" % KEPT, "there are more than the store keeps")
        assert valkey.ask("HLEN", SUBJECTS) == b":%d\r\n" % KEPT
        async with worker(valkey, "two") as two:
            await until(lambda: two.board.state(A) == "open", "it was not read")
            assert two.board.state(B) == "ready"


async def test_keys_that_rest_are_heard(valkey: Server) -> None:
    async with worker(valkey, "one") as one, worker(valkey, "two") as two:
        one.enter(A, key=0).failed(Fault(kind="credentials"))
        await until(lambda: two.board.state(candidate("a", "any")) == "ready" and two.succeed(A) == 1, "no")
        await until(lambda: {two.succeed(A) for _ in range(4)} == {1}, "the key is still used")
        for each in (one, two):
            each.clock.advance(70.0)
        probe = one.enter(A, key=0)
        await asyncio.sleep(0.05)
        assert {two.succeed(A) for _ in range(4)} == {1}, "one probe for all"
        probe.answered(200, ())
        await until(lambda: {two.succeed(A) for _ in range(4)} == {0, 1}, "it was not freed")


def word(**figures: object) -> str:
    return json.dumps({"sender": "evil", "kind": "opened", "provider": "a", "model": "m", "seconds": 30.0, **figures})


HOSTILE = [
    "{",
    "[]",
    "null",
    "\udcff",
    word(kind="exploded"),
    word(provider="nobody"),
    word(seconds=-1),
    word(seconds="30"),
    word(seconds=1e9),
    word(key=1001, kind="rested"),
    word(key=17, kind="rested"),
    word(model=None),
    word(model="x" * 600),
    word(times=10**9),
    word(reason="<script>"),
    word(padding="x" * LONG),
    word(kind="closed", model="unknown"),
    word(kind="probing"),
    word(kind="unproved"),
    word(kind="freed", key=0),
]


async def test_hostile_and_broken_words_change_nothing(valkey: Server) -> None:
    async with worker(valkey, "one", forwards={"b"}) as one:
        for text in HOSTILE:
            with suppress(UnicodeEncodeError):
                valkey.ask("PUBLISH", CHANNEL, text)
        valkey.ask("PUBLISH", CHANNEL, word(provider="b", kind="rested", key=0))
        valkey.ask("PUBLISH", CHANNEL, word(sender="one"))
        valkey.ask("PUBLISH", CHANNEL, word(model="last", future="field"))
        last = candidate("a", "last")
        await until(lambda: one.board.state(last) == "open", "a good word after all these was not heard")
        assert one.ready(A, B) == ["a", "b"]
        assert [(each.provider, each.model) for each in one.board.shown()] == [("a", "last")]


async def test_a_store_with_other_things_in_its_place_changes_nothing(valkey: Server) -> None:
    valkey.ask("SET", ENDS, "a string")
    async with worker(valkey, "one") as one, worker(valkey, "two") as two:
        one.open(A)
        await until(lambda: two.board.state(A) == "open", "it was not said")
        valkey.ask("DEL", ENDS)
        one.open(B)
        await until(lambda: two.board.state(B) == "open", "sharing has ended")


async def test_without_a_store_each_knows_what_it_sees_and_sharing_comes_back() -> None:
    with server() as valkey:
        async with worker(valkey, "one") as one, worker(valkey, "two") as two:
            valkey.kill()
            one.open(A)
            assert one.ready(A, B) == ["b"]
            for _ in range(100):
                one.fail(B, "rate_limited")
                one.board.ready((B,))
                two.succeed(A)
            await asyncio.sleep(0.02)
            assert two.board.state(A) == "ready"
            valkey.restart()
            await until(lambda: listeners(valkey) == 2, "they do not listen again")
            two.open(candidate("a", "other"))
            await until(lambda: one.board.state(candidate("a", "other")) == "open", "sharing did not come back")


class Slow:
    """A store that answers only once it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.said: list[str] = []

    async def call(self, *words: bytes | str | int) -> object:
        await self.may.wait()
        return None

    async def publish(self, kind: str) -> None:
        await self.may.wait()
        self.said.append(kind)

    def listen(self, callback: Callable[[str], None]) -> None:
        callback("")


async def test_nothing_waits_for_the_store_and_words_are_bounded() -> None:
    stand, slow = Stand(KEYS), Slow()
    task = asyncio.get_running_loop().create_task(SharedHealth(stand.board, slow, slow, sender="x").run())
    for number in range(WAITING + 500):
        stand.fail(candidate("b", f"m{number}"), "rate_limited", wait=1.0)
        await asyncio.sleep(0)
    assert stand.board.state(candidate("b", "m7")) == "cooling"
    slow.may.set()
    await until(lambda: f'"m{WAITING + 499}"' in slow.said[-1:][0] if slow.said else False, "the last was not sent")
    assert WAITING <= len(slow.said) <= WAITING + 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_every_change_fits_into_a_word() -> None:
    fields = set(Word.__struct_fields__) - {"sender"}
    stand = Stand()
    stand.open(A)
    assert fields == set(stand.told[0].__struct_fields__)
