"""Targets that fail, under load: what clients see of it, and what it costs the upstreams.

What is counted is judged whatever else the machine does; milliseconds are not.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .hedging import hedged
from .lanes import (
    ROUTE,
    TARGETS,
    WARMED,
    Config,
    Lane,
    Lanes,
    chat,
    provider,
    refusing,
    routed,
    together,
    watched,
)
from .openloop import Reply, calls, failed, quantile, rests
from .scenarios import Bench, Row
from .servers import BenchError, Server

RATE = 200
"""Requests a second of each route."""

SETTLED_S = 2.0
"""By then the gateway must have seen what is wrong."""

POLICIES = ("weighted", "priority")
MOST_ERRORS, MOST_TRIES = 0.5, 1.2
"""Percent of the requests; tries for each request."""

REST_S, REST_LEAST_S = 2, 1.45
"""Of a target that answers 429 it is what it asks for; a breaker's cooldown is 1.6 to 2 s, and clients learn of its begin a little late."""


def failover(bench: Bench) -> list[Row]:
    """All of it, about four minutes."""
    with ExitStack() as stack:
        lanes = Lanes(bench, stack)
        port = stack.enter_context(refusing())
        parts: list[tuple[str, Callable[[], list[Row]]]] = [
            *((f"1 of 3 {each.what}", partial(one_fails, lanes, each)) for each in faults(bench, port)),
            ("3 of 3 fail", partial(all_fail, lanes, bench.plan.fault_seconds)),
            ("what a failing first target adds", partial(adds, bench, lanes, port)),
            ("rests and returns", partial(rest_and_return, lanes)),
            ("hedging", partial(hedged, bench, lanes)),
        ]
        return [row for name, part in parts for row in _rows_of(name, part)]


def _rows_of(name: str, part: Callable[[], list[Row]]) -> list[Row]:
    """A part that cannot be measured says why; the others still run."""
    print(f"failover: {name} ...", file=sys.stderr, flush=True)
    try:
        return part()
    except BenchError as error:
        return [Row("failover", name, 0, "", [], problem=str(error))]


# ---- one of three fails, and all ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failing:
    """A fault of the first target. ``port``: where it is, if it is not the mock that commits the fault."""

    what: str
    seconds: float
    fault: str = ""
    port: int = 0
    first: Mapping[str, Any] = field(default_factory=dict)


def faults(bench: Bench, refusing_port: int) -> list[Failing]:
    """The four ways to fail; the first for as long as the figure is about."""
    seconds = bench.plan.other_faults_seconds
    return [
        Failing("answers 500", bench.plan.fault_seconds, "status:500"),
        Failing("answers 429 with Retry-After", seconds, "rate-limit:seconds=2"),
        Failing("refuses connections", seconds, port=refusing_port),
        Failing("hangs, first_byte 1 s", seconds, "hang", first={"timeouts": {"first_byte": 1}}),
    ]


def one_fails(lanes: Lanes, failing: Failing) -> list[Row]:
    """One of three targets under each policy, both at once."""

    def config(policy: str) -> Callable[[Server, Server], Config]:
        def sections(bad: Server, good: Server) -> Config:
            others = {name: provider(good.port) for name in TARGETS[1:]}
            one = provider(failing.port or bad.port, **({"fault": failing.fault} if failing.fault else {}))
            route = routed(*TARGETS, policy=policy, first=failing.first)
            return {"providers": {"one": one, **others}, "models": {ROUTE: route}}

        return sections

    rows = []
    with lanes.opened({policy: config(policy) for policy in POLICIES}) as opened:
        found = asyncio.run(together(opened, lambda _, number: chat(number), rate=RATE, seconds=failing.seconds))
        for policy, replies in found.items():
            lane = opened[policy]
            at_bad, at_good = lane.counted()
            at_bad = lane.told("one") if failing.port else at_bad
            agree(lane.gateway.name, replies, at_bad + at_good)
            head = f"1 of 3 {failing.what}, {policy}, {RATE}/s for {failing.seconds:g} s"
            early = sum(not reply.good for reply in replies if reply.planned < SETTLED_S)
            errors = failed(replies, after=SETTLED_S)
            detail = f"{len(replies):,} requests, {early} failed in the first {SETTLED_S:g} s"
            tries = f"{at_bad + at_good:,} tries, {at_bad:,} at the failing target"
            rows += [
                Row(
                    "failover",
                    f"{head}: client errors after {SETTLED_S:g} s",
                    MOST_ERRORS,
                    "%",
                    [errors],
                    gateway=detail,
                ),
                Row("failover", f"{head}: tries", MOST_TRIES, "x", [(at_bad + at_good) / len(replies)], gateway=tries),
            ]
    return rows


def all_fail(lanes: Lanes, seconds: float) -> list[Row]:
    """All three fail in one way or another: what clients see is clear, what the upstreams see is bounded."""

    def config(fault: str) -> Callable[[Server, Server], Config]:
        def sections(bad: Server, _: Server) -> Config:
            providers = {name: provider(bad.port, fault=fault) for name in TARGETS}
            return {"providers": providers, "models": {ROUTE: routed(*TARGETS, policy="weighted")}}

        return sections

    rows = []
    names = {"500": ("answer 500", "status:500"), "reset": ("reset connections", "reset")}
    with lanes.opened({name: config(fault) for name, (_, fault) in names.items()}) as opened:
        found = asyncio.run(together(opened, lambda _, number: chat(number), rate=RATE, seconds=seconds))
        for name, replies in found.items():
            lane = opened[name]
            tries, _ = lane.counted()
            agree(lane.gateway.name, replies, tries)
            what = f"3 of 3 {names[name][0]}, weighted, {RATE}/s for {seconds:g} s: tries"
            seen = ", ".join(f"{count:,} x {status}" for status, count in Counter(r.status for r in replies).items())
            detail = f"{tries:,} tries; clients saw {seen}"
            ratio = (tries + WARMED) / (len(replies) + WARMED)
            rows.append(Row("failover", what, MOST_TRIES, "x", [ratio], gateway=detail))
    return rows


def agree(name: str, replies: Sequence[Reply], counted: int) -> None:
    """What the answers' headers say must be what the upstreams saw. A request without an answer says nothing."""
    told = sum(reply.tries for reply in replies)
    silent = sum(not reply.tries for reply in replies)
    if not 0 <= counted - told <= 3 * silent:
        raise BenchError(f"{name}: x-tollway-attempts add up to {told}, the upstreams received {counted}")


# ---- what a failing first target adds -------------------------------------------------------------------------------


def adds(bench: Bench, lanes: Lanes, port: int) -> list[Row]:
    """Requests that begin at a failing target beside ones that go straight to the good one, at the same time."""
    begin = {"answers 500": "status:500", "refuses connections": "", "resets": "reset"}

    def sections(bad: Server, good: Server) -> Config:
        providers = {"two": provider(good.port)}
        models = {ROUTE: routed("two")}
        for what, fault in begin.items():
            name = what.split()[0]
            providers[name] = provider(bad.port, fault=fault) if fault else provider(port)
            models[what] = routed(name, "two", policy="priority")
        return {"providers": providers, "models": models, "health": {"enabled": False}, "retry": {"per_second": 1000}}

    routes = [ROUTE, *begin]
    with lanes.opened({"adds": sections}) as opened, watched(bench) as shares:
        found = asyncio.run(
            together(
                opened,
                lambda _, number: chat(number // len(routes), model=routes[number % len(routes)]),
                rate=RATE,
                seconds=8,
            )
        )["adds"]
    rows = []
    straight = found[:: len(routes)]
    for number, what in enumerate(begin, 1):
        moved = found[number :: len(routes)]
        if not all(reply.good and reply.provider == "two" and reply.tries >= 2 for reply in moved):
            raise BenchError(f"not every request whose first target {what} was answered by the second")
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            took, usual = (1000 * quantile((r.seconds for r in each), share) for each in (moved, straight))
            rows.append(
                Row(
                    "failover",
                    f"the first target {what}: {name} added",
                    50,
                    "ms",
                    [took - usual],
                    gateway=f"{took:.1f} ms",
                    direct=f"{usual:.1f} ms",
                    disturbed=shares[0],
                )
            )
    return rows


# ---- a target that rests, and one that comes back -------------------------------------------------------------------


def rest_and_return(lanes: Lanes) -> list[Row]:
    """Three gateways at once: a target that asks for rests, one whose breaker opens, and one that is stopped and started."""

    def config(fault: str) -> Callable[[Server, Server], Config]:
        def sections(bad: Server, good: Server) -> Config:
            # A slow refusal: a second probe beside the first would show.
            one = provider(bad.port, fault=fault, head_delay="100") if fault else provider(bad.port)
            return {
                "providers": {"one": one, "two": provider(good.port)},
                "models": {ROUTE: routed("one", "two", policy="priority")},
                "health": {"cooldown": REST_S, "longest": REST_S},
            }

        return sections

    names = {"429": f"rate-limit:seconds={REST_S}", "500": "status:500", "return": ""}
    with lanes.opened({name: config(fault) for name, fault in names.items()}) as opened:
        began = time.monotonic()
        found, back = asyncio.run(_with_an_outage(lanes, opened, began))
        rows = resting("429 with Retry-After", opened["429"], found["429"], needed=1, least=REST_S - 0.15)
        rows += resting("500: an open breaker", opened["500"], found["500"], needed=5, least=REST_LEAST_S)
    return rows + returned(found["return"], back)


async def _with_an_outage(
    lanes: Lanes, opened: Mapping[str, Lane], began: float
) -> tuple[dict[str, list[Reply]], float]:
    """The load, in whose course the upstream of ``return`` is gone for three seconds; and when it was back."""

    async def outage() -> float:
        await asyncio.sleep(2)
        await asyncio.to_thread(opened["return"].bad.stop)
        await asyncio.sleep(3)
        await asyncio.to_thread(lanes.restarted, f"bad-{list(opened).index('return')}")
        return time.monotonic() - began

    task = asyncio.create_task(outage())
    found = await together(opened, lambda _, number: chat(number), rate=RATE / 2, seconds=12, began=began)
    return found, await task


def resting(what: str, lane: Lane, replies: Sequence[Reply], *, needed: int, least: float) -> list[Row]:
    """A target that fails for good gets nothing while it rests, and then one call."""
    at_bad, _ = lane.counted()
    made = calls(replies, "one")
    if len(made) != at_bad:
        raise BenchError(f"the answers tell of {len(made)} calls to the failing target, which received {at_bad}")
    found = rests(made, needed=needed, least=least)
    if found.probes < 3:
        raise BenchError(f"a resting target was probed {found.probes} times only")
    detail = f"{found.burst} calls before the first rest, then {found.probes} rests with one probe each"
    return [Row("failover", f"{what}: calls during rests or beside a probe", 0, "calls", [found.early], gateway=detail)]


def returned(replies: Sequence[Reply], back: float) -> list[Row]:
    """How soon all traffic is where it was, and what clients saw of it all."""
    elsewhere = [reply.planned for reply in replies if reply.provider != "one"]
    if not elsewhere or max(elsewhere) > replies[-1].planned - 1:
        raise BenchError("the traffic did not come back to the upstream that was started again")
    seconds = max(elsewhere) - back
    detail = f"{len(elsewhere)} of {len(replies):,} requests elsewhere; cooldown {REST_S} s"
    lost = f"{sum(not reply.good for reply in replies)} of {len(replies):,}"
    return [
        Row("failover", "an upstream is back: until all its traffic is", REST_S + 0.5, "s", [seconds], gateway=detail),
        Row(
            "failover", "an upstream stops and starts: client errors", MOST_ERRORS, "%", [failed(replies)], gateway=lost
        ),
    ]
