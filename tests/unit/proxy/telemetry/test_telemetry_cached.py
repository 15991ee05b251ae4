"""Answers from the cache in metrics and the access log: what was saved shows, and no provider's figures move."""

from prometheus_client import CollectorRegistry

from proxy.context import Attempt, Cached, RequestContext, Settled, Target, TokenEstimate
from proxy.rollout.arm import Arm
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.recorder import Recorder
from proxy.telemetry.requests import CACHE
from proxy.wire.usage import reported
from tests.support.fakes import LIMITS
from tests.support.logged import told

SETTLED = Settled(charge=500_000, cost=0, ending="cached", count="reported", saved=1_500_000, saved_cost=2_000_000)


def hit(**more: object) -> RequestContext:
    """Answered by the cache, whole, half a second after it came; the link put the maker in the place of the chosen target."""
    ctx = RequestContext(request_id="r", started=10.0, status=200, route="fast", settled=SETTLED)
    ctx.target = Target(provider="local", model="small", limits=LIMITS)
    ctx.estimate = TokenEstimate(6, 9, 0)
    ctx.first_byte_at = ctx.first_token_at = 10.5
    ctx.timings.append(("cache", 0.001))
    ctx.cached = Cached(status="hit", usage=reported(prompt=30, output=4, cached=3), provider="local", model="small")
    for name, value in more.items():
        setattr(ctx, name, value)
    return ctx


def observed(ctx: RequestContext) -> CollectorRegistry:
    registry = CollectorRegistry()
    metrics = Metrics(registry, known_models=lambda model: model == "small")
    Recorder(metrics=metrics, access_log=None, wall=lambda: 0.0).record(ctx, 11.0)
    return registry


def named(registry: CollectorRegistry, **labels: str) -> set[str]:
    """Metrics that have something under these labels."""
    return {
        sample.name
        for family in registry.collect()
        for sample in family.samples
        if labels.items() <= sample.labels.items() and sample.value and not sample.name.endswith("_created")
    }


def test_what_was_saved_is_counted() -> None:
    value = observed(hit()).get_sample_value
    assert value("tollway_cache_saved_tokens_total", {"direction": "input"}) == 30
    assert value("tollway_cache_saved_tokens_total", {"direction": "output"}) == 4
    assert value("tollway_cache_saved_usd_total", {"of": "charge"}) == 1.5
    assert value("tollway_cache_saved_usd_total", {"of": "cost"}) == 2.0


def test_a_hit_is_nobodys_but_the_caches() -> None:
    registry = observed(hit())
    assert named(registry, provider="local") == set()
    assert not any(
        name.startswith(("tollway_tokens", "tollway_overhead", "tollway_upstream")) for name in named(registry)
    )
    value, target = registry.get_sample_value, {"route": "fast", "provider": CACHE, "model": "small"}
    labels = {**target, "endpoint": "chat", "code": "200", "stream": "false", "outcome": "ok"}
    assert value("tollway_requests_total", labels) == 1
    assert value("tollway_request_duration_seconds_sum", target) == 1.0
    assert value("tollway_time_to_first_token_seconds_sum", target) == 0.5
    assert value("tollway_charge_usd_total", {"provider": CACHE, "model": "small"}) == 0.5


def test_what_did_not_leave_whole_saved_nothing() -> None:
    ctx = hit(outcome="client_closed", settled=Settled(charge=0, cost=0, ending="cached", count="estimated"))
    registry = observed(ctx)
    assert not any(name.startswith("tollway_cache_saved") for name in named(registry))
    assert told(ctx, 11.0, 0.0).input_tokens == 0


def test_a_miss_and_a_part_are_the_providers() -> None:
    """Of an answer that was found in part, the part counts as saved and the rest as always."""
    ctx = hit(cached=Cached(status="miss", reason="partial", usage=reported(prompt=7, output=0)))
    ctx.attempts.append(Attempt(provider="local", model="small", started=10.1, status=200))
    ctx.usage = reported(prompt=5, output=0)
    value = observed(ctx).get_sample_value
    assert value("tollway_cache_saved_tokens_total", {"direction": "input"}) == 7
    tokens = {"direction": "input", "provider": "local", "model": "small", "source": "reported"}
    assert value("tollway_tokens_total", tokens) == 5
    assert value("tollway_upstream_attempts_total", {"provider": "local", "model": "small", "outcome": "ok"}) == 1


def test_a_line_tells_what_the_cache_said() -> None:
    cached = Cached(
        status="semantic-hit", similarity=0.97, usage=reported(prompt=30, output=4), provider="p", model="m"
    )
    line = told(hit(cached=cached), 11.0, 0.0)
    found = {
        name: getattr(line, name)
        for name in ("cache", "cache_reason", "similarity", "saved_usd", "input_tokens", "output_tokens")
    }
    assert found == {
        "cache": "semantic-hit", "cache_reason": None, "similarity": 0.97, "saved_usd": 1.5, "input_tokens": 30, "output_tokens": 4,
    }  # fmt: skip
    assert (line.attempts, line.upstream_ms, line.overhead_ms, line.ending) == (0, 0.0, None, "cached")
    missed = told(hit(cached=Cached(status="bypass", reason="temperature"), settled=None), 11.0, 0.0)
    assert (missed.cache, missed.cache_reason, missed.saved_usd) == ("bypass", "temperature", None)
    without = told(hit(cached=None, settled=None), 11.0, 0.0)
    assert [getattr(without, name) for name in ("cache", "cache_reason", "similarity", "saved_usd")] == [None] * 4


def test_a_hit_says_nothing_about_a_configuration_on_trial() -> None:
    arm = Arm("trial")
    assert arm.note(hit()) == ""
    assert (arm.figures().requests, arm.figures().timed) == (0, 0)
