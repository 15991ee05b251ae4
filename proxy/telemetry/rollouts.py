"""What shadows and canaries show: metrics to compare by, and a log line for each comparison."""

import logging
from collections.abc import Callable
from typing import Protocol

from ..policy.rules import MICRO
from .metrics import Metrics
from .requests import OTHER

_log = logging.getLogger("tollway.shadow")
_canary = logging.getLogger("tollway.canary")


class Side(Protocol):
    """One of two answers, as ``rollout.comparison`` has it."""

    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def duration(self) -> float: ...
    @property
    def first(self) -> float: ...
    @property
    def output(self) -> int: ...
    @property
    def cost(self) -> int | None: ...


class Compared(Protocol):
    """Two answers to one request."""

    @property
    def request_id(self) -> str: ...
    @property
    def route(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def stream(self) -> bool: ...
    @property
    def answer(self) -> Side: ...
    @property
    def shadow(self) -> Side: ...


class ShadowLog:
    """Records what became of copies. Labels are configured names."""

    def __init__(self, metrics: Metrics, *, known_models: Callable[[str], bool]) -> None:
        self._metrics = metrics
        self._known_models = known_models

    def skipped(self, route: str, model: str, reason: str) -> None:
        """A copy was due and was not sent."""
        self._metrics.shadow_requests.labels(route, model, reason).inc()

    def compared(self, comparison: Compared) -> None:
        """A copy was sent and has ended."""
        metrics, shadow = self._metrics, comparison.shadow
        labels = (comparison.route, comparison.model)
        metrics.shadow_requests.labels(*labels, shadow.outcome).inc()
        if shadow.cost:
            metrics.shadow_cost.labels(*labels).inc(shadow.cost / MICRO)
            known = shadow.model if self._known_models(shadow.model) else OTHER
            metrics.cost.labels(shadow.provider, known).inc(shadow.cost / MICRO)
        if shadow.outcome == comparison.answer.outcome == "ok":
            self._both(*labels, "answer", comparison.answer)
            self._both(*labels, "shadow", shadow)
        _log.info("compared", extra={"fields": line_of(comparison)})

    def _both(self, route: str, model: str, name: str, side: Side) -> None:
        metrics, labels = self._metrics, (route, model, name)
        metrics.compared_duration.labels(*labels).observe(side.duration)
        metrics.compared_tokens.labels(*labels).inc(side.output)
        if side.first:
            metrics.compared_first.labels(*labels).observe(side.first)
        if side.cost:
            metrics.compared_cost.labels(*labels).inc(side.cost / MICRO)


def line_of(comparison: Compared) -> dict[str, object]:
    """The comparison as fields of a log line: figures and names, nothing that anybody wrote."""
    return {
        "request_id": comparison.request_id,
        "route": comparison.route,
        "shadow_model": comparison.model,
        "stream": comparison.stream,
        "answer": _fields(comparison.answer),
        "shadow": _fields(comparison.shadow),
    }


def _fields(side: Side) -> dict[str, object]:
    return {
        "provider": side.provider,
        "model": side.model,
        "outcome": side.outcome,
        "status": side.status,
        "duration_ms": round(side.duration * 1000, 3),
        "ttft_ms": round(side.first * 1000, 3) if side.first else None,
        "output_tokens": side.output,
        "cost_usd": side.cost / MICRO if side.cost is not None else None,
    }


class CanaryLog:
    """Records the trials of changed configurations."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def began(self, share: float, seconds: float) -> None:
        """A trial has begun."""
        self._metrics.canary_state.set(1)
        _canary.info("the changed routing is tried on %g %% of the requests for %g s", share * 100, seconds)

    def judged(self, arm: str, result: str) -> None:
        """A request counted."""
        self._metrics.canary_requests.labels(arm, result).inc()

    def ended(self, verdict: str, said: str) -> None:
        """It is over: ``promoted``, ``superseded``, or the reason why it was taken back."""
        self._metrics.canary_state.set(0)
        if verdict == "promoted":
            self._metrics.canary_promotions.inc()
            _canary.info("%s", said)
        elif verdict == "superseded":
            _canary.info("the trial of the changed routing was cut short: %s", said)
        else:
            self._metrics.canary_rollbacks.labels(verdict).inc()
            _canary.error("%s", said)
