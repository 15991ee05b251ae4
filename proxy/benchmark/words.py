"""Figures as the table and the page write them: the same numbers in the same words in both."""

from collections.abc import Callable

from .figures import Figures
from .outcome import Outcome
from .server import Spent
from .statistics import Difference, Repetition, Summary

METRICS: dict[str, str] = {
    "ttft": "Time to first token",
    "tpot": "Time per output token",
    "itl": "Gap between chunks",
    "e2el": "End to end",
}
"""Metric to its name, in the order they are shown."""

TIMES: tuple[tuple[str, Callable[[Summary], float]], ...] = (
    ("mean", lambda found: found.mean),
    ("std", lambda found: found.std),
    ("p50", lambda found: found.median),
    ("p90", lambda found: found.percentiles[90.0]),
    ("p95", lambda found: found.percentiles[95.0]),
    ("p99", lambda found: found.percentiles[99.0]),
    ("max", lambda found: found.most),
)
"""Heading to the figure below it."""

Row = tuple[str, ...]


def milliseconds(value: float) -> str:
    """Seconds in milliseconds: as many digits as were measured, no more."""
    value *= 1000.0
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def signed(value: float) -> str:
    """The same with its sign."""
    return ("+" if value >= 0 else "") + milliseconds(value)


def times(found: Figures) -> list[Row]:
    """A row for each metric that was measured."""
    rows = []
    for name, title in METRICS.items():
        summary: Summary | None = getattr(found, name)
        if summary is not None:
            rows.append((title, *(milliseconds(read(summary)) for _, read in TIMES)))
    return rows


def added(found: Outcome) -> list[Row]:
    """A row for each metric, a cell for each percentile: the difference and its interval."""
    return [(METRICS[name], *map(interval, differences)) for name, differences in found.added.items()]


def interval(found: Difference) -> str:
    """``+1.2 [0.9, 1.6]``, in milliseconds."""
    return f"{signed(found.value)} [{milliseconds(found.low)}, {milliseconds(found.high)}]"


def throughput(found: Outcome) -> list[tuple[str, str]]:
    """What was done in which time, and where the tokens are from."""
    side, settings = found.measured, found.settings
    rows = [
        ("Requests", _requests(side)),
        ("Duration", f"{side.duration:.2f} s"),
        (
            "Throughput",
            f"{side.rate(side.completed):.2f} requests/s, {side.rate(side.output_tokens):,.1f} output tokens/s",
        ),
    ]
    if side.good is not None:
        asked = side.completed + side.failed
        share = f"{side.good / asked:.1%}" if asked else "none"
        slo = ", ".join(f"{name} <= {bound * 1000:g} ms" for name, bound in settings.objectives.items())
        rows.append(
            ("Goodput", f"{side.rate(side.good):.2f} requests/s, {side.good:,} of {asked:,} ({share}) within {slo}")
        )
    rows.append(("Tokens", _tokens(side)))
    if side.chunks is not None:
        rows.append(
            ("Chunks", f"{side.chunks.mean:.1f} of output a request, {side.peak_tokens:,} in the busiest second")
        )
    rows.append(("In flight", f"{side.peak_in_flight:,} at most"))
    if side.overhead is not None:
        rows.append(
            (
                "Overhead",
                f"{milliseconds(side.overhead.median)} ms p50, {milliseconds(side.overhead.percentiles[99.0])} ms p99, as the gateway tells",
            )
        )
    if found.server is not None:
        rows.append(("Server", _server(found.server)))
    rows.append(("Generator", generator(found)))
    return rows


def generator(found: Outcome) -> str:
    """What the generator did to the figures."""
    made = found.generator
    if made.lateness is None:
        return "nothing was sent"
    late = (
        f"late by {milliseconds(made.lateness.median)} ms p50, {milliseconds(made.lateness.percentiles[99.0])} ms p99"
    )
    return f"{made.cpu:.0%} of a core; {late}" if found.settings.rate is not None else f"{made.cpu:.0%} of a core"


def _server(found: Spent) -> str:
    per = "no request" if found.per_1000 is None else f"{found.per_1000:.2f} s of CPU for 1,000 requests"
    size = f"{found.resident / 1e6:,.0f} MB resident"
    return f"{per}, {size}" + (f" in {found.processes} processes" if found.processes > 1 else "")


def _requests(side: Figures) -> str:
    parts = [f"{side.completed:,} completed", f"{side.failed:,} failed"]
    if side.interrupted:
        parts.append(f"{side.interrupted:,} not finished")
    if side.cached:
        parts.append(f"{side.cached:,} from a cache")
    return ", ".join(parts)


def _tokens(side: Figures) -> str:
    if not side.usage_reported:
        source = "pieces of output counted: no usage reported"
    else:
        source = f"as {side.usage_reported:,} of {side.completed:,} answers report them"
        if side.usage_mismatches:
            source += f"; in {side.usage_mismatches:,} not one a chunk"
    return f"{side.input_tokens:,} in, {side.output_tokens:,} out ({source})"


def errors(side: Figures) -> list[Row]:
    """A row for each class: how many, and an example of what was said."""
    return [(kind, f"{count:,}", side.messages.get(kind, "")) for kind, count in side.errors.items()]


def repetition(found: Outcome) -> list[Row]:
    """Mean, standard deviation, variation and the limit of repetition."""
    return [(_title(name), *_repeated(name, one)) for name, one in found.repetition.items()]


def _title(name: str) -> str:
    kind, _, metric = name.partition("_")
    if metric in METRICS:
        return f"{METRICS[metric]}, {'p50' if kind == 'median' else kind}, ms"
    return "Requests/s" if kind == "request" else "Output tokens/s"


def _repeated(name: str, found: Repetition) -> Row:
    write = (lambda value: f"{value:,.2f}") if name.endswith("throughput") else milliseconds
    return write(found.mean), write(found.std), f"{found.variation:.1%}", write(found.limit)


def load(found: Outcome) -> str:
    """The kind of load in a few words."""
    settings = found.settings
    if settings.rate is None:
        kind = f"closed loop, {settings.concurrency} at once"
    else:
        kind = f"open loop, {settings.rate:g} requests/s, {settings.arrivals} arrivals"
        if settings.concurrency is not None:
            kind += f", at most {settings.concurrency} at once"
    if settings.baseline is not None:
        kind += " to each side" if settings.rate is not None else " in all"
    return f"{kind}, {'streamed' if settings.stream else 'not streamed'}"
