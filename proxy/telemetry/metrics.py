"""Prometheus metrics: all that there are, and those that are rarely touched. What every request adds is in ``requests.py``.

Labels are bounded: ``route`` and ``model`` take configured names only, else ``other``.
"""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .. import __version__
from .budgets import BudgetGauges
from .per_key import KeySeries
from .requests import OTHER, RequestSeries
from .series import Series

DURATION = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
FIRST_TOKEN = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BETWEEN_TOKENS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25)
RATIO = (0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.5, 2.0, 4.0)


class Metrics:
    """Every metric of the gateway, in one registry."""

    def __init__(
        self, registry: CollectorRegistry, *, known_models: Callable[[str], bool], keys_shown: int = 0
    ) -> None:
        """``keys_shown``: how many keys have series of their own."""
        self._known_models = known_models
        self.series = Series(registry)
        """What requests add to. It comes before the metrics: see there."""
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
        self.tokenless = Counter(
            "tollway_tokenless_streams_total",
            "Streams that ended without a token.",
            by_target,
            registry=registry,
        )
        self.links = Histogram(
            "tollway_link_seconds",
            "Time in one link of the chain, of one request in sixteen.",
            ("link",),
            buckets=OVERHEAD,
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
        self.budgets = BudgetGauges(registry)
        self.key_requests = Counter("tollway_key_requests_total", "Requests by key.", ("key",), registry=registry)
        self.key_tokens = Counter(
            "tollway_key_tokens_total",
            "Tokens that providers read and wrote, by key.",
            ("key", "direction"),
            registry=registry,
        )
        self.key_usd = Counter(
            "tollway_key_usd_total",
            "What a key's requests were charged, and what they cost the operator.",
            ("key", "of"),
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
        self.queue_wait = Histogram(
            "tollway_queue_wait_seconds",
            "How long requests waited for a limit.",
            ("result",),
            buckets=FIRST_TOKEN,
            registry=registry,
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
        for name in ("input", "output"):
            self.saved_tokens.labels(name)
        for name in ("charge", "cost"):
            self.saved_usd.labels(name)
        by_key = KeySeries(self, self.series, most=keys_shown) if keys_shown else None
        self.observe = RequestSeries(self, self.series, known_models=known_models, by_key=by_key).observe
        """Everything that one settled request adds; see there."""

    def catalogue_refreshed(self, good: bool) -> None:
        """One refresh of the catalogue went well, or left the last good one in place."""
        self.catalogue_refreshes.labels("ok" if good else "failed").inc()

    def waited(self, seconds: float, *, admitted: bool) -> None:
        """A request waited for a limit: until it got through, or was refused after all."""
        self.queue_wait.labels("admitted" if admitted else "refused").observe(seconds)

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
