"""The busiest cell of a planned fleet, request by request: queues at the workers and at Valkey, a zone lost, a Valkey lost.

Discrete events, seeded. A worker serves one thing at a time; the events of its streams leave it so much less time for the rest.
The stores of other cells and the databases do not wait for each other, so they are the plan's arithmetic.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from random import Random
from typing import Literal

from msgspec import Struct

from .costs import Costs
from .plan import Fleet, Workload, placed, work

Event = Literal["none", "zone", "valkey"]

_Step = tuple[float, int, str, int, int]
"""When, a number that keeps the order, what, at which worker, and how many calls come before the provider is asked."""

FRONT = 0.6
"""Share of a request's CPU that comes before the provider is asked; the rest follows the answer. Assumed."""

HOP_S = 0.0002
"""Between a worker and its Valkey, there and back. Assumed: one zone to another."""

SPREAD = 0.5
"""How far one service is from the mean, evenly: a half to three halves of it. Assumed."""

SLOW_S = 0.1
"""Seconds that 1 % may wait for a worker, and that a worker may be behind at the end."""

LATE = 0.001
"""Share of calls that Valkey may answer too late: they are decided by each worker for itself."""

BURST, BURST_S = 1.3, 0.1
"""Arrivals come thicker and thinner by this factor, in turns of so many seconds. Assumed."""


class Seen(Struct, kw_only=True):
    """What a run showed. Times in seconds; ``late``: share of the calls to Valkey that took longer than its timeout."""

    requests: int = 0
    workers_busy: float = 0.0
    valkey_busy: float = 0.0
    worker_wait_p99: float = 0.0
    valkey_wait_p99: float = 0.0
    late: float = 0.0
    alone: int = 0
    """Requests that were decided without Valkey."""
    waiting_settlements: int = 0
    """The most that one worker kept for a Valkey that was gone."""
    settled_after: float = 0.0
    """Seconds after its return until the last of them was settled."""
    backlog: float = 0.0
    """Seconds of work that the fullest worker had before it at the end."""


class _Cell:
    """Workers and a Valkey, each with the moment at which it is free again."""

    def __init__(self, costs: Costs, load: Workload, fleet: Fleet, event: Event, seed: int, seconds: float) -> None:
        request, events = work(costs, load)
        workers = fleet.workers * (fleet.zones - 1) // fleet.zones if event == "zone" else fleet.workers
        self.random = Random(seed)
        self.rate = max(placed(load, fleet.cells, fleet.largest_part))
        self.seconds = seconds
        # What a worker's streams leave of it; a worker that has nothing left still moves, and its queue grows.
        self.speed = max(1 - self.rate * events / workers, 0.01)
        self.streams = min(self.rate * events / workers, 1.0)
        self.request = request
        self.call = costs.valkey_us / 1e6 / costs.valkey_calls
        self.calls = max(2, round(costs.valkey_calls))
        self.timeout = costs.state_timeout_s
        self.free = [0.0] * workers
        self.valkey_free = 0.0
        self.down = (seconds * 0.2, seconds * 0.2 + costs.takeover_s) if event == "valkey" else (seconds, 0.0)
        self.worker_waits: list[float] = []
        self.valkey_waits: list[float] = []
        self.worked = self.valkey_worked = 0.0
        self.kept = [0] * workers
        self.most_kept = self.alone = 0
        self.settled_at = 0.0

    def serve(self, now: float, worker: int, share: float) -> float:
        """When a worker has done ``share`` of a request that came to it at ``now``."""
        begun = max(now, self.free[worker])
        took = self.request * share * self.jitter()
        self.worker_waits.append(begun - now)
        self.free[worker] = begun + took / self.speed
        self.worked += took
        return self.free[worker]

    def ask(self, now: float) -> float | None:
        """When Valkey has answered a call; None: it is gone."""
        if self.down[0] <= now < self.down[1]:
            return None
        begun = max(now, self.valkey_free)
        took = self.call * self.jitter()
        self.valkey_free = begun + took
        self.valkey_worked += took
        self.valkey_waits.append(self.valkey_free - now)
        return self.valkey_free + HOP_S

    def keep(self, worker: int) -> None:
        """One more settlement that waits for Valkey."""
        self.kept[worker] += 1
        self.most_kept = max(self.most_kept, self.kept[worker])

    def jitter(self) -> float:
        """What a service takes, over its mean."""
        return 1 + SPREAD * (2 * self.random.random() - 1)


def simulated(
    costs: Costs, load: Workload, fleet: Fleet, *, event: Event = "none", seed: int = 1, seconds: float = 4.0
) -> Seen:
    """``seconds`` of the busiest cell. Answers end as often as requests come, whichever requests they belong to."""
    cell = _Cell(costs, load, fleet, event, seed, seconds)
    random, requests = cell.random, 0
    steps: list[_Step] = []
    for kind, moments in (
        ("come", _moments(random, cell.rate, seconds)),
        ("end", _moments(random, cell.rate, seconds)),
    ):
        for at in moments:
            requests += kind == "come"
            steps.append((at, len(steps), kind, random.randrange(len(cell.free)), 0))
    # A worker sends what it kept one after the other, once Valkey is back.
    steps += [
        (cell.down[1], len(steps) + worker, "again", worker, 0) for worker in range(len(cell.free)) if event == "valkey"
    ]
    heapify(steps)
    number = len(steps)
    while steps and steps[0][0] <= seconds:
        at, _, kind, worker, left = heappop(steps)
        number += 1
        if kind == "come":
            heappush(steps, (cell.serve(at, worker, FRONT), number, "ask", worker, cell.calls - 1))
        elif kind == "end":
            heappush(steps, (cell.serve(at, worker, 1 - FRONT), number, "settle", worker, 0))
        elif kind == "settle":
            if cell.ask(at) is None:
                cell.keep(worker)
        elif kind == "again":
            if cell.kept[worker] and (answered := cell.ask(at)) is not None:
                cell.kept[worker] -= 1
                heappush(steps, (answered, number, "again", worker, 0))
                cell.settled_at = answered
        elif (answered := cell.ask(at)) is None:
            cell.alone += 1
        elif left > 1:
            heappush(steps, (answered, number, "ask", worker, left - 1))
    return Seen(
        requests=requests,
        workers_busy=cell.worked / seconds / len(cell.free) + cell.streams,
        valkey_busy=cell.valkey_worked / seconds,
        worker_wait_p99=_p99(cell.worker_waits),
        valkey_wait_p99=_p99(cell.valkey_waits),
        late=sum(wait > cell.timeout for wait in cell.valkey_waits) / max(len(cell.valkey_waits), 1),
        alone=cell.alone,
        waiting_settlements=cell.most_kept,
        settled_after=max(cell.settled_at - cell.down[1], 0.0) if cell.most_kept else 0.0,
        backlog=max(max(cell.free) - seconds, 0.0),
    )


def _moments(random: Random, rate: float, seconds: float) -> Iterator[float]:
    """Arrivals without memory, thicker and thinner in turns."""
    now = 0.0
    while True:
        now += random.expovariate(rate * (BURST if int(now / BURST_S) % 2 else 2 - BURST))
        if now > seconds:
            return
        yield now


def held(seen: Seen, costs: Costs) -> list[str]:
    """Parts that did not keep up; none: the cell carried it."""
    limits = {
        "workers": seen.workers_busy > 1 or seen.backlog > SLOW_S or seen.worker_wait_p99 > SLOW_S,
        "valkey": seen.valkey_busy > 1 or seen.late > LATE,
        "settlements": seen.waiting_settlements > costs.late_settlements,
    }
    return [part for part, failed in limits.items() if failed]


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)] if values else 0.0
