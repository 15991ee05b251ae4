"""The two built-in sets, in CI: not one wrong answer, and the price in hits, on the part that was worked on and on the one held out."""

import asyncio
from collections import Counter

import pytest

from proxy.policy.caching import SemanticCache
from proxy.semantic.embedders.local import LocalEmbedder
from proxy.semantic.proof.pairs import RECORDED_WITH, Pair, PairsUnreadable, adversarial, built_in, paraphrases, read
from proxy.semantic.proof.scoring import scored, tallies, tally, wilson

THRESHOLD = SemanticCache().threshold


def test_the_guards_alone_let_no_adversarial_pair_through() -> None:
    assert [row.pair for row in scored(adversarial()) if not row.guard] == []


def test_the_embedder_alone_would_have_served_many_of_them() -> None:
    found = tally("all", scored(adversarial()), THRESHOLD)
    assert found.both == 0
    assert found.embedder is not None
    assert found.embedder > 200


@pytest.mark.parametrize("part", ["worked on", "held out"])
def test_every_second_paraphrase_is_a_hit(part: str) -> None:
    """On what was held out as on what was worked on: the tables are not made for these sentences."""
    (found,) = (row for row in tallies(scored(paraphrases()), THRESHOLD, by=lambda pair: pair.part) if row.name == part)
    assert found.guards >= 0.55 * found.pairs
    assert found.both >= 0.5 * found.pairs


def test_the_sets_are_as_large_and_as_mixed_as_they_say() -> None:
    for pairs, kinds in ((adversarial(), 30), (paraphrases(), 20)):
        assert len(pairs) >= 300
        assert len({pair.kind for pair in pairs}) >= kinds
        parts = Counter(pair.part for pair in pairs)
        assert set(parts) == {"worked on", "held out"}
        assert 0.25 < parts["held out"] / len(pairs) < 0.4


def test_no_pair_comes_twice_or_is_one_text() -> None:
    assert max(Counter(frozenset((pair.a, pair.b)) for pair in built_in()).values()) == 1
    assert all(pair.a != pair.b for pair in built_in())


async def test_recorded_cosines_are_what_the_local_model_says() -> None:
    assert RECORDED_WITH == LocalEmbedder.name
    some = built_in()[::80]
    embedder = LocalEmbedder()
    try:
        async with asyncio.timeout(60):
            vectors = await embedder.embed([text for pair in some for text in (pair.a, pair.b)])
    finally:
        await embedder.close()
    for index, pair in enumerate(some):
        assert pair.similarity is not None
        # Processors round int8 sums differently.
        assert float(vectors[2 * index] @ vectors[2 * index + 1]) == pytest.approx(pair.similarity, abs=0.03)


def test_own_pairs_are_read() -> None:
    (pair,) = read([b"", b'{"a": "x", "b": "y", "same": false, "similarity": 0.5, "more": 1}', b" "], name="own")
    assert pair == Pair(a="x", b="y", same=False, similarity=0.5)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([b"{}"], "own, line 1"),
        ([b'{"a": "x", "b": "y", "same": true}', b"x"], "own, line 2"),
        ([b'{"a": "x", "b": "y", "same": "yes"}'], "line 1"),
        ([b'{"a": "x", "b": "y", "same": true, "similarity": 2}'], "between -1 and 1"),
        ([b'{"a": "\xff", "b": "y", "same": true}'], "line 1"),
        ([b" "], "no pairs"),
    ],
)
def test_what_is_no_pair_is_named(lines: list[bytes], says: str) -> None:
    with pytest.raises(PairsUnreadable, match=says):
        read(lines, name="own")


def test_an_unknown_cosine_leaves_the_guards_alone() -> None:
    pairs = [Pair(a="What is a cat?", b="what is a cat", same=True), Pair(a="a b", b="a b.", same=True, similarity=0.1)]
    found = tally("own", scored(pairs), 0.92)
    assert (found.guards, found.embedder, found.both) == (2, None, 1)


@pytest.mark.parametrize(
    ("hits", "pairs", "low", "high"),
    [(0, 0, 0, 1), (0, 100, 0, 0.0370), (100, 100, 0.9630, 1), (50, 100, 0.4038, 0.5962), (8, 10, 0.4902, 0.9433)],
)
def test_the_interval_is_wilsons(hits: int, pairs: int, low: float, high: float) -> None:
    assert wilson(hits, pairs) == pytest.approx((low, high), abs=5e-5)
