"""Pass or fail: what a client saw against what it may expect. Pure; every reason is a sentence for the operator."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from .cases import Case
from .expect import Expected, Patience, expected
from .seen import Seen


class Verdict(Struct, frozen=True, kw_only=True):
    """``reasons``: what was wrong, empty for a pass; ``struck``: did the fault befall the request at all?"""

    passed: bool
    reasons: tuple[str, ...] = ()
    struck: bool = True


def judge(case: Case, seen: Seen, truths: Mapping[int, str], patience: Patience) -> Verdict:
    """``truths``: the text that each place gives when it is well, by its index."""
    struck = bool(case.fault.door) or bool(seen.struck)
    wanted = expected(case, patience)
    if not struck:
        healthy = Expected(
            outcome="answer", why="the faulty target was not asked", calls=wanted.calls, seconds=wanted.seconds
        )
        reasons = tuple(_wrong(case, seen, healthy, truths))
        return Verdict(passed=not reasons, reasons=reasons, struck=not case.where.faulty)
    reasons = tuple(_wrong(case, seen, wanted, truths))
    return Verdict(passed=not reasons, reasons=reasons)


def _wrong(case: Case, seen: Seen, wanted: Expected, truths: Mapping[int, str]) -> Iterator[str]:
    if seen.kind in ("hung", "nothing"):
        heard = "heard nothing more" if seen.status else "got no answer"
        yield f"the client {heard} {'and gave up' if seen.kind == 'hung' else 'before the connection ended'}"
        return
    if seen.kind == "answer":
        yield from _wrong_answer(case, seen, wanted, truths)
    elif wanted.outcome == "answer":
        yield f"an answer was due: {wanted.why}"
    elif wanted.outcome == "error":
        yield from _wrong_error(case, seen, wanted)
    else:
        yield from _wrong_end(seen, truths, strict=wanted.outcome == "broken")
    yield from _wrong_figures(case, seen, wanted)


def _wrong_answer(case: Case, seen: Seen, wanted: Expected, truths: Mapping[int, str]) -> Iterator[str]:
    """A good answer is always welcome; it has to be whole, of one place, and to say which."""
    if seen.place is None:
        yield "the headers do not say who answered"
        return
    truth = truths.get(seen.place)
    continued = any(place.continues for place in case.shape.places)
    if wanted.outcome != "anything" and truth is not None and seen.text != truth and not continued:
        yield "the text is not the one that this target gives: bytes are missing, or came twice"
    if case.where.once or seen.place in case.where.faulty:
        # What broke elsewhere did no harm here: a header that is not passed on, say.
        return
    if seen.struck and (seen.attempts or 0) < 2:
        yield f"x-tollway-attempts is {seen.attempts}, and at least 2 tries were made"
    if seen.struck and not seen.reason:
        yield "x-tollway-reason does not say why another try was made"


def _wrong_error(case: Case, seen: Seen, wanted: Expected) -> Iterator[str]:
    if case.stream and seen.kind == "broken":
        # The stream had begun with comments; its one error event is the error.
        if seen.text or seen.done or len(seen.errors) != 1:
            yield "the stream must hold one error event and nothing else"
        return
    if seen.kind not in ("error", "foreign error"):
        yield f"a clean error was due: {wanted.why}"
        return
    if seen.kind == "foreign error" and seen.source != "upstream":
        yield "the error is not in OpenAI's envelope"
    if not _due(seen, wanted.statuses):
        yield f"status {seen.status} where {' or '.join(map(str, wanted.statuses))} was due"
    if wanted.retry_after and not seen.retry_after:
        yield "retry-after is missing, and the provider had said when to come back"


def _due(seen: Seen, statuses: tuple[int, ...]) -> bool:
    """Another dialect has other statuses for the same: its own word counts, but never one that blames the client's key."""
    if not statuses or seen.status in statuses:
        return True
    same = seen.status // 100 in {status // 100 for status in statuses}
    return same and seen.source == "upstream" and seen.status not in (401, 403)


def _wrong_end(seen: Seen, truths: Mapping[int, str], *, strict: bool) -> Iterator[str]:
    """A stream that broke off, or something that only the client can judge."""
    if len(seen.errors) > 1:
        yield f"{len(seen.errors)} error events where one is due"
    if seen.done and seen.errors:
        yield "[DONE] after an error"
    if not strict or seen.kind in ("error", "foreign error"):
        return
    if not seen.errors:
        yield "no error event tells that the answer broke off"
    if seen.text and not any(truth.startswith(seen.text) for truth in truths.values()):
        yield "the text is not the beginning of one answer: something was replayed"


def _wrong_figures(case: Case, seen: Seen, wanted: Expected) -> Iterator[str]:
    if seen.calls > wanted.calls:
        yield f"{seen.calls} upstream calls where at most {wanted.calls} may be made"
    if seen.seconds > wanted.seconds:
        yield f"it took {seen.seconds:.1f} s where {wanted.seconds:.1f} s were enough"
    told = seen.attempts
    if told is None or told == seen.calls or case.fault.door or case.shape.hedged:
        return
    # A try that was not connected in time is one that no upstream saw.
    if told < seen.calls or "connect" not in seen.reason:
        yield f"x-tollway-attempts is {told}, and the upstream saw {seen.calls}"
