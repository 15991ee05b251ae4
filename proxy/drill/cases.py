"""What is asked in a drill: each route, each fault, first at one target after the other, then everywhere, plain and as a stream."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from .faults import HEALTHY, Drilled
from .shape import Shape

IN_ORDER = frozenset(("priority",))
"""Policies under which a later target is asked only when those before it have failed."""


class Where(Struct, frozen=True, kw_only=True):
    """Which places a fault is put on. ``once``: only the first try of all meets it. ``alone``: the one place that there is."""

    label: str
    faulty: frozenset[int]
    once: bool = False
    alone: int | None = None


class Case(Struct, frozen=True, kw_only=True):
    """One request to be sent and judged. ``number`` tells it from all others of the drill."""

    number: int
    shape: Shape
    fault: Drilled
    where: Where
    stream: bool


def cases_of(shapes: Iterable[Shape], faults: Iterable[Drilled]) -> tuple[Case, ...]:
    """Every case: the healthy ones of a route first."""
    rows = tuple(faults)
    found: list[Case] = []
    for shape in shapes:
        pairs = [(HEALTHY, where) for where in _healthy(shape)]
        pairs += [(fault, where) for fault in rows for where in _places(shape, fault)]
        for fault, where in pairs:
            for stream in (False, True):
                if fault.effect(stream=stream) is not None:
                    found.append(Case(number=len(found), shape=shape, fault=fault, where=where, stream=stream))
    return tuple(found)


def _healthy(shape: Shape) -> Iterator[Where]:
    yield Where(label="nowhere", faulty=frozenset())
    for index, place in enumerate(shape.places):
        yield Where(label=f"only {place.name}", faulty=frozenset(), alone=index)


def _places(shape: Shape, fault: Drilled) -> Iterator[Where]:
    own, every = shape.of("own"), shape.of("own", "fallback")
    seen: set[frozenset[int]] = {frozenset(own)}
    if len(own) > 1:
        for count, index in enumerate(own, 1):
            before = own[:count] if shape.policy in IN_ORDER else (index,)
            faulty = _widened(shape, fault, before)
            if faulty not in seen:
                seen.add(faulty)
                yield Where(label=_label(own, faulty), faulty=faulty)
    elif fault.again and not fault.door and shape.attempts > 1:
        yield Where(label="the first try", faulty=frozenset(every), once=True)
    yield Where(label="the target" if len(own) == 1 else f"all {len(own)} targets", faulty=frozenset(own))
    if len(every) > len(own):
        yield Where(label="everywhere", faulty=frozenset(every))


def _widened(shape: Shape, fault: Drilled, chosen: Iterable[int]) -> frozenset[int]:
    """The chosen places; with a fault of a whole provider, all of the route's own that stand at the same one."""
    indices = frozenset(chosen)
    if not fault.wide:
        return indices
    providers = {shape.places[index].provider for index in indices}
    return frozenset(index for index in shape.of("own") if shape.places[index].provider in providers)


def _label(own: tuple[int, ...], faulty: frozenset[int]) -> str:
    numbers = [own.index(index) + 1 for index in sorted(faulty)]
    if len(numbers) == 1:
        return f"target {numbers[0]} of {len(own)}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"targets {numbers[0]}-{numbers[-1]} of {len(own)}"
    return f"targets {', '.join(map(str, numbers))} of {len(own)}"
