"""What is served, what is asked for anew and what is refused, by what was observed near a stored question."""

import math
from timeit import repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.policy.caching import SemanticCache
from proxy.semantic import thresholds as module
from proxy.semantic.proof.pairs import built_in
from proxy.semantic.proof.scoring import scored
from proxy.semantic.thresholds import AGAIN, DOUBT, EARLY, ENOUGH, LATE, PRIOR_SEEN, PRIOR_WRONG, Decision, Thresholds

FLOOR = 0.92
MINE, THEIRS = b"mine", b"theirs"
UNLUCKY = 0.999
"""A draw that is not explored."""

ORDER: dict[Decision, int] = {"refuse": 0, "explore": 1, "serve": 2}


def made(bound: float = 0.01) -> Thresholds:
    return Thresholds(max_false_hits=bound)


def decided(
    thresholds: Thresholds, similarity: float, *, entry: bytes = b"a", draw: float = UNLUCKY, pool: bytes = MINE
) -> Decision:
    return thresholds.decide(entry, similarity, FLOOR, draw, pool=pool)


def told(thresholds: Thresholds, similarity: float, same: bool, *, entry: bytes = b"a", times: int = 1) -> None:
    for _ in range(times):
        thresholds.observed(entry, similarity, same, pool=MINE)


# ---- before anything was seen ---------------------------------------------------------------------------------------
def test_a_first_paraphrase_is_usually_served_at_once() -> None:
    thresholds = made(SemanticCache().max_false_hits)
    assert decided(thresholds, 0.93, draw=EARLY) == "serve"
    assert decided(thresholds, 0.93, draw=EARLY - 0.001) == "explore"


def test_what_is_believed_at_first_is_what_the_held_out_pairs_say() -> None:
    """For one near miss beside each paraphrase, by Jeffreys' estimate: half a pair more than was seen."""
    rows = [row for row in scored(built_in()) if row.pair.part == "held out"]
    near_misses = [row for row in rows if not row.pair.same]
    paraphrases = [row for row in rows if row.pair.same]
    threshold = SemanticCache().threshold
    assert not [row for row in near_misses if row.served(threshold)]
    passed = sum(row.served(threshold) for row in paraphrases)
    wrong, right = 0.5 / (len(near_misses) + 1), passed / len(paraphrases)
    assert wrong / (wrong + right) <= PRIOR_WRONG / PRIOR_SEEN
    assert passed >= PRIOR_SEEN


def test_a_bound_below_what_is_believed_needs_observations_first() -> None:
    thresholds = made(0.001)
    assert decided(thresholds, 0.95) == "explore"
    for number in range(201):
        told(thresholds, 0.95, True, entry=b"%d" % number)
    assert decided(thresholds, 0.95) == "serve"
    assert decided(thresholds, 0.93) == "explore", "what was right nearer proves nothing further off"
    told(thresholds, 0.93, True, entry=b"b")
    assert decided(thresholds, 0.93) == "explore", "one observation there does not either"


@pytest.mark.parametrize("similarity", [0.5, FLOOR - 1e-9, 1.001, 2.0, -1.0, math.nan, math.inf, -math.inf])
def test_absurd_similarities_are_refused_and_not_learnt_from(similarity: float) -> None:
    thresholds = made(1.0)
    assert decided(thresholds, similarity, draw=1.0) == "refuse"
    if not 0.0 <= similarity <= 1.0:
        told(thresholds, similarity, False, times=3)
        assert not thresholds._pools


@pytest.mark.parametrize("floor", [math.nan, math.inf, 1.01])
def test_an_absurd_floor_refuses(floor: float) -> None:
    assert made(1.0).decide(b"a", 1.0, floor, 1.0) == "refuse"


def test_a_floor_of_nothing_does_not_reach_below_zero() -> None:
    thresholds = made()
    told(thresholds, 0.0, True)
    assert thresholds.decide(b"a", -0.5, -1.0, UNLUCKY, pool=MINE) == "refuse"
    assert thresholds.decide(b"a", 0.0, -1.0, UNLUCKY, pool=MINE) == "serve"


def test_a_cosine_that_was_rounded_up_counts_as_one() -> None:
    thresholds = made()
    assert decided(thresholds, 1.00005) == "serve"
    told(thresholds, 1.00005, False)
    assert decided(thresholds, 1.0) == "explore"
    assert decided(thresholds, 1.00005) == "explore"


# ---- what was wrong -------------------------------------------------------------------------------------------------
def test_a_wrong_answer_closes_its_question_at_once() -> None:
    thresholds = made()
    told(thresholds, 0.96, True, entry=b"other", times=2000)
    told(thresholds, 0.94, False)
    assert decided(thresholds, 0.94) == "explore"
    assert decided(thresholds, 0.99) == "explore"
    assert decided(thresholds, 0.96, entry=b"other") == "serve", "others in a good partition go on"


def test_below_halfway_it_is_closed_for_good_and_above_it_proves_itself() -> None:
    thresholds = made()
    told(thresholds, 0.93, True, entry=b"other", times=1000)
    told(thresholds, 0.99, True, entry=b"other", times=1000)
    told(thresholds, 0.94, False)
    told(thresholds, 0.95, True, times=1000)
    told(thresholds, 0.98, True, times=AGAIN - 1)
    assert decided(thresholds, 0.98) == "explore"
    told(thresholds, 0.98, True)
    assert decided(thresholds, 0.98) == "serve"
    told(thresholds, 0.95, True, times=1000)
    assert decided(thresholds, 0.95) == "explore"
    assert decided(thresholds, 0.9699) == "explore"


def test_a_good_question_of_a_bad_partition_proves_itself() -> None:
    thresholds = made()
    for number in range(40):
        told(thresholds, 0.95, number % 4 > 0, entry=b"%d" % number)
    needed = round(1 / 0.01) - DOUBT
    told(thresholds, 0.95, True, entry=b"good", times=needed - 1)
    assert decided(thresholds, 0.95, entry=b"good") == "explore"
    told(thresholds, 0.95, True, entry=b"good")
    assert decided(thresholds, 0.95, entry=b"good") == "serve"
    assert decided(thresholds, 0.93, entry=b"good") == "explore", "nothing was seen there"
    assert decided(thresholds, 0.95, entry=b"new") == "explore"


def test_one_wrong_answer_closes_a_new_partition_until_it_has_proven_itself() -> None:
    thresholds = made()
    told(thresholds, 0.94, False)
    assert decided(thresholds, 0.99, entry=b"other") == "explore", "nothing is known above either"
    for number in range(ENOUGH - 1):
        told(thresholds, 0.99, True, entry=b"%d" % number)
    assert decided(thresholds, 0.99, entry=b"other") == "explore", "nor after a few"
    told(thresholds, 0.99, True, entry=b"last")
    assert decided(thresholds, 0.99, entry=b"other") == "serve"
    assert decided(thresholds, 0.94, entry=b"other") == "explore"


def test_where_something_was_wrong_an_estimate_under_the_bound_is_not_enough() -> None:
    thresholds = made()
    told(thresholds, 0.95, False)
    seen = 1
    for number in range(400):
        if decided(thresholds, 0.95, entry=b"other") == "serve":
            break
        told(thresholds, 0.95, True, entry=b"%d" % number)
        seen += 1
    assert (PRIOR_WRONG + 1) / (PRIOR_SEEN + seen) < 0.01 / 2
    assert 200 < seen < 300


def test_a_second_surprise_soon_after_makes_what_was_seen_before_count_half() -> None:
    thresholds = made()
    told(thresholds, 0.95, True, times=1600)
    for number in range(6):
        told(thresholds, 0.95, False, entry=b"%d" % number)
    assert decided(thresholds, 0.95, entry=b"new") == "explore"


def test_what_is_old_fades(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SEEN", 100.0)
    thresholds = made()
    told(thresholds, 0.95, True, times=10_000)
    count = thresholds._pools[MINE].counts[47]
    assert 50 <= count.seen <= 100


# ---- exploring ------------------------------------------------------------------------------------------------------
def test_less_is_explored_once_enough_was_right_and_more_after_a_surprise() -> None:
    thresholds = made()
    told(thresholds, 0.95, True, times=ENOUGH)
    assert decided(thresholds, 0.95, entry=b"b", draw=LATE) == "serve"
    assert decided(thresholds, 0.95, entry=b"b", draw=LATE - 0.001) == "explore"
    told(thresholds, 0.95, True, times=1000)
    told(thresholds, 0.95, False, entry=b"c")
    assert decided(thresholds, 0.95, entry=b"b", draw=EARLY - 0.001) == "explore"
    assert decided(thresholds, 0.95, entry=b"b", draw=EARLY) == "serve"


def test_what_is_wrong_where_nothing_is_served_surprises_nobody() -> None:
    thresholds = made()
    told(thresholds, 0.93, False)
    told(thresholds, 0.99, True, entry=b"b", times=ENOUGH)
    told(thresholds, 0.93, True, entry=b"c", times=ENOUGH)
    assert decided(thresholds, 0.99, entry=b"d", draw=EARLY - 0.001) == "explore", "so far away nothing calms either"
    told(thresholds, 0.99, True, entry=b"b", times=ENOUGH)
    assert decided(thresholds, 0.99, entry=b"d", draw=LATE) == "serve"
    told(thresholds, 0.93, False, entry=b"c")
    assert decided(thresholds, 0.99, entry=b"d", draw=LATE) == "serve"


# ---- isolation and memory -------------------------------------------------------------------------------------------
def test_nobodys_observations_reach_another_partition() -> None:
    thresholds, alone = made(), made()
    for number in range(300):
        for similarity in (0.93, 0.96, 0.99, 1.0):
            thresholds.observed(b"%d" % number, similarity, number % 3 == 0, pool=THEIRS)
    for entry in (b"a", b"1"):
        for similarity in (0.93, 0.96, 0.99, 1.0):
            for draw in (0.0, LATE, EARLY - 0.01, EARLY, UNLUCKY):
                mine = decided(thresholds, similarity, entry=entry, draw=draw)
                assert mine == decided(alone, similarity, entry=entry, draw=draw)


def test_a_forgotten_question_begins_anew() -> None:
    thresholds = made()
    told(thresholds, 0.95, True, entry=b"b", times=2000)
    told(thresholds, 0.95, False)
    assert decided(thresholds, 0.99) == "explore"
    thresholds.forget(b"a")
    thresholds.forget(b"unknown")
    assert decided(thresholds, 0.99) == "serve"
    assert not [home for home in thresholds._homes if home == b"a"]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ENTRIES", 40)
    monkeypatch.setattr(module, "MOST_OF_POOL", 15)
    monkeypatch.setattr(module, "MOST_POOLS", 8)
    thresholds = made()
    told(thresholds, 0.95, False)
    for number in range(2000):
        decided(thresholds, 0.95)
        thresholds.observed(b"e%d" % number, 0.95, True, pool=b"%d" % (number % 100))
        thresholds.observed(b"f%d" % number, 0.95, True, pool=b"busy")
        held = {name: len(pool.entries) for name, pool in thresholds._pools.items()}
        assert len(held) <= 8
        assert max(held.values()) <= 15
        assert sum(held.values()) == len(thresholds._homes) <= 40
    assert decided(thresholds, 0.95) == "explore", "a partition that is asked for stays"


def test_a_partition_that_was_dropped_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_POOLS", 2)
    thresholds = made()
    told(thresholds, 0.95, False)
    for name in (b"1", b"2"):
        thresholds.observed(b"e", 0.95, True, pool=name)
    assert decided(thresholds, 0.95) == "serve"


def test_deciding_takes_microseconds() -> None:
    thresholds = made()
    for number in range(3000):
        told(thresholds, 0.9 + (number % 100) / 1000, number % 50 > 0, entry=b"%d" % (number % 20))
    best = min(repeat(lambda: decided(thresholds, 0.97, entry=b"7"), number=1000, repeat=5)) / 1000
    assert best <= 10e-6


# ---- properties -----------------------------------------------------------------------------------------------------
similarities = st.floats(0.8, 1.0001)
observations = st.lists(
    st.tuples(st.sampled_from([b"a", b"b", b"c"]), similarities, st.booleans(), st.integers(1, 120)), max_size=25
)


@settings(max_examples=200, deadline=None)
@given(observations, similarities, similarities, st.floats(0, 0.9999), st.sampled_from([1e-6, 0.001, 0.01, 0.2, 1.0]))
def test_what_is_served_is_served_nearer_too(
    seen: list[tuple[bytes, float, bool, int]], one: float, other: float, draw: float, bound: float
) -> None:
    thresholds = made(bound)
    for entry, similarity, same, times in seen:
        told(thresholds, similarity, same, entry=entry, times=times)
    low, high = sorted((one, other))
    for entry in (b"a", b"new"):
        further = decided(thresholds, low, entry=entry, draw=draw)
        assert ORDER[further] <= ORDER[decided(thresholds, high, entry=entry, draw=draw)]
    for chances in [pool.chances for pool in thresholds._pools.values()]:
        assert len(chances) == module.BANDS + 1
        assert all(0 < chance <= 1 for chance in chances)
        assert chances == sorted(chances, reverse=True)


@settings(max_examples=100, deadline=None)
@given(observations, similarities)
def test_a_wrong_answer_is_never_given_again_so_far_off(
    seen: list[tuple[bytes, float, bool, int]], similarity: float
) -> None:
    thresholds = made()
    for entry, near, same, times in seen:
        told(thresholds, near, same, entry=entry, times=times)
    told(thresholds, similarity, False)
    assert decided(thresholds, 1.0) == "explore", "closed at once, however near"
    told(thresholds, 1.0, True, times=300)
    assert decided(thresholds, min(similarity, 1.0)) in ("explore", "refuse")
