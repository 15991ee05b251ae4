"""What a drill found, for people and as JSON."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from ..wire.values import JsonObject
from .derive import without_marks
from .expect import Patience
from .shape import Shape
from .stage import Played


def saw(one: Played) -> str:
    """What the client saw, without its time."""
    seen = one.seen
    place = _place(one) or "nobody"
    match seen.kind:
        case "answer":
            said = f"answer from {place}"
        case "error" | "foreign error":
            said = f"{seen.status} {seen.errors[0].partition(':')[0] if seen.errors else 'without an error of OpenAI'}"
            said += f", retry-after {seen.retry_after}" if seen.retry_after else ""
        case "broken":
            told = f"error event {seen.errors[0].partition(':')[0]}" if seen.errors else "it stopped"
            said = f"{len(seen.text)} characters of {place}, then {told}" if seen.text else told
        case "nonsense":
            said = f"{seen.status} as {place} sent it, without an answer"
        case "hung":
            said = "nothing, and gave up"
        case _:
            said = "nothing, the connection ended"
    return said + (f", {seen.attempts} tries" if (seen.attempts or 0) > 1 else "")


def _place(one: Played) -> str | None:
    index, places = one.seen.place, one.case.shape.places
    return places[index].name if index is not None and index < len(places) else None


def advice(shape: Shape) -> str:
    """The one setting that would let the route survive more; empty when there is none to name."""
    reachable = shape.of("own", "fallback")
    if len(reachable) == 1:
        return f"one target and no fallback: nothing takes over when it fails. Add a second target or fallbacks to models.{shape.name}"
    if shape.attempts == 1:
        return "retry.attempts is 1, so nothing is tried again. Set it to 2 or more"
    if len({shape.places[index].provider for index in reachable}) == 1:
        provider = shape.places[reachable[0]].provider
        return f"every target is at {provider}: when it fails, all do. Add a target at another provider, or fallbacks"
    if len(reachable) > shape.attempts:
        return f"retry.attempts is {shape.attempts}, and {len(reachable)} places could answer: set it to {min(len(reachable), 10)}"
    return ""


def headline(shape: Shape) -> str:
    """The route in one line."""
    own, others = (" → ".join(shape.places[index].name for index in shape.of(role)) for role in ("own", "fallback"))
    named = [
        f"{shape.places[index].name} for {shape.places[index].role}"
        for index in shape.of("context_length", "content_policy")
    ]
    tries = "1 try" if shape.attempts == 1 else f"{shape.attempts} tries"
    parts = [f"{shape.policy}: {own}", f"fallbacks: {others}" if others else "no fallbacks", *named, tries]
    return f"route {shape.name} ({'; '.join(parts)})"


class Line(Struct, frozen=True):
    """One line of the report; ``failed``: does it tell of a failure?"""

    text: str
    failed: bool = False


def lines(played: Sequence[Played], *, failures_only: bool = False) -> Iterator[Line]:
    """A table for each route."""
    for rows in _by_route(played):
        shape = rows[0].case.shape
        yield Line("")
        yield Line(headline(shape))
        if hint := advice(shape):
            yield Line(f"  note: {hint}.")
        shown = [pair for pair in _pairs(rows) if not failures_only or not all(one.verdict.passed for one in pair)]
        if shown:
            yield from _table(shown)


def _by_route(played: Sequence[Played]) -> Iterator[list[Played]]:
    for _, rows in groupby(played, key=lambda one: one.case.shape.name):
        yield list(rows)


def _pairs(rows: Sequence[Played]) -> Iterator[list[Played]]:
    """The plain and the streamed request of one fault at one place together where a client saw the same, else each alone."""
    for _, found in groupby(rows, key=lambda one: (one.case.fault.name, one.case.where.label)):
        pair = list(found)
        if len({(saw(one), one.verdict) for one in pair}) == 1:
            yield pair
        else:
            yield from ([one] for one in pair)


def _table(pairs: Sequence[Sequence[Played]]) -> Iterator[Line]:
    heads = ("FAULT", "WHERE", "REQUEST", "", "A CLIENT SAW")
    rows = [_cells(pair) for pair in pairs]
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads) - 1)]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(["", *(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=False)), cells[-1]])

    yield Line(line(heads))
    for pair, cells in zip(pairs, rows, strict=True):
        verdict = pair[0].verdict
        yield Line(line(cells), not verdict.passed)
        for reason in verdict.reasons:
            yield Line(line(("", "", "", "", f"because {reason}")), failed=True)


def _cells(pair: Sequence[Played]) -> tuple[str, ...]:
    first = pair[0]
    case, verdict = first.case, first.verdict
    kind = "both" if len(pair) > 1 else "stream" if case.stream else "plain"
    took = " and ".join(f"{one.seen.seconds * 1000:.0f}" for one in pair)
    told = f"{saw(first)}, {took} ms" + ("" if verdict.struck else "; the faulty target was not asked")
    return case.fault.name, case.where.label, kind, "pass" if verdict.passed else "FAIL", told


def summary(played: Sequence[Played], took: float) -> str:
    """The last line."""
    failed = sum(not one.verdict.passed for one in played)
    routes = len({one.case.shape.name for one in played})
    figures = f"{len(played)} requests over {routes} {'route' if routes == 1 else 'routes'} in {took:.0f} s"
    return f"{figures}: {'all passed' if not failed else f'{failed} FAILED'}"


def shortened(patience: Patience) -> str:
    """What the drill changed about time, said before it begins."""
    return (
        f"Time limits for the drill: connect {patience.connect:g} s, first byte and silence {patience.answer:g} s, total "
        f"{patience.total:g} s, or what is configured where that is shorter."
    )


def as_json(played: Sequence[Played], patience: Patience, took: float) -> JsonObject:
    """The machine form."""
    failed = sum(not one.verdict.passed for one in played)
    return {
        "ok": not failed,
        "requests": len(played),
        "failed": failed,
        "seconds": round(took, 3),
        "limits": {"connect": patience.connect, "answer": patience.answer, "total": patience.total},
        "routes": [_route(rows) for rows in _by_route(played)],
    }


def _route(rows: Sequence[Played]) -> JsonObject:
    shape = rows[0].case.shape
    return {
        "route": shape.name,
        "policy": shape.policy,
        "attempts": shape.attempts,
        "places": [{"target": place.name, "role": place.role} for place in shape.places],
        "advice": advice(shape) or None,
        "results": [_result(one) for one in rows],
    }


def _result(one: Played) -> JsonObject:
    case, seen, verdict = one.case, one.seen, one.verdict
    return {
        "fault": case.fault.name,
        "group": case.fault.group,
        "where": case.where.label,
        "stream": case.stream,
        "passed": verdict.passed,
        "struck": verdict.struck,
        "reasons": list(verdict.reasons),
        "saw": saw(one),
        "kind": seen.kind,
        "status": seen.status or None,
        "errors": list(seen.errors),
        "answered_by": _place(one),
        "attempts": seen.attempts,
        "upstream_calls": None if case.fault.door else seen.calls,
        "retry_after": seen.retry_after or None,
        "reason": without_marks(seen.reason) or None,
        "ms": round(seen.seconds * 1000, 1),
    }
