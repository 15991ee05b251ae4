"""The result as one HTML page: figures first, then how they are distributed, how they went over time, and the tables."""

from bisect import bisect_right
from collections.abc import Callable, Sequence

from .. import charts
from ..charts import Axis, Column, Dot, Dots, Guide, Layer, Line, Markup, Tile
from . import words
from .outcome import Outcome
from .statistics import Summary, percentile
from .timeline import Timeline

_POINTS = 400
"""Points of a curve, and crosses of a picture: what an eye can tell apart."""
_BUCKETS = 40
"""Steps of time that a run is divided into, at most."""
_EACH = 4
"""Requests that a step is to hold: a rate of fewer is noise."""

_SHORT = {"ttft": "TTFT", "tpot": "TPOT", "e2el": "End to end"}
_HOW = {
    "ttft": "From when a request was due to its first piece of output.",
    "tpot": "(end to end - first token) / (output tokens - 1), request by request.",
    "itl": "Between neighbouring pieces of output, of all requests together.",
    "e2el": "From when a request was due to the end of its answer.",
}


def page(found: Outcome) -> str:
    """The document."""
    settings = found.settings
    subtitle = (
        f"{settings.model}: {words.load(found)}. {settings.date}, seed {settings.seed}, tollway {settings.version}."
    )
    said = ["The run was interrupted: this is about the requests that had ended."] if found.interrupted else []
    return charts.page(
        f"Benchmark of {settings.url}",
        charts.notice(*said, *found.warnings),
        charts.tiles(_tiles(found)),
        _distributions(found),
        _course(found),
        *_added(found),
        *_tables(found),
        _settings(found),
        subtitle=subtitle,
        footer="Times begin when a request was due, not when it could be sent. Percentiles are of completed requests, by linear interpolation.",
    )


def _tiles(found: Outcome) -> list[Tile]:
    side = found.measured
    made = [
        Tile(label="Completed", value=f"{side.completed:,}", note=f"{side.failed:,} failed in {side.duration:.1f} s"),
        Tile(
            label="Throughput",
            value=f"{side.rate(side.completed):,.1f}/s",
            note=f"{side.rate(side.output_tokens):,.0f} output tokens/s",
        ),
    ]
    if side.good is not None:
        asked = side.completed + side.failed
        slo = ", ".join(f"{name} {bound * 1000:g} ms" for name, bound in found.settings.objectives.items())
        made.append(Tile(label="Goodput", value=f"{side.good / asked:.1%}" if asked else "none", note=f"within {slo}"))
    for name, short in _SHORT.items():
        summary: Summary | None = getattr(side, name)
        if summary is not None:
            value = f"{words.milliseconds(summary.percentiles[95.0])} ms"
            made.append(Tile(label=f"{short} p95", value=value, note=f"p50 {words.milliseconds(summary.median)} ms"))
    name = "ttft" if "ttft" in found.added else "e2el"
    if name in found.added:
        middle = found.added[name][0]
        note = f"p50; {words.milliseconds(middle.low)} to {words.milliseconds(middle.high)}"
        made.append(Tile(label=f"{_SHORT[name]} added", value=f"{words.signed(middle.value)} ms", note=note))
    return made


def _distributions(found: Outcome) -> Markup:
    pictures = []
    for name, title in words.METRICS.items():
        layers = [_curve(found, name, 0)]
        if found.direct is not None:
            layers.append(_curve(found, name, 1))
        if not layers[0].points:
            continue
        bound = found.settings.objectives.get(name)
        guides = [Guide(label=f"objective {bound * 1000:g} ms", x=bound * 1000)] if bound is not None else []
        summary = getattr(found.measured, name)
        described = (
            f"Half of them take up to {words.milliseconds(summary.median)} ms, 95 % up to {words.milliseconds(summary.percentiles[95.0])} ms, "
            f"99 % up to {words.milliseconds(summary.percentiles[99.0])} ms."
        )
        drawn = charts.plot(
            title,
            layers,
            x=_axis([value for layer in layers for value, _ in layer.points]),
            y=Axis(label="share, %", low=0, high=100),
            description=described,
            guides=guides,
        )
        pictures.append(charts.figure(title, drawn, note=_HOW[name]))
    if not pictures:
        return Markup("")
    note = "How many of the requests, in percent, took at most so long. The steeper a curve, the more alike they are."
    return charts.section("Latency", charts.pair(*pictures), note=note)


def _axis(values: Sequence[float]) -> Axis:
    """Logarithmic where the values differ by more than ten times."""
    wide = max(values, default=0.0) > 10 * min((value for value in values if value > 0), default=1.0)
    return Axis(label="milliseconds, logarithmic" if wide else "milliseconds", log=wide)


def _curve(found: Outcome, name: str, side: int) -> Line:
    """The distribution of a metric: the share of values up to each."""
    values = sorted(
        value * 1000 for each in found.timelines if each.side == side and each.good for value in _values(each, name)
    )
    shares = [100.0 * at / _POINTS for at in range(_POINTS + 1)] if len(values) > _POINTS else None
    if shares is None:
        points = [(value, 100.0 * (at + 1) / len(values)) for at, value in enumerate(values)]
        points[:0] = [(values[0], 0.0)] if values else []
    else:
        points = [(percentile(values, share), share) for share in shares]
    title = "direct" if side else "measured" if found.direct is not None else ""
    return Line(name=title, points=points, slot=side + 1, dashed=bool(side))


def _values(each: Timeline, name: str) -> Sequence[float]:
    if name == "itl":
        return each.gaps
    value = {"ttft": each.ttft, "tpot": each.tpot, "e2el": each.latency}[name]
    return [] if value is None else [value]


def _course(found: Outcome) -> Markup:
    """Over time: each request's latency, and how many were under way and answered."""
    shown = [each for each in found.timelines if each.side == 0 and each.ended]
    if not shown:
        return Markup("")
    first, last = min(each.due for each in shown), max(each.ended for each in shown)
    seconds = Axis(label="seconds since the first measured request", low=0)
    buckets = min(max(len(shown) // _EACH, 4), _BUCKETS)
    width = max(last - first, 1e-3) / buckets
    return charts.section(
        "Over time",
        charts.pair(
            charts.figure(
                "Latency",
                charts.plot(
                    "Latency over time",
                    _latencies(shown, first),
                    x=seconds,
                    y=Axis(label="milliseconds", low=0),
                    description="Each request as a dot, at the time it was due: to its first token and to its end.",
                ),
                note="Each request at the time it was due; a cross failed.",
            ),
            charts.figure(
                "Load",
                charts.plot(
                    "Load over time",
                    _loads(shown, first, width, buckets),
                    x=seconds,
                    y=Axis(label="requests", low=0),
                    description=f"At most {found.measured.peak_in_flight} were in flight at once.",
                ),
                note="Requests in flight, and answers a second.",
            ),
        ),
    )


def _latencies(shown: Sequence[Timeline], first: float) -> list[Layer]:
    whole, failed = [each for each in shown if each.good], [each for each in shown if each.error]
    ends = [_dot(each, first, each.latency, "end to end") for each in _thinned(whole, lambda each: each.latency)]
    firsts = [
        _dot(each, first, each.ttft or 0.0, "first token")
        for each in _thinned([each for each in whole if each.chunks], lambda each: each.ttft or 0.0)
    ]
    layers: list[Layer] = [Dots(name="end to end", dots=ends, slot=7, size=2.5)] if ends else []
    if firsts:
        layers.append(Dots(name="first token", dots=firsts, slot=1, size=2.5))
    if failed:
        crosses = [_dot(each, first, each.latency, each.error) for each in _thinned(failed, lambda each: each.latency)]
        layers.append(Dots(name="failed", dots=crosses, slot=8, size=3.5, cross=True))
    return layers


def _dot(each: Timeline, first: float, value: float, what: str) -> Dot:
    return Dot(x=each.due - first, y=value * 1000, tip=f"request {each.number}: {what} {words.milliseconds(value)} ms")


def _thinned(found: Sequence[Timeline], value: Callable[[Timeline], float]) -> list[Timeline]:
    """At most ``_POINTS``: of as many neighbours as it takes, the one with the greatest and the one with the least value."""
    if len(found) <= _POINTS:
        return list(found)
    step = -(-2 * len(found) // _POINTS)
    kept: list[Timeline] = []
    for at in range(0, len(found), step):
        group = sorted(found[at : at + step], key=value)
        kept.extend(group[:1] if len(group) == 1 else (group[0], group[-1]))
    return kept


def _loads(shown: Sequence[Timeline], first: float, width: float, buckets: int) -> list[Layer]:
    sent = sorted(each.sent - first for each in shown)
    ended = sorted(each.ended - first for each in shown)
    done = sorted(each.ended - first for each in shown if each.good)
    flying, answered = [], []
    for at in range(buckets + 1):
        now = at * width
        flying.append((now, float(_up_to(sent, now) - _up_to(ended, now))))
        if at:
            answered.append((now - width / 2, (_up_to(done, now) - _up_to(done, now - width)) / width))
    return [
        Line(name="in flight", points=flying, slot=1, area=True),
        Line(name="answered a second", points=answered, slot=3, dashed=True),
    ]


def _up_to(ordered: Sequence[float], value: float) -> int:
    return bisect_right(ordered, value + 1e-9)


def _added(found: Outcome) -> list[Markup]:
    if found.direct is None:
        return []
    columns = [Column(heading="milliseconds"), *(Column(heading=name, numeric=True) for name in ("p50", "p95", "p99"))]
    note = (
        f"{found.settings.url} less {found.settings.baseline}, the same prompts to both in turn: the difference of their percentiles, "
        "with a 95 % bootstrap interval. An interval that holds 0 shows no difference."
    )
    return [charts.section("Added latency", charts.table(columns, words.added(found)), note=note)]


def _tables(found: Outcome) -> list[Markup]:
    columns = [Column(heading="milliseconds"), *(Column(heading=name, numeric=True) for name, _ in words.TIMES)]
    made = [charts.table(columns, words.times(found.measured), caption="Measured" if found.direct is not None else "")]
    if found.direct is not None:
        made.append(charts.table(columns, words.times(found.direct), caption="Direct"))
    parts = [charts.section("Times", *made)]
    for title, side in (("Errors", found.measured), ("Errors of the direct side", found.direct)):
        if side is not None and side.errors:
            heads = [Column(heading="class"), Column(heading="requests", numeric=True), Column(heading="for example")]
            parts.append(charts.section(title, charts.table(heads, words.errors(side))))
    if found.repetition:
        heads = [
            Column(heading="figure"),
            *(Column(heading=name, numeric=True) for name in ("mean", "std", "variation", "limit")),
        ]
        note = "Two runs under the same conditions differ by less than the limit of repetition 95 times in 100 (1.96 √2 std)."
        parts.append(charts.section(f"{len(found.runs)} runs", charts.table(heads, words.repetition(found)), note=note))
    return parts


def _settings(found: Outcome) -> Markup:
    settings = found.settings
    rows = [
        *words.throughput(found),
        ("Model", settings.model),
        ("Load", words.load(found)),
        ("Prompts", settings.prompts),
        ("Answers", settings.answers),
        ("Warm-up", settings.warmup),
        ("Cool-down", settings.cooldown),
        ("Seed", str(settings.seed)),
    ]
    return charts.section("Run", charts.listed(rows))
