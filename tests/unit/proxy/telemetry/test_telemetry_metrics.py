"""Metrics: bounded labels, and a record that never raises."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from proxy.context import Attempt, Limits, Principal, RequestContext, Settled, Target, TokenEstimate
from proxy.telemetry.lines import waited_for
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.requests import SAMPLED
from proxy.wire.chat import RequestView
from proxy.wire.usage import Usage

LIMITS = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)


def made() -> tuple[Metrics, CollectorRegistry]:
    registry = CollectorRegistry()
    return Metrics(registry, known_models=lambda model: model == "known"), registry


def request(model: str | None = "known", **more: object) -> RequestContext:
    ctx = RequestContext(request_id="r", started=10.0, status=200, route="fast")
    if model is not None:
        ctx.target = Target(provider="local", model=model, limits=LIMITS)
        ctx.attempts.append(Attempt(provider="local", model=model, started=10.5, status=200))
    for name, value in more.items():
        setattr(ctx, name, value)
    return ctx


def series(registry: CollectorRegistry) -> int:
    return len(generate_latest(registry).splitlines())


def test_random_model_names_make_no_series() -> None:
    metrics, registry = made()
    metrics.observe(request("first-stranger"), 11.0, 0.0)
    before = series(registry)
    for index in range(10_000):
        metrics.observe(request(f"stranger-{index}"), 11.0, 0.0)
        if index % 10 == 0:
            metrics.observe(request(None, route=""), 11.0, 0.0)
    assert series(registry) - before < 10
    assert registry.get_sample_value("tollway_requests_total", {"endpoint": "chat", "route": "fast", "provider": "local", "model": "other", "code": "200", "stream": "false", "outcome": "ok"}) == 10_001  # fmt: skip
    assert b"stranger" not in generate_latest(registry)


def test_what_one_request_adds() -> None:
    metrics, registry = made()
    ctx = request(
        usage=Usage(input=3, output=4, cached=1, reasoning=2, input_source="reported", output_source="reported"),
        estimate=TokenEstimate(6, 9, 0),
        first_token_at=12.0,
        last_token_at=13.0,
        token_events=11,
        headers={b"x-stainless-retry-count": b"1"},
    )
    ctx.timings.append(("upstream", 0.25))
    metrics.observe(ctx, 14.0, waited_for(ctx))
    target = {"route": "fast", "provider": "local", "model": "known"}
    value = registry.get_sample_value
    assert value("tollway_request_duration_seconds_sum", target) == 4.0
    assert value("tollway_upstream_duration_seconds_sum", target) == 0.25
    assert value("tollway_overhead_seconds_sum", {"route": "fast"}) == 0.5
    assert value("tollway_time_to_first_token_seconds_sum", target) == 2.0
    assert value("tollway_inter_token_seconds_sum", target) == pytest.approx(0.1)
    for direction, amount in (("input", 3), ("output", 4), ("cached", 1), ("reasoning", 2)):
        labels = {"direction": direction, "provider": "local", "model": "known", "source": "reported"}
        assert value("tollway_tokens_total", labels) == amount
    assert value("tollway_tokens_estimate_error_ratio_sum", {"provider": "local"}) == 2.0
    assert value("tollway_upstream_attempts_total", {"provider": "local", "model": "known", "outcome": "ok"}) == 1
    assert value("tollway_client_retries_total", {"endpoint": "chat"}) == 1


@pytest.mark.parametrize(("status", "error", "outcome"), [(503, "", "5xx"), (0, "UpstreamTimeout", "UpstreamTimeout")])
def test_attempts_by_how_they_ended(status: int, error: str, outcome: str) -> None:
    metrics, registry = made()
    ctx = request()
    ctx.attempts[0].status, ctx.attempts[0].error = status, error
    metrics.observe(ctx, 11.0, 0.0)
    labels = {"provider": "local", "model": "known", "outcome": outcome}
    assert registry.get_sample_value("tollway_upstream_attempts_total", labels) == 1


def test_a_provider_that_reports_nonsense_breaks_nothing() -> None:
    metrics, _ = made()
    metrics.observe(request(usage=Usage(input=1, output=1, cached=-5, reasoning=-1)), 11.0, 0.0)


def test_no_metric_is_registered_and_never_touched() -> None:
    """An attribute of ``Metrics`` that nobody uses is a line on a dashboard that stays at zero for ever."""
    from pathlib import Path

    root = Path(__file__).parents[4] / "proxy"
    code = "\n".join(path.read_text(encoding="utf-8") for path in root.rglob("*.py"))
    metrics, _ = made()
    public = [name for name in vars(metrics) if not name.startswith("_")]
    assert [name for name in public if code.count(f".{name}") < 2] == []


def test_each_try_counts_where_it_was_made() -> None:
    metrics, registry = made()
    ctx = request()
    ctx.attempts.insert(0, Attempt(provider="far", model="stranger", started=10.1, status=503))
    metrics.observe(ctx, 11.0, 0.0)

    def count(**labels: str) -> float | None:
        return registry.get_sample_value("tollway_upstream_attempts_total", labels)

    assert count(provider="far", model="other", outcome="5xx") == 1
    assert count(provider="local", model="known", outcome="ok") == 1


def test_streams_without_a_token_are_counted_apart() -> None:
    metrics, registry = made()
    stream = RequestView(model="fast", stream=True)
    metrics.observe(request(request=stream), 11.0, 0.0)
    metrics.observe(request(request=stream, first_token_at=10.6), 11.0, 0.0)
    metrics.observe(request(), 11.0, 0.0)
    target = {"route": "fast", "provider": "local", "model": "known"}
    assert registry.get_sample_value("tollway_tokenless_streams_total", target) == 1
    assert registry.get_sample_value("tollway_time_to_first_token_seconds_count", target) == 1


def test_one_request_in_sixteen_tells_how_long_it_was_in_each_link() -> None:
    metrics, registry = made()
    for _ in range(3 * SAMPLED):
        metrics.observe(request(timings=[("auth", 0.001), ("upstream", 9.0), ("rate_limit", 0.002)]), 11.0, 0.0)
    value = registry.get_sample_value
    assert value("tollway_link_seconds_count", {"link": "auth"}) == 3
    assert value("tollway_link_seconds_sum", {"link": "rate_limit"}) == pytest.approx(0.006)
    assert value("tollway_link_seconds_count", {"link": "upstream"}) is None, "that is the provider's"


def test_keys_have_series_of_their_own_where_that_is_wanted_and_only_so_many() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry, known_models=lambda _: True, keys_shown=2)
    settled = Settled(charge=3_000_000, cost=2_000_000, ending="complete", count="reported")

    def asked(name: str, **more: object) -> None:
        usage = Usage(input=3, output=4)
        ctx = request(usage=usage, settled=settled, **more)
        ctx.principal = Principal(name=name, tenant=name)
        metrics.observe(ctx, 11.0, 0.0)

    value = registry.get_sample_value
    for name in ("a", "b", *(f"stranger-{index}" for index in range(10_000)), "a"):
        asked(name)
    metrics.observe(request(None, route=""), 11.0, 0.0)
    assert [value("tollway_key_requests_total", {"key": key}) for key in ("a", "b", "other")] == [2, 1, 10_000]
    assert value("tollway_key_tokens_total", {"key": "a", "direction": "output"}) == 8
    assert value("tollway_key_usd_total", {"key": "a", "of": "charge"}) == 6
    assert value("tollway_key_usd_total", {"key": "other", "of": "cost"}) == 20_000
    assert b"stranger" not in generate_latest(registry)
    plain, silent = made()
    plain.observe(request(), 11.0, 0.0)
    assert b"tollway_key_requests_total{" not in generate_latest(silent), "unless it is wanted"


def test_waits_for_a_limit() -> None:
    metrics, registry = made()
    metrics.waited(0.5, admitted=True)
    metrics.waited(2.0, admitted=False)
    assert registry.get_sample_value("tollway_queue_wait_seconds_sum", {"result": "admitted"}) == 0.5
    assert registry.get_sample_value("tollway_queue_wait_seconds_sum", {"result": "refused"}) == 2.0
