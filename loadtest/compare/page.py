"""The page of a run: tables in Markdown, with the plots beside it; and the three kinds of files kept together."""

from collections.abc import Sequence
from pathlib import Path

from .measure import Cell
from .plots import plots
from .record import Judged, Record, written
from .sides import DIRECT, OURS
from .svg import number

ABOUT_US = "`Tollway` is this checkout with the whole product on: a virtual key, token count, limits, cache lookup, routing, metrics, access log."


def text(record: Record, pictures: Sequence[str] = ()) -> str:
    """The page. ``pictures`` are names of files to show."""
    parts = [
        f"# compare, {record.date}{' (quick: rough)' if record.quick else ''}",
        f"Interleaved rounds of {record.plan['seconds']:g} s, {record.plan['rounds']:g} of each, medians. {ABOUT_US} "
        f"Others used at most {record.foreign:.0%} of a core during a run. How it is measured: [loadtest/README.md](../README.md#side-by-side).",
        _section("Figures", figures_table(record.figures)),
        _section("CPU per request, one core", _cpu(record)),
        _section("Streams", _streams(record)),
        _section("Latency added to a direct connection", _latency(record)),
        _section("Memory of the process tree", _memory(record)),
        _section("Who takes part", _sides(record)),
        "\n".join(f"![{name}]({name})" for name in pictures),
        "\n".join(f"- {name}: {value}" for name, value in (record.versions | record.machine).items()),
        "\n".join(f"- {note}" for note in record.notes),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def save(record: Record, cells: Sequence[Cell], folder: Path) -> Path:
    """Writes page, JSON and plots; returns the page's path. A second run on one day replaces the first."""
    folder.mkdir(exist_ok=True)
    stem = f"{record.date}-compare"
    for old in folder.glob(f"{stem}-*.svg"):
        old.unlink()
    names = []
    for name, picture in plots(record).items():
        names.append(f"{stem}-{name}.svg")
        (folder / names[-1]).write_text(picture)
    (folder / f"{stem}.json").write_text(written(record, cells))
    page = folder / f"{stem}.md"
    page.write_text(text(record, names))
    return page


def table(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns; the first line is its head. Empty when there is nothing below it."""
    if len(lines) < 2:
        return ""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    rule = ["-" * width for width in widths]
    return "\n".join(f"| {' | '.join(line)} |" for line in [padded[0], rule, *padded[1:]])


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def bound(row: Judged, value: float | None) -> str:
    """What is to be reached, as text."""
    return "" if value is None else f"{'>=' if row.at_least else '<='} {value:g} {row.unit}"


def value(row: Judged) -> str:
    """The judged figure with the range of its rounds."""
    if row.value is None:
        return row.problem or "not measured"
    digits = f"{number(row.value)} {row.unit}"
    if len(row.values) > 1:
        digits += f" ({number(min(row.values))} to {number(max(row.values))})"
    return digits


def figures_table(rows: Sequence[Judged]) -> str:
    """The promises and what came of them."""
    head = ("what", "must", "aim", "measured", "")
    return table(
        [head, *((row.what, bound(row, row.must), bound(row, row.aim), value(row), row.verdict) for row in rows)]
    )


def _cell(record: Record, scenario: str, side: str, figure: str, unit: float) -> str:
    """One figure of a table, or why it is not there."""
    found = record.of(scenario, side, figure)
    if found is not None:
        return number(found / unit) if found > 0 else f"{found / unit:.2f}"
    return record.missing.get(scenario, {}).get(side, "")


def _rows(record: Record, columns: Sequence[tuple[str, str, str, float]]) -> str:
    """A table of medians: a column is its head, scenario, figure and unit. Rows and columns without any figure are left out."""
    columns = [column for column in columns if column[1] in record.medians]
    lines = [["", *(column[0] for column in columns)]]
    for side in record.sides:
        cells = [_cell(record, scenario, side.name, figure, unit) for _, scenario, figure, unit in columns]
        if any(cells):
            lines.append([side.title, *cells])
    return table(lines) if columns else ""


def _cpu(record: Record) -> str:
    sizes = [("1 KB, µs", "c16"), ("10 KB, µs", "10kb"), ("100 KB, µs", "100kb"), ("1 MB, µs", "1mb")]
    columns = [
        *((head, scenario, "request_us", 1.0) for head, scenario in sizes),
        *((f"c{count}, µs", f"c{count}", "request_us", 1.0) for count in (1, 4, 64, 256)),
        ("req/s", "c16", "rps", 1.0),
        ("c64, req/s", "c64", "rps", 1.0),
        ("core in use", "c16", "busy", 1.0),
    ]
    said = _rows(record, columns)
    how = "16 connections, but at `c1` to `c256` 1 to 256 of them, with 1 KB."
    return said and f"{said}\n\n{how} Where `core in use` is well below 1, the load was the limit."


def _streams(record: Record) -> str:
    columns = [
        ("paced, CPU per chunk, µs", "paced", "chunk_us", 1.0),
        ("burst, CPU per stream, µs", "burst", "request_us", 1.0),
        ("first token, added p50, ms", "ttft", "added_ttft_p50", 1e3),
        ("added p99, ms", "ttft", "added_ttft_p99", 1e3),
        ("chunk delay, added p50, ms", "ttft", "added_delay_p50", 1e3),
        ("added p99, ms", "ttft", "added_delay_p99", 1e3),
    ]
    return _rows(record, columns)


def _latency(record: Record) -> str:
    columns = [
        (f"{rate} req/s: {quantile}, ms", scenario, f"added_{quantile}", 1e3)
        for rate, scenario in (("50", "rate50"), ("1,000", "rate1000"))
        for quantile in ("p50", "p99")
    ]
    direct = [
        (
            f"{rate} req/s: {record.of(scenario, DIRECT, 'p50'):.0f} µs p50, {record.of(scenario, DIRECT, 'p99'):.0f} µs p99"
        )
        for rate, scenario in (("50", "rate50"), ("1,000", "rate1000"))
        if record.of(scenario, DIRECT, "p50")
    ]
    said = _rows(record, columns)
    return said and f"{said}\n\nWithout a proxy: {'; '.join(direct)}."


def _memory(record: Record) -> str:
    lines: list[tuple[str, ...]] = [
        ("", "idle RSS, MB", "idle PSS, MB", "streams open", "RSS, MB", "PSS, MB", "PSS of a stream, KB")
    ]
    for side in record.sides:
        found = record.memory.get(side.name)
        if found is None:
            if note := record.missing.get("memory", {}).get(side.name):
                lines.append((side.title, note, "", "", "", "", ""))
            continue
        mb = [f"{found[name] / 1e6:.1f}" for name in ("idle_rss", "idle_pss", "full_rss", "full_pss")]
        lines.append((side.title, *mb[:2], f"{found['streams']:,}", *mb[2:], f"{found['stream_pss'] / 1e3:.1f}"))
    return table(lines)


def _sides(record: Record) -> str:
    lines = [("", "version", "how it runs")]
    lines += [
        (
            side.title,
            record.versions.get("commit", "") if side.name == OURS else side.version,
            _settings(side.settings, side.missing),
        )
        for side in record.sides
    ]
    return table(lines)


def _settings(settings: str, missing: str) -> str:
    return f"left out: {missing}" if missing else settings
