"""Measures every figure of the plan that can be measured on one box, and adds those that cannot."""

from dataclasses import replace
from pathlib import Path
from statistics import median

from loadtest.bench import bodies, meter
from loadtest.bench.load import Load
from loadtest.bench.servers import Cores, Server
from loadtest.compare.bodies import KB, chat

from .box import Box, Setting, box
from .costs import Figure
from .stores import of_postgres, of_valkey
from .streams import silent

STREAMS = 2_000
PACED, PACE_US, EVENTS = 100, 10_000, 300

HOW = "`python -m loadtest.scale costs`, "


def collected(
    cores: Cores, folder: Path, upstream: Server, *, rounds: int = 3, streams: int = STREAMS
) -> dict[str, Figure]:
    """All figures by name; takes about two minutes."""
    return {
        **gateway(cores, folder, upstream, rounds),
        **silence(cores, folder, streams),
        **stores(cores, folder, upstream),
        **GIVEN,
    }


def gateway(cores: Cores, folder: Path, upstream: Server, rounds: int) -> dict[str, Figure]:
    """CPU of requests and events, and memory, of one worker whose counters are in a Valkey of its own."""
    with box(cores, folder, Setting(state="embedded"), upstream=upstream.port) as each:
        idle = (meter.memory(each.server.pid).pss - sum(meter.memory(pid).pss for pid in each.store)) / 1e6
        small = Load(bodies.write(folder, "small", chat()), connections=16, seconds=1.0)
        large = replace(small, body=bodies.write(folder, "large", chat(prompt=10 * KB)))
        paced = Load(
            bodies.write(folder, "paced", chat(chunks=EVENTS, pace_us=PACE_US)),
            connections=PACED, seconds=20, warmup=0, limit=PACED,
        )  # fmt: skip
        request = _middle(each, small, rounds)
        prompt = (_middle(each, large, rounds) - request) / 9
        hit = _middle(each, small, rounds, same=True)
        streamed = each.measured(paced)
    event = (streamed.gateway * 1e6 - streamed.requests * request) / streamed.events
    return {
        "request_us": _measured(request, "µs", "1 KB chat, 16 connections, no two prompts alike"),
        "prompt_us": _measured(prompt, "µs/KB", "10 KB less 1 KB"),
        "hit_us": _measured(hit, "µs", "1 KB chat, always the same, answered from the exact cache in Valkey"),
        "event_us": _measured(
            event, "µs", f"{PACED} streams of {EVENTS} events {PACE_US // 1000} ms apart, less their requests"
        ),
        "worker_mb": _measured(idle, "MB", "PSS of the idle process tree, one worker, without Valkey"),
    }


def _middle(each: Box, load: Load, rounds: int, *, same: bool = False) -> float:
    return median(each.measured(load, same=same).gateway_us for _ in range(rounds))


def silence(cores: Cores, folder: Path, streams: int) -> dict[str, Figure]:
    """Memory of an open stream."""
    found = silent(cores, folder, streams=streams, keepalive=4.0, seconds=1.0)
    return {"stream_kib": _measured(found.memory_kib, "KiB", f"PSS, {streams:,} silent streams")}


def stores(cores: Cores, folder: Path, upstream: Server) -> dict[str, Figure]:
    """What a request asks of Valkey and of PostgreSQL."""
    asked = of_valkey(cores, folder, Setting(state="embedded"), upstream=upstream.port)
    small, large = of_postgres()
    return {
        "valkey_us": _measured(asked.store_us, "µs", "the same requests: two limits and a miss of the cache"),
        "valkey_calls": _measured(asked.trips, "", "scripts run, by `INFO commandstats`"),
        "valkey_commands": _measured(asked.commands, "", "commands, those inside scripts too"),
        "valkey_in_bytes": _measured(asked.bytes_in, "B", "`INFO stats`"),
        "valkey_out_bytes": _measured(asked.bytes_out, "B", "`INFO stats`"),
        "entry_us": _measured(small.cpu_us, "µs", "PostgreSQL 10 entries at a time, no synchronous disk"),
        "entry_batched_us": _measured(large.cpu_us, "µs", "500 entries at a time"),
        "wal_bytes": _measured(small.wal_bytes, "B", "10 at a time, without full page images, which a server adds"),
        "disk_bytes": _measured(small.disk_bytes, "B", "tables and indexes of entry, transaction, postings and sums"),
        "log_bytes": _measured(asked.log_bytes, "B", "one line of the access log"),
        "metrics_bytes": _measured(asked.metrics_bytes, "B", "`/metrics` after one route, one key"),
    }


def _measured(value: float, unit: str, how: str) -> Figure:
    return Figure(value=float(f"{value:.4g}"), unit=unit, source="measured", how=how)


def _documented(value: float, unit: str, how: str) -> Figure:
    return Figure(value=value, unit=unit, source="documented", how=how)


def _assumed(value: float, unit: str, how: str) -> Figure:
    return Figure(value=value, unit=unit, source="assumed", how=how)


GIVEN = {
    "flushes_per_s": _documented(10, "1/s", "`proxy/money/ledger.py`, `INTERVAL`"),
    "state_timeout_s": _documented(0.05, "s", "`state.timeout`"),
    "late_settlements": _documented(10_000, "", "`proxy/limits/failover.py`, `QUEUE`"),
    "journal_bytes": _documented(64 * 1024 * 1024, "B", "`storage.journal_limit`"),
    "journal_line_bytes": _assumed(700, "B", "an entry as JSON in the write-ahead file"),
    "lookup_s": _assumed(30, "s", "time to live of a provider's name"),
    "workers_full": _assumed(0.8, "", "of a core, while a zone is lost"),
    "valkey_full": _assumed(0.5, "", "of its one core"),
    "database_full": _assumed(0.6, "", "of a server"),
    "database_wal": _assumed(200e6, "B/s", "WAL of one server with its standby"),
    "database_cores": _assumed(32, "", "of one server"),
    "ports": _documented(60_000, "", "of the 64,512 above 1,023, what a NAT gives to one destination"),
    "destinations": _assumed(16, "", "addresses and ports of the providers together"),
    "takeover_s": _assumed(10, "s", "until a replica of Valkey serves"),
    "core_month_usd": _assumed(25, "$", "list price of a core with 4 GB"),
}
"""What no box shows."""
