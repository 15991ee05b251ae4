"""What shadows and canaries show: metrics that can be compared, one log line for each comparison, nothing that anybody wrote."""

import json
import logging

import pytest
from prometheus_client import CollectorRegistry

from proxy.rollout.comparison import Comparison, Side
from proxy.telemetry.log import JsonFormatter
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.rollouts import CanaryLog, ShadowLog

ANSWER = Side(provider="a", model="dear", outcome="ok", status=200, duration=3.0, first=0.5, output=60, cost=3000)
SHADOW = Side(provider="b", model="cheap", outcome="ok", status=200, duration=1.0, output=40, cost=500)


class Stand:
    """Both logs over metrics of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry, known_models=lambda _: True)
        self.shadows = ShadowLog(metrics, known_models=lambda model: model != "odd")
        self.canary = CanaryLog(metrics)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def comparison(answer: Side = ANSWER, shadow: Side = SHADOW) -> Comparison:
    return Comparison(request_id="req_1", route="fast", model="cheaper", stream=True, answer=answer, shadow=shadow)


def test_both_sides_can_be_compared() -> None:
    stand = Stand()
    stand.shadows.compared(comparison())
    of = {"route": "fast", "model": "cheaper"}
    assert stand.value("tollway_shadow_requests_total", **of, outcome="ok") == 1
    assert stand.value("tollway_shadow_cost_usd_total", **of) == 0.0005
    assert stand.value("tollway_cost_usd_total", provider="b", model="cheap") == 0.0005
    for side, duration, tokens, cost in (("answer", 3.0, 60, 0.003), ("shadow", 1.0, 40, 0.0005)):
        assert stand.value("tollway_shadow_compared_duration_seconds_sum", **of, side=side) == duration
        assert stand.value("tollway_shadow_compared_output_tokens_total", **of, side=side) == tokens
        assert stand.value("tollway_shadow_compared_cost_usd_total", **of, side=side) == cost
    assert stand.value("tollway_shadow_compared_first_token_seconds_count", **of, side="answer") == 1
    assert stand.value("tollway_shadow_compared_first_token_seconds_count", **of, side="shadow") is None


@pytest.mark.parametrize("failing", ["answer", "shadow"])
def test_an_answer_is_not_compared_with_a_failure(failing: str) -> None:
    stand, bad = Stand(), Side(provider="b", model="odd", outcome="timeout", status=0, duration=60.0, cost=90)
    stand.shadows.compared(comparison(answer=bad) if failing == "answer" else comparison(shadow=bad))
    of = {"route": "fast", "model": "cheaper"}
    outcome = "ok" if failing == "answer" else "timeout"
    assert stand.value("tollway_shadow_requests_total", **of, outcome=outcome) == 1
    assert stand.value("tollway_shadow_compared_duration_seconds_sum", **of, side="answer") is None
    if failing == "shadow":
        assert stand.value("tollway_cost_usd_total", provider="b", model="other") == 0.00009


def test_copies_that_were_not_sent_are_counted() -> None:
    stand = Stand()
    stand.shadows.skipped("fast", "cheaper", "busy")
    assert stand.value("tollway_shadow_requests_total", route="fast", model="cheaper", outcome="busy") == 1


def test_a_comparison_is_one_line_of_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tollway.shadow"):
        Stand().shadows.compared(comparison())
    (record,) = caplog.records
    line = json.loads(JsonFormatter().format(record))
    assert (line["logger"], line["message"], line["request_id"]) == ("tollway.shadow", "compared", "req_1")
    assert (line["route"], line["shadow_model"], line["stream"]) == ("fast", "cheaper", True)
    assert line["answer"] == {
        "provider": "a", "model": "dear", "outcome": "ok", "status": 200, "duration_ms": 3000.0, "ttft_ms": 500.0,
        "output_tokens": 60, "cost_usd": 0.003,
    }  # fmt: skip
    assert line["shadow"]["ttft_ms"] is None


def test_a_trial_shows_while_it_lasts_and_how_it_ended(caplog: pytest.LogCaptureFixture) -> None:
    stand = Stand()
    with caplog.at_level(logging.INFO, "tollway.canary"):
        stand.canary.began(0.1, 300)
        assert stand.value("tollway_canary_state") == 1
        stand.canary.judged("trial", "error")
        stand.canary.ended("errors", "too many errors")
        assert stand.value("tollway_canary_state") == 0
        stand.canary.ended("promoted", "it is good")
        stand.canary.ended("superseded", "another one came")
    assert stand.value("tollway_canary_requests_total", arm="trial", result="error") == 1
    assert stand.value("tollway_canary_rollbacks_total", reason="errors") == 1
    assert stand.value("tollway_canary_promotions_total") == 1
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR", "INFO", "INFO"]
    assert caplog.records[1].message == "too many errors"
