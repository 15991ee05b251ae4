"""A decision in words and figures: what was asked, what may answer and in which order, what was left out and why, what happened."""

from collections.abc import Callable, Iterable, Mapping
from random import Random

import msgspec

from ..context import Attempt, Controls, Principal, RequestContext
from ..policy.attainment import attained
from ..policy.routes import PolicyName, Slo
from ..policy.targets import NEEDS, Asking, Candidate, Figures, Plan, Route
from ..protocols import Board
from ..wire.values import Json, JsonObject
from .costs import DOLLAR, UNKNOWN, expected_costs
from .policies import Policy
from .policies.priority import priority
from .scores import NO_SCORES, Scores
from .slo import SHARE
from .traces import Trace, trace_of


def _everything(principal: Principal, model: str) -> bool:
    return True


class Explainer:
    """Explains with the figures of ``board``: those of now, but for what a trace has kept of its own moment."""

    def __init__(
        self,
        *,
        board: Board,
        policies: Mapping[PolicyName, Policy],
        scores: Scores | None = None,
        allows: Callable[[Principal, str], bool] = _everything,
    ) -> None:
        """``allows``: may a caller name a model? Others it is not told of."""
        self._board = board
        self._allows = allows
        self._policies: dict[str, Policy] = dict(policies.items())
        self._scores = scores or NO_SCORES

    def __call__(self, ctx: RequestContext) -> JsonObject:
        """Of a request that is only planned. It must have its ``plan``."""
        assert ctx.plan is not None
        found, route = self.explanation(trace_of(ctx, ctx.plan)), ctx.plan.route
        return found | _standing_in(route, lambda name: self._allows(ctx.principal, name))

    def explanation(self, trace: Trace) -> JsonObject:
        """The whole object; attempts and outcome only of a request that has ended."""
        plan = trace.plan
        found: JsonObject = {
            "object": "tollway.route",
            "request_id": trace.request_id,
            "dry_run": not trace.ended,
            "key": trace.key,
            "account": trace.tenant or None,
            "endpoint": trace.endpoint,
            "model": trace.model,
            "route": plan.route.label,
            "policy": plan.policy,
            "asked": _asked(plan, trace.controls),
            "chosen": plan.chosen.place,
            "candidates": self._candidates(plan),
            "figures": "of the decision" if plan.figures and trace.ended else "of now",
            "filtered": [
                {
                    "target": each.candidate.place,
                    "model": each.candidate.model,
                    "filter": each.filter,
                    "reason": each.reason,
                }
                for each in plan.rejected
            ],
            "bound": {"reason": plan.bound, "key": plan.key if plan.key >= 0 else None} if plan.bound else None,
            **_afterwards(plan),
        }
        if trace.ended:
            found["attempts"] = [_attempt(attempt, trace.started) for attempt in trace.attempts]
            found["outcome"] = _outcome(trace)
        return found

    # ---- candidates -------------------------------------------------------------------------------------------------

    def _candidates(self, plan: Plan) -> list[Json]:
        """In the order in which they would be tried, those that take no requests now last."""
        order = self._order(plan)
        costs = expected_costs(order, plan.asking)
        known = {figures.place: figures for figures in plan.figures}
        now = dict(zip([each.place for each in order], self._board.figures(order), strict=True))
        return [
            self._candidate(each, plan.asking, cost, known.get(each.place, now[each.place]))
            for each, cost in zip(order, costs, strict=True)
        ]

    def _order(self, plan: Plan) -> list[Candidate]:
        """The chosen one, then what the policy would choose of the rest. A policy that draws lots draws the same ones each time."""
        choose = self._policies.get(plan.policy, priority)
        order, rng = [plan.chosen], Random(0)  # noqa: S311 - lots, not secrets
        left = [each for each in plan.candidates if each != plan.chosen]
        ready = list(self._board.ready(left)) if left else []
        for group in (ready, [each for each in left if each not in ready]):
            while group:
                order.append(choose(group, plan.asking, self._board, rng))
                group.remove(order[-1])
        return order

    def _candidate(self, candidate: Candidate, asking: Asking, cost: float, figures: Figures) -> JsonObject:
        facts, board = candidate.facts, self._board
        median = board.percentile(candidate, 0.5) or figures.ttft or None
        score = self._scores.of(candidate, asking.kind)
        return {
            "target": candidate.place,
            "provider": candidate.target.provider,
            "model": candidate.target.model,
            "answers_for": candidate.model,
            "state": figures.state,
            "inflight": figures.inflight,
            "capacity": candidate.capacity or None,
            "weight": candidate.weight,
            "ttft_seconds": _rounded(figures.ttft or None),
            "ttft_p95_seconds": _rounded(board.percentile(candidate, SHARE)),
            "expected_latency_seconds": _rounded(median),
            "expected_cost_usd": cost / DOLLAR if cost < UNKNOWN else None,
            "score": score,
            "region": facts.region or None,
            "tier": facts.tier,
            "context": facts.context or None,
            "max_output": facts.max_output or None,
        }


# ---- what was asked, what follows, what happened ---------------------------------------------------------------------


def _asked(plan: Plan, controls: Controls) -> JsonObject:
    asking = plan.asking
    return {
        "needs": names_of(asking.needs),
        "prompt_tokens": asking.prompt,
        "output_tokens": asking.output,
        "cached_tokens": asking.cached,
        "kind": asking.kind,
        "sticky_by": plan.route.sticky_by if asking.sticky else None,
        "slo": _slo(asking.slo),
        "controls": _set(controls),
    }


def names_of(needs: int) -> list[Json]:
    """The bits of ``needs`` by name."""
    return [name for bit, name in NEEDS.items() if needs & bit]


def _slo(slo: Slo | None) -> JsonObject | None:
    return {"ttft_seconds": slo.ttft, "cost_usd": slo.cost_usd} if slo is not None else None


def _set(controls: Controls) -> JsonObject:
    """The controls that the request used."""
    default = Controls()
    names: Iterable[str] = controls.__struct_fields__
    used = {name: getattr(controls, name) for name in names if getattr(controls, name) != getattr(default, name)}
    found: JsonObject = msgspec.to_builtins(used)
    return found


def _afterwards(plan: Plan) -> JsonObject:
    """What would be tried when every candidate fails, and how."""
    route = plan.route
    hedge, slow = route.hedge, route.slow_stream
    return {
        **_standing_in(route, lambda name: True),
        "retry": {"attempts": plan.attempts, "base_seconds": route.retry.base, "longest_seconds": route.retry.longest},
        "hedge": {"after_seconds": hedge.after, "extra_spend": hedge.extra_spend} if hedge is not None else None,
        "slow_stream": {"tokens_per_second": slow.tokens_per_second, "window_seconds": slow.window}
        if slow is not None
        else None,
    }


def _standing_in(route: Route, may: Callable[[str], bool]) -> JsonObject:
    """The fallbacks that the caller may know of, which are those that it gets."""
    return {
        "fallbacks": [*filter(may, route.fallbacks)],
        "fallbacks_for": {
            "context_length": [*filter(may, route.on_context_length)],
            "content_policy": [*filter(may, route.on_content_policy)],
        },
    }


def _attempt(attempt: Attempt, started: float) -> JsonObject:
    fault = attempt.fault
    return {
        "target": f"{attempt.provider}/{attempt.model}",
        "role": attempt.role,
        "key": attempt.key,
        "status": attempt.status or None,
        "fault": fault.kind if fault is not None else None,
        "detail": (fault.detail or None) if fault is not None else None,
        "asked_to_wait_seconds": fault.wait if fault is not None else None,
        "after_milliseconds": _milliseconds(attempt.started - started),
        "milliseconds": _milliseconds(attempt.ended - attempt.started) if attempt.ended else None,
        "maybe_billed": attempt.maybe_billed,
    }


def _outcome(trace: Trace) -> JsonObject:
    settled, slo = trace.settled, trace.plan.asking.slo
    charge = settled.charge if settled is not None else None
    judged: JsonObject | None = None
    if slo is not None:
        results = attained(slo, outcome=trace.outcome, waited=trace.waited, charge=charge)
        judged = {str(objective): result for objective, result in results.items()}
    return {
        "outcome": trace.outcome,
        "status": trace.status or None,
        "error": trace.error or None,
        "ttft_milliseconds": _milliseconds(trace.waited) if trace.waited is not None else None,
        "milliseconds": _milliseconds(trace.ended - trace.started),
        "charge_usd": charge / 1e6 if charge is not None else None,
        "cost_usd": settled.cost / 1e6 if settled is not None and settled.cost is not None else None,
        "slo": judged,
    }


def _rounded(seconds: float | None) -> float | None:
    return round(seconds, 4) if seconds is not None else None


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
