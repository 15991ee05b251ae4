"""The figures of README.md, written between their markers from the newest run that was kept; `python -m loadtest.compare.readme`."""

import sys
from pathlib import Path

from ..bench.scenarios import FOREIGN_SHARE
from ..bench.servers import ROOT
from .page import bound, value
from .record import Record, newest, read
from .scenarios import BARE
from .sides import OURS
from .svg import number

README = ROOT / "README.md"
BEGIN = "<!-- figures: written by python -m loadtest.compare.readme from the newest loadtest/results/*-compare.json; never by hand -->"
END = "<!-- /figures -->"
MARKER = "<!-- figures"


def block(record: Record, stem: str) -> str:
    """The section between the markers, without them. ``stem`` is the path of the run's files, from the README."""
    rough = "A short run, whose figures are rough, " if record.quick else "One run "
    what = (
        f"`make compare` measures the gateway, the whole product on, beside its peers on your machine: the same mock provider, the same "
        f"requests, one core each. {rough}of {_day(record.date)} ({record.machine['cores']} cores, {record.plan['rounds']:g} "
        f"{'round' if record.plan['rounds'] == 1 else 'rounds'}, medians; [all tables]({stem}.md)){_disturbance(record)}:"
    )
    picture = f"![CPU per request of the gateway and its peers]({stem}-request.svg)" if "c16" in record.medians else ""
    parts = [
        what,
        _peers(record),
        picture,
        _promises(record),
        "Ratios hold better than microseconds: other machines, and other minutes of the same one, differ.",
    ]
    return "\n\n".join(filter(None, parts))


def write(readme: Path = README) -> None:
    """Puts the newest run in place of the figures that are there."""
    text = readme.read_text()
    path = newest()
    if path is not None:
        readme.write_text(replaced(text, block(read(path), _stem(path))))


def replaced(text: str, figures: str) -> str:
    """The page with other figures between its markers."""
    before, _, rest = text.partition(MARKER)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(
            f"README.md has no figures to replace: put a line '{BEGIN}' and a line '{END}' where they belong"
        )
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"


def _disturbance(record: Record) -> str:
    """What other work did to the run, when it was enough to matter."""
    return (
        f", disturbed by other work that took up to {record.foreign:.0%} of a core"
        if record.foreign > FOREIGN_SHARE
        else ""
    )


def _stem(path: Path) -> str:
    return str(path.relative_to(ROOT).with_suffix(""))


def _day(date: str) -> str:
    year, month, day = date.split("-")
    names = "January February March April May June July August September October November December".split()
    return f"{int(day)} {names[int(month) - 1]} {year}"


def _peers(record: Record) -> str:
    head = "| | CPU per 1 KB request | requests/s on a core | CPU per paced chunk | added p50 at 1,000 req/s | memory idle |\n|---|---|---|---|---|---|"
    rows = []
    for side in record.sides:
        if side.name == BARE or side.missing:
            continue
        late = record.of("rate1000", side.name, "added_p50")
        memory = record.memory.get(side.name)
        cells = [
            _cell(record.of("c16", side.name, "request_us"), "µs"),
            _cell(record.of("c16", side.name, "rps"), ""),
            _cell(record.of("paced", side.name, "chunk_us"), "µs"),
            f"{late / 1000:.2f} ms" if late is not None else record.missing.get("rate1000", {}).get(side.name, ""),
            f"{memory['idle_pss'] / 1e6:.0f} MB" if memory else "",
        ]
        title = f"**{side.title}**" if side.name == OURS else side.title
        rows.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join([head, *rows])


def _cell(figure: float | None, unit: str) -> str:
    return "" if figure is None else f"{number(figure)} {unit}".strip()


def _promises(record: Record) -> str:
    rows = [f"| {row.what} | {value(row)} | {bound(row, row.must)} |" for row in record.figures if row.must is not None]
    return "\n".join(["| promised | measured | must |", "|---|---|---|", *rows])


if __name__ == "__main__":
    write()
    sys.exit(0)
