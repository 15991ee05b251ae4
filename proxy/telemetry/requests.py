"""What a settled request adds to the metrics: its series are found in one look, and then only added to.

Labels are bounded: a model has its own name where the configuration or the catalogue knows it, else it is ``other``.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..context import Attempt, RequestContext, Settled
from ..policy.rules import MICRO
from ..wire.usage import NO_USAGE, Source, Usage
from .attainment import judged
from .per_key import KeySeries
from .series import Count, Counts, Series, Spread

if TYPE_CHECKING:
    from .metrics import Metrics

OTHER = "other"

SAMPLED = 16
"""Of requests that went and ended alike, each so many-th tells how long it was in each link: all of them would cost too much."""

NOT_OURS = frozenset({"upstream", "backoff", "shared"})
"""Timings of waiting: for a provider, before another try, for an answer that is being made for somebody else."""

CACHE = "cache"
"""The provider that requests stand under which the cache answered: nobody was asked, and no provider's figures are to have them."""


class _Place:
    """A route's times at one provider's model."""

    __slots__ = ("between", "duration", "first", "overhead", "tokenless", "upstream")

    def __init__(self, metrics: "Metrics", series: Series, route: str, provider: str, model: str) -> None:
        labels = (route, provider, model)
        self.duration = series.spread(metrics.duration, *labels)
        self.upstream = series.spread(metrics.upstream, *labels)
        self.overhead = series.spread(metrics.overhead, route)
        self.first = series.spread(metrics.first_token, *labels)
        self.between = series.spread(metrics.between_tokens, *labels)
        self.tokenless = series.count(metrics.tokenless, *labels)


class _Flow:
    """Tokens of one provider's model by class, as ``read`` and ``written`` were found out."""

    __slots__ = (
        "audio_input",
        "audio_output",
        "cache_write",
        "cached",
        "input",
        "output",
        "read",
        "reasoning",
        "written",
    )

    def __init__(self, counts: Counts, labels: tuple[str, str], *, read: Source, written: Source) -> None:
        self.read = read
        self.written = written
        self.input = counts["input", *labels, read]
        self.output = counts["output", *labels, written]
        self.cached = counts["cached", *labels, read]
        self.cache_write = counts["cache_write", *labels, read]
        self.audio_input = counts["audio_input", *labels, read]
        self.reasoning = counts["reasoning", *labels, written]
        self.audio_output = counts["audio_output", *labels, written]


class _Kind:
    """Requests that ended alike at one place; ``model`` is its label. ``place``: ``None`` where no target was chosen."""

    __slots__ = ("answered", "charge", "cost", "count", "flow", "model", "place")

    def __init__(
        self, count: Count, model: str, place: _Place | None, *, answered: Count, charge: Count, cost: Count
    ) -> None:
        """``answered``: tries that ended well."""
        self.count = count
        self.model = model
        self.place = place
        self.answered = answered
        self.charge = charge
        self.cost = cost
        self.flow: _Flow | None = None
        """The last one's, which most others are like."""


class RequestSeries:
    """The series of all requests of a process, each made when a request first needs it."""

    def __init__(
        self,
        metrics: "Metrics",
        series: Series,
        *,
        known_models: Callable[[str], bool],
        by_key: KeySeries | None = None,
    ) -> None:
        """``by_key``: where the operator wants to know what each key does."""
        self._metrics = metrics
        self._series = series
        self._by_key = by_key
        self._known_models = known_models
        self._kinds: dict[tuple[object, ...], _Kind] = {}
        self._places: dict[tuple[str, str, str], _Place] = {}
        self._estimates: dict[str, Spread] = {}
        self._links: dict[str, Spread] = {}
        self._tokens = series.counts(metrics.tokens)
        self._attempts = series.counts(metrics.attempts)
        self._charge = series.counts(metrics.charge)
        self._cost = series.counts(metrics.cost)
        self._saved_tokens = series.counts(metrics.saved_tokens)
        self._saved_usd = series.counts(metrics.saved_usd)

    def observe(self, ctx: RequestContext, ended: float, waited: float) -> None:
        """Everything that one request adds; ``waited``: seconds that providers took."""
        target, cached = ctx.target, ctx.cached
        provider = model = ""
        if target is not None:
            model = target.model
            provider = CACHE if cached is not None and not ctx.attempts and ctx.from_cache else target.provider
        alike = (ctx.endpoint.name, ctx.route, provider, model, ctx.status, ctx.request.stream, ctx.outcome)
        kind = self._kinds.get(alike)
        if kind is None:
            kind = self._kind(ctx, provider, model)
        count = kind.count
        count.value += 1
        if not count.value % SAMPLED:
            self._observe_links(ctx.timings)
        if self._by_key is not None:
            self._by_key.observe(ctx)
        if ctx.headers.get(b"x-stainless-retry-count", b"0") != b"0":
            self._metrics.client_retries.labels(ctx.endpoint.name).inc()
        if ctx.plan is not None and ctx.plan.asking.slo is not None:
            self._count_attained(ctx)
        if cached is not None and cached.usage is not NO_USAGE:
            self._count_saved(ctx, cached.usage)
        place = kind.place
        if place is None:
            return
        self._observe_times(ctx, place, ended, waited)
        for attempt in ctx.attempts:
            if attempt.status < 400 and not attempt.error and attempt.model == model and attempt.provider == provider:
                kind.answered.value += 1
            else:
                self._count_try(attempt, kind.model if attempt.model == model else self._label(attempt.model))
        if provider != CACHE:
            self._count_tokens(ctx, kind, provider)
        if ctx.settled is not None:
            self._count_money(ctx.settled, kind, provider)
        if ctx.dropped:
            self._metrics.changed.labels(provider, "dropped").inc()
        if ctx.rewritten:
            self._metrics.changed.labels(provider, "rewritten").inc()

    def _count_attained(self, ctx: RequestContext) -> None:
        """A request with targets of its own."""
        for objective, result in judged(ctx).items():
            self._metrics.slo.labels(ctx.route or OTHER, objective, result).inc()

    def _observe_times(self, ctx: RequestContext, place: _Place, ended: float, waited: float) -> None:
        started, first = ctx.started, ctx.first_token_at
        place.duration.observe(ended - started)
        if waited:
            place.upstream.observe(waited)
        if ctx.attempts:
            before = ctx.attempts[0].started - started
            place.overhead.observe(before if before > 0.0 else 0.0)
        if first:
            place.first.observe(first - started)
            if ctx.token_events > 1:
                place.between.observe((ctx.last_token_at - first) / (ctx.token_events - 1))
        elif ctx.request.stream is True:
            place.tokenless.value += 1

    def _observe_links(self, timings: Sequence[tuple[str, float]]) -> None:
        """What ``server-timing`` says of one request, but for the provider's part."""
        for name, seconds in timings:
            if name in NOT_OURS:
                continue
            link = self._links.get(name)
            if link is None:
                link = self._links[name] = self._series.spread(self._metrics.links, name)
            link.observe(seconds)

    def _count_try(self, attempt: Attempt, model: str) -> None:
        outcome = attempt.error or ("ok" if attempt.status < 400 else f"{attempt.status // 100}xx")
        self._attempts[attempt.provider, model, outcome].value += 1

    def _count_tokens(self, ctx: RequestContext, kind: _Kind, provider: str) -> None:
        usage, flow = ctx.usage, kind.flow
        if flow is None or flow.read != usage.input_source or flow.written != usage.output_source:
            flow = kind.flow = _Flow(
                self._tokens, (provider, kind.model), read=usage.input_source, written=usage.output_source
            )
        if usage.input > 0:
            flow.input.value += usage.input
        if usage.output > 0:
            flow.output.value += usage.output
        if usage.cached > 0:
            flow.cached.value += usage.cached
        if usage.cache_write > 0:
            flow.cache_write.value += usage.cache_write
        if usage.audio_input > 0:
            flow.audio_input.value += usage.audio_input
        if usage.reasoning > 0:
            flow.reasoning.value += usage.reasoning
        if usage.audio_output > 0:
            flow.audio_output.value += usage.audio_output
        if usage.input and flow.read == "reported" and ctx.estimate.likely:
            error = self._estimates.get(provider)
            if error is None:
                error = self._estimates[provider] = self._series.spread(self._metrics.estimate_error, provider)
            error.observe(ctx.estimate.likely / usage.input)

    def _count_money(self, settled: Settled, kind: _Kind, provider: str) -> None:
        charge, cost = settled.charge, settled.cost
        if charge is None or cost is None:
            self._metrics.unpriced.labels(provider, kind.model).inc()
        if charge:
            kind.charge.value += charge / MICRO
        if cost:
            kind.cost.value += cost / MICRO

    def _count_saved(self, ctx: RequestContext, usage: Usage) -> None:
        """What came from the cache and left whole."""
        settled = ctx.settled
        if ctx.outcome == "ok":
            self._saved_tokens["input",].value += usage.input
            self._saved_tokens["output",].value += usage.output
        if settled is not None:
            self._saved_usd["charge",].value += settled.saved / MICRO
            self._saved_usd["cost",].value += settled.saved_cost / MICRO

    # ---- made once --------------------------------------------------------------------------------------------------

    def _kind(self, ctx: RequestContext, provider: str, model: str) -> _Kind:
        """Found by its labels. A model that is not known is looked up by what it counts as, and so kept once."""
        label = self._label(model) if provider else OTHER
        endpoint, status, stream, outcome = ctx.endpoint.name, ctx.status, ctx.request.stream, ctx.outcome
        alike = (endpoint, ctx.route, provider, label if provider else "", status, stream, outcome)
        kind = self._kinds.get(alike)
        if kind is None:
            route = ctx.route or OTHER
            labels = (endpoint, route, provider, label, str(status), "true" if stream else "false", outcome)
            count = self._series.count(self._metrics.requests, *labels)
            kind = self._kinds[alike] = _Kind(
                count,
                label,
                self._place(route, provider, label) if provider else None,
                answered=self._attempts[provider, label, "ok"],
                charge=self._charge[provider, label],
                cost=self._cost[provider, label],
            )
        return kind

    def _place(self, route: str, provider: str, model: str) -> _Place:
        place = self._places.get((route, provider, model))
        if place is None:
            place = self._places[route, provider, model] = _Place(self._metrics, self._series, route, provider, model)
        return place

    def _label(self, model: str) -> str:
        return model if self._known_models(model) else OTHER
