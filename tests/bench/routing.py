"""What routing costs a request: microseconds of CPU, with one target and with twenty. ``python -m tests.bench.routing [--json]``.

The router and the board are the gateway's own, and the board knows figures of every target. Targets: a plan of one candidate at most
2 us over looking its name up; a choice among 20 targets at most 8 us. A plan is the choice and all that is before it.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable
from random import Random

from proxy.context import Principal, RequestContext, TokenEstimate
from proxy.health.board import HealthBoard
from proxy.policy.faults import Fault
from proxy.policy.routes import Breaker, PolicyName, Slo
from proxy.policy.targets import Candidate, Facts, Route, Target
from proxy.protocols import Board
from proxy.routing.directory import Directory
from proxy.routing.policies import policies
from proxy.routing.router import Router
from proxy.routing.scores import Score, Scores
from proxy.wire.chat import RequestView
from tests.support.fakes import LIMITS

from .chain import BODY, scope_for

MANY = 20
CHOOSING: tuple[PolicyName, ...] = (
    "priority", "weighted", "least_busy", "lowest_latency", "lowest_cost", "best", "balanced", "sticky",
)  # fmt: skip
LIMITED = Principal(name="app", tenant="acme", providers=("p*",), regions=("eu-*",))
TTFT = 0.5
"""Seconds in which the soonest target of the board gives its first token; the last one takes nearly twice as long."""

SLOS = {
    "an SLO that all meet": Slo(ttft=2 * TTFT),
    "an SLO of latency that none meets": Slo(ttft=TTFT / 10),
    "an SLO of both that none meets": Slo(ttft=TTFT / 10, cost_usd=1e-9),
}
SCORES = Scores({f"p{at}/m": {"general": Score(score=0.9 + at / 1000, n=100)} for at in range(MANY)})


def candidates(count: int, *, weights: bool = False) -> tuple[Candidate, ...]:
    """Targets that differ in price, and in weight if ``weights``."""
    return tuple(
        Candidate(
            target=Target(provider=f"p{at}", model="m", limits=LIMITS),
            model="",
            weight=1 + at % 3 if weights else 1,
            facts=Facts(
                context=128_000,
                max_output=16_384,
                region="eu-1",
                input_price=1 + at * 7 % MANY,
                output_price=4,
                cached_price=1,
                lacks=64,
            ),
        )
        for at in range(count)
    )


def routes() -> dict[str, Route]:
    """``one`` with one target, and ``many`` by each policy and SLO."""
    many = candidates(MANY)
    found = {"one": Route(label="one", candidates=candidates(1))}
    for name in CHOOSING:
        found[f"many {name}"] = Route(label=name, candidates=many, policy=name)
    uneven = candidates(MANY, weights=True)
    found["many sticky, weights"] = Route(label="sticky, weights", candidates=uneven, policy="sticky")
    for said, slo in SLOS.items():
        found[f"many {said}"] = Route(label=said, candidates=many, slo=slo)
    return found


def live_board() -> HealthBoard:
    """All is well, and every target has answered often enough for percentiles."""
    keys = {f"p{at}": 1 for at in range(MANY)}
    board = HealthBoard(Breaker(), provider_keys=keys, clock=time.perf_counter, rng=Random(1))
    for at, each in enumerate(candidates(MANY)):
        for number in range(30):
            lease = board.enter(each)
            assert lease is not None
            lease.first_output(TTFT * (1 + at / MANY) - number / 1000)
            lease.close()
    return board


def opened_board() -> HealthBoard:
    """Every target has faults."""
    board = live_board()
    for each in candidates(MANY):
        while (lease := board.enter(each)) is not None:
            lease.failed(Fault(kind="connect"))
            lease.close()
    return board


def router(board: Board) -> tuple[Directory, Router]:
    """Over ``routes()``; facts are those written there."""
    made = routes()
    known = {each.target.provider: each.facts for route in made.values() for each in route.candidates}
    directory = Directory(
        models=made,
        providers={},
        catalogued=(),
        passthrough=None,
        facts=lambda target: known[target.provider],
        today=lambda: int(time.time() // 86_400),
    )
    return directory, Router(
        directory=directory,
        board=board,
        policies=policies(SCORES),
        scored=True,
        admin_paths=False,
        providers_use={},
        clock=time.perf_counter,
        wall=time.time,
        rng=Random(1),
    )


def context(model: str, principal: Principal) -> RequestContext:
    """A request of 1 KB with the headers of an SDK."""
    raw = scope_for(BODY)["headers"]
    return RequestContext(
        request_id="r",
        started=1.0,
        raw_headers=raw,
        headers=dict(raw),
        body=BODY,
        request=RequestView(model=model),
        principal=principal,
        estimate=TokenEstimate(300, 600, 0),
    )


def best(work: Callable[[], object], *, count: int, rounds: int) -> float:
    """Microseconds of this thread's CPU a call: the best of ``rounds`` rounds."""
    found = float("inf")
    for _ in range(rounds):
        gc.collect()
        began = time.thread_time()
        for _ in range(count):
            work()
        found = min(found, (time.thread_time() - began) / count * 1e6)
    return found


def measure(*, count: int = 5000, rounds: int = 7) -> dict[str, float]:
    """Every figure, in microseconds."""
    directory, chosen = router(live_board())
    anybody = Principal(name="app", tenant="acme")
    figures = {}

    def looked_up() -> None:
        found = directory.resolve("one") if directory.allows(anybody, "one") else None
        assert found is not None
        directory.standing(found[1])

    figures["resolve"] = best(looked_up, count=count, rounds=rounds)
    for name in routes():
        figures |= _plan_and_choice(chosen, name, context(name, anybody), count=count, rounds=rounds)
    limited = context("many priority", LIMITED)
    figures["plan many, a limited key"] = best(lambda: chosen.plan(limited), count=count, rounds=rounds)
    _, faulty = router(opened_board())
    ctx = context("many priority", anybody)
    figures |= _plan_and_choice(faulty, "many, all are open", ctx, count=count, rounds=rounds)
    figures["one over resolve"] = figures["plan one"] - figures["resolve"]
    return figures


def _plan_and_choice(chosen: Router, name: str, ctx: RequestContext, *, count: int, rounds: int) -> dict[str, float]:
    """A plan, and the same choice once more, as after a fault before which nothing was tried."""
    plan, fault = chosen.plan(ctx), Fault(kind="connect")
    figures = {f"plan {name}": best(lambda: chosen.plan(ctx), count=count, rounds=rounds)}
    if len(plan.candidates) > 1:
        again = best(lambda: chosen.another(ctx, plan, (), fault), count=count, rounds=rounds)
        figures[f"choice {name}"] = again
    return figures


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON object")
    options.add_argument("--count", type=int, default=5000, help="requests a round")
    options.add_argument("--rounds", type=int, default=7)
    given = options.parse_args()
    figures = measure(count=given.count, rounds=given.rounds)
    if given.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
        return
    for name, value in figures.items():
        print(f"{name:40} {value:8.2f} us")


if __name__ == "__main__":
    main()
