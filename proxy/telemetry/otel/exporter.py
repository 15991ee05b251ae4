"""One process's telemetry on its way to a collector: decides at a request's start, notes at its end, sends from threads of its own."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from ... import __version__
from ...context import RequestContext
from ...protocols import Clock, Providers
from .conventions import names_of, provider_name
from .encoding import SpanEncoder
from .ended import Ended, ended_as
from .exported import OtelMetrics
from .identity import resource, scope
from .outbox import Outbox
from .points import MetricEncoder
from .pump import Pump
from .sampling import NEVER
from .sending import Sender
from .settings import Collector, Settings
from .tallies import Attributes, Tallies
from .tracer import Tracer
from .tries import Places, TracedProvider, TracedTransport

AGENT = f"tollway/{__version__}"


class Exporter:
    """Made and started in the process that serves. ``scheme``: of our own listener."""

    def __init__(
        self,
        settings: Settings,
        *,
        known_models: Callable[[str], bool],
        workers: int,
        scheme: str,
        counts: OtelMetrics,
        clock: Clock,
        wall: Clock,
    ) -> None:
        """Raises ``OSError`` where a certificate that a variable names cannot be read."""
        self._settings = settings
        self._uses: dict[str, str] = {}
        self._clock = clock
        self._wall = wall
        self._stopping = threading.Event()
        self._places: Places = {}
        self._scheme = scheme
        self._tracer = Tracer(settings.sampler if settings.traces is not None else NEVER)
        self.begin = self._tracer.begin
        """A request has come: is it recorded?"""
        self._resource = resource(workers=workers)
        self._tallies = Tallies(about=self._about, known_models=known_models, latest=settings.latest, scheme=scheme)
        self._outbox = self._traces(settings.traces, counts) if settings.traces is not None else None
        self._pump = self._metrics(settings.metrics, counts) if settings.metrics is not None else None

    def _traces(self, collector: Collector, counts: OtelMetrics) -> Outbox[Ended]:
        encoder = SpanEncoder(
            resource=self._resource,
            scope=scope(),
            uses=self._uses,
            places=self._places,
            latest=self._settings.latest,
            scheme=self._scheme,
        )
        sender = Sender(collector, agent=AGENT, stopping=self._stopping)

        def send(requests: Sequence[Ended]) -> str:
            return sender.send(encoder.encoded(requests))

        dropped, taken = counts.counts("traces")
        settings = self._settings
        return Outbox(
            send, limit=settings.queue, batch=settings.batch, delay=settings.delay, dropped=dropped, taken=taken
        )

    def _metrics(self, collector: Collector, counts: OtelMetrics) -> Pump:
        settings, dropped_taken = self._settings, counts.counts("metrics")
        encoder = MetricEncoder(
            resource=self._resource, scope=scope(), started=int(self._wall() * 1e9), delta=settings.delta
        )
        return Pump(
            self._tallies,
            encoder,
            Sender(collector, agent=AGENT, stopping=self._stopping).send,
            interval=settings.interval,
            wall=self._wall,
            dropped=dropped_taken[0],
            taken=dropped_taken[1],
        )

    def _about(self, operation: str, provider: str) -> Attributes:
        latest = self._settings.latest
        use = self._uses.get(provider, provider)
        about: dict[str, str | int] = {
            "gen_ai.operation.name": operation,
            names_of(operation, latest=latest).provider: provider_name(use, latest=latest),
            "tollway.provider": provider,
        }
        host, port = self._places.get(provider, ("", 0))
        return about | {"server.address": host, "server.port": port} if host else about

    # ---- requests ---------------------------------------------------------------------------------------------------

    def around(self, providers: Providers, uses: Mapping[str, str]) -> Providers:
        """The same accounts, their tries within the traces of their requests. ``uses``: provider ids by configured name."""
        tracer = self._tracer
        self._uses.update(uses)
        return {
            account: (
                TracedProvider(provider, tracer),
                TracedTransport(transport, tracer, provider.name, self._places),
            )
            for account, (provider, transport) in providers.items()
        }

    def record(self, ctx: RequestContext, ended: float) -> None:
        """A request has ended and is settled. From here on its log line names our span's trace."""
        if self._pump is not None:
            self._tallies.note(ctx, ended)
        trace = self._tracer.end(ctx)
        if trace is None or self._outbox is None:
            return
        self._outbox.put(ended_as(ctx, trace, ended, self._wall() - self._clock()))
        ctx.headers[b"traceparent"] = trace.header

    # ---- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """After any fork."""
        for thread in (self._outbox, self._pump):
            if thread is not None:
                thread.start()

    def close(self, timeout: float) -> None:
        """Sends what waits, for at most so many seconds."""
        deadline = time.monotonic() + timeout
        self._stopping.set()
        threads = [thread for thread in (self._outbox, self._pump) if thread is not None]
        for thread in threads:
            thread.stop()
        for thread in threads:
            thread.join(deadline - time.monotonic())
