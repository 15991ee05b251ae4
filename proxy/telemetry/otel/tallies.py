"""What OTLP metrics count: kept by the event loop as lists that only grow, and sorted into buckets by the thread that exports them.

The SDK's own instruments take 8 us for one histogram's amount; a request has five.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from typing import TypeVar

from ...context import Attempt, RequestContext
from ...wire.usage import NO_USAGE, Usage
from .conventions import HTTP_SERVER, UNGENERATIVE, Named, Names, names_of
from .ended import BROKEN, broken, failed, method_of, route_of

MOST = 2000
"""Sets of attributes of one kind; what comes beyond is counted together."""

OTHER = "other"
"""A model that neither configuration nor catalogue knows."""

UNSENT = frozenset(("limited_here", "model_missing"))
"""Faults of tries that were never sent, where there was no status."""


class Spread:
    """A histogram. ``add`` is called by the loop, ``fold`` and what follows it by one thread."""

    __slots__ = ("_new", "_times", "add", "add_times", "bounds", "count", "counts", "highest", "lowest", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self._new: list[float] = []
        self._times: list[tuple[float, int]] = []
        self.add: Callable[[float], None] = self._new.append
        self.add_times: Callable[[tuple[float, int]], None] = self._times.append
        """Takes an amount and how often it came."""
        self.lowest = self.highest = 0.0
        self.clear()

    def fold(self) -> None:
        """Sorts what is new into the buckets: many at once cost less than one by one."""
        new = _taken(self._new)
        if new:
            new.sort()
            below = 0
            for at, bound in enumerate(self.bounds):
                upto = bisect_right(new, bound, below)
                self.counts[at] += upto - below
                below = upto
            self.counts[-1] += len(new) - below
            self._note(len(new), sum(new), new[0], new[-1])
        for amount, times in _taken(self._times):
            self.counts[bisect_left(self.bounds, amount)] += times
            self._note(times, amount * times, amount, amount)

    def _note(self, count: int, total: float, lowest: float, highest: float) -> None:
        self.count += count
        self.total += total
        self.lowest = min(self.lowest, lowest)
        self.highest = max(self.highest, highest)

    def clear(self) -> None:
        """Begins anew."""
        self.counts = [0] * (len(self.bounds) + 1)
        self.count = 0
        self.total = 0.0
        self.lowest, self.highest = float("inf"), float("-inf")


_Item = TypeVar("_Item")


def _taken(growing: list[_Item]) -> list[_Item]:
    """What is in a list that the loop adds to meanwhile; it is no longer there."""
    size = len(growing)
    taken = growing[:size]
    del growing[:size]
    return taken


class Sum:
    """A counter. Both sides only ever write their own figure."""

    __slots__ = ("added", "taken")

    def __init__(self) -> None:
        self.added = 0
        self.taken = 0


Attributes = Mapping[str, str | int]
Place = Callable[[str], tuple[str, int]]


class Tally:
    """One metric of one set of attributes."""

    __slots__ = ("about", "amounts", "named")

    def __init__(self, named: Named, about: Attributes) -> None:
        self.named = named
        self.about = about
        self.amounts: Spread | Sum = Spread(named.bounds) if named.bounds else Sum()


class _Flow:
    """What the answers of one provider's model to one operation add to."""

    __slots__ = ("between", "counters", "first", "read", "written")

    def __init__(self, made: Callable[[Named, Attributes], Tally], names: Names, about: Attributes) -> None:
        self.first = _spread(made(names.first, about))
        self.between = _spread(made(names.between, about))
        self.read = self.written = None
        kind = "gen_ai.token.type"
        if names.usage is not None:
            self.read = _spread(made(names.usage, {**about, kind: "input"}))
            self.written = _spread(made(names.usage, {**about, kind: "output"}))
        if names.input is not None:
            self.read = _spread(made(names.input, about))
        if names.output is not None:
            self.written = _spread(made(names.output, about))
        self.counters = [(field, _sum(made(named, about))) for field, named in names.counters.items()]

    def note(self, usage: Usage, *, whole: bool) -> None:
        """Tokens of one answer: what one came to where it is ``whole``, what is used up in any case."""
        if self.read is not None and whole:
            self.read.add(usage.input)
        if self.written is not None and whole:
            self.written.add(usage.output)
        for field, counter in self.counters:
            counter.added += getattr(usage, field)


class Tallies:
    """Every metric of one process. ``about(operation, provider)``: the attributes that say whom a request went to; ``scheme``: of
    the listener that it came to."""

    def __init__(
        self,
        *,
        about: Callable[[str, str], Attributes],
        known_models: Callable[[str], bool],
        latest: bool,
        scheme: str,
    ) -> None:
        self._about = about
        self._scheme = scheme
        self._known = known_models
        self._latest = latest
        self.made: list[Tally] = []
        self._requests: dict[tuple[str, str, int, str], Spread] = {}
        self._tries: dict[tuple[str, str, str, str], Spread] = {}
        self._flows: dict[tuple[str, str, str], _Flow] = {}

    def note(self, ctx: RequestContext, ended: float) -> None:
        """A request has ended."""
        self._request(ctx).add(ended - ctx.started)
        attempts, operation = ctx.attempts, ctx.endpoint.operation
        if not attempts or operation in UNGENERATIVE:
            return
        last = attempts[-1]
        for attempt in attempts:
            fault = attempt.fault
            if fault is not None and not attempt.status and fault.kind in UNSENT:
                continue
            error = ""
            if fault is not None or attempt.status >= 400 or attempt.error or ctx.outcome != "ok":
                error = failed(attempt, last=attempt is last, outcome=ctx.outcome)
            self._try(operation, attempt, error).add((attempt.ended or ended) - attempt.started)
        if last.status < 400 and ctx.usage is not NO_USAGE:
            self._note_answer(ctx, operation, last)

    def _note_answer(self, ctx: RequestContext, operation: str, last: Attempt) -> None:
        flow = self._flows.get((operation, last.provider, last.model)) or self._flow(operation, last)
        flow.note(ctx.usage, whole=not self._latest or ctx.outcome not in BROKEN)
        if ctx.first_token_at and ctx.request.stream is True:
            flow.first.add(ctx.first_token_at - last.started)
            chunks = ctx.token_events - 1
            if chunks > 0:
                flow.between.add_times(((ctx.last_token_at - ctx.first_token_at) / chunks, chunks))

    # ---- made once --------------------------------------------------------------------------------------------------

    def _request(self, ctx: RequestContext) -> Spread:
        error = ctx.error
        code = (error.code or error.type) if error is not None else ""
        failure = broken(ctx.status, ctx.outcome, code) if ctx.outcome != "ok" else ""
        alike = (method_of(ctx), route_of(ctx), ctx.status, failure)
        found = self._requests.get(alike)
        if found is None:
            about: dict[str, str | int] = {"http.request.method": alike[0], "http.route": alike[1]}
            about["url.scheme"] = self._scheme
            if ctx.status:
                about["http.response.status_code"] = ctx.status
            if failure:
                about["error.type"] = failure
            found = self._requests[alike] = self._within(HTTP_SERVER, about, len(self._requests))
        return found

    def _try(self, operation: str, attempt: Attempt, error: str) -> Spread:
        found = self._tries.get((operation, attempt.provider, attempt.model, error))
        if found is None:
            alike = (operation, attempt.provider, self._label(attempt.model), error)
            found = self._tries.get(alike)
            if found is None:
                about = self._of(operation, attempt.provider, alike[2])
                named = names_of(operation, latest=self._latest).duration
                about = {**about, "error.type": error} if error else about
                found = self._tries[alike] = self._within(named, about, len(self._tries))
        return found

    def _flow(self, operation: str, attempt: Attempt) -> _Flow:
        alike = (operation, attempt.provider, self._label(attempt.model))
        found = self._flows.get(alike)
        if found is None:
            names = names_of(operation, latest=self._latest)
            about = _OVERFLOW if len(self._flows) >= MOST else self._of(*alike)
            found = self._flows[alike] = _Flow(self._tally, names, about)
        return found

    def _of(self, operation: str, provider: str, model: str) -> Attributes:
        return (
            {**self._about(operation, provider), "gen_ai.request.model": model}
            if model
            else self._about(operation, provider)
        )

    def _within(self, named: Named, about: Attributes, size: int) -> Spread:
        return _spread(self._tally(named, about if size < MOST else _OVERFLOW))

    def _tally(self, named: Named, about: Attributes) -> Tally:
        tally = Tally(named, about)
        self.made.append(tally)
        return tally

    def _label(self, model: str) -> str:
        return model if not model or self._known(model) else OTHER


_OVERFLOW: Attributes = {"otel.metric.overflow": "true"}


def _spread(tally: Tally) -> Spread:
    assert isinstance(tally.amounts, Spread)
    return tally.amounts


def _sum(tally: Tally) -> Sum:
    assert isinstance(tally.amounts, Sum)
    return tally.amounts
