"""The result as text for a terminal."""

from collections.abc import Sequence

from . import words
from .outcome import Outcome


def text(found: Outcome) -> str:
    """What ``tollway bench`` prints."""
    settings = found.settings
    parts = [f"{settings.url}  {settings.model}", f"{words.load(found)}, seed {settings.seed}"]
    if found.interrupted:
        parts.append("INTERRUPTED: what follows is about the requests that had ended.")
    parts.append("")
    parts.extend(f"{name:<12}{value}" for name, value in words.throughput(found))
    headings = [name for name, _ in words.TIMES]
    rows = words.times(found.measured)
    if rows:
        parts += ["", aligned([("milliseconds", *headings), *rows])]
    if found.direct is not None:
        parts += _compared(found, headings)
    if found.repetition:
        heading = (f"{settings.repeat} runs", "mean", "std", "variation", "two runs differ by less than")
        parts += ["", aligned([heading, *words.repetition(found)])]
    if found.measured.errors:
        parts += ["", aligned([("errors", "", "for example"), *words.errors(found.measured)], left=(0, 2))]
    parts.extend(f"\nWarning: {warning}" for warning in found.warnings)
    return "\n".join(parts)


def _compared(found: Outcome, headings: Sequence[str]) -> list[str]:
    assert found.direct is not None
    direct = found.direct
    parts = ["", f"Direct: {found.settings.baseline}, {direct.completed:,} completed, {direct.failed:,} failed"]
    if rows := words.times(direct):
        parts.append(aligned([("milliseconds", *headings), *rows]))
    if rows := words.added(found):
        parts += ["", aligned([("added, ms [95 %]", "p50", "p95", "p99"), *rows])]
    if direct.errors:
        parts += ["", aligned([("direct errors", "", "for example"), *words.errors(direct)], left=(0, 2))]
    return parts


def aligned(rows: Sequence[Sequence[str]], *, left: Sequence[int] = (0,)) -> str:
    """Columns as wide as their widest cell; those not ``left`` are flush right."""
    clean = [["".join(letter if letter.isprintable() else "?" for letter in cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in clean) for at in range(len(clean[0]))]
    return "\n".join(
        "  ".join(
            f"{cell:<{width}}" if at in left else f"{cell:>{width}}"
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in clean
    )
