"""What every index of vectors does alike, whoever keeps it."""

import pytest

from proxy.protocols import Purge
from proxy.semantic.vectors import Alike, VectorIndex

from .conftest import Fleet
from .made import MINE, SIGNATURE, THEIRS, at, kept, key

OTHER = b"otherwise"

SHARED = ["replicated", "pgvector"]
"""In memory each process has its own."""


async def alike(
    index: VectorIndex, text: str = "question", *, partition: bytes = MINE, signature: bytes = SIGNATURE
) -> Alike | None:
    """With the usual signature."""
    return await index.alike(partition, signature, text, 8)


async def test_a_partition_without_rows_has_nobody(index: VectorIndex) -> None:
    assert await alike(index) is None
    assert await index.nearest(MINE, SIGNATURE, at(0)) is None


async def test_a_row_comes_without_a_vector_and_gets_one(index: VectorIndex) -> None:
    index.add(kept(1))
    found = await alike(index)
    assert found is not None
    assert (found.count, found.bare) == (1, ((key(1), "question 1"),))
    assert await index.nearest(MINE, SIGNATURE, at(0)) is None
    index.place(MINE, key(1), at(0))
    near = await index.nearest(MINE, SIGNATURE, at(20))
    assert near is not None
    assert (near.key, near.text) == (key(1), "question 1")
    assert near.similarity == pytest.approx(0.9397, abs=1e-3)
    found = await alike(index)
    assert found is not None
    assert (found.count, found.bare) == (1, ())


async def test_the_nearest_of_many_is_found(index: VectorIndex) -> None:
    for number in range(40):
        index.add(kept(number), at(90 - 2 * number))
    near = await index.nearest(MINE, SIGNATURE, at(31))
    assert near is not None
    assert near.key in (key(29), key(30))
    assert near.similarity == pytest.approx(0.99985, abs=1e-4)


async def test_bare_rows_are_told_newest_first_and_not_too_many(index: VectorIndex) -> None:
    for number in range(12):
        index.add(kept(number))
    index.add(kept(12), at(0))
    found = await index.alike(MINE, SIGNATURE, "", 3)
    assert found is not None
    assert found.count == 13
    assert [one for one, _ in found.bare] == [key(11), key(10), key(9)]


async def test_only_one_partition_is_ever_looked_at(index: VectorIndex) -> None:
    index.add(kept(1, partition=THEIRS), at(0))
    assert await alike(index) is None
    assert await index.nearest(MINE, SIGNATURE, at(0)) is None
    index.forget(MINE, key(1))
    index.place(MINE, key(1), at(90))
    near = await index.nearest(THEIRS, SIGNATURE, at(0))
    assert near is not None
    assert near.similarity == pytest.approx(1.0, abs=1e-3)


async def test_only_one_signature_is_ever_compared(index: VectorIndex) -> None:
    index.add(kept(1, signature=OTHER), at(0))
    index.add(kept(2), at(80))
    near = await index.nearest(MINE, SIGNATURE, at(0))
    assert near is not None
    assert near.key == key(2)


async def test_where_nobody_has_the_signature_the_kin_is_named(index: VectorIndex) -> None:
    index.add(kept(1, text="how do I enable two factor login"))
    index.add(kept(2, text="what is the capital of France"))
    found = await alike(index, "how do I disable two factor login", signature=OTHER)
    assert found is not None
    assert (found.count, found.bare, found.kin) == (0, (), "how do I enable two factor login")
    found = await alike(index, "tell me a joke", signature=OTHER)
    assert found is not None
    assert (found.count, found.kin) == (0, "")


async def test_what_has_expired_is_not_found(fleet: Fleet, index: VectorIndex) -> None:
    now = fleet.wall()
    index.add(kept(1, expires=now + 10), at(0))
    index.add(kept(2, expires=now + 20), at(30))
    index.add(kept(3, expires=now - 1), at(0))
    near = await index.nearest(MINE, SIGNATURE, at(0))
    assert near is not None
    assert near.key == key(1)
    fleet.wall.advance(10)
    near = await index.nearest(MINE, SIGNATURE, at(0))
    assert near is not None
    assert near.key == key(2)
    fleet.wall.advance(10)
    assert await index.nearest(MINE, SIGNATURE, at(0)) is None
    assert await alike(index) is None


async def test_what_has_expired_gets_no_vector(fleet: Fleet, index: VectorIndex) -> None:
    index.add(kept(1, expires=fleet.wall() + 10))
    index.add(kept(2, expires=fleet.wall() + 5))
    index.add(kept(3))
    fleet.wall.advance(7)
    found = await alike(index)
    assert found is not None
    assert {one for one, _ in found.bare} == {key(1), key(3)}


async def test_the_same_again_keeps_its_vector(fleet: Fleet, index: VectorIndex) -> None:
    index.add(kept(1, expires=fleet.wall() + 10), at(0))
    index.add(kept(1, expires=fleet.wall() + 100))
    fleet.wall.advance(50)
    near = await index.nearest(MINE, SIGNATURE, at(0))
    assert near is not None
    assert near.similarity == pytest.approx(1.0, abs=1e-3)
    found = await alike(index)
    assert found is not None
    assert found.count == 1


async def test_a_row_is_forgotten(index: VectorIndex) -> None:
    for number in range(5):
        index.add(kept(number), at(10 * number))
    index.forget(MINE, key(0))
    index.forget(MINE, key(4))
    index.forget(MINE, key(77))
    near = await index.nearest(MINE, SIGNATURE, at(0))
    assert near is not None
    assert near.key == key(1)
    near = await index.nearest(MINE, SIGNATURE, at(50))
    assert near is not None
    assert near.key == key(3)


async def test_a_vector_of_another_size_is_never_compared(index: VectorIndex) -> None:
    index.add(kept(1), at(0, 384))
    assert await index.nearest(MINE, SIGNATURE, at(0, 512)) is None
    index.add(kept(2))
    index.place(MINE, key(2), at(0, 512))
    near = await index.nearest(MINE, SIGNATURE, at(0, 512))
    assert near is not None
    assert near.key == key(2)


@pytest.mark.parametrize(
    ("what", "left"),
    [
        (Purge(), set()),
        (Purge(account="acme"), {3}),
        (Purge(account="nobody"), {1, 2, 3}),
        (Purge(key=key(2).hex()), {1, 3}),
        (Purge(key=key(2).hex(), account="beta"), {1, 2, 3}),
        (Purge(tag="blue"), set()),
        (Purge(model="fast", account="beta"), {1, 2}),
    ],
)
async def test_a_purge_takes_what_it_may_mean(index: VectorIndex, what: Purge, left: set[int]) -> None:
    index.add(kept(1))
    index.add(kept(2), at(0))
    index.add(kept(3, partition=THEIRS, tenant="beta"))
    await index.purge(what)
    found = set()
    for number, partition in ((1, MINE), (2, MINE), (3, THEIRS)):
        rows = await index.alike(partition, SIGNATURE, "", 8)
        if rows is not None and (number != 2 or rows.count > len(rows.bare)):
            found |= {number} if number == 2 else {number} & {int.from_bytes(one, "big") for one, _ in rows.bare}
    assert found == left


async def test_a_partition_is_bounded_and_the_oldest_go(fleet: Fleet) -> None:
    index = await fleet.another(max_entries=10)
    for number in range(25):
        index.add(kept(number), at(2 * number))
    await fleet.settle()
    found = await alike(index)
    assert found is not None
    assert found.count == 10
    near = await index.nearest(MINE, SIGNATURE, at(0))
    assert near is not None
    assert near.key == key(15)


async def test_all_partitions_together_are_bounded(fleet: Fleet) -> None:
    index = await fleet.another(max_total=10)
    for number in range(25):
        index.add(kept(number, partition=bytes([number]) * 32))
    await fleet.settle()
    there = [number for number in range(25) if await alike(index, partition=bytes([number]) * 32) is not None]
    assert there == list(range(15, 25))


async def test_strange_texts_come_back_as_they_were(index: VectorIndex) -> None:
    text = "null \x00, half a pair \ud800, 漢字, \U0001f600"
    index.add(kept(1, text=text, tenant="te\x00nant\ud800"))
    found = await alike(index)
    assert found is not None
    assert found.bare == ((key(1), text),)


@pytest.mark.parametrize("fleet", SHARED, indirect=True)
async def test_another_process_finds_it_too(fleet: Fleet) -> None:
    one, two = await fleet.another(), await fleet.another()
    one.add(kept(1))
    one.add(kept(2), at(30))
    await fleet.settle()
    found = await alike(two)
    assert found is not None
    assert (found.count, found.bare) == (2, ((key(1), "question 1"),))
    two.place(MINE, key(1), at(0))
    await fleet.settle()
    near = await one.nearest(MINE, SIGNATURE, at(1))
    assert near is not None
    assert (near.key, near.similarity) == (key(1), pytest.approx(0.99985, abs=1e-3))
    two.forget(MINE, key(1))
    await fleet.settle()
    near = await one.nearest(MINE, SIGNATURE, at(1))
    assert near is not None
    assert near.key == key(2)
    late = await fleet.another()
    await fleet.settle()
    near = await late.nearest(MINE, SIGNATURE, at(30))
    assert near is not None
    assert (near.key, near.similarity) == (key(2), pytest.approx(1.0, abs=1e-3))
    await two.purge(Purge(account="acme"))
    await fleet.settle()
    assert await alike(one) is None


@pytest.mark.parametrize("fleet", SHARED, indirect=True)
async def test_vectors_of_another_embedder_are_not_compared(fleet: Fleet) -> None:
    one, two = await fleet.another(), await fleet.another(embedder="minilm@2")
    one.add(kept(1), at(0))
    await fleet.settle()
    assert await two.nearest(MINE, SIGNATURE, at(0)) is None
    found = await alike(two)
    assert found is not None
    assert [one for one, _ in found.bare] == [key(1)]
