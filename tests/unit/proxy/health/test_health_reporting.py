"""Health in the log and in metrics: few lines, few labels, no secrets."""

import logging

import pytest
from prometheus_client import CollectorRegistry

from proxy.health.reporting import LINES, NAME, Reporter
from proxy.policy.faults import Fault
from proxy.telemetry.metrics import Metrics
from tests.unit.proxy.health.boards import A, B, Stand, candidate


class Reported:
    """A board whose changes are reported."""

    def __init__(self) -> None:
        self.stand = Stand({"a": 2, "b": 1})
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry, known_models=lambda model: model == "m")
        self.reporter = Reporter(self.stand.board, metrics, clock=self.stand.clock)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def test_changes_are_counted_by_reason_and_unknown_models_share_a_label() -> None:
    it = Reported()
    for model in ("m", "invented", "too"):
        it.stand.open(candidate("a", model))
    it.stand.fail(B, "quota")
    assert it.value("tollway_target_opened_total", provider="a", model="m", reason="server_error") == 1
    assert it.value("tollway_target_opened_total", provider="a", model="other", reason="server_error") == 2
    assert it.value("tollway_key_rested_total", provider="b", key="0", reason="quota") == 1


def test_states_are_gauges_of_configured_models() -> None:
    it = Reported()
    it.stand.open(A)
    it.stand.open(candidate("a", "invented"))
    it.stand.fail(B, "rate_limited", wait=5.0)
    it.reporter.measure()
    assert it.value("tollway_target_state", provider="a", model="m") == 5
    assert it.value("tollway_target_state", provider="b", model="m") == 3
    assert it.value("tollway_target_state", provider="a", model="invented") is None
    assert it.value("tollway_target_waiting") == 0
    it.stand.clock.advance(60.0)
    it.stand.board.use(it.stand.breaker, provider_keys={"b": 1})
    it.reporter.measure()
    assert it.value("tollway_target_state", provider="a", model="m") == 0, "a target that is gone is not broken"
    assert it.value("tollway_target_state", provider="b", model="m") == 0


def test_the_log_names_target_time_and_reason(caplog: pytest.LogCaptureFixture) -> None:
    it = Reported()
    with caplog.at_level(logging.INFO, "tollway.health"):
        it.stand.open(A)
        it.stand.clock.advance(it.stand.board.back_in((A,)))
        it.stand.succeed(A)
        it.stand.fail(B, "rate_limited", wait=5.0)
        it.stand.clock.advance(5.0)
        it.stand.succeed(B)
        it.stand.enter(A, key=1).failed(Fault(kind="credentials", detail="sk-secret"))
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("target 'a/m' is left alone for ")
    assert lines[0].endswith(" s: server_error")
    assert lines[1:] == [
        "target 'a/m' is well again",
        "key 0 of b for 'b/m' rests for 5.0 s: rate_limited",
        "key 0 of b for 'b/m' is used again",
        "key 1 of a rests for 60.0 s: credentials",
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING", "INFO", "WARNING"]


def test_lines_are_few_and_names_cannot_forge_others(caplog: pytest.LogCaptureFixture) -> None:
    it = Reported()
    with caplog.at_level(logging.INFO, "tollway.health"):
        for number in range(3 * LINES):
            it.stand.open(candidate("a", f"{number}\nfaked line \x1b[31m" + "x" * 10_000))
        assert len(caplog.records) == LINES
        it.stand.clock.advance(1.0)
        it.stand.open(A)
    messages = [record.getMessage() for record in caplog.records]
    assert all(message.isprintable() and len(message) < NAME + 100 for message in messages)
    assert messages[-1].endswith(f"({2 * LINES} more not logged)")
