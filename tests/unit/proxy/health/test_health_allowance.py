"""What providers say of their limits, in the forms in which they say it."""

import pytest

from proxy.health import allowance as module
from proxy.health.allowance import Allowance, Glance, allowance, glance, reset_in
from tests.unit.proxy.health.boards import heads

DATE = "Sun, 01 Nov 2026 12:00:00 GMT"


def test_openais_form_and_the_limit_that_is_nearest_to_its_end() -> None:
    assert allowance(
        heads(
            x_ratelimit_limit_requests="100",
            x_ratelimit_remaining_requests="90",
            x_ratelimit_reset_requests="12ms",
            x_ratelimit_limit_tokens="40000",
            x_ratelimit_remaining_tokens="10000",
            x_ratelimit_reset_tokens="1m30s",
        )
    ) == Allowance(0.25, out=False, seconds=90.0)


def test_nothing_left_until_the_reset() -> None:
    assert allowance(
        heads(x_ratelimit_remaining_tokens="0", x_ratelimit_reset_tokens="6m0s", x_ratelimit_remaining_requests="5")
    ) == Allowance(0.0, out=True, seconds=300.0)


def test_anthropics_form_with_a_point_in_time() -> None:
    assert allowance(
        heads(
            date=DATE,
            anthropic_ratelimit_requests_limit="50",
            anthropic_ratelimit_requests_remaining="49",
            anthropic_ratelimit_requests_reset="2026-11-01T12:00:01Z",
            anthropic_ratelimit_input_tokens_limit="1000",
            anthropic_ratelimit_input_tokens_remaining="0",
            anthropic_ratelimit_input_tokens_reset="2026-11-01T12:00:42Z",
        )
    ) == Allowance(0.0, out=True, seconds=42.0)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"content_type": "x"},
        {"x_ratelimit_over_limit": "yes"},
        {"x_ratelimit_remaining_tokens": "many"},
        {"x_ratelimit_remaining_tokens": "-1", "x_ratelimit_limit_tokens": "-1"},
        {"x_ratelimit_remaining_tokens": "0", "x_ratelimit_limit_tokens": "0"},
        {"x_ratelimit_remaining_tokens": "nan"},
        {"x_ratelimit_remaining_tokens": "inf"},
        {"x_ratelimit_remaining_tokens": "0" * 10_000},
    ],
)
def test_what_says_nothing(said: dict[str, str]) -> None:
    assert allowance(heads(**said)) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 300.0),
        ("1m0.5s", 60.5),
        ("12ms", 0.012),
        ("1s", 1.0),
        ("1h", 300.0),
        ("59.7", 59.7),
        ("0", 0.0),
        ("1793534430", 30.0),
        ("1793534430000", 30.0),
        ("2026-11-01T12:00:07Z", 7.0),
        ("2026-11-01T13:00:07+01:00", 7.0),
        ("2026-11-01T11:00:00Z", 0.0),
        ("2026-11-01T12:00:07", 5.0),
        ("", 5.0),
        ("soon", 5.0),
        ("-3", 0.0),
        ("nan", 5.0),
        ("٣s", 5.0),
        ("1" * 10_000 + "s", 5.0),
    ],
)
def test_resets(text: str, seconds: float) -> None:
    assert reset_in(text, DATE) == pytest.approx(seconds)


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 99 Nov 2026 12:00:00 GMT"])
def test_a_point_in_time_without_a_date_is_unclear(date: str) -> None:
    assert reset_in("2026-11-01T12:00:07Z", date) == 5.0


@pytest.mark.parametrize(
    ("figures", "found"),
    [
        ({}, "nothing"),
        ({"date": DATE, "x_ratelimit_limit_tokens": "100", "x_ratelimit_reset_tokens": "0"}, "nothing"),
        ({"x_remaining": "0", "my_ratelimit_remaining": "0"}, "nothing"),
        ({"x_ratelimit_remaining_tokens": "100"}, "plenty"),
        ({"anthropic_ratelimit_requests_remaining": "49", "anthropic_ratelimit_requests_limit": "0"}, "plenty"),
        *(({"x_ratelimit_remaining_tokens": "7", "x_ratelimit_remaining": each}, "scarce") for each in ("0", " 0", "+0", "-0", ".0", "")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("room", [1024, 0])
def test_a_glance_never_misses_that_nothing_is_left(
    figures: dict[str, str], found: Glance, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_NAMES", room)
    monkeypatch.setattr(module, "_known", set())
    for _ in range(2):
        assert glance(heads(**figures)) == found
    said = allowance(heads(**figures))
    assert said is None or not said.out or found == "scarce"
    assert said is None or found != "nothing"
