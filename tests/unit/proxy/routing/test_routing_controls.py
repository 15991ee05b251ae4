"""Request headers that choose: how they are read, who may send them, and what is said of the others."""

import pytest

from proxy.context import NO_CONTROLS, Controls, Principal
from proxy.errors import DeadlineExceeded, InvalidRequest
from proxy.policy.routes import PriceCeiling, Slo
from proxy.routing.controls import READERS, RESERVED, read_controls, warning
from proxy.wire.endpoints import REALTIME
from tests.support.routers import TODAY, Routed, context_for

TWO = """
providers: {a: {use: openai, api_key: none}, b: {use: openai, api_key: none}}
models: {fast: {targets: [{provider: a, model: m}, {provider: b, model: m}]}}
"""


def read(permitted: tuple[str, ...] = ("*",), **headers: str) -> Controls:
    named = {b"x-tollway-" + name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    asked = read_controls(named, permitted)
    assert asked.ignored == ()
    return asked.controls


@pytest.mark.parametrize(
    ("headers", "controls"),
    [
        ({"dry_run": "true"}, Controls(dry_run=True)),
        ({"dry_run": " FALSE "}, NO_CONTROLS),
        ({"timeout_ms": "1500"}, Controls(timeout=1.5)),
        ({"first_byte_timeout_ms": "1"}, Controls(first_byte=0.001)),
        ({"deadline": "1767225600.5"}, Controls(deadline=1767225600.5)),
        ({"retries": "0"}, Controls(retries=0)),
        ({"retries": "9"}, Controls(retries=9)),
        ({"policy": "lowest_cost"}, Controls(policy="lowest_cost")),
        ({"providers": "openai, !azure-*"}, Controls(providers=("openai", "!azure-*"))),
        ({"regions": "eu-*"}, Controls(regions=("eu-*",))),
        ({"max_input_price": "2.5"}, Controls(max_price=PriceCeiling(input=2.5))),
        (
            {"max_input_price": "0", "max_output_price": "10"},
            Controls(max_price=PriceCeiling(input=0.0, output=10.0)),
        ),
        ({"slo_ttft_ms": "800", "slo_cost_usd": "0.01"}, Controls(slo=Slo(ttft=0.8, cost_usd=0.01))),
        ({"stable_only": "1", "trace": "true"}, Controls(stable_only=True, trace=True)),
        ({"hedge": "0"}, Controls(hedge=False)),
        ({"strict": "true"}, NO_CONTROLS),
    ],
)
def test_values(headers: dict[str, str], controls: Controls) -> None:
    assert read(**headers) == controls


@pytest.mark.parametrize(
    ("name", "value", "form"),
    [
        ("dry-run", "yes", "true or false"),
        ("timeout-ms", "0", "milliseconds from 1 to"),
        ("timeout-ms", "1.5", "milliseconds"),
        ("timeout-ms", "٣", "milliseconds"),
        ("timeout-ms", "9" * 5000, "milliseconds"),
        ("first-byte-timeout-ms", "-1", "milliseconds"),
        ("deadline", "tomorrow", "unix seconds"),
        ("deadline", "nan", "unix seconds"),
        ("deadline", "inf", "unix seconds"),
        ("retries", "10", "from 0 to 9"),
        ("retries", "-1", "from 0 to 9"),
        ("retries", "", "from 0 to 9"),
        ("policy", "fastest", "lowest_latency"),
        ("providers", "", "commas"),
        ("providers", "a,,b", "commas"),
        ("providers", "!", "commas"),
        ("regions", ",".join(["x"] * 33), "at most 32"),
        ("providers", ",".join(["x" * 90] * 6), "of 512 characters"),
        ("max-input-price", "1e308", "at most 1000000"),
        ("slo-cost-usd", "1000001", "at most 1000000"),
        ("max-input-price", "-1", "US dollars per million tokens"),
        ("max-output-price", "cheap", "US dollars per million tokens"),
        ("slo-ttft-ms", "0", "milliseconds"),
        ("slo-cost-usd", "0", "US dollars for one request"),
    ],
)
def test_bad_values_name_header_form_and_fix(name: str, value: str, form: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_controls({b"x-tollway-" + name.encode(): value.encode()}, ("*",))
    error = caught.value
    assert (error.status, error.code, error.param) == (400, "invalid_header", f"x-tollway-{name}")
    assert f"x-tollway-{name}" in error.message
    assert form in error.message
    assert "leave the header out" in error.message


def test_a_bad_value_is_not_repeated() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_controls({b"x-tollway-policy": b"<script>"}, ("*",))
    assert "script" not in caught.value.message


def test_the_names_are_those_that_keys_permit() -> None:
    names = {header.decode().removeprefix("x-tollway-") for header in READERS}
    assert names == {
        "dry-run", "timeout-ms", "first-byte-timeout-ms", "deadline", "retries", "policy", "providers", "regions",
        "max-input-price", "max-output-price", "slo-ttft-ms", "slo-cost-usd", "stable-only", "hedge", "trace", "strict",
    }  # fmt: skip
    assert not names & RESERVED


def test_what_is_unknown_or_not_permitted_is_ignored_and_told() -> None:
    headers = {
        b"x-tollway-dry-run": b"nonsense",
        b"x-tollway-retries": b"1",
        b"x-tollway-colour": b"blue",
        b"x-tollway-cache": b"off",
        b"x-tollway-meta-team": b"x",
        b"x-tollway-session": b"s",
        b"accept": b"*/*",
    }
    asked = read_controls(headers, ("retr*", "policy"))
    assert asked.controls == Controls(retries=1)
    assert asked.ignored == (("dry-run", "not permitted to this key"), ("colour", "unknown"))
    assert (
        warning(asked.ignored) == b"ignored: x-tollway-dry-run (not permitted to this key), x-tollway-colour (unknown)"
    )


def test_a_warning_is_bounded() -> None:
    ignored = tuple((f"{'x' * 500}{number}", "unknown") for number in range(500))
    assert len(warning(ignored)) < 1024
    assert b"and 492 more" in warning(ignored)
    assert b"\xc3" not in warning((("caf\u00e9", "unknown"),))


# ---- as the router heeds them ---------------------------------------------------------------------------------------


def test_without_one_nothing_is_read() -> None:
    ctx = context_for("fast", headers={"accept": "x-tollway-dry-run"})
    Routed(TWO).router.plan(ctx)
    assert ctx.controls is NO_CONTROLS
    assert ctx.response_headers == []


def test_warnings_reach_the_answer() -> None:
    ctx = context_for("fast", headers={"x-tollway-strict": "true", "x-tollway-colour": "blue"})
    Routed(TWO).router.plan(ctx)
    assert ctx.response_headers == [(b"x-tollway-warning", b"ignored: x-tollway-colour (unknown)")]
    assert ctx.headers[b"x-tollway-strict"] == b"true"


def test_strict_is_not_heeded_from_a_key_that_may_not_ask_for_it() -> None:
    ctx = context_for(
        "fast", headers={"x-tollway-strict": "true"}, principal=Principal(name="a", tenant="a", controls=())
    )
    Routed(TWO).router.plan(ctx)
    assert b"x-tollway-strict" not in ctx.headers
    assert b"not permitted" in dict(ctx.response_headers)[b"x-tollway-warning"]


@pytest.mark.parametrize(
    ("headers", "deadline"),
    [
        ({"x-tollway-timeout-ms": "2500"}, 1002.5),
        ({"x-tollway-deadline": str(TODAY + 7)}, 1007.0 + 0.5),
        ({"x-tollway-deadline": str(TODAY + 7), "x-tollway-timeout-ms": "2500"}, 1002.5),
        ({"x-tollway-retries": "1"}, 0.0),
    ],
)
def test_deadlines_are_on_the_requests_own_clock(headers: dict[str, str], deadline: float) -> None:
    stand = Routed(TWO)
    stand.clock.advance(0.5)
    ctx = context_for("fast", headers=headers)
    stand.router.plan(ctx)
    assert ctx.deadline == pytest.approx(deadline)


@pytest.mark.parametrize(
    "headers", [{"x-tollway-deadline": str(TODAY)}, {"x-tollway-deadline": "0"}, {"x-tollway-timeout-ms": "500"}]
)
def test_a_deadline_that_has_passed_is_told_at_once(headers: dict[str, str]) -> None:
    stand = Routed(TWO)
    stand.clock.advance(0.5)
    with pytest.raises(DeadlineExceeded) as caught:
        stand.router.plan(context_for("fast", headers=headers))
    assert (caught.value.status, caught.value.code) == (504, "deadline_exceeded")


def test_tries_policy_and_first_byte_are_those_asked_for() -> None:
    plan = Routed(TWO).plan(
        "fast",
        headers={
            "x-tollway-retries": "0",
            "x-tollway-policy": "least_busy",
            "x-tollway-first-byte-timeout-ms": "250",
        },
    )
    assert (plan.attempts, plan.policy) == (1, "least_busy")
    assert plan.chosen in plan.candidates
    assert {each.target.limits.first_byte for each in plan.candidates} == {0.25}
    assert Routed(TWO).plan("fast").attempts == 3
    assert Routed(TWO).plan("fast", headers={"x-tollway-retries": "9"}).attempts == 10


@pytest.mark.parametrize("policy", ["best", "balanced"])
def test_a_policy_by_scores_needs_them(policy: str) -> None:
    with pytest.raises(InvalidRequest, match=r"routing\.scores") as caught:
        Routed(TWO).plan("fast", headers={"x-tollway-policy": policy})
    assert caught.value.code == "no_scores"


def test_a_websocket_is_not_tried_dry() -> None:
    with pytest.raises(InvalidRequest, match="WebSocket"):
        Routed(TWO).plan("fast", endpoint=REALTIME, headers={"x-tollway-dry-run": "true"})


@pytest.mark.parametrize("name", ["dry-run", "trace"])
def test_live_figures_are_taken_where_somebody_looks(name: str) -> None:
    assert Routed(TWO).plan("fast").figures == ()
    plan = Routed(TWO).plan("fast", headers={f"x-tollway-{name}": "true"})
    assert [each.place for each in plan.figures] == ["a/m", "b/m"]
