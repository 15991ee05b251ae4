"""From timelines to figures: throughput, percentiles, goodput, errors, and what the generator itself did."""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from .asking import DESCRIPTORS, INTERRUPTED
from .statistics import Summary, summarise
from .timeline import Timeline


class Generator(Struct, frozen=True, kw_only=True):
    """How far the generator did what it was told. Seconds; ``cpu`` is its share of one core."""

    lateness: Summary | None
    waiting: Summary | None
    cpu: float
    descriptors: int


class Figures(Struct, frozen=True, kw_only=True):
    """Of one side in one run, or in all of them. Times in seconds from when a request was due; rates per second."""

    duration: float
    completed: int
    failed: int
    interrupted: int
    errors: dict[str, int]
    messages: dict[str, str]
    """One example of what was said, for each class of errors."""
    input_tokens: int
    output_tokens: int
    ttft: Summary | None
    tpot: Summary | None
    itl: Summary | None
    e2el: Summary | None
    chunks: Summary | None
    """Pieces of output of a request."""
    good: int | None
    """Requests within the objectives; ``None``: there are none."""
    usage_reported: int
    """Completed requests whose tokens the server told; those of the others are pieces of output."""
    usage_mismatches: int
    """Of them, how many had another number of pieces than of tokens."""
    cached: int
    overhead: Summary | None
    """The gateway's own word for its share, where it gives one."""
    peak_in_flight: int
    peak_tokens: int
    """Pieces of output in the busiest second."""

    def rate(self, amount: float) -> float:
        """So much over the duration, a second."""
        return amount / self.duration if self.duration > 0 else 0.0


def figures(found: Sequence[Timeline], objectives: dict[str, float], *, duration: float | None = None) -> Figures:
    """Of measured requests. ``duration``: given for several runs together, else from the first due to the last end."""
    whole = [each for each in found if each.good]
    failed = [each for each in found if each.error and each.error != INTERRUPTED]
    reported = [each for each in whole if each.output_tokens is not None]
    streamed = [each for each in whole if each.chunks]
    return Figures(
        duration=span(found) if duration is None else duration,
        completed=len(whole),
        failed=len(failed),
        interrupted=len(found) - len(whole) - len(failed),
        errors=dict(Counter(each.error for each in failed).most_common()),
        messages={each.error: each.message for each in reversed(failed)},
        input_tokens=sum(each.input_tokens or 0 for each in whole),
        output_tokens=sum(each.tokens for each in whole),
        ttft=summarise([value for each in whole if (value := each.ttft) is not None]),
        tpot=summarise([value for each in whole if (value := each.tpot) is not None]),
        itl=summarise([gap for each in whole for gap in each.gaps]),
        e2el=summarise([each.latency for each in whole]),
        chunks=summarise([float(len(each.chunks)) for each in streamed]),
        good=sum(meets(each, objectives) for each in whole) if objectives else None,
        usage_reported=len(reported),
        usage_mismatches=sum(each.output_tokens != len(each.chunks) for each in reported if each.chunks),
        cached=sum(each.cached for each in whole),
        overhead=summarise([each.overhead for each in whole if each.overhead is not None]),
        peak_in_flight=peak_in_flight(found),
        peak_tokens=max(Counter(int(at) for each in whole for at in _since(whole, each)).values(), default=0),
    )


def meets(each: Timeline, objectives: dict[str, float]) -> bool:
    """Is it good? As in vLLM, a time per output token that does not exist is within its bound."""
    times = {"ttft": each.ttft, "tpot": each.tpot, "e2el": each.latency}
    return each.good and all((times[name] or 0.0) <= bound for name, bound in objectives.items())


def span(found: Sequence[Timeline]) -> float:
    """Seconds from the first due to the last end."""
    if not found:
        return 0.0
    return max(each.ended for each in found) - min(each.due for each in found)


def peak_in_flight(found: Iterable[Timeline]) -> int:
    """How many were under way at once at most; one that ends as another begins does not overlap it."""
    steps = sorted(step for each in found for step in ((each.sent, 1), (each.ended, -1)) if each.ended > each.sent)
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def generator(found: Sequence[Timeline], *, cpu: float, duration: float) -> Generator:
    """From the measured requests of all sides; ``cpu`` in seconds."""
    waited = [each.sent - each.taken for each in found]
    return Generator(
        lateness=summarise([each.taken - each.due for each in found]),
        waiting=summarise(waited) if any(wait > 0.001 for wait in waited) else None,
        cpu=cpu / duration if duration > 0 else 0.0,
        descriptors=sum(each.error == DESCRIPTORS for each in found),
    )


def _since(whole: Sequence[Timeline], each: Timeline) -> list[float]:
    start = whole[0].due
    return [at - start for at in each.chunks]
