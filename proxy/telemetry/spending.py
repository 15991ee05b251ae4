"""What limits and budgets decide, as metrics and log lines. A budget's alert is told once for each of its periods."""

import logging

from ..context import Principal
from ..policy.rules import MICRO, Grant, Reservation, Rule
from .metrics import Metrics

_log = logging.getLogger("tollway.budget")

REMEMBERED = 100_000
"""Alerts that are not told again; beyond, some may be told twice."""


class Spending:
    """Implements ``admission.limiter.Decisions``."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._told: set[tuple[str, str, float]] = set()

    def decided(self, rule: Rule, result: str) -> None:
        """A refusal, or what would have been one."""
        self._metrics.decisions.labels(rule.scope, rule.name, result).inc()

    def held(self, reservation: Reservation, principal: Principal) -> None:
        """Looks for budgets that this hold brought to a threshold, and shadows that would have refused it."""
        for grant in reservation.grants:
            rule = grant.rule
            if rule.shadow and grant.left < 0:
                self.decided(rule, "shadow")
            if rule.alerts and grant.left <= rule.limit - rule.limit * rule.alerts[0]:
                self._alert(grant, principal)

    def _alert(self, grant: Grant, principal: Principal) -> None:
        rule = grant.rule
        used = rule.limit - grant.left
        for threshold in rule.alerts:
            told = (rule.ident, grant.window, threshold)
            if used < rule.limit * threshold or told in self._told:
                continue
            if len(self._told) >= REMEMBERED:
                self._told.clear()
            self._told.add(told)
            self._metrics.budget_alerts.labels(rule.scope, rule.name, f"{threshold:g}").inc()
            _log.warning(
                "%s of %s %s has reached %g %%: %.6f of %.6f USD used or held",
                rule.name,
                rule.scope,
                principal.name if rule.scope == "key" else principal.account,
                threshold * 100,
                used / MICRO,
                rule.limit / MICRO,
            )
