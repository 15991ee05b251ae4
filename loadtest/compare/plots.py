"""The plots of a run, by name: each is one SVG file beside the page."""

from collections.abc import Callable

from .bodies import KB
from .record import Record
from .scenarios import BY_CONNECTIONS, BY_SIZE
from .sides import OURS
from .svg import Bar, Line, bars, lines

ROWS = "CPU per request, µs"


def plots(record: Record) -> dict[str, str]:
    """SVG by name. A plot for which nothing was measured is left out."""
    found = {
        "request": _bars(record, "What a 1 KB chat costs, 16 connections", ROWS, "c16", "request_us"),
        "chunk": _bars(
            record, "What a chunk of a paced stream costs, 100 streams", "CPU per chunk, µs", "paced", "chunk_us"
        ),
        "latency": _latency(record),
        "memory": _memory(record),
        "sizes": _lines(record, "Cost against prompt size, 16 connections", "prompt size", BY_SIZE, _size),
        "connections": _lines(record, "Cost against connections, 1 KB chat", "connections", BY_CONNECTIONS, str),
    }
    return {name: text for name, text in found.items() if text}


def _size(prompt: int) -> str:
    return f"{prompt // KB:,} KB" if prompt < 1000 * KB else f"{prompt // (1000 * KB)} MB"


def _bars(record: Record, title: str, axis: str, scenario: str, figure: str) -> str:
    rows = []
    for side in record.sides:
        value = record.of(scenario, side.name, figure)
        note = record.missing.get(scenario, {}).get(side.name, side.missing)
        if value is not None or note:
            rows.append(Bar(side.title, value, "" if value else note, side.name == OURS))
    return bars(title, axis, rows) if any(row.value for row in rows) else ""


def _latency(record: Record) -> str:
    rows = []
    for side in record.sides:
        p50, p99 = (record.of("rate1000", side.name, f"added_{quantile}") for quantile in ("p50", "p99"))
        note = record.missing.get("rate1000", {}).get(side.name, "")
        if p50 is not None and p99 is not None:
            rows.append(Bar(side.title, max(p50, 1), f"(p99 {p99:,.0f})", side.name == OURS))
        elif note:
            rows.append(Bar(side.title, None, note))
    axis = "added latency at 1,000 req/s, p50, µs"
    return bars("What a gateway adds to the latency", axis, rows) if any(row.value for row in rows) else ""


def _memory(record: Record) -> str:
    rows = []
    for side in record.sides:
        found = record.memory.get(side.name)
        if found:
            note = f"({found['full_pss'] / 1e6:,.0f} with {found['streams']:,} streams)"
            rows.append(Bar(side.title, found["idle_pss"] / 1e6, note, side.name == OURS))
    return bars("Memory, idle", "PSS of the process tree, MB", rows) if rows else ""


def _lines(record: Record, title: str, axis: str, scenarios: dict[int, str], name: Callable[[int], str]) -> str:
    rows = []
    for place, side in enumerate(record.sides):
        known = [(x, record.of(scenario, side.name, "request_us")) for x, scenario in scenarios.items()]
        points = [(float(x), y) for x, y in known if y]
        rows.append(Line(side.title, points, place, side.name == OURS))
    most = max((len(row.points) for row in rows), default=0)
    whole = [row for row in rows if len(row.points) == most]
    return lines(title, axis, ROWS, whole, {float(x): name(x) for x in scenarios}) if most > 1 else ""
