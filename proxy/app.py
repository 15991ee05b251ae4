"""Composition root: configuration → services → chains → routes. The only file where concrete classes and links meet."""

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from msgspec import structs
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from middleware import build_chain

from . import accounts, generation
from .admin.elsewhere import Elsewhere
from .administration import Administration
from .admission.limiter import Limiter, Shared
from .cached import AnswerCache
from .config import Config, ConfigError, Loaded
from .config.reload import Watcher
from .config.show import Change
from .context import Receive, RequestContext, Scope, Send, StreamMeter
from .counting import ChainCounter
from .embedding import FLAG as EMBEDDING
from .embedding import Embeddings
from .failover import classify
from .generations import Generations, Staging
from .identity.authorisation import authorise
from .inflight import InFlight
from .lifespan import Lifespan, StartRefused
from .limits.far import Ample, stream_meter
from .limits.meter import Extend
from .local.health import Health, State
from .protocols import Board, Pricing
from .refreshing import Refresher
from .remaining import Remaining
from .rollout.canary import Canary
from .rollout.expenses import Expenses
from .rollout.observed import ArmTelemetry
from .rollout.places import Places
from .rollout.shadow import Shadows
from .rollout.trying import Means
from .scheduling import yield_to_loop
from .services import Services
from .settlement import Settler
from .steering import Steering
from .stores import Stores
from .surface import Surface
from .telemetry.access_log import AccessLog
from .telemetry.caching import CacheMetrics
from .telemetry.metrics import Metrics
from .telemetry.page import MetricsPage
from .telemetry.recorder import Recorder
from .telemetry.rollouts import CanaryLog, ShadowLog
from .telemetry.spending import Spending
from .tokens.counter import TokenCounter
from .traced import CLOSING, TracedInFlight, around, opened
from .tracing import Tracing
from .transports import TransportPool
from .upstream.fetch import fetch

if TYPE_CHECKING:
    from .telemetry.otel.exporter import Exporter

_log = logging.getLogger("tollway.app")

METER_STEP = 256
"""Output tokens that a running stream asks for at a time."""

COLLECT = (50_000, 20, 50)
"""Thresholds of the garbage collector: a request leaves it nothing, so it is to look rarely, and never at what a start made."""

HEARTBEAT = 0.5
"""Seconds between looks at the loop's lag and the retired pools."""


def log_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """What asyncio would print with the exception's text, which may quote a client or a provider; here its type only."""
    error = context.get("exception")
    # A pooled connection that an upstream reset while nobody used it is no event.
    level = logging.DEBUG if type(error).__module__.startswith("aiohttp") else logging.ERROR
    _log.log(level, "event loop: %s (%s)", context.get("message"), type(error).__name__)


class Gateway:
    """One worker's application: ASGI in, everything it owns inside."""

    def __init__(
        self, loaded: Loaded, *, reload: Callable[[], Loaded], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        config = loaded.config
        self._config = config
        self._clock = clock
        self._known: set[str] = set()
        registry = CollectorRegistry() if config.telemetry.prometheus else None
        telemetry = config.telemetry
        self.metrics = Metrics(
            registry or CollectorRegistry(), known_models=self._is_known, keys_shown=telemetry.key_metrics
        )
        self._access_log = (
            AccessLog(config.telemetry.access_log, dropped=self.metrics.log_dropped.inc)
            if config.telemetry.access_log != "off"
            else None
        )
        self._tokens = TokenCounter()
        self._counter = ChainCounter(self._tokens)
        self.tasks = TracedInFlight() if telemetry.otlp else InFlight()
        self._exporter: Exporter | None = None
        self._registry = registry or CollectorRegistry()
        self._pool = TransportPool(clock)
        self.state = State()
        self._stores = Stores(config, self.metrics)
        self._steering = Steering(config, self.metrics, clock=clock, wall=time.time)
        self._tracing = self._traced(config)
        self._recorder = Recorder(
            metrics=self.metrics if config.telemetry.prometheus else None,
            access_log=self._access_log,
            wall=time.time,
            traced=self._tracing.record,
        )
        self._administration: Administration | None = None
        self._embeddings = Embeddings(lambda: self._generations.current, self._embedding_expenses)
        # Not for secrets: which near questions are tried out.
        tried = Random(os.urandom(8))  # noqa: S311
        counted = CacheMetrics(registry or CollectorRegistry(), self.metrics.series)
        self._cache = AnswerCache(counted, ask=self._embeddings, rng=tried)
        self._shared = self._sharing()
        self._places = Places(self.tasks)
        # Not for secrets: which requests a trial gets.
        self._canary = Canary(clock=clock, random=Random(os.urandom(8)), records=CanaryLog(self.metrics))  # noqa: S311
        self._generations = Generations(
            config, make=self._generation, chain=build_chain, canary=self._canary, state=self.state
        )
        page = self._metrics_page(registry) if registry is not None else None
        key = telemetry.metrics_key.reveal() if telemetry.metrics_key is not None else ""
        self._health = Health(self.state, metrics=page, key=key)
        shown = self._health if config.server.health_port is None else Health(self.state, metrics=None)
        self._surface = Surface(self._generations.build, shown, config.server.cors)
        self._generations.show(self._surface.rebuild)
        self._watcher = Watcher(
            loaded, reload=reload, on_change=self._apply, on_error=self._refuse, on_recovery=self._recovered
        )
        self._lifespan = Lifespan(start=self._start, stop=self._stop)
        self._skipped = 0
        self._refresher = Refresher(
            lambda: self._generations.current.config.catalogue.refresh,
            fetch=fetch,
            applied=self._generations.remake,
            told=self.metrics.catalogue_refreshed,
            clock=clock,
        )
        self._background: list[asyncio.Task[None]] = []
        self._listener: asyncio.Server | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._surface.app(scope, receive, send)

    # ---- generations ------------------------------------------------------------------------------------------------

    def _sharing(self) -> Shared:
        """What admission keeps across reloads."""
        stores = self._stores
        return Shared(
            store=stores.limits,
            ledger=stores.ledger,
            forecast=stores.forecast,
            room=stores.room,
            decisions=Spending(self.metrics),
            wall=time.time,
            tasks=self.tasks,
        )

    def _generation(self, config: Config, staging: Staging | None = None) -> Services:
        """``staging``: it is one of two, and the other's connections stay."""
        stores, beside = self._stores, staging.beside if staging is not None else None
        tried = staging is not None and staging.tried
        if not tried:
            self._steering.use(config)
        telemetry = self._recorder if staging is None else ArmTelemetry(self._recorder, staging.trial, staging.arm)
        directory = generation.directory(config)
        pricing = generation.pricing(config)
        gateway, models, providers = generation.shared_rules(config)
        steered = self._steering.made(config, directory, apart=tried)
        self._explainer = steered.explainer
        transports = self._pool.use(config.providers, beside.providers if beside is not None else None)
        services = Services(
            config=config,
            authenticator=generation.authenticator(
                config,
                self._clock,
                terms=generation.terms_of(config),
                stored=stores.stored,
                signers=stores.signers,
                pepper=stores.pepper,
            ),
            authorise=authorise,
            directory=directory,
            router=steered.router,
            courses=steered.courses,
            explain=steered.explainer,
            providers=around(self._exporter, accounts.providers(config, transports, os.environ), config),
            counter=self._counter,
            telemetry=telemetry,
            settlement=Settler(
                counter=self._counter,
                telemetry=telemetry,
                pricing=pricing,
                ledger=stores.ledger,
                forecast=stores.forecast,
                room=stores.room,
                local=stores.local,
                clock=self._clock,
                wall=time.time,
            ),
            admission=Limiter(
                self._shared,
                gateway=gateway,
                models=models,
                providers=providers,
                directory=directory,
                pricing=pricing,
                counter=self._counter,
                meter=self._tokens_meter,
                hands_out=config.passthrough.admin,
            ),
            owners=stores.owners,
            tasks=self.tasks,
            relay=generation.relay_settings(config),
            body_limits=generation.body_limits(config),
            clock=self._clock,
            wall=time.time,
            cache=self._cache.made(config),
            arm=staging.arm.name if staging is not None else "",
        )
        self._known = generation.known_models(config)
        if beside is not None:
            self._known |= generation.known_models(beside)
        if all(model.shadow is None for model in config.models.values()):
            return services
        return structs.replace(services, shadow=self._shadows(services, steered.board, pricing).after)

    def _shadows(self, services: Services, board: Board, pricing: Pricing) -> Shadows:
        """What follows requests whose route has a shadow."""
        means = Means(
            router=services.router,
            board=board,
            admission=services.admission,
            providers=services.providers,
            account=accounts.account_name,
            classify=classify,
            counter=services.counter,
            settlement=services.settlement,
            expenses=Expenses(
                pricing=pricing,
                ledger=self._stores.ledger,
                ident=self._shared.ident,
                clock=services.clock,
                wall=services.wall,
            ),
            clock=services.clock,
            wall=services.wall,
        )
        return Shadows(self._places, means, ShadowLog(self.metrics, known_models=self._is_known))

    def _metrics_page(self, registry: CollectorRegistry) -> MetricsPage:
        """What ``/metrics`` shows; what is left of budgets is asked for when somebody looks."""
        gauges, stores = self.metrics.budgets, self._stores
        remaining = Remaining(
            gauges,
            store=stores.limits,
            terms=lambda: generation.terms_of(self._generations.current.config),
            stored=lambda: stores.stored,
            wall=time.time,
        )
        return MetricsPage(registry, self.metrics.series, before=remaining.look, extra=(gauges,))

    def _embedding_expenses(self) -> Expenses:
        """What the cache's own embeddings cost, under the prices in force."""
        return Expenses(
            pricing=generation.pricing(self._generations.current.config),
            ledger=self._stores.ledger,
            ident=self._shared.ident,
            clock=self._clock,
            wall=time.time,
            flag=EMBEDDING,
        )

    def _traced(self, config: Config) -> Tracing:
        """How requests were routed, by request id; those that ask for it are told to all workers."""
        shared = self._stores.shared
        return Tracing(
            config.routing.traces,
            explainer=lambda: self._explainer,
            tasks=self.tasks,
            link=shared[1] if shared is not None else None,
        )

    def _tokens_meter(
        self,
        ctx: RequestContext,
        *,
        reserved: int | None,
        extend: Extend,
        ample: Ample,
        checkpoint: Callable[[int], None] | None,
        spend: Callable[[int], None] | None,
    ) -> StreamMeter:
        """The live meter of one stream, by the tokeniser of the model that was asked for."""
        return stream_meter(
            dialect=ctx.endpoint.dialect,
            counted=partial(self._tokens.inline_count, ctx.request.model or ""),
            reserved=reserved,
            extend=extend,
            ample=ample,
            step=METER_STEP,
            checkpoint=checkpoint,
            spend=spend,
            clock=self._clock,
        )

    def _is_known(self, model: str) -> bool:
        return model in self._known

    async def _apply(self, loaded: Loaded, change: Change) -> None:
        """A good new configuration: new chains, swapped in; what needs a restart is said and left."""
        self._stores.use(loaded.config, generation.terms_of(loaded.config))
        self._tracing.resize(loaded.config.routing.traces)
        try:
            await self._cache.use(loaded.config)
        except StartRefused as error:
            # The rest of a good configuration is not to wait for an embedder.
            _log.error("the semantic cache stays as it was: %s", error)
        self._generations.take(loaded)
        if self._administration is not None:
            self._surface.admin.app = self._administration.app(loaded.config)
        self.metrics.reload_success.set(1)
        self.metrics.reload_time.set_to_current_time()
        _log.info("configuration applied: %s", ", ".join(change.hot) or "nothing")
        if change.restart:
            _log.warning("these changes need a restart: %s", ", ".join(change.restart))

    def _recovered(self) -> None:
        """The file is good again, be it the old one, or the one that was tried and taken back."""
        self.state.config_error = self._canary.refusal
        self.metrics.reload_success.set(0 if self._canary.refusal else 1)

    def _refuse(self, error: ConfigError) -> None:
        """A bad new configuration: nothing changes, and everybody can see why."""
        self.state.config_error = str(error)
        self.metrics.reload_success.set(0)
        self.metrics.reload_failures.inc()
        _log.error("configuration refused, the last good one stays: %s", error)

    # ---- life -------------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        server = self._config.server
        if server.health_port is not None:
            self._listener = await self._health.serve(server.health_host or server.host, server.health_port)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(log_loop_error)
        # Granian's own handler runs through the loop's wake-up descriptor, so both are called.
        signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(self.drain))
        await self._stores.open(generation.terms_of(self._config))
        self._shared = self._sharing()
        await self._cache.use(self._config)
        self._exporter = self._recorder.exporting = opened(
            self._config,
            self.tasks,
            self._registry,
            environ=os.environ,
            known_models=self._is_known,
            clock=self._clock,
            wall=time.time,
        )
        self._generations.remake()
        self._generations.share(self._stores.shared, self.tasks)
        self._surface.admin.app = self._administered()
        loops = (
            self._watcher.run(),
            self._beat(),
            self._refresher.run(),
            self._shared.leases.run(),
            *self._stores.loops(),
            *self._steering.loops(self._stores.shared),
        )
        self._background = [loop.create_task(work) for work in loops]
        self.metrics.reload_success.set(1)
        self.metrics.reload_time.set_to_current_time()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT)
        self.state.ready = True

    def _administered(self) -> ASGIApp:
        """The admin API; nothing where it has a process of its own."""
        if self._config.server.admin_port is not None:
            return Elsewhere()
        self._administration = Administration(
            self._stores,
            self._config,
            trace=self._tracing.find,
            health=self._steering.board.shown,
            cache=self._cache,
        )
        return self._administration.app(self._config)

    def drain(self) -> None:
        """Not ready from now on; what still runs at ``server.drain`` seconds is ended with an error of its own."""
        if self.tasks.draining:
            return
        self.tasks.draining = self.state.draining = True
        _log.info("draining %d requests for at most %g s", len(self.tasks), self._config.server.drain)
        asyncio.get_running_loop().call_later(self._config.server.drain, self._end_drain)

    def _end_drain(self) -> None:
        ended = self.tasks.end_all()
        if ended:
            _log.warning("drain limit passed: ended %d requests", ended)

    async def _stop(self) -> None:
        self.drain()
        for task in self._background:
            task.cancel()
        self._places.close()
        await asyncio.gather(*self._background, return_exceptions=True)
        if not await self.tasks.settle(5.0):
            self.tasks.end_all()
            await self.tasks.settle(2.0)
        await self._steering.close()
        await self._generations.close()
        await self._cache.close()
        await self._stores.close()
        await self._pool.close()
        self._tokens.close()
        if self._access_log is not None:
            self._access_log.close()
        if self._exporter is not None:
            self._exporter.close(CLOSING)
        self.metrics.series.hand_over()
        if self._listener is not None:
            self._listener.close()

    async def _beat(self) -> None:
        """The loop's own pulse: lag, requests under way, pools that nobody uses any more."""
        loop = asyncio.get_running_loop()
        # Granian's threads exist only once the lifespan has started.
        loop.call_later(HEARTBEAT, yield_to_loop)
        while True:
            due = loop.time() + HEARTBEAT
            await asyncio.sleep(HEARTBEAT)
            lag = max(0.0, loop.time() - due)
            self.state.lagging = lag > self._config.server.lag_limit
            self.metrics.loop_lag.set(lag)
            self.metrics.in_flight.set(len(self.tasks))
            self.metrics.reservations.set(len(self._shared.leases))
            self._steering.reporter.measure()
            self._cache.measure()
            self.metrics.series.hand_over()
            skipped = self._tokens.overflowed
            self.metrics.counts_skipped.inc(skipped - self._skipped)
            self._skipped = skipped
            if self._generations.look():
                self._recovered()
            await self._pool.sweep(min(self.tasks.oldest(), self._places.oldest()))
