"""Figures of timelines that were made up: every number can be worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.benchmark.asking import DESCRIPTORS, INTERRUPTED
from proxy.benchmark.figures import figures, generator, meets, peak_in_flight, span
from proxy.benchmark.timeline import Timeline

from .timelines import request

GAPS = st.lists(st.floats(0.0, 2.0), max_size=20)


def test_one_request() -> None:
    each = request(5.0, first=0.3, gaps=(0.1, 0.2), tail=0.05)
    assert each.ttft == pytest.approx(0.3)
    assert each.gaps == pytest.approx([0.1, 0.2])
    assert each.latency == pytest.approx(0.65)
    assert each.tokens == 3
    assert each.tpot == pytest.approx((0.65 - 0.3) / 2)


def test_tokens_are_the_servers_where_it_tells() -> None:
    each = request(first=0.3, gaps=(0.1, 0.2), tail=0.05, tokens=8)
    assert each.tokens == 8
    assert each.tpot == pytest.approx((0.65 - 0.3) / 7)


@pytest.mark.parametrize(
    "each", [request(gaps=()), request(tokens=1), request(tokens=0), request(first=None, gaps=(), tokens=9)]
)
def test_no_time_per_token_without_a_second_token_or_a_stream(each: Timeline) -> None:
    assert each.tpot is None


@given(st.floats(0, 100), st.floats(0, 5), st.floats(0, 5), GAPS)
def test_a_late_request_counts_from_when_it_was_due(due: float, first: float, late: float, gaps: list[float]) -> None:
    """What the generator loses is added to what the server takes, never taken off."""
    punctual, delayed = request(due, first=first, gaps=gaps), request(due, first=first + late, gaps=gaps, late=late)
    assert delayed.ttft == pytest.approx((punctual.ttft or 0) + late, abs=1e-6)
    assert delayed.latency == pytest.approx(punctual.latency + late, abs=1e-6)
    assert delayed.gaps == pytest.approx(punctual.gaps, abs=1e-6)


@given(st.floats(0, 5), GAPS, st.floats(0, 2))
def test_first_token_gaps_and_tail_make_the_whole(first: float, gaps: list[float], tail: float) -> None:
    each = request(first=first, gaps=gaps, tail=tail)
    assert (each.ttft or 0) + sum(each.gaps) + tail == pytest.approx(each.latency, abs=1e-6)
    if each.tpot is not None:
        assert each.tpot * (each.tokens - 1) == pytest.approx(each.latency - (each.ttft or 0), abs=1e-6)


def test_figures_of_a_run() -> None:
    found = figures(
        [
            request(0.0, first=0.1, gaps=(0.1,), tokens=2),
            request(1.0, first=0.3, gaps=(0.3,), tokens=4),
            request(2.0, first=None, gaps=(), tail=1.0, error="429 slow_down"),
            request(2.0, first=0.1, gaps=(), tail=2.0, error=INTERRUPTED),
        ],
        {"ttft": 0.2},
    )
    assert found.duration == pytest.approx(4.1)
    assert (found.completed, found.failed, found.interrupted) == (2, 1, 1)
    assert found.errors == {"429 slow_down": 1}
    assert found.messages == {"429 slow_down": "as it was said"}
    assert (found.input_tokens, found.output_tokens) == (20, 6)
    assert found.ttft is not None
    assert found.ttft.median == pytest.approx(0.2)
    assert found.itl is not None
    assert found.itl.count == 2
    assert found.chunks is not None
    assert found.chunks.mean == 2
    assert found.good == 1
    assert (found.usage_reported, found.usage_mismatches) == (2, 1)
    assert found.rate(found.completed) == pytest.approx(2 / 4.1)
    assert found.peak_in_flight == 2
    assert found.peak_tokens == 2


def test_nothing_measured_is_not_nought() -> None:
    found = figures([], {})
    assert (found.ttft, found.tpot, found.itl, found.e2el, found.good) == (None,) * 5
    assert (found.duration, found.rate(5)) == (0, 0)
    plain = figures([request(first=None, gaps=(), tail=1, tokens=7)], {})
    assert (plain.ttft, plain.itl) == (None, None)
    assert plain.e2el is not None
    assert plain.output_tokens == 7


@given(st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0.01, 3), st.floats(0, 1), GAPS)
def test_good_is_within_every_bound(ttft: float, tpot: float, e2el: float, first: float, gaps: list[float]) -> None:
    each = request(first=first, gaps=gaps)
    bounds = {"ttft": ttft, "tpot": tpot, "e2el": e2el}
    kept = [(each.ttft or 0) <= ttft, (each.tpot or 0) <= tpot, each.latency <= e2el]
    assert meets(each, bounds) is all(kept)
    assert meets(request(first=first, gaps=gaps, error="cut"), bounds) is False
    # A wider bound never makes a good request a bad one.
    assert meets(each, {name: bound + 1 for name, bound in bounds.items()}) >= meets(each, bounds)


def test_a_request_without_a_second_token_keeps_to_a_bound_on_later_ones() -> None:
    assert meets(request(gaps=()), {"tpot": 0.001})


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=30))
def test_the_peak_is_that_of_counting_at_every_moment(spans: list[tuple[int, int]]) -> None:
    found = [request(float(start), first=float(length), gaps=()) for start, length in spans]
    moments = [start for start, _ in spans]
    counted = max((sum(start <= at < start + length for start, length in spans) for at in moments), default=0)
    assert peak_in_flight(found) == counted


def test_span() -> None:
    assert span([]) == 0
    assert span([request(3.0, first=1, gaps=()), request(1.0, first=1, gaps=())]) == pytest.approx(3.0)


def test_what_the_generator_did() -> None:
    made = generator([request(late=0.002), request(late=0.004), request(error=DESCRIPTORS)], cpu=1.0, duration=4.0)
    assert made.cpu == 0.25
    assert made.descriptors == 1
    assert made.lateness is not None
    assert made.lateness.median == pytest.approx(0.002)
    assert made.waiting is None
