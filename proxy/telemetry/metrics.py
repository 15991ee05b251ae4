"""Prometheus metrics. Children are kept by label values, so a request costs increments and no label look-ups.

Labels are bounded: ``route`` and ``model`` take configured names only, else ``other``.
"""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .. import __version__
from ..context import Cached, RequestContext, Settled
from ..policy.rules import MICRO
from .attainment import judged

DURATION = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
FIRST_TOKEN = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BETWEEN_TOKENS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25)
RATIO = (0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.5, 2.0, 4.0)

OTHER = "other"

CACHE = "cache"
"""The provider that requests stand under which the cache answered: nobody was asked, and no provider's figures are to have them."""


class Metrics:
    """Every metric of the gateway, in one registry."""

    def __init__(self, registry: CollectorRegistry, *, known_models: Callable[[str], bool]) -> None:
        self._known_models = known_models
        by_target = ("route", "provider", "model")
        self.requests = Counter(
            "tollway_requests_total",
            "Requests by how they ended.",
            ("endpoint", "route", "provider", "model", "code", "stream", "outcome"),
            registry=registry,
        )
        self.duration = Histogram(
            "tollway_request_duration_seconds",
            "From the request's head to its end.",
            by_target,
            buckets=DURATION,
            registry=registry,
        )
        self.upstream = Histogram(
            "tollway_upstream_duration_seconds",
            "From sending upstream to the answer's head.",
            by_target,
            buckets=DURATION,
            registry=registry,
        )
        self.overhead = Histogram(
            "tollway_overhead_seconds",
            "The gateway's own time before the upstream was asked.",
            ("route",),
            buckets=OVERHEAD,
            registry=registry,
        )
        self.first_token = Histogram(
            "tollway_time_to_first_token_seconds",
            "From the request's head to the first generated token handed to the client.",
            by_target,
            buckets=FIRST_TOKEN,
            registry=registry,
        )
        self.between_tokens = Histogram(
            "tollway_inter_token_seconds",
            "Mean time between token events of one stream.",
            by_target,
            buckets=BETWEEN_TOKENS,
            registry=registry,
        )
        self.tokens = Counter(
            "tollway_tokens_total",
            "Tokens by direction and source.",
            ("direction", "provider", "model", "source"),
            registry=registry,
        )
        self.estimate_error = Histogram(
            "tollway_tokens_estimate_error_ratio",
            "Estimated over reported prompt tokens.",
            ("provider",),
            buckets=RATIO,
            registry=registry,
        )
        self.attempts = Counter(
            "tollway_upstream_attempts_total",
            "Tries at providers.",
            ("provider", "model", "outcome"),
            registry=registry,
        )
        self.changed = Counter(
            "tollway_changed_requests_total",
            "Requests that reached a provider with fields dropped or rewritten.",
            ("provider", "change"),
            registry=registry,
        )
        self.client_retries = Counter(
            "tollway_client_retries_total",
            "Requests that an SDK said were retries of its own.",
            ("endpoint",),
            registry=registry,
        )
        self.log_dropped = Counter(
            "tollway_log_dropped_total", "Access log lines lost because the sink was too slow.", registry=registry
        )
        self.settler_failures = Counter(
            "tollway_settler_failures_total", "Settlers that broke.", ("settler",), registry=registry
        )
        self.unexpected = Counter(
            "tollway_unexpected_errors_total", "Requests that met a bug of ours.", ("type",), registry=registry
        )
        self.counts_skipped = Counter(
            "tollway_token_counts_skipped_total",
            "Exact counts replaced by estimates because the counter was busy.",
            registry=registry,
        )
        self.in_flight = Gauge(
            "tollway_inflight_requests", "Requests under way.", registry=registry, multiprocess_mode="livesum"
        )
        self.reload_success = Gauge(
            "tollway_config_reload_success",
            "Was the last configuration load good (1) or not (0)?",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.reload_time = Gauge(
            "tollway_config_last_reload_timestamp_seconds",
            "When the configuration in use was loaded.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.reload_failures = Counter(
            "tollway_config_reload_failures_total", "Configuration files that were refused.", registry=registry
        )
        self.catalogue_refreshes = Counter(
            "tollway_catalogue_refreshes_total",
            "Refreshes of the model catalogue from the configured URL.",
            ("outcome",),
            registry=registry,
        )
        self.loop_lag = Gauge(
            "tollway_event_loop_lag_seconds",
            "How late the event loop's last heartbeat was.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.decisions = Counter(
            "tollway_ratelimit_decisions_total",
            "Limits and budgets that refused, would have refused, or could not be asked.",
            ("scope", "limit", "result"),
            registry=registry,
        )
        self.budget_alerts = Counter(
            "tollway_budget_alerts_total",
            "Budgets that reached a threshold.",
            ("scope", "limit", "threshold"),
            registry=registry,
        )
        self.cost = Counter(
            "tollway_cost_usd_total", "What providers cost the operator.", ("provider", "model"), registry=registry
        )
        self.charge = Counter(
            "tollway_charge_usd_total", "What customers were charged.", ("provider", "model"), registry=registry
        )
        self.saved_tokens = Counter(
            "tollway_cache_saved_tokens_total",
            "Tokens of answers that came from the cache, which no provider was asked for.",
            ("direction",),
            registry=registry,
        )
        self.saved_usd = Counter(
            "tollway_cache_saved_usd_total",
            "What would have been charged, and would have cost, more without the cache.",
            ("of",),
            registry=registry,
        )
        self.unpriced = Counter(
            "tollway_unpriced_requests_total",
            "Requests whose price is not known.",
            ("provider", "model"),
            registry=registry,
        )
        self.store_errors = Counter(
            "tollway_store_errors_total", "Calls to the state store that failed.", ("kind",), registry=registry
        )
        self.store_up = Gauge(
            "tollway_store_up",
            "Does the state store answer (1) or not (0)?",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.reservations = Gauge(
            "tollway_reservations_open",
            "Requests that hold limits or budgets.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.queue_waiting = Gauge(
            "tollway_queue_waiting",
            "Requests that wait for a limit.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.ledger_queue = Gauge(
            "tollway_ledger_queue_entries",
            "Entries on their way to the database.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.ledger_lag = Gauge(
            "tollway_ledger_lag_seconds",
            "Age of the oldest entry that the database does not have.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.journal_bytes = Gauge(
            "tollway_journal_bytes",
            "Size of the write-ahead file.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.ledger_failures = Counter(
            "tollway_ledger_failures_total",
            "Batches that the database refused and that were tried again.",
            registry=registry,
        )
        self.recovered = Counter(
            "tollway_ledger_recovered_total",
            "Holds of dead processes that were closed.",
            ("ending",),
            registry=registry,
        )
        self.keys_known = Gauge(
            "tollway_stored_keys", "Virtual keys in memory.", registry=registry, multiprocess_mode="livemax"
        )
        self.keys_stale = Gauge(
            "tollway_stored_keys_stale_seconds",
            "How long the database has not confirmed the keys in memory.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.shadow_requests = Counter(
            "tollway_shadow_requests_total",
            "Copies of requests to a shadow, by what became of them.",
            ("route", "model", "outcome"),
            registry=registry,
        )
        self.shadow_cost = Counter(
            "tollway_shadow_cost_usd_total",
            "What copies of requests cost the operator.",
            ("route", "model"),
            registry=registry,
        )
        compared = ("route", "model", "side")
        self.compared_duration = Histogram(
            "tollway_shadow_compared_duration_seconds",
            "Of requests that both answered: from sending to the answer's end.",
            compared,
            buckets=DURATION,
            registry=registry,
        )
        self.compared_first = Histogram(
            "tollway_shadow_compared_first_token_seconds",
            "Of streams that both answered: from sending to the first token.",
            compared,
            buckets=FIRST_TOKEN,
            registry=registry,
        )
        self.compared_tokens = Counter(
            "tollway_shadow_compared_output_tokens_total",
            "Of requests that both answered: tokens of the answers.",
            compared,
            registry=registry,
        )
        self.compared_cost = Counter(
            "tollway_shadow_compared_cost_usd_total",
            "Of requests that both answered: what the answers cost the operator.",
            compared,
            registry=registry,
        )
        self.canary_state = Gauge(
            "tollway_canary_state",
            "Is a changed configuration on trial (1) or not (0)?",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.canary_requests = Counter(
            "tollway_canary_requests_total",
            "Requests judged while a changed configuration was on trial.",
            ("arm", "result"),
            registry=registry,
        )
        self.canary_promotions = Counter(
            "tollway_canary_promotions_total", "Trials that ended well.", registry=registry
        )
        self.canary_rollbacks = Counter(
            "tollway_canary_rollbacks_total", "Trials that were taken back.", ("reason",), registry=registry
        )
        self.target_state = Gauge(
            "tollway_target_state",
            "How a target stands: 0 ready, 1 full, 2 probing, 3 cooling, 4 without a key, 5 open.",
            ("provider", "model"),
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.targets_opened = Counter(
            "tollway_target_opened_total",
            "Times that a target was given up for a while, by its last fault.",
            ("provider", "model", "reason"),
            registry=registry,
        )
        self.keys_rested = Counter(
            "tollway_key_rested_total",
            "Times that a provider's key was not used for a while, by the fault.",
            ("provider", "key", "reason"),
            registry=registry,
        )
        self.target_waiting = Gauge(
            "tollway_target_waiting",
            "Requests that wait for a place at a target.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        build = Gauge(
            "tollway_build_info", "The version that runs.", ("version",), registry=registry, multiprocess_mode="livemax"
        )
        build.labels(__version__).set(1)
        self.slo = Counter(
            "tollway_slo_requests_total",
            "Requests with targets of their own (SLO), by objective and whether it was met.",
            ("route", "objective", "result"),
            registry=registry,
        )
        self._requests: dict[tuple[str, ...], Counter] = {}
        self._money: dict[tuple[str, str], tuple[Counter, Counter]] = {}
        self._targets: dict[tuple[str, str, str], tuple[Histogram, ...]] = {}
        self._tokens: dict[tuple[str, str, str, str], Counter] = {}
        self._estimates: dict[str, Histogram] = {}
        self._attempts: dict[tuple[str, str, str], Counter] = {}
        self.failovers = Counter(
            "tollway_failovers_total",
            "Tries after a failed one, by the fault and what was tried.",
            ("kind", "role"),
            registry=registry,
        )
        self.failovers_stopped = Counter(
            "tollway_failover_stopped_total",
            "Failed requests that were not tried again, by why not.",
            ("reason",),
            registry=registry,
        )
        self._states: dict[tuple[str, str], int] = {}
        self._saved_input, self._saved_output = (self.saved_tokens.labels(name) for name in ("input", "output"))
        self._saved_charge, self._saved_cost = (self.saved_usd.labels(name) for name in ("charge", "cost"))

    def observe(self, ctx: RequestContext, ended: float) -> None:
        """Everything that one settled request adds."""
        target = ctx.target
        route = ctx.route or OTHER
        hit = ctx.from_cache
        provider = CACHE if hit else target.provider if target is not None else ""
        model = target.model if target is not None and self._known_models(target.model) else OTHER
        stream = "true" if ctx.request.stream else "false"
        self._count_request((ctx.endpoint.name, route, provider, model, str(ctx.status), stream, ctx.outcome))
        if b"x-stainless-retry-count" in ctx.headers and ctx.headers[b"x-stainless-retry-count"] != b"0":
            self.client_retries.labels(ctx.endpoint.name).inc()
        if ctx.plan is not None and ctx.plan.asking.slo is not None:
            for objective, result in judged(ctx).items():
                self.slo.labels(route, objective, result).inc()
        if ctx.cached is not None:
            self._count_saved(ctx, ctx.cached)
        if target is None:
            return
        duration, upstream, overhead, first, between = self._of_target(route, provider, model)
        duration.observe(ended - ctx.started)
        waited = 0.0
        for name, seconds in ctx.timings:
            if name == "upstream":
                waited += seconds
        if waited:
            upstream.observe(waited)
        if ctx.attempts:
            overhead.observe(max(0.0, ctx.attempts[0].started - ctx.started))
        if ctx.first_token_at:
            first.observe(ctx.first_token_at - ctx.started)
            if ctx.token_events > 1:
                between.observe((ctx.last_token_at - ctx.first_token_at) / (ctx.token_events - 1))
        for attempt in ctx.attempts:
            outcome = attempt.error or ("ok" if attempt.status < 400 else f"{attempt.status // 100}xx")
            if attempt.model == target.model:
                known = model
            else:
                known = attempt.model if self._known_models(attempt.model) else OTHER
            self._count_attempt((attempt.provider, known, outcome))
        if ctx.dropped:
            self.changed.labels(provider, "dropped").inc()
        if ctx.rewritten:
            self.changed.labels(provider, "rewritten").inc()
        if not hit:
            self._count_tokens(ctx, provider, model)
        if ctx.settled is not None:
            self._count_money(ctx.settled, provider, model)

    def _count_money(self, settled: Settled, provider: str, model: str) -> None:
        if settled.charge is None or settled.cost is None:
            self.unpriced.labels(provider, model).inc()
        if not settled.charge and not settled.cost:
            return
        children = self._money.get((provider, model))
        if children is None:
            children = self._money[provider, model] = (
                self.charge.labels(provider, model),
                self.cost.labels(provider, model),
            )
        if settled.charge:
            children[0].inc(settled.charge / MICRO)
        if settled.cost:
            children[1].inc(settled.cost / MICRO)

    def _count_saved(self, ctx: RequestContext, cached: Cached) -> None:
        """What came from the cache and left whole."""
        usage, settled = cached.usage, ctx.settled
        if ctx.outcome == "ok" and (usage.input or usage.output):
            self._saved_input.inc(usage.input)
            self._saved_output.inc(usage.output)
        if settled is not None and (settled.saved or settled.saved_cost):
            self._saved_charge.inc(settled.saved / MICRO)
            self._saved_cost.inc(settled.saved_cost / MICRO)

    def catalogue_refreshed(self, good: bool) -> None:
        """One refresh of the catalogue went well, or left the last good one in place."""
        self.catalogue_refreshes.labels("ok" if good else "failed").inc()

    def followed(self, kind: str, role: str) -> None:
        """A failed try was followed by another."""
        self.failovers.labels(kind, role).inc()

    def failover_stopped(self, reason: str) -> None:
        """A failed request is not tried again."""
        self.failovers_stopped.labels(reason).inc()

    def target_opened(self, provider: str, model: str, reason: str) -> None:
        """A target was given up for a while."""
        self.targets_opened.labels(provider, model if self._known_models(model) else OTHER, reason).inc()

    def key_rested(self, provider: str, key: int, reason: str) -> None:
        """A provider's key, counted from 0, is not used for a while."""
        self.keys_rested.labels(provider, str(key), reason).inc()

    def targets_stand(self, states: Iterable[tuple[str, str, int]], waiting: int) -> None:
        """(provider, model, state) of every target, and how many requests wait for a place at one."""
        known = {(provider, model): state for provider, model, state in states if self._known_models(model)}
        for place in self._states.keys() | known.keys():
            state = known.get(place, 0)
            if self._states.get(place) != state:
                self.target_state.labels(*place).set(state)
        self._states = {place: known.get(place, 0) for place in self._states.keys() | known.keys()}
        self.target_waiting.set(waiting)

    def _count_request(self, labels: tuple[str, ...]) -> None:
        child = self._requests.get(labels)
        if child is None:
            child = self._requests[labels] = self.requests.labels(*labels)
        child.inc()

    def _count_attempt(self, labels: tuple[str, str, str]) -> None:
        child = self._attempts.get(labels)
        if child is None:
            child = self._attempts[labels] = self.attempts.labels(*labels)
        child.inc()

    def _of_target(self, route: str, provider: str, model: str) -> tuple[Histogram, ...]:
        labels = (route, provider, model)
        children = self._targets.get(labels)
        if children is None:
            children = self._targets[labels] = (
                self.duration.labels(*labels),
                self.upstream.labels(*labels),
                self.overhead.labels(route),
                self.first_token.labels(*labels),
                self.between_tokens.labels(*labels),
            )
        return children

    def _add_tokens(self, amount: int, labels: tuple[str, str, str, str]) -> None:
        child = self._tokens.get(labels)
        if child is None:
            child = self._tokens[labels] = self.tokens.labels(*labels)
        child.inc(amount)

    def _count_tokens(self, ctx: RequestContext, provider: str, model: str) -> None:
        usage = ctx.usage
        if usage.input > 0:
            self._add_tokens(usage.input, ("input", provider, model, usage.input_source))
        if usage.output > 0:
            self._add_tokens(usage.output, ("output", provider, model, usage.output_source))
        if usage.cached > 0:
            self._add_tokens(usage.cached, ("cached", provider, model, usage.input_source))
        if usage.cache_write > 0:
            self._add_tokens(usage.cache_write, ("cache_write", provider, model, usage.input_source))
        if usage.audio_input > 0:
            self._add_tokens(usage.audio_input, ("audio_input", provider, model, usage.input_source))
        if usage.reasoning > 0:
            self._add_tokens(usage.reasoning, ("reasoning", provider, model, usage.output_source))
        if usage.audio_output > 0:
            self._add_tokens(usage.audio_output, ("audio_output", provider, model, usage.output_source))
        if usage.input and usage.input_source == "reported" and ctx.estimate.likely:
            error = self._estimates.get(provider)
            if error is None:
                error = self._estimates[provider] = self.estimate_error.labels(provider)
            error.observe(ctx.estimate.likely / usage.input)
