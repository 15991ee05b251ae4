"""The telemetry of one process: a settled request becomes metrics and a log line."""

import logging
import traceback
from collections.abc import Callable
from typing import Protocol

from ..context import RequestContext
from .access_log import AccessLog
from .lines import encoded, line_of, waited_for
from .metrics import Metrics

_log = logging.getLogger("tollway.request")


class Exporting(Protocol):
    """What takes requests to a collector elsewhere."""

    def record(self, ctx: RequestContext, ended: float) -> None:
        """A request has ended."""


class Recorder:
    """All sinks are optional. ``wall`` is the wall clock in seconds; ``traced(ctx, ended)`` keeps how a request was routed."""

    exporting: Exporting | None = None
    """Before the log: its line names the trace that was exported."""

    def __init__(
        self,
        *,
        metrics: Metrics | None,
        access_log: AccessLog | None,
        wall: Callable[[], float],
        traced: Callable[[RequestContext, float], None] | None = None,
    ) -> None:
        self._metrics = metrics
        self._access_log = access_log
        self._wall = wall
        self._traced = traced

    def record(self, ctx: RequestContext, ended: float) -> None:
        """Metrics and the access log line of one request."""
        waited = waited_for(ctx)
        if self._metrics is not None:
            self._metrics.observe(ctx, ended, waited)
        if self.exporting is not None:
            self.exporting.record(ctx, ended)
        if self._access_log is not None:
            self._access_log.append(encoded(line_of(ctx, ended, self._wall(), waited)))
        if self._traced is not None:
            self._traced(ctx, ended)

    def settler_failed(self, name: str, error: BaseException) -> None:
        """A settler broke; the others still ran."""
        _log.error("settler %s failed: %s", name, type(error).__name__)
        if self._metrics is not None:
            self._metrics.settler_failures.labels(name).inc()

    def unexpected(self, ctx: RequestContext, error: BaseException) -> None:
        """Our bug: type and place, never the message, which may quote a client or a provider."""
        frames = traceback.extract_tb(error.__traceback__)[-4:]
        where = " < ".join(
            f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno} {frame.name}" for frame in reversed(frames)
        )
        _log.error("request %s met %s at %s", ctx.request_id, type(error).__name__, where)
        if self._metrics is not None:
            self._metrics.unexpected.labels(type(error).__name__).inc()
