"""Where requests meet OpenTelemetry, if the configuration names a collector: at their start, at their tries, at their end."""

import logging
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from .config import Config
from .context import RequestContext
from .inflight import InFlight
from .lifespan import StartRefused
from .protocols import Clock, Providers

if TYPE_CHECKING:
    from .telemetry.otel.exporter import Exporter

_log = logging.getLogger("tollway.otel")

CLOSING = 2.0
"""Seconds that a collector has for what is left when the process ends."""

FIX = (
    "telemetry.otlp needs the package opentelemetry, which is not installed: install tollway[otel], "
    "or leave telemetry.otlp empty."
)


def _nothing(ctx: RequestContext) -> None:
    pass


class TracedInFlight(InFlight):
    """Requests under way, each told to ``begin`` when it comes: whether it is recorded is decided there, once."""

    def __init__(self) -> None:
        super().__init__()
        self.begin: Callable[[RequestContext], None] = _nothing

    def enter(self, ctx: RequestContext) -> None:
        """Registers a request."""
        self._requests[id(ctx)] = ctx
        self.begin(ctx)


def installed() -> bool:
    """Is the extra there?"""
    try:
        return find_spec("opentelemetry.proto") is not None and find_spec("opentelemetry.sdk") is not None
    except ModuleNotFoundError:
        return False


def around(exporter: "Exporter | None", providers: Providers, config: Config) -> Providers:
    """The accounts of a generation, as requests are to meet them."""
    if exporter is None:
        return providers
    return exporter.around(providers, {name: provider.use for name, provider in config.providers.items()})


def opened(
    config: Config,
    tasks: InFlight,
    registry: CollectorRegistry,
    *,
    environ: Mapping[str, str],
    known_models: Callable[[str], bool],
    clock: Clock,
    wall: Clock,
) -> "Exporter | None":
    """What exports, running; ``None``: nothing does. Raises ``StartRefused``, with the fix."""
    telemetry = config.telemetry
    if not telemetry.otlp:
        return None
    if not installed():
        raise StartRefused(FIX)
    from .telemetry.otel.exported import OtelMetrics  # noqa: PLC0415 - nobody else pays for it
    from .telemetry.otel.exporter import Exporter  # noqa: PLC0415 - an extra
    from .telemetry.otel.settings import settings_of  # noqa: PLC0415 - the same

    settings = settings_of(
        telemetry.otlp,
        headers={name: value.reveal() for name, value in telemetry.otlp_headers.items()},
        signals=telemetry.otlp_signals,
        ratio=telemetry.trace_ratio,
        environ=environ,
        said=_log.warning,
    )
    if settings is None:
        return None
    try:
        exporter = Exporter(
            settings,
            known_models=known_models,
            workers=config.server.workers,
            scheme="https" if config.server.tls is not None else "http",
            counts=OtelMetrics(registry),
            clock=clock,
            wall=wall,
        )
    except OSError as error:
        raise StartRefused(
            f"A certificate of the OpenTelemetry collector cannot be read ({type(error).__name__}): check the files that "
            "OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE and _CLIENT_KEY name."
        ) from None
    if isinstance(tasks, TracedInFlight):
        tasks.begin = exporter.begin
    exporter.start()
    return exporter
