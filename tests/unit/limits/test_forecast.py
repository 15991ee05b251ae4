"""How long answers have been: the figure, its freshness, and its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.limits.forecast import ANSWERS, RHYTHM, ROUTES, OutputForecast


def test_nothing_is_known_at_first() -> None:
    assert OutputForecast().p95("fast") is None


@pytest.mark.parametrize(
    ("answers", "figure"), [([7], 7), ([0], 0), ([-5], 0), (list(range(1, 101)), 95), (list(range(100, 0, -1)), 95)]
)
def test_the_nearest_rank(answers: list[int], figure: int) -> None:
    forecast = OutputForecast()
    for tokens in answers:
        forecast.note("fast", tokens)
    assert forecast.p95("fast") == figure


def test_routes_do_not_mix() -> None:
    forecast = OutputForecast()
    forecast.note("fast", 10)
    forecast.note("slow", 1000)
    assert (forecast.p95("fast"), forecast.p95("slow"), forecast.p95("other")) == (10, 1000, None)


def test_the_figure_is_worked_out_anew_after_sixteen_notes() -> None:
    forecast = OutputForecast()
    forecast.note("fast", 10)
    assert forecast.p95("fast") == 10
    for _ in range(RHYTHM - 1):
        forecast.note("fast", 1000)
    assert forecast.p95("fast") == 10
    forecast.note("fast", 1000)
    assert forecast.p95("fast") == 1000


def test_old_answers_are_forgotten() -> None:
    forecast = OutputForecast()
    for _ in range(ANSWERS):
        forecast.note("fast", 9_000)
    for _ in range(ANSWERS):
        forecast.note("fast", 50)
    assert forecast.p95("fast") == 50


def test_routes_are_bounded_and_the_idlest_goes() -> None:
    forecast = OutputForecast()
    for number in range(ROUTES):
        forecast.note(f"route-{number}", number)
    forecast.note("route-0", 0)
    forecast.note("one more", 1)
    assert forecast.p95("route-0") == 0
    assert forecast.p95("route-1") is None
    assert forecast.p95("one more") == 1
    assert len(forecast._routes) == ROUTES


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=ANSWERS))
def test_at_most_one_in_twenty_was_longer(answers: list[int]) -> None:
    forecast = OutputForecast()
    for tokens in answers:
        forecast.note("fast", tokens)
    figure = forecast.p95("fast")
    assert figure in answers
    assert sum(tokens > figure for tokens in answers) * 20 <= len(answers)
