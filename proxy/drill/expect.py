"""What a client may expect of one case: told from the route's shape and the fault alone, before anything is sent."""

from typing import Literal

from msgspec import Struct

from .cases import Case

Outcome = Literal["answer", "error", "broken", "anything"]
"""``answer``: whole and good. ``error``: clean. ``broken``: a stream that tells of its end once. ``anything``: but silence."""

SLACK = 2.5
"""Seconds for a gateway on a busy machine."""


DROPS = ("reset", "close", "reset-head")
"""Faults by which a connection dies unanswered."""

KEYED = ("credentials", "rate limit")
"""Groups of faults after which each of a target's keys is tried."""


class Patience(Struct, frozen=True, kw_only=True):
    """The shortened time limits of the drill, in seconds."""

    connect: float
    answer: float
    """Of the first byte, and of silence inside an answer."""
    total: float


class Expected(Struct, frozen=True, kw_only=True):
    """``statuses``: of the error; empty: any. ``calls``: most tries; ``seconds``: until the client knows. ``why``: in words."""

    outcome: Outcome
    why: str
    statuses: tuple[int, ...] = ()
    retry_after: bool = False
    calls: int
    seconds: float


def expected(case: Case, patience: Patience) -> Expected:
    """What the client of ``case`` may expect if the fault befalls it."""
    shape, fault = case.shape, case.fault
    effect = fault.effect(stream=case.stream)
    outcome: Outcome
    statuses: tuple[int, ...] = ()
    # A connection that died unanswered is renewed once, besides the tries.
    calls = shape.attempts + shape.hedged + (case.fault.name in DROPS)
    if effect in ("harmless", "odd"):
        outcome, why = ("answer", "the fault takes nothing away") if effect == "harmless" else ("anything", "")
    elif effect == "breaks":
        outcome, why = "broken", "the answer had begun: it must not begin again"
    elif survives(case):
        outcome, why = "answer", "another try could answer"
    elif effect == "senseless":
        outcome, why = "anything", "nobody else could answer"
    else:
        outcome, why, statuses = "error", "nobody else could answer", fault.statuses
        if effect == "refused":
            why = "another target would say the same"
            calls = calls if fault.named and shape.of(fault.named) else 1 + shape.hedged
    return Expected(
        outcome=outcome,
        why=why,
        statuses=statuses,
        retry_after=fault.waits and outcome == "error",
        calls=calls,
        seconds=longest(case, patience),
    )


def survives(case: Case) -> bool:
    """Is there a healthy place that the tries suffice to reach?"""
    shape, fault, where = case.shape, case.fault, case.where
    if fault.effect(stream=case.stream) == "refused":
        return bool(fault.named and shape.of(fault.named) and shape.attempts > 1)
    if where.once:
        return fault.again and shape.attempts > 1
    return spent(case) < shape.attempts and any(index not in where.faulty for index in shape.of("own", "fallback"))


def spent(case: Case) -> int:
    """Tries that faulty places take before a healthy one is asked, at worst."""
    shape, faulty = case.shape, case.where.faulty
    own = [index for index in shape.of("own") if index in faulty]
    before = own
    if len(own) == len(shape.of("own")):
        for index in shape.of("fallback"):
            if index not in faulty:
                break
            before = [*before, index]
    return sum(shape.places[index].keys if case.fault.group in KEYED else 1 for index in before)


def longest(case: Case, patience: Patience) -> float:
    """Seconds after which the client must know."""
    shape, fault = case.shape, case.fault
    limit = {"": 0.0, "connect": patience.connect, "answer": patience.answer}[fault.silence]
    return min(shape.attempts * (limit + fault.asks) + shape.pauses, patience.total) + SLACK
