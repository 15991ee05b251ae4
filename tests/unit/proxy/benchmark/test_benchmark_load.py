"""What a load is made of: phases, arrivals, lengths, objectives, turns."""

from collections import Counter
from itertools import islice, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.benchmark import lengths, objectives, phases
from proxy.benchmark.arrivals import due_times
from proxy.benchmark.driving import Turns
from proxy.benchmark.phases import Extent, Phases

NONE = Extent()


def dealt(found: Phases, dues: list[float]) -> list[str | None]:
    return [found.next(due) for due in dues]


def test_phases_by_count() -> None:
    found = Phases(Extent(requests=2), Extent(requests=3), Extent(requests=1))
    assert dealt(found, [0.0] * 8) == ["warmup"] * 2 + ["measured"] * 3 + ["cooldown", None, None]


def test_phases_by_time_begin_with_their_first_request() -> None:
    found = Phases(Extent(seconds=1), Extent(seconds=2), Extent(seconds=1))
    dues = [10.0, 10.9, 11.0, 12.5, 12.99, 13.0, 13.9, 14.0, 15.0]
    kinds = ["warmup", "warmup", "measured", "measured", "measured", "cooldown", "cooldown", None, None]
    assert dealt(found, dues) == kinds


def test_of_two_bounds_the_first_that_is_reached_counts() -> None:
    found = Phases(NONE, Extent(requests=10, seconds=1), NONE)
    assert dealt(found, [0.0, 0.5, 1.0]) == ["measured", "measured", None]
    found = Phases(NONE, Extent(requests=2, seconds=9), NONE)
    assert dealt(found, [0.0, 0.5, 1.0]) == ["measured", "measured", None]


@given(st.integers(0, 20), st.integers(1, 20), st.integers(0, 20))
def test_every_phase_gets_its_count(warmup: int, measured: int, cooldown: int) -> None:
    found = Phases(Extent(requests=warmup), Extent(requests=measured), Extent(requests=cooldown))
    counts = Counter(dealt(found, [0.0] * 80))
    assert (counts["warmup"], counts["measured"], counts["cooldown"]) == (warmup, measured, cooldown)


@pytest.mark.parametrize(
    ("text", "extent"),
    [("20", Extent(requests=20)), ("5s", Extent(seconds=5)), ("1.5m", Extent(seconds=90)), ("250ms", Extent(seconds=0.25)), ("0", Extent(requests=0))],
)  # fmt: skip
def test_extents(text: str, extent: Extent) -> None:
    assert phases.extent(text) == extent


@pytest.mark.parametrize("text", ["", "-3", "1.5", "5 bananas", "s", "nan"])
def test_what_is_no_extent(text: str) -> None:
    with pytest.raises(phases.BadExtent):
        phases.extent(text)


def test_times() -> None:
    assert [phases.seconds(text) for text in ("90", "1.5m", "2h")] == [90, 90, 7200]
    for text in ("inf", "nan", "-1", "soon"):
        with pytest.raises(phases.BadExtent):
            phases.seconds(text)


def test_constant_arrivals_do_not_drift() -> None:
    times = list(islice(due_times(3.0, "constant", Random(1)), 3001))
    assert times[0] == 0
    assert times[3000] == 1000


def test_poisson_arrivals_are_as_many_and_as_irregular_as_they_should_be() -> None:
    times = list(islice(due_times(50.0, "poisson", Random(5)), 5000))
    gaps = [after - before for before, after in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(0.02, rel=0.05)
    # Of exponential gaps the standard deviation is the mean, and 63 % are below it.
    assert (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5 == pytest.approx(mean, rel=0.05)
    assert sum(gap < mean for gap in gaps) / len(gaps) == pytest.approx(0.632, abs=0.02)
    assert times == list(islice(due_times(50.0, "poisson", Random(5)), 5000))


def drawn(text: str) -> list[int]:
    chance = Random(2)
    return [lengths.read(text).draw(chance) for _ in range(4000)]


def test_lengths() -> None:
    assert set(drawn("64")) == {64}
    found = drawn("10-20")
    assert (min(found), max(found)) == (10, 20)
    found = drawn("normal:100:10")
    assert sum(found) / len(found) == pytest.approx(100, abs=1)
    assert sum(90 <= one <= 110 for one in found) / len(found) == pytest.approx(0.7, abs=0.04)
    found = sorted(drawn("lognormal:200:0.5"))
    assert found[2000] == pytest.approx(200, abs=10)
    assert sum(found) / len(found) == pytest.approx(lengths.read("lognormal:200:0.5").mean, rel=0.04)
    assert min(drawn("normal:1:50")) == 1


@pytest.mark.parametrize(
    "text", ["", "0", "-5", "9-3", "normal", "normal:0:1", "normal:5:-1", "lognormal:5:9", "gamma:1:2", "1e9", "5:5"]
)
def test_what_is_no_length(text: str) -> None:
    with pytest.raises(lengths.BadLengths, match="use N, LOW-HIGH"):
        lengths.read(text)


def test_objectives() -> None:
    assert objectives.read(["ttft:300 tpot:50", "e2el:2000"]) == {"ttft": 0.3, "tpot": 0.05, "e2el": 2.0}
    assert objectives.read(["ttft:300,tpot:50"]) == {"ttft": 0.3, "tpot": 0.05}
    for text in ("ttft", "ttft:", "ttft:-1", "itl:5", "ttft:1 ttft:2", "ttft:nan"):
        with pytest.raises(objectives.BadObjective):
            objectives.read([text])


def test_turns_ask_both_sides_the_same_in_either_order() -> None:
    turns = Turns(Phases(Extent(requests=1), Extent(requests=200), NONE), 2, Random(3))
    found = [turns.next(0.0) for _ in range(403)]
    assert found[402] is None
    pairs = [(found[at], found[at + 1]) for at in range(0, 402, 2)]
    assert all(one is not None and other is not None and one.number == other.number for one, other in pairs)
    assert all(one is not None and other is not None and one.phase == other.phase for one, other in pairs)
    assert all(one is not None and other is not None and {one.side, other.side} == {0, 1} for one, other in pairs)
    firsts = sum(one is not None and one.side for one, _ in pairs)
    assert 70 <= firsts <= 130
