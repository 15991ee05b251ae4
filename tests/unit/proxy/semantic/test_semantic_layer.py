"""The cheap before the dear: who is asked what, in which order, and what comes of it when an embedder lies, breaks or hangs."""

import asyncio
import math
import random
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest
from msgspec.structs import replace

from proxy.policy.caching import SemanticCache
from proxy.protocols import EmbedderFailed, Purge, Question, Vector, Verdict
from proxy.semantic.embedders.patient import REST, PatientEmbedder
from proxy.semantic.layer import EMPTY, TOGETHER, Pair, SemanticLayer
from proxy.semantic.vectors import Alike, Near
from proxy.semantic.vectors.memory import MemoryIndex
from tests.contract.vectors.made import LONG, MINE, THEIRS, Records, key
from tests.support.clock import FakeClock, elapsed, turns, virtual

POLITE = {"please", "kindly", "do", "tell", "me"}


class Words:
    """Guards of the tests: equal but for politeness."""

    def __init__(self) -> None:
        self.looked = 0

    def features(self, text: str) -> frozenset[str]:
        self.looked += 1
        return frozenset(text.lower().split()) - POLITE

    def signature(self, features: frozenset[str]) -> bytes:
        return " ".join(sorted(features)).encode()[:16]

    def differs(self, a: frozenset[str], b: frozenset[str]) -> str:
        return "words" if a != b else ""


class Angles:
    """An embedder of the tests: a text's vector lies so many degrees from 0 as it has polite words, times ten."""

    name = "angles@1"

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.seconds = 0.0
        self.gives: object = None

    async def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        self.asked.append(list(texts))
        await asyncio.sleep(self.seconds)
        if isinstance(self.gives, Exception):
            raise self.gives
        if self.gives is not None:
            return self.gives  # type: ignore[return-value]
        degrees = [10 * sum(word in POLITE for word in text.lower().split()) for text in texts]
        return [np.array([math.cos(math.radians(one)), math.sin(math.radians(one))]) for one in degrees]

    async def close(self) -> None: ...


class Deciding:
    """Thresholds of the tests."""

    def __init__(self) -> None:
        self.answer: Literal["serve", "explore", "refuse"] = "serve"
        self.asked: list[tuple[bytes, float, float, float]] = []
        self.told: list[tuple[bytes, float, bool]] = []
        self.forgotten: list[bytes] = []

    def decide(
        self, entry: bytes, similarity: float, floor: float, draw: float, *, pool: bytes
    ) -> Literal["serve", "explore", "refuse"]:
        assert pool == MINE
        self.asked.append((entry, similarity, floor, draw))
        return self.answer

    def observed(self, entry: bytes, similarity: float, same: bool, *, pool: bytes) -> None:
        assert pool == MINE
        self.told.append((entry, similarity, same))

    def forget(self, entry: bytes) -> None:
        self.forgotten.append(entry)


class Layer:
    """One with everything under control."""

    def __init__(self, **settings: object) -> None:
        self.settings = SemanticCache(enabled=True, **settings)  # type: ignore[arg-type]
        self.records, self.guards, self.angles, self.deciding = Records(), Words(), Angles(), Deciding()
        self.wall, self.pairs = FakeClock(2e9), list[Pair]()
        self.index = MemoryIndex(max_entries=100, max_total=1000, wall=self.wall, records=self.records)
        # The loop's own clock: the deadlines are its timers.
        self.layer = SemanticLayer(
            settings=self.settings,
            index=self.index,
            embedder=PatientEmbedder(self.angles, records=self.records, clock=self.clock),
            guards=self.guards,
            thresholds=self.deciding,
            same=lambda cached, fresh: cached == fresh if fresh else None,
            records=self.records,
            clock=self.clock,
            rng=random.Random(1),
            record=self.pairs.append,
        )

    @staticmethod
    def clock() -> float:
        return asyncio.get_running_loop().time()

    def stored(self, number: int, text: str, *, partition: bytes = MINE) -> None:
        """Its answer is there."""
        self.layer.remember(asking(text, partition=partition), key(number), LONG)

    async def find(self, text: str, **fields: object) -> Verdict:
        return await self.layer.find(asking(text, **fields))


def asking(text: str, **fields: object) -> Question:
    """A question."""
    return replace(Question(partition=MINE, text=text, route="fast", threshold=0.5, tenant="acme"), **fields)


@virtual
async def test_an_empty_partition_costs_nothing() -> None:
    made = Layer()
    made.stored(1, "reset the password", partition=THEIRS)
    looked = made.guards.looked
    assert await made.find("reset the password") is EMPTY
    assert made.guards.looked == looked
    assert made.angles.asked == []


@virtual
async def test_where_no_guard_agrees_nothing_is_embedded_and_the_guard_is_named() -> None:
    made = Layer()
    made.stored(1, "how can I enable the alarm")
    assert await made.find("how can I disable the alarm") == Verdict(kind="none", reason="guard", guard="words")
    assert await made.find("sing a song") == Verdict(kind="none", reason="no_neighbour")
    assert made.angles.asked == []
    assert made.records.guards == ["words"]


@virtual
async def test_a_question_that_means_the_same_is_a_hit() -> None:
    made = Layer()
    made.stored(1, "reset the password")
    verdict = await made.find("please reset the password")
    assert verdict == Verdict(kind="hit", key=key(1), similarity=pytest.approx(math.cos(math.radians(10)), abs=1e-6))
    assert made.angles.asked == [["please reset the password", "reset the password"]]
    assert made.records.embeddings == ["ok"]
    assert made.deciding.asked[0][:3] == (key(1), verdict.similarity, made.settings.threshold)
    assert 0 <= made.deciding.asked[0][3] < 1


@virtual
async def test_a_vector_is_made_once() -> None:
    made = Layer()
    made.stored(1, "reset the password")
    await made.find("please reset the password")
    made.stored(2, "please reset the password")
    await made.find("kindly reset the password")
    await made.find("kindly reset the password")
    assert made.angles.asked[1:] == [["kindly reset the password"]]


@virtual
async def test_the_nearest_wins() -> None:
    made = Layer()
    made.stored(1, "reset the password")
    made.stored(2, "please kindly tell me reset the password")
    assert (await made.find("please kindly tell reset the password")).key == key(2)
    assert (await made.find("kindly reset the password")).key == key(1)


@pytest.mark.parametrize(
    ("global_floor", "own", "kind"), [(0.92, 0.5, "hit"), (0.99, 0.5, "none"), (0.92, 0.99, "none")]
)
def test_below_the_higher_of_both_thresholds_nothing_is_served(global_floor: float, own: float, kind: str) -> None:
    @virtual
    async def run() -> None:
        made = Layer(threshold=global_floor)
        made.stored(1, "reset the password")
        verdict = await made.find("please reset the password", threshold=own)
        assert verdict.kind == kind
        assert verdict.similarity == pytest.approx(0.9848, abs=1e-4)
        assert (verdict.reason, verdict.key) == (("", key(1)) if kind == "hit" else ("below_threshold", b""))
        assert len(made.deciding.asked) == (kind == "hit")

    run()


@virtual
async def test_an_entrys_own_threshold_decides() -> None:
    made = Layer()
    made.stored(1, "reset the password")
    made.deciding.answer = "refuse"
    verdict = await made.find("please reset the password")
    assert (verdict.kind, verdict.reason, verdict.key) == ("none", "below_threshold", b"")
    made.deciding.answer = "explore"
    verdict = await made.find("please reset the password")
    assert (verdict.kind, verdict.reason, verdict.key) == ("explore", "explored", key(1))


@virtual
async def test_shadow_mode_serves_nothing_and_says_what_it_would_have() -> None:
    made = Layer(mode="shadow")
    made.stored(1, "reset the password")
    made.deciding.answer = "serve"
    verdict = await made.find("please reset the password")
    assert (verdict.kind, verdict.reason, verdict.key) == ("shadow", "", key(1))
    far = await made.find("please kindly tell me do reset the password")
    assert (far.kind, far.reason, far.key) == ("shadow", "below_threshold", key(1))
    made.layer.learn(asking("please reset the password"), verdict, "click there", "click there")
    made.layer.learn(asking("please kindly tell me do reset the password"), far, "click there", "no")
    assert [(pair.a, pair.b, pair.would_hit, pair.same) for pair in made.pairs] == [
        ("reset the password", "please reset the password", True, True),
        ("reset the password", "please kindly tell me do reset the password", False, False),
    ]
    assert made.deciding.told == [(key(1), verdict.similarity, True), (key(1), far.similarity, False)]
    assert made.records.observations == [("fast", "same"), ("fast", "different")]


@virtual
async def test_nothing_is_learnt_from_what_was_served_or_not_found() -> None:
    made = Layer()
    made.stored(1, "reset the password")
    hit = await made.find("please reset the password")
    made.layer.learn(asking("please reset the password"), hit, "a", "b")
    made.layer.learn(asking("else"), EMPTY, "a", "b")
    assert (made.deciding.told, made.pairs, made.records.observations) == ([], [], [])


@virtual
async def test_what_cannot_be_told_is_recorded_and_not_counted() -> None:
    made = Layer(mode="shadow")
    made.stored(1, "reset the password")
    verdict = await made.find("please reset the password")
    made.layer.learn(asking("please reset the password"), verdict, "a", "")
    assert [pair.same for pair in made.pairs] == [None]
    assert (made.deciding.told, made.records.observations) == ([], [])


@virtual
async def test_what_is_learnt_after_the_answer_was_stored_is_recorded_too() -> None:
    made = Layer(mode="shadow")
    made.stored(1, "reset the password")
    verdict = await made.find("please reset the password")
    made.stored(2, "please reset the password")
    made.layer.learn(asking("please reset the password"), verdict, "a", "a")
    assert [pair.a for pair in made.pairs] == ["reset the password"]


@virtual
async def test_only_some_wait_for_their_vectors_and_the_rest_get_them_later() -> None:
    made = Layer()
    texts = [f"{'please ' * (number % 3)}reset{' ' * (number + 1)}password" for number in range(TOGETHER + 5)]
    for number, text in enumerate(texts):
        made.stored(number, text)
    assert (await made.find("kindly reset password")).kind == "hit"
    assert len(made.angles.asked[0]) == 1 + TOGETHER
    await turns(100)
    assert [len(asked) for asked in made.angles.asked[1:]] == [1] * 5
    assert sorted(text for asked in made.angles.asked for text in asked[-TOGETHER:]) == sorted(texts)
    await made.find("do reset password")
    assert made.angles.asked[-1] == ["do reset password"]


@virtual
async def test_long_texts_do_not_all_wait_together() -> None:
    made = Layer()
    for number in range(5):
        made.stored(number, f"reset {' ' * (900 + number)} password")
    await made.find("please reset password")
    assert len(made.angles.asked[0]) == 3
    await turns(100)
    assert len(made.angles.asked) == 1 + 3


LIES = {
    "too few": [[1.0, 0.0]],
    "sizes that differ": [[1.0, 0.0], [1.0, 0.0, 0.0]],
    "another size than before": [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]],
    "NaN": [[math.nan, 0.0], [1.0, 0.0]],
    "zeros": [[0.0, 0.0], [1.0, 0.0]],
    "no vectors at all": [None, None],
    "a bug": RuntimeError("bug"),
    "missing": EmbedderFailed("missing", "install it"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_embedder_that_lies_serves_nothing(lie: str) -> None:
    @virtual
    async def run() -> None:
        made = Layer()
        made.stored(1, "open the door")
        assert (await made.find("please open the door")).kind == "hit"
        made.stored(2, "reset the password")
        made.angles.gives = LIES[lie]
        assert await made.find("please reset the password") == Verdict(kind="none", reason="embedder_failed")
        made.angles.gives = None
        assert (await made.find("please reset the password")).key == key(2)

    run()


@virtual
async def test_an_embedder_that_hangs_costs_the_timeout_three_times_and_then_nothing() -> None:
    made = Layer(timeout=0.25)
    made.stored(1, "reset the password")
    made.angles.seconds = 3600
    for number in range(1, 4):
        assert await made.find("please reset the password") == Verdict(kind="none", reason="embedder_timeout")
        assert elapsed() == pytest.approx(0.25 * number, abs=1e-3)
    for _ in range(100):
        assert (await made.find("please reset the password")).reason == "embedder_timeout"
    assert elapsed() == pytest.approx(0.75, abs=1e-3)
    assert made.records.embeddings == ["timeout"] * 3
    made.angles.seconds = 0
    await asyncio.sleep(REST + 10)
    assert (await made.find("please reset the password")).kind == "hit"
    await made.layer.close()


@virtual
async def test_what_was_too_slow_for_the_request_is_made_up_for_later() -> None:
    made = Layer(timeout=0.25)
    made.stored(1, "reset the password")
    made.angles.seconds = 0.2
    made.stored(2, "open the door")
    made.angles.seconds = 0.3
    assert (await made.find("please open the door")).reason == "embedder_timeout"
    await asyncio.sleep(1)
    made.angles.seconds = 0.1
    assert (await made.find("please open the door")).kind == "hit"
    assert made.angles.asked[-2:] == [["open the door"], ["please open the door"]]


@virtual
async def test_one_that_is_too_long_is_dropped_and_does_not_stand_in_the_way() -> None:
    made = Layer()
    made.stored(1, "reset the password")
    made.angles.gives = EmbedderFailed("too_long")
    assert (await made.find("please reset the password")).reason == "prompt_too_long"
    assert made.index.empty(MINE)
    assert len(made.angles.asked) == 2


@virtual
async def test_a_busy_embedder_is_told_apart() -> None:
    made = Layer()
    made.stored(1, "reset the password")
    made.angles.gives = EmbedderFailed("busy")
    assert (await made.find("please reset the password")).reason == "embedder_busy"


@virtual
async def test_equal_signatures_of_different_texts_are_not_served() -> None:
    made = Layer()
    made.guards.signature = lambda features: b"always the same"  # type: ignore[method-assign]
    made.stored(2, "enable it")
    verdict = await made.find("disable it")
    assert (verdict.kind, verdict.reason, verdict.guard, verdict.key) == ("none", "guard", "words", b"")
    assert verdict.similarity == pytest.approx(1.0)


@virtual
async def test_what_the_store_lost_and_what_was_purged_is_forgotten() -> None:
    made = Layer()
    made.stored(1, "reset the password")
    made.layer.forget(asking("please reset the password"), key(1))
    assert await made.find("please reset the password") is EMPTY
    assert made.deciding.forgotten == [key(1)]
    made.stored(2, "reset the password")
    await made.layer.purge(Purge(key=key(2).hex()))
    assert await made.find("please reset the password") is EMPTY
    assert made.deciding.forgotten == [key(1), key(2)]


class Hanging(MemoryIndex):
    """Never answers."""

    async def alike(self, partition: bytes, signature: bytes, text: str, most: int) -> Alike | None:
        await asyncio.sleep(3600)
        return None


class Broken(MemoryIndex):
    """Has a bug."""

    async def nearest(self, partition: bytes, signature: bytes, vector: Vector) -> Near | None:
        raise KeyError("bug")

    async def purge(self, what: Purge) -> None:
        raise KeyError("bug")

    def forget(self, partition: bytes, key: bytes) -> None:
        raise KeyError("bug")


class Stubborn(MemoryIndex):
    """Takes no vectors after the first."""

    placed = 0

    def place(self, partition: bytes, key: bytes, vector: Vector) -> None:
        self.placed += 1
        if self.placed == 1:
            super().place(partition, key, vector)


@virtual
async def test_a_row_that_takes_no_vector_is_not_tried_for_ever() -> None:
    made = Layer()
    made.layer._index = Stubborn(max_entries=99, max_total=99, wall=made.wall, records=made.records)
    for number in range(TOGETHER + 5):
        made.stored(number, f"reset{' ' * (number + 1)}password")
    await made.find("please reset password")
    await turns(1000)
    assert len(made.angles.asked) == 2
    assert len(asyncio.all_tasks()) == 1


@virtual
async def test_an_index_that_hangs_is_not_waited_for() -> None:
    made = Layer(timeout=0.25)
    made.layer._index = Hanging(max_entries=9, max_total=9, wall=made.wall, records=made.records)
    made.stored(1, "reset the password")
    assert await made.find("please reset the password") == Verdict(kind="none", reason="index_timeout")
    assert elapsed() == pytest.approx(0.25, abs=1e-3)
    assert made.records.failures == ["timeout"]


@virtual
async def test_a_bug_costs_no_answer() -> None:
    made = Layer()
    made.layer._index = Broken(max_entries=9, max_total=9, wall=made.wall, records=made.records)
    made.stored(1, "reset the password")
    assert await made.find("please reset the password") == Verdict(kind="none", reason="failed")
    made.layer.forget(asking("a"), key(1))
    await made.layer.purge(Purge())
    made.guards.features = lambda text: 1 // 0  # type: ignore[method-assign, assignment]
    made.stored(2, "else")
    assert made.records.failures == ["KeyError", "KeyError", "KeyError", "ZeroDivisionError"]


@virtual
async def test_ten_thousand_near_duplicates_of_another_tenant_are_never_met() -> None:
    made = Layer()
    for number in range(1000):
        made.stored(number, f"{'please ' * (number % 4)}reset the password", partition=MINE)
    made.stored(5000, "open the door", partition=THEIRS)
    for number in range(10_000):
        verdict = await made.find(f"{'kindly ' * (number % 4)}reset the password", partition=THEIRS)
        assert (verdict.kind, verdict.similarity, verdict.guard) == ("none", None, "")
    assert made.angles.asked == []


@virtual
async def test_its_end_ends_what_it_began() -> None:
    made = Layer(timeout=0.25)
    made.stored(1, "reset the password")
    made.angles.seconds = 3600
    await made.find("please reset the password")
    assert len(asyncio.all_tasks()) == 2
    await made.layer.close()
    assert len(asyncio.all_tasks()) == 1
