"""The access log's line of a request, read back."""

from types import SimpleNamespace

import orjson

from proxy.context import RequestContext
from proxy.telemetry.lines import encoded, line_of, waited_for


def written(ctx: RequestContext, ended: float, now: float) -> bytes:
    """As it is handed to the log."""
    return encoded(line_of(ctx, ended, now, waited_for(ctx)))


def told(ctx: RequestContext, ended: float, now: float) -> SimpleNamespace:
    """Its fields."""
    return SimpleNamespace(**orjson.loads(written(ctx, ended, now)))
