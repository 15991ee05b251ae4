"""Scenarios without a network: benches of one part in a process of its own, pinned to the server's core."""

import json
import subprocess
import sys

from .scenarios import QUICK, Bench, Row
from .servers import ROOT, BenchError, child_of_ours, clean_environment

PAGE_MS = 100
LEDGER_ROWS = 1_000_000
FEW_ROWS = 20_000


def chain(bench: Bench) -> list[Row]:
    """The chain alone in process, from `python -m tests.bench.chain --json`: {"us_per_request": .., "us_per_event": ..}."""
    request, event = _figures("chain", in_process(bench, "chain"))
    return [
        Row("chain", "chain alone, in process: CPU per request", 60, "µs", [request]),
        Row("chain", "chain alone, in process: CPU per event", 1, "µs", [event]),
    ]


def admission(bench: Bench) -> list[Row]:
    """Auth, limits and the hold in memory, in the links that are served: `python -m tests.bench.admission --json`."""
    found = in_process(bench, "admission")
    what = "auth, 3 limits, a budget and the durable hold, in memory: CPU per request"
    parts = ", ".join(f"{name} {number(found, name):.1f} µs" for name in ("auth", "limits and hold", "settlement"))
    return [Row("admission", what, 15, "µs", [number(found, "on the path")], gateway=parts)]


def store(bench: Bench) -> list[Row]:
    """The same limits in a real Valkey: `python -m tests.bench.store --json`."""
    rows = []
    for name, found in in_process(bench, "store").items():
        for call in ("reserve", "settle"):
            what = f"limits in Valkey over {name}: our CPU to {call}"
            rows.append(Row("store", what, 60, "µs", [number(found, call)]))
        trips = [number(found, f"trips to {call}") for call in ("reserve", "settle")]
        rows.append(Row("store", f"limits in Valkey over {name}: round trips of each", 1, "trip", [max(trips)]))
    return rows


def keys(bench: Bench) -> list[Row]:
    """100,000 stored keys: `python -m tests.bench.keys --json`."""
    found = in_process(bench, "keys")
    return [
        Row("keys", "100,000 keys: read at a start", 2, "s", [number(found, "start_s")]),
        Row("keys", "100,000 keys: a lookup over one among ten", 1.25, "x", [number(found, "lookup_ratio")]),
    ]


def ledger(bench: Bench) -> list[Row]:
    """Balances and pages among a million requests in SQLite: `python -m tests.bench.storage --engine sqlite --json`."""
    count = FEW_ROWS if bench.plan == QUICK else LEDGER_ROWS
    options = ("--engine", "sqlite", "--rows", str(count))
    found = in_process(bench, "storage", *options, seconds=600).get("sqlite")
    if not isinstance(found, dict):
        raise BenchError("tests.bench.storage printed no figures")
    pages = {
        "a balance": [name for name in found if name.startswith("balance")],
        "a page of usage": [name for name in found if name.startswith("usage")],
        "a page of entries": [name for name in found if name.startswith("entries")],
    }
    return [
        Row(
            "ledger",
            f"{count:,} ledger rows: {what}, the slowest kind",
            PAGE_MS,
            "ms",
            [max(number(found, name) for name in names)],
        )
        for what, names in pages.items()
    ]


def translation(bench: Bench) -> list[Row]:
    """Each dialect and each front alone in process, from `python -m tests.bench.translation --json`: the same pair by name."""
    rows = []
    for name, pair in in_process(bench, "translation").items():
        request, event = _figures("translation", pair)
        rows.append(Row("translation", f"translation, {name}: CPU per 1 KB request", 25, "µs", [request]))
        rows.append(Row("translation", f"translation, {name}: CPU per stream event", 6, "µs", [event]))
    if not rows:
        raise BenchError("tests.bench.translation measured nothing")
    return rows


def in_process(bench: Bench, name: str, *options: str, seconds: float = 120) -> dict[str, object]:
    """What a bench of one process prints, pinned to the server's core (its servers and children are too)."""
    if not (ROOT / "tests" / "bench" / f"{name}.py").exists():
        raise BenchError(f"tests/bench/{name}.py is not there")
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{name}", "--json", *options],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=seconds,
        preexec_fn=child_of_ours(bench.cores.server),
    )
    try:
        measured = json.loads(done.stdout)
    except ValueError:
        measured = None
    if not isinstance(measured, dict):
        raise BenchError(f"tests.bench.{name} printed no figures: {(done.stderr or done.stdout)[-500:]}")
    return measured


def _figures(name: str, pair: object) -> tuple[float, float]:
    """Microseconds a request and an event."""
    try:
        return float(pair["us_per_request"]), float(pair["us_per_event"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        raise BenchError(f"tests.bench.{name} printed no figures: {str(pair)[-500:]}") from None


def number(found: object, name: str) -> float:
    """One figure that a bench printed."""
    try:
        return float(found[name])  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        raise BenchError(f"a bench printed no figure {name!r}: {str(found)[-500:]}") from None
