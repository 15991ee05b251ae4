"""What routing costs a request: microseconds of CPU, with one target and with twenty. ``python -m tests.bench.routing [--json]``.

Targets: a plan of one candidate at most 2 us over looking its name up; a choice among 20 targets at most 8 us in all.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable, Sequence
from random import Random

from proxy.context import Principal, RequestContext, TokenEstimate
from proxy.policy.routes import PolicyName
from proxy.policy.targets import Candidate, Facts, Route, Target
from proxy.protocols import Board
from proxy.routing.directory import Directory
from proxy.routing.policies import policies
from proxy.routing.router import Router
from proxy.wire.chat import RequestView
from tests.support.fakes import LIMITS
from tests.support.routers import StatedBoard

from .chain import BODY, scope_for

MANY = 20
CHOOSING: tuple[PolicyName, ...] = ("priority", "weighted", "least_busy", "lowest_latency", "lowest_cost", "sticky")
LIMITED = Principal(name="app", tenant="acme", providers=("p*",), regions=("eu-*",))


class QuietBoard(StatedBoard):
    """Nothing rests, and nobody has to look."""

    def ready(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        return candidates


def routes() -> dict[str, Route]:
    """``one`` with one target, and ``many`` by each policy."""

    def candidates(count: int) -> tuple[Candidate, ...]:
        facts = Facts(context=128_000, max_output=16_384, region="eu-1", input_price=1, output_price=4, lacks=64)
        return tuple(
            Candidate(target=Target(provider=f"p{at}", model="m", limits=LIMITS), model="", facts=facts)
            for at in range(count)
        )

    found = {"one": Route(label="one", candidates=candidates(1))}
    for name in CHOOSING:
        found[f"many {name}"] = Route(label=name, candidates=candidates(MANY), policy=name)
    return found


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
        policies=policies(None),
        scored=False,
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
    directory, chosen = router(QuietBoard())
    anybody = Principal(name="app", tenant="acme")
    figures = {}

    def looked_up() -> None:
        found = directory.resolve("one") if directory.allows(anybody, "one") else None
        assert found is not None
        directory.standing(found[1])

    figures["resolve"] = best(looked_up, count=count, rounds=rounds)
    for name in routes():
        ctx = context(name, anybody)
        figures[f"plan {name}"] = best(lambda ctx=ctx: chosen.plan(ctx), count=count, rounds=rounds)  # type: ignore[misc]
    limited = context("many priority", LIMITED)
    figures["plan many, a limited key"] = best(lambda: chosen.plan(limited), count=count, rounds=rounds)
    figures["one over resolve"] = figures["plan one"] - figures["resolve"]
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
        print(f"{name:32} {value:8.2f} us")


if __name__ == "__main__":
    main()
