"""The stream that processes share: what is not theirs is not believed, and a store that is lost is lost without harm."""

import asyncio
import time

import numpy as np
import pytest

from proxy.protocols import Purge
from proxy.semantic.vectors.messages import LARGEST_MESSAGE, Message, sealed
from proxy.semantic.vectors.replicated import STREAM, ReplicatedIndex
from tests.support.valkey import Server, server

from .conftest import EMBEDDER, SECRET, Fleet, until
from .made import LONG, MINE, SIGNATURE, at, kept, key

pytestmark = pytest.mark.parametrize("fleet", ["replicated"], indirect=True)

ELSE = b"another!"


def message(kind: str, **fields: object) -> Message:
    """As another process would write it about row 1."""
    return Message(origin=ELSE, kind=kind, partition=MINE, key=key(1), **fields)  # type: ignore[arg-type]


ROW = message("row", signature=SIGNATURE, text=b"question 1", tenant="acme", expires=LONG)


def vector(numbers: "np.ndarray[tuple[int], np.dtype[np.float64]]", embedder: str = EMBEDDER) -> Message:
    """Of row 1."""
    return message("vector", embedder=embedder, vector=numbers.astype("<f2").tobytes())


POISON = {
    "bad MAC": (b"\x00" * 16 + sealed(SECRET, ROW)[16:], "corrupt"),
    "another secret": (sealed(b"x" * 32, ROW), "corrupt"),
    "truncated": (sealed(SECRET, ROW)[:-3], "corrupt"),
    "empty": (b"", "corrupt"),
    "too large": (b"x" * (LARGEST_MESSAGE + 1), "corrupt"),
    "old version": (sealed(SECRET, message("row", version=0)), "version"),
    "another embedder": (sealed(SECRET, vector(np.ones(384), "other")), "embedder"),
    "NaN": (sealed(SECRET, vector(np.full(384, np.nan))), "not_finite"),
    "infinite": (sealed(SECRET, vector(np.full(384, np.inf))), "not_finite"),
    "zeros": (sealed(SECRET, vector(np.zeros(384))), "not_finite"),
    "no numbers": (sealed(SECRET, vector(np.zeros(0))), "dimensions"),
    "half a number": (sealed(SECRET, message("vector", embedder=EMBEDDER, vector=b"abc")), "dimensions"),
    "absurd size": (sealed(SECRET, vector(np.ones(16_001))), "dimensions"),
    "not of its neighbours' size": (sealed(SECRET, vector(np.ones(200))), "dimensions"),
}


@pytest.mark.parametrize("kind", POISON)
async def test_poison_is_ignored_and_counted(fleet: Fleet, valkey: Server, kind: str) -> None:
    index = await fleet.another()
    assert isinstance(index, ReplicatedIndex)
    index.add(kept(2), at(0))
    await index.turn()
    stored, failure = POISON[kind]
    for one in (sealed(SECRET, ROW), stored):
        await index._link.call("XADD", STREAM, "*", "m", one)
    await index._link.call("XADD", STREAM, "*", "else", b"what")
    while await index.turn():
        pass
    assert fleet.records.failures == [failure, "corrupt"]
    near = await index.nearest(MINE, SIGNATURE, at(0))
    assert near is not None
    assert near.key == key(2)
    found = await index.alike(MINE, SIGNATURE, "", 8)
    assert found is not None
    assert (found.count, found.bare) == (2, ((key(1), "question 1"),))


async def test_without_the_secret_nothing_is_told_or_believed(fleet: Fleet) -> None:
    knowing, unknowing = await fleet.another(), await fleet.another(secret=b"")
    knowing.add(kept(1))
    unknowing.add(kept(2))
    await fleet.settle()
    for index, own in ((knowing, 1), (unknowing, 2)):
        found = await index.alike(MINE, SIGNATURE, "", 8)
        assert found is not None
        assert [one for one, _ in found.bare] == [key(own)]


async def test_a_purge_leaves_no_text_in_the_stream(fleet: Fleet, valkey: Server) -> None:
    one, two = await fleet.another(), await fleet.another()
    one.add(kept(1, text="a secret that must go"))
    await fleet.settle()
    assert b"a secret that must go" in valkey.ask("XRANGE", STREAM, "-", "+")
    await two.purge(Purge(account="acme"))
    assert b"a secret that must go" not in valkey.ask("XRANGE", STREAM, "-", "+")
    await fleet.settle()
    assert await one.alike(MINE, SIGNATURE, "", 8) is None


async def test_texts_leave_the_stream_with_their_answers(fleet: Fleet, valkey: Server) -> None:
    index = await fleet.another()
    assert isinstance(index, ReplicatedIndex)
    index.add(kept(1))
    await fleet.settle()
    fleet.wall.now = time.time()
    await index._trim()
    assert valkey.ask("XLEN", STREAM) == b":1\r\n"
    fleet.wall.advance(3601)
    await index._trim()
    assert valkey.ask("XLEN", STREAM) == b":0\r\n"
    assert 0 < int(valkey.ask("PTTL", STREAM)[1:]) <= 3_600_000


async def test_a_store_that_is_killed_is_made_up_for(fleet: Fleet) -> None:
    with server() as valkey:
        fleet.url = valkey.url
        one, two = await fleet.another(), await fleet.another()
        for index in (one, two):
            await index.open()
            fleet.stack.push_async_callback(index.close)
        one.add(kept(1), at(0))

        async def knows(index: object, number: int) -> bool:
            assert isinstance(index, ReplicatedIndex)
            near = await index.nearest(MINE, SIGNATURE, at(30 * (number - 1)))
            return near is not None and near.key == key(number)

        await until(lambda: knows(two, 1))
        valkey.kill()
        one.add(kept(2), at(30))
        assert await knows(one, 2)
        assert await knows(two, 1)
        await until(lambda: asyncio.sleep(0, "down" in fleet.records.failures))
        await asyncio.to_thread(valkey.restart)
        await until(lambda: knows(two, 2))
        two.add(kept(3), at(60))
        await until(lambda: knows(one, 3))


async def test_a_store_that_counts_anew_is_read_from_its_beginning(fleet: Fleet, valkey: Server) -> None:
    index = await fleet.another()
    assert isinstance(index, ReplicatedIndex)
    stored = sealed(SECRET, ROW)
    await index._link.call("XADD", STREAM, "9000000000000-0", "m", sealed(SECRET, message("forget")))
    await index.turn()
    await index._link.call("DEL", STREAM)
    await index._link.call("XADD", STREAM, "1-1", "m", stored)
    await index.turn()
    assert index.empty(MINE)  # it does not know yet that the stream is another
    index._sure = False
    await index.turn()
    assert not index.empty(MINE)
