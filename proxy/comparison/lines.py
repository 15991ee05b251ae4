"""The comparison as lines for a terminal, and how its figures are written wherever they stand."""

from collections.abc import Sequence

from .intervals import Gap
from .summary import Class, Comparison, Model, Quality, p95

UNKNOWN = "-"


def report(comparison: Comparison, *, by_class: bool) -> str:
    """Tables of the models, of their classes if asked for, the differences and what must be known of the figures."""
    parts = [_aligned(models_table(comparison))]
    if by_class:
        parts.append(_aligned(classes_table(comparison), numbers_from=2))
    if comparison.gaps:
        parts.append(_aligned(gaps_table(comparison), numbers_from=2))
    told = fronts(comparison)
    told += [f"Note: {note}" for note in comparison.notes]
    judged = f", {usd(comparison.judged)} of it for the judge" if comparison.judge else ""
    told.append(f"Spent so far: {usd(comparison.spent)}{judged}.")
    return "\n\n".join([*parts, "\n".join(map(_printable, told))])


def models_table(comparison: Comparison) -> list[list[str]]:
    """A heading, and a row for each model."""
    head = [
        "model",
        "quality",
        "95 % interval",
        "graded",
        "$ per 1,000",
        "TTFT p50",
        "TTFT p95",
        "p50",
        "p95",
        "p99",
        "errors",
    ]
    return [head, *(_model_row(row) for row in comparison.models)]


def _model_row(row: Model) -> list[str]:
    ttft, whole = row.ttft, row.seconds
    return [
        row.model,
        share(row.quality),
        interval(row.quality),
        f"{row.quality.graded} of {row.prompts}",
        money(row.cost_per_1000),
        seconds(ttft.median if ttft is not None else None),
        seconds(p95(ttft)),
        seconds(whole.median if whole is not None else None),
        seconds(p95(whole)),
        seconds(whole.percentiles[99.0] if whole is not None else None),
        errors(row.errors),
    ]


def classes_table(comparison: Comparison) -> list[list[str]]:
    """A heading, and a row for each class and model."""
    head = ["class", "model", "quality", "95 % interval", "graded", "$ per 1,000", "TTFT p95", "p95", "errors"]
    rows = [
        _class_row(kind, row.model, row.classes[kind])
        for kind in comparison.classes
        for row in comparison.models
        if kind in row.classes
    ]
    return [head, *rows]


def _class_row(kind: str, model: str, found: Class) -> list[str]:
    return [
        kind,
        model,
        share(found.quality),
        interval(found.quality),
        f"{found.quality.graded} of {found.prompts}",
        money(found.cost_per_1000),
        seconds(found.ttft_p95),
        seconds(found.seconds_p95),
        errors(found.errors),
    ]


_GAP_HEAD = [
    "model",
    "against",
    "difference",
    "95 % interval",
    "only it right",
    "only the other",
    "both graded",
    "p",
    "says",
]


def gaps_table(comparison: Comparison) -> list[list[str]]:
    """A heading, and a row for each pair of models."""
    return [_GAP_HEAD, *(gap_row(gap) for gap in comparison.gaps)]


def gap_row(gap: Gap) -> list[str]:
    """One pair in words; nothing is said to be better unless chance is an unlikely reason."""
    if gap.n == 0:
        return [gap.first, gap.second, *[UNKNOWN] * 4, "0", UNKNOWN, "no question in common"]
    says = "no difference shown"
    if gap.p < 0.05:
        says = f"{gap.first if gap.difference > 0 else gap.second} is better"
    return [
        gap.first,
        gap.second,
        f"{gap.difference * 100:+.1f} %",
        f"{gap.low * 100:+.1f} to {gap.high * 100:+.1f} %",
        str(gap.better),
        str(gap.worse),
        str(gap.n),
        f"{gap.p:.3f}" if gap.p >= 0.001 else "< 0.001",
        says,
    ]


def fronts(comparison: Comparison) -> list[str]:
    """Who is beaten by nobody."""
    named = {"cost": "Quality for its cost", "seconds_p95": "Quality for its p95"}
    return [
        f"{what}: beaten by nobody: {', '.join(comparison.fronts[axis])}."
        for axis, what in named.items()
        if comparison.fronts[axis]
    ]


# ---- figures ---------------------------------------------------------------------------------------------------------


def share(quality: Quality) -> str:
    """``83.3 %``."""
    return f"{quality.share * 100:.1f} %" if quality.share is not None else UNKNOWN


def interval(quality: Quality) -> str:
    """``71.2 to 90.8 %``."""
    return f"{quality.low * 100:.1f} to {quality.high * 100:.1f} %" if quality.share is not None else UNKNOWN


def money(dollars: float | None) -> str:
    """With as many digits as a small amount needs."""
    if dollars is None:
        return UNKNOWN
    return f"{dollars:,.2f}" if dollars >= 1 or dollars == 0 else f"{dollars:.3g}"


def usd(dollars: float) -> str:
    """An amount with its sign, to the hundredth of a cent below a dollar."""
    return f"${dollars:,.2f}" if dollars >= 1 or dollars == 0 else f"${dollars:.4f}"


def seconds(value: float | None) -> str:
    """Milliseconds below ten seconds."""
    if value is None:
        return UNKNOWN
    return f"{value * 1000:,.0f} ms" if value < 10 else f"{value:.1f} s"


def errors(found: dict[str, int]) -> str:
    """How many of which kind."""
    return ", ".join(f"{times} {code}" for code, times in found.items()) or "0"


def _aligned(rows: Sequence[Sequence[str]], *, numbers_from: int = 1) -> str:
    """Columns as wide as their widest cell; names to the left, figures to the right, words at the end to the left."""
    cells = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))]
    last = len(widths) - 1
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at < numbers_from or at == last else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def _printable(text: str) -> str:
    """Control characters of a foreign text do not reach the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
