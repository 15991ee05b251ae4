"""A fleet on paper: from what one of everything costs and a workload to cells, pods, stores, addresses and what they cost.

A cell is one deployment: pods, one Valkey with its replica, one database. All counters of a deployment share a hash slot, so a
fleet grows by cells, and a tenant lives in one of them, or, if it is too large, in parts of its limits in several.
"""

from collections.abc import Sequence
from heapq import heapify, heapreplace
from math import ceil, log

from msgspec import Struct
from msgspec.structs import replace

from .costs import Costs

KIB, MB, DAY = 1024, 1e6, 86_400


class Workload(Struct, frozen=True, kw_only=True):
    """What is asked of the fleet. Every number of it is assumed."""

    requests_per_s: float = 1e6
    prompt_kb: float = 4
    answer_events: float = 300
    """Events of a streamed answer: tokens, where the provider sends each by itself."""
    events_per_s: float = 50
    first_token_s: float = 0.6
    stream_share: float = 0.5
    hit_ratio: float = 0.1
    tenants: int = 10_000
    skew: float = 0.9
    """Zipf's exponent: the n-th largest tenant asks n^-skew times as much as the largest."""
    providers: int = 5
    """Names that each worker looks up."""

    @property
    def answer_s(self) -> float:
        """Seconds that the upstream needs for an answer, streamed or not."""
        return self.first_token_s + self.answer_events / self.events_per_s

    @property
    def upstream_per_s(self) -> float:
        """Requests that reach a provider."""
        return self.requests_per_s * (1 - self.hit_ratio)

    @property
    def open_at_once(self) -> float:
        """Upstream connections, by Little's law."""
        return self.upstream_per_s * self.answer_s

    def shares(self) -> list[float]:
        """Each tenant's part of all requests, the largest first."""
        weights = [rank**-self.skew for rank in range(1, self.tenants + 1)]
        total = sum(weights)
        return [weight / total for weight in weights]


class Fleet(Struct, frozen=True, kw_only=True):
    """What is bought. ``workers``: in a cell, a core each, spread over ``zones``."""

    cells: int
    workers: int
    zones: int = 3
    largest_part: float
    """Requests a second beyond which a tenant is divided among cells."""
    replicas: int = 1
    """Of each Valkey."""
    databases: int
    """Servers, each with the databases of several cells."""
    addresses: int
    """From which the fleet reaches the providers."""
    workers_per_pod: int = 4

    @property
    def pods(self) -> int:
        """Of all cells."""
        return self.cells * ceil(self.workers / self.workers_per_pod)


def work(costs: Costs, load: Workload) -> tuple[float, float]:
    """CPU seconds of the gateway for an average request: without the events of streams, and for these alone."""
    missed = costs.request_us + max(load.prompt_kb - 1, 0) * costs.prompt_us
    request = load.hit_ratio * costs.hit_us + (1 - load.hit_ratio) * missed
    events = (1 - load.hit_ratio) * load.stream_share * load.answer_events * costs.event_us
    return request / 1e6, events / 1e6


def entry_seconds(costs: Costs, batch: float) -> float:
    """CPU seconds of PostgreSQL for one entry in batches of this size, between the two sizes that were measured."""
    place = min(max(log(max(batch, 1) / 10) / log(500 / 10), 0), 1)
    return (costs.entry_us + place * (costs.entry_batched_us - costs.entry_us)) / 1e6


def planned(costs: Costs, load: Workload) -> Fleet:
    """The fleet that carries the load and loses a zone, or a Valkey, without a limit of its parts being passed."""
    most = costs.valkey_full / (costs.valkey_us / 1e6)
    parts = most / 4
    cells = ceil(load.requests_per_s / (0.9 * most))
    while max(placed(load, cells, parts)) > most:
        cells += 1
    zones = 3
    busiest = max(placed(load, cells, parts))
    workers = ceil(busiest * sum(work(costs, load)) * zones / (zones - 1) / costs.workers_full)
    workers += -workers % zones
    rows, batch = load.requests_per_s, busiest / workers / costs.flushes_per_s
    servers = max(
        rows * costs.wal_bytes / costs.database_wal, rows * entry_seconds(costs, batch) / costs.database_cores
    )
    return Fleet(
        cells=cells,
        workers=workers,
        zones=zones,
        largest_part=parts,
        databases=ceil(servers / costs.database_full),
        addresses=ceil(load.open_at_once / (0.7 * costs.ports * costs.destinations)),
    )


def placed(load: Workload, cells: int, largest_part: float) -> list[float]:
    """Requests a second of each cell: tenants, the largest in parts, each to the cell that has least."""
    rates: list[float] = []
    for share in load.shares():
        rate = share * load.requests_per_s
        pieces = max(1, ceil(rate / largest_part))
        rates += [rate / pieces] * pieces
    rates.sort(reverse=True)
    filled = [0.0] * cells
    heapify(filled)
    for rate in rates:
        heapreplace(filled, filled[0] + rate)
    return filled


class Check(Struct, frozen=True, kw_only=True):
    """One part of the fleet: what is asked of it over what it can give. More than 1 does not hold."""

    part: str
    used: float
    what: str

    @property
    def holds(self) -> bool:
        """Is it enough?"""
        return self.used <= 1


def checks(costs: Costs, load: Workload, fleet: Fleet, *, zone_lost: bool = False) -> list[Check]:
    """Every part on paper. Of the cells the busiest is looked at."""
    busiest = max(placed(load, fleet.cells, fleet.largest_part))
    there = fleet.workers * (fleet.zones - 1) // fleet.zones if zone_lost else fleet.workers
    batch = busiest / there / costs.flushes_per_s
    rows = load.requests_per_s
    return [
        Check(part="workers", used=busiest * sum(work(costs, load)) / there, what="cores of the busiest cell"),
        Check(part="valkey", used=busiest * costs.valkey_us / 1e6, what="one core of the busiest cell's Valkey"),
        Check(
            part="ledger",
            used=max(
                rows * costs.wal_bytes / costs.database_wal, rows * entry_seconds(costs, batch) / costs.database_cores
            ) / fleet.databases,
            what="WAL, or cores, of the database servers",
        ),
        Check(
            part="ports",
            used=load.open_at_once / (fleet.addresses * costs.ports * costs.destinations),
            what="source ports of the addresses that leave the fleet",
        ),
        Check(part="replica", used=0.0 if fleet.replicas else 2.0, what="a replica that can take a Valkey's place"),
    ]  # fmt: skip


class Bill(Struct, frozen=True, kw_only=True):
    """What a fleet is made of, in numbers for the page."""

    gateway_cores: float
    valkey_cores: float
    database_cores: float
    memory_gb: float
    wal_gb_per_s: float
    ledger_tb_per_day: float
    journal_s: float
    """Until a worker's write-ahead file is full while there is no database."""
    log_gb_per_s: float
    scrape_mb: float
    lookups_per_s: float
    month_usd: float


def bill(costs: Costs, load: Workload, fleet: Fleet) -> Bill:
    """Cores, bytes and money of a fleet."""
    workers = fleet.cells * fleet.workers
    # A Valkey and its replica take a core and a half of a core: the replica is told effects, not scripts.
    valkey = fleet.cells * (1 + 0.5 * fleet.replicas)
    databases = fleet.databases * costs.database_cores * 2
    cores = workers + valkey + databases
    return Bill(
        gateway_cores=workers,
        valkey_cores=valkey,
        database_cores=databases,
        memory_gb=(workers * costs.worker_mb * MB + load.open_at_once * costs.stream_kib * KIB) / 1e9,
        wal_gb_per_s=load.requests_per_s * costs.wal_bytes / 1e9,
        ledger_tb_per_day=load.requests_per_s * costs.disk_bytes * DAY / 1e12,
        journal_s=costs.journal_bytes * workers / (load.requests_per_s * costs.journal_line_bytes),
        log_gb_per_s=load.requests_per_s * costs.log_bytes / 1e9,
        scrape_mb=fleet.pods * costs.metrics_bytes / MB,
        lookups_per_s=workers * load.providers / costs.lookup_s,
        month_usd=cores * costs.core_month_usd,
    )


def without(fleet: Fleet, part: str) -> Fleet:
    """The same fleet with a part taken away, and what shall break then is that part."""

    taken = {
        "zone headroom": {"workers": fleet.workers * 2 // 3},
        "two thirds of the cells": {"cells": fleet.cells // 3, "workers": fleet.workers * 3},
        "parts of the largest tenants": {"largest_part": float("inf")},
        "half of the databases": {"databases": fleet.databases // 2},
        "half of the addresses": {"addresses": fleet.addresses // 2},
        "the replicas": {"replicas": 0},
    }
    return replace(fleet, **taken[part])


BREAKS: dict[str, str] = {
    "zone headroom": "workers",
    "two thirds of the cells": "valkey",
    "parts of the largest tenants": "valkey",
    "half of the databases": "ledger",
    "half of the addresses": "ports",
    "the replicas": "replica",
}
"""What is taken away, and the part that breaks first."""


def broken(found: Sequence[Check]) -> list[str]:
    """Parts that do not hold, the worst first."""
    return [check.part for check in sorted(found, key=lambda check: -check.used) if not check.holds]
