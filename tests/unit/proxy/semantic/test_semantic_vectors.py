"""Vectors in memory against the plain way to do it; bounds; and what happens while a search makes room for others."""

import asyncio
import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.semantic.embedders.unit import Floats
from proxy.semantic.vectors import matrix
from proxy.semantic.vectors.kin import kin, words
from proxy.semantic.vectors.matrix import Matrix
from proxy.semantic.vectors.memory import MemoryIndex
from proxy.semantic.vectors.messages import Message, opened, packed, sealed, unpacked
from proxy.semantic.vectors.replicated import ReplicatedIndex
from proxy.state.settings import StoreDown
from tests.contract.vectors.made import MINE, SIGNATURE, Records, at, kept, key
from tests.support.clock import FakeClock, virtual


def unit(rng: np.random.Generator, size: int) -> Floats:
    """Any direction."""
    vector = rng.standard_normal(size).astype(np.float32)
    found: Floats = vector / np.linalg.norm(vector)
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 200)), min_size=1, max_size=200), st.integers(0, 99))
def test_it_finds_what_a_plain_search_finds(steps: list[tuple[bool, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    plain: dict[int, Floats] = {}
    found: Matrix[int] = Matrix(8)
    found._rows = 16  # several blocks, soon
    places: dict[int, int] = {}
    for number, (adds, which) in enumerate(steps):
        if adds or not plain:
            plain[number] = unit(rng, 8)
            places[number] = found.add(number, plain[number])
        else:
            gone = sorted(plain)[which % len(plain)]
            moved = found.remove(places[gone])
            if moved is not None:
                places[moved] = places[gone]
            del plain[gone], places[gone]
        assert sorted(found.owners) == sorted(plain)
        assert all(np.array_equal(found.row(places[one]), vector) for one, vector in plain.items())
    asked = unit(rng, 8)
    nearest = asyncio.run(found.nearest(asked))
    if not plain:
        assert nearest is None
    else:
        assert nearest is not None
        assert nearest[1] == pytest.approx(max(float(vector @ asked) for vector in plain.values()), abs=1e-5)
        assert float(plain[nearest[0]] @ asked) == pytest.approx(nearest[1], abs=1e-5)


async def test_rows_that_come_and_go_during_a_search_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "SLICE", 1)
    monkeypatch.setattr(matrix, "BLOCK", 16 * 4 * 384)
    index = MemoryIndex(max_entries=10_000, max_total=10_000, wall=FakeClock(2e9), records=Records())
    rng, vectors = random.Random(3), np.random.default_rng(3)
    there: set[int] = set()
    ever: dict[int, Floats] = {}

    def add(number: int) -> None:
        ever[number] = unit(vectors, 384)
        there.add(number)
        index.add(kept(number), ever[number])

    for number in range(400):
        add(number)
    found = 0
    for _ in range(30):
        asked = unit(vectors, 384)
        search = asyncio.create_task(index.nearest(MINE, SIGNATURE, asked))
        while not search.done():
            await asyncio.sleep(0)
            for gone in rng.sample(sorted(there), 3):
                index.forget(MINE, key(gone))
                there.remove(gone)
            for _ in range(3):
                add(len(ever))
        near = await search
        if near is not None:  # the nearest may have gone just now
            found += 1
            assert near.similarity == pytest.approx(float(ever[int.from_bytes(near.key, "big")] @ asked), abs=1e-5)
    assert found > 20


async def test_memory_stays_within_its_bound() -> None:
    index = MemoryIndex(max_entries=300, max_total=1000, wall=FakeClock(2e9), records=Records())
    for number in range(2000):
        index.add(kept(number, partition=bytes([number % 5]) * 32), at(number % 90))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(2000, 12_000):
        index.add(kept(number, partition=(number % 7).to_bytes(32, "big")), at(number % 90))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert index.size() == 1000
    assert grown < 1000 * 384 * 4 * 4


async def test_a_partition_that_nobody_asks_for_any_more_is_cleared_away() -> None:
    wall = FakeClock(2e9)
    index = MemoryIndex(max_entries=100, max_total=1000, wall=wall, records=Records())
    for number in range(20):
        index.add(kept(number, partition=b"old" * 10, expires=wall() + 60))
    wall.advance(61)
    for number in range(100, 106):
        index.add(kept(number))
    assert index.size() == 6


@given(st.text(), st.lists(st.text(), max_size=5))
def test_kin_is_one_of_those_it_was_given(text: str, others: list[str]) -> None:
    assert kin(text, [(words(other), other) for other in others]) in (*others, "")


def test_kin_shares_most_words() -> None:
    others = ["enable the alarm now", "enable the alarm", "what is the capital of France"]
    pairs = [(words(other), other) for other in others]
    assert kin("disable the alarm", pairs) == "enable the alarm"
    assert kin("Disable, the ALARM now!", pairs) == "enable the alarm now"
    assert kin("good morning", pairs) == ""


def test_no_bit_of_a_message_can_be_changed() -> None:
    message = Message(origin=b"somebody", kind="row", partition=MINE, key=key(1), text=b"question")
    whole = sealed(b"s" * 32, message)
    assert opened(b"s" * 32, whole) == message
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1
        assert opened(b"s" * 32, bytes(changed)) == "corrupt"


def test_a_vector_travels_nearly_unchanged() -> None:
    rng = np.random.default_rng(5)
    for size in (8, 384, 3072):
        vector, other = unit(rng, size), unit(rng, size)
        there = unpacked(packed(vector))
        assert float(there @ there) == pytest.approx(1, abs=1e-5)
        assert float(there @ other) == pytest.approx(float(vector @ other), abs=1e-3)


class Stream:
    """A store of the tests with one stream; while it is down it says so."""

    def __init__(self) -> None:
        self.entries: list[tuple[bytes, bytes]] = []
        self.down = False
        self.last = 0

    async def call(self, *words: bytes | str | int) -> object:
        if self.down:
            raise StoreDown("down")
        if words[0] == "XADD":
            self.last += 1
            assert isinstance(words[-1], bytes)
            self.entries.append((b"%d-0" % self.last, words[-1]))
            return self.entries[-1][0]
        if words[0] == "XREVRANGE":
            return [[ident, [b"m", stored]] for ident, stored in self.entries[-1:]]
        if words[0] == "XREAD":
            assert isinstance(words[-1], bytes)
            after = int(words[-1].split(b"-")[0])
            found = [[ident, [b"m", one]] for ident, one in self.entries if int(ident.split(b"-")[0]) > after]
            return [[words[4], found[: int(words[2])]]] if found else None
        return 0


def replicated(stream: Stream, records: Records) -> ReplicatedIndex:
    """One that shares the stream."""
    wall = FakeClock(2e9)
    memory = MemoryIndex(max_entries=1000, max_total=1000, wall=wall, records=records)
    return ReplicatedIndex(
        memory, stream, secret=lambda: b"s" * 32, embedder="m", longest=60, most=100, wall=wall, records=records
    )


@virtual
async def test_what_it_said_itself_it_does_not_hear() -> None:
    stream, records = Stream(), Records()
    index = replicated(stream, records)
    index.add(kept(1), at(0))
    before = index._memory._shelves[MINE].rows[key(1)]
    while await index.turn():
        pass
    assert len(stream.entries) == 2
    assert index._memory._shelves[MINE].rows[key(1)] is before


@virtual
async def test_after_a_failure_it_looks_whether_the_stream_begins_anew() -> None:
    stream, records = Stream(), Records()
    one, two = replicated(stream, records), replicated(stream, records)
    for number in range(5):
        one.add(kept(number))
    for index in (one, two):
        await index.open()
    await asyncio.sleep(1)
    assert two.size() == 5
    stream.down = True
    await asyncio.sleep(1)
    assert set(records.failures) == {"down"}
    one.add(kept(100))
    stream.down, stream.last, stream.entries = False, 0, []  # it counts from 1 again
    await asyncio.sleep(1)
    assert two.size() == 6
    for index in (one, two):
        await index.close()


@virtual
async def test_of_what_cannot_be_told_the_oldest_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.semantic.vectors.replicated.UNTOLD", 10)
    stream, records = Stream(), Records()
    one, two = replicated(stream, records), replicated(stream, records)
    for number in range(25):
        one.add(kept(number))
    await one.close()
    while await two.turn():
        pass
    assert (one.size(), two.size()) == (25, 10)
