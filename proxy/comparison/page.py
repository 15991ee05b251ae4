"""The comparison as one HTML page that needs no network: figures first, then who is beaten by nobody, then everything else."""

from collections.abc import Sequence
from itertools import pairwise

from ..charts import (
    Axis,
    Column,
    Dot,
    Dots,
    Line,
    Markup,
    Tile,
    figure,
    folded,
    joined,
    listed,
    notice,
    pair,
    plot,
    section,
    shown,
    table,
    tiles,
)
from ..charts import page as whole
from . import lines
from .summary import Comparison, Graded, Model, p95

EXAMPLES = 5
"""Wrong answers of each model that are shown."""

_LONGEST = 600
"""Characters of a text that is shown."""

Rows = Sequence[Sequence[str]]


def page(comparison: Comparison, found: Sequence[Graded], settings: Sequence[tuple[str, str]]) -> str:
    """The document. ``settings``: what the run was started with."""
    return whole(
        f"{comparison.dataset}: {len(comparison.models)} models compared",
        tiles(_tiles(comparison)),
        notice(*comparison.notes, *_left_out(comparison)),
        _pictures(comparison),
        section("Models", _table(lines.models_table(comparison), words=1), note=_MODELS),
        _differences(comparison),
        section("Classes", _table(lines.classes_table(comparison), words=2), note=_CLASSES),
        _errors(comparison),
        _examples(comparison, found),
        section("How it was asked", listed([*settings, ("Questions", comparison.digest)])),
        subtitle=f"{comparison.prompts} prompts, {comparison.generated}",
        footer="Made by tollway compare. Intervals hold the true value 95 times in 100, of questions drawn like these.",
    )


_MODELS = (
    "Quality is the share of graded answers that passed, with Wilson's 95 % interval. Times run from sending to the first token "
    "(TTFT) and to the end of the answer, as a client of the gateway sees them. What failed is not graded."
)
_CLASSES = "The classes of the dataset. With few prompts in a class its interval is wide, and says so."


def _tiles(comparison: Comparison) -> list[Tile]:
    def by(row: Model) -> float:
        return row.quality.share if row.quality.share is not None else -1.0

    best = max(comparison.models, key=by)
    answered = sum(row.answered for row in comparison.models)
    asked = sum(row.prompts for row in comparison.models)
    found = []
    if best.quality.share is not None:
        found.append(
            Tile(
                label="Best quality",
                value=lines.share(best.quality),
                note=f"{best.model}, {lines.interval(best.quality)}",
            )
        )
    priced = [row for row in comparison.models if row.cost_per_1000 is not None]
    if priced:
        cheapest = min(priced, key=lambda row: row.cost_per_1000 or 0.0)
        found.append(
            Tile(label="Least cost for 1,000", value=f"${lines.money(cheapest.cost_per_1000)}", note=cheapest.model)
        )
    timed = [row for row in comparison.models if row.seconds is not None]
    if timed:
        fastest = min(timed, key=lambda row: p95(row.seconds) or 0.0)
        found.append(Tile(label="Least p95", value=lines.seconds(p95(fastest.seconds)), note=fastest.model))
    judged = f"{lines.usd(comparison.judged)} of it for the judge" if comparison.judge else "all runs of this file"
    return [
        *found,
        Tile(label="Answered", value=f"{answered:,} of {asked:,}", note=f"{comparison.failed} failed"),
        Tile(label="Spent", value=lines.usd(comparison.spent), note=judged),
    ]


def _left_out(comparison: Comparison) -> list[str]:
    if not comparison.broken:
        return []
    shown_lines = "; ".join(comparison.broken[:10])
    more = f"; and {len(comparison.broken) - 10} more" if len(comparison.broken) > 10 else ""
    return [f"Lines of the dataset that were left out: {shown_lines}{more}."]


# ---- pictures --------------------------------------------------------------------------------------------------------


def _pictures(comparison: Comparison) -> Markup:
    pictures = [
        _plane(comparison, "cost", "US dollars for 1,000 answers"),
        _plane(comparison, "seconds_p95", "milliseconds to the end of the answer, p95"),
    ]
    drawn = [picture for picture in pictures if picture]
    if not drawn:
        return Markup("")
    return section(
        "Quality for its price, and for its time",
        pair(*drawn),
        note="Up is better, left is cheaper or faster. The dashed steps join the models that nobody beats in both; whiskers are 95 % intervals.",
    )


def _plane(comparison: Comparison, axis: str, label: str) -> Markup:
    """One picture; nothing where no model has both figures."""
    places = {row.model: place for row in comparison.models if (place := _place(row, axis)) is not None}
    if not places:
        return Markup("")
    slots = {row.model: at for at, row in enumerate(comparison.models, 1)}
    layers: list[Line | Dots] = []
    best = [places[model] for model in comparison.fronts[axis]]
    if len(best) > 1:
        layers.append(Line(name="", points=_steps(best), slot=8, dashed=True))
    layers += [Dots(name="", dots=[place], slot=slots[model], size=6.0) for model, place in places.items()]
    costs = [place.x for place in places.values()]
    wide = min(costs) > 0 and max(costs) / min(costs) > 20
    title = f"Quality against {label}"
    told = "; ".join(f"{model}: {place.tip}" for model, place in places.items())
    return figure(
        title + (" (logarithmic)" if wide else ""),
        plot(
            title,
            layers,
            x=Axis(label=label, log=wide, low=None if wide else 0.0, show=shown),
            y=Axis(label="quality, %", low=0.0, high=100.0),
            description=f"{told}. Beaten by nobody: {', '.join(comparison.fronts[axis])}.",
        ),
    )


def _steps(best: Sequence[Dot]) -> list[tuple[float, float]]:
    """What can be had: up to the next model's price there is nothing better than the one before it."""
    points = [(best[0].x, best[0].y)]
    for before, after in pairwise(best):
        points += [(after.x, before.y), (after.x, after.y)]
    return points


def _place(row: Model, axis: str) -> Dot | None:
    late = p95(row.seconds)
    x = row.cost_per_1000 if axis == "cost" else late * 1000 if late is not None else None
    if x is None or row.quality.share is None:
        return None
    words = f"${lines.money(x)}" if axis == "cost" else lines.seconds(late)
    return Dot(
        x=x,
        y=row.quality.share * 100,
        label=row.model,
        tip=f"{lines.share(row.quality)} ({lines.interval(row.quality)}), {words}",
        y_range=(row.quality.low * 100, row.quality.high * 100),
    )


# ---- tables ----------------------------------------------------------------------------------------------------------


def _table(rows: Rows, *, words: int) -> Markup:
    """``words``: how many columns at the left are names; the last one is words, too."""
    last = len(rows[0]) - 1
    columns = [Column(heading=heading, numeric=words <= at < last) for at, heading in enumerate(rows[0])]
    return table(columns, rows[1:])


def _differences(comparison: Comparison) -> Markup:
    if not comparison.gaps:
        return Markup("")
    return section(
        "Differences on the same prompts",
        _table(lines.gaps_table(comparison), words=2),
        note="Of prompts on which both models were graded. The interval is a paired bootstrap's; p is McNemar's exact test. Of many "
        "pairs one in twenty looks different by chance.",
    )


def _errors(comparison: Comparison) -> Markup:
    rows = [
        [row.model, code, str(times), row.details.get(code, "")[:_LONGEST]]
        for row in comparison.models
        for code, times in row.errors.items()
    ]
    if not rows:
        return Markup("")
    columns = [Column(heading="model"), Column(heading="error"), Column(heading="questions", numeric=True)]
    return section("Errors", table([*columns, Column(heading="in words, the last one")], rows))


def _examples(comparison: Comparison, found: Sequence[Graded]) -> Markup:
    """Some of what was wrong: without looking at it nobody should believe a score."""
    parts = []
    for row in comparison.models:
        wrong = [
            each
            for each in found
            if each.model == row.model and each.verdict.passed is not True and each.answer is not None
        ]
        wrong = [
            each
            for each in wrong
            if each.prompt.check is not None and each.answer is not None and not each.answer.error
        ]
        if wrong:
            rows = [_example(each) for each in wrong[:EXAMPLES]]
            columns = [Column(heading=name) for name in ("prompt", "class", "verdict", "why", "answer")]
            parts.append(folded(f"{row.model}: {len(rows)} of {len(wrong)}", table(columns, rows)))
    if not parts:
        return Markup("")
    return section(
        "Answers that did not pass",
        joined(*parts),
        note="The first of each model, to be read before a score is believed.",
    )


def _example(each: Graded) -> list[str]:
    verdict = "failed" if each.verdict.passed is False else "not graded"
    answer = " ".join(each.answer.text.split()) if each.answer is not None else ""
    return [
        each.prompt.id,
        each.prompt.kind,
        verdict,
        each.verdict.why,
        answer[:160] + ("…" if len(answer) > 160 else ""),
    ]
