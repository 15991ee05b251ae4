"""The benchmark of the telemetry measures what it says, and the part that every request pays for traces stays small."""

import asyncio
import time

from proxy.context import RequestContext
from proxy.telemetry.otel.sampling import Sampler
from proxy.telemetry.otel.tracer import Tracer

from .chain import loop_factory
from .telemetry import VARIANTS, counting, measure

UNRECORDED = 1e-6
"""Seconds of CPU that a request may cost which is not recorded."""


def test_every_variant_serves_and_builds_on_another() -> None:
    assert {each.on for each in VARIANTS.values()} <= {"", *VARIANTS}
    names = ["metrics and log", "OTLP, traces of 10 %"]
    with counting() as instructions, asyncio.Runner(loop_factory=loop_factory()) as runner:
        found = runner.run(measure(names, rounds=1, count=100, instructions=instructions))
    assert [*found] == names
    assert all(0 < figure < 10_000 for each in found.values() for figure in (each.loop, each.every))


def test_a_request_that_is_not_recorded_pays_for_one_decision() -> None:
    tracer = Tracer(Sampler(ratio=0.0))
    requests = [RequestContext(request_id="r", headers={b"host": b"h"}) for _ in range(2000)]
    best = float("inf")
    for _ in range(20):
        begun = time.thread_time()
        for ctx in requests:
            tracer.begin(ctx)
            tracer.end(ctx)
        best = min(best, (time.thread_time() - begun) / len(requests))
    assert best < UNRECORDED
