"""Traces of decisions: kept by the process that made them and, of requests that ask for it, in the shared state for all."""

import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from .context import RequestContext
from .protocols import Tasks
from .routing.explain import Explainer
from .routing.traces import Traces
from .state.settings import TAG, StoreDown
from .wire.values import JsonObject, dumps, object_in

KEPT = 600
"""Seconds that a shared trace is kept."""

LARGEST = 64 * 1024
"""Bytes of a shared trace; a larger one stays where it was made."""

MOST = 1000
"""Traces that one process shares within ``KEPT`` seconds, so that clients cannot fill the store with them."""

_log = logging.getLogger("tollway.traces")


class Link(Protocol):
    """The way to the shared state, as ``proxy/state`` makes it."""

    @property
    def up(self) -> bool:
        """Was the store there when it was last asked?"""

    def call(self, *words: bytes | str | int) -> Coroutine[Any, Any, object]:
        """One command and its reply."""


class Tracing:
    """``explainer()``: the one of the configuration in force. ``link``: ``None`` where no state is shared."""

    def __init__(
        self, size: int, *, explainer: Callable[[], Explainer], tasks: Tasks, link: Link | None = None
    ) -> None:
        self._traces = Traces(size)
        self._explainer = explainer
        self._tasks = tasks
        self._link = link
        self._shared: deque[float] = deque(maxlen=MOST)

    def resize(self, size: int) -> None:
        """After a reload."""
        self._traces = self._traces.resized(size)

    def record(self, ctx: RequestContext, ended: float) -> None:
        """At a request's end. Takes references only, but for a request that asked for its trace."""
        self._traces.keep(ctx, ended)
        if ctx.controls.trace and self._link is not None and self._link.up and self._may_share(ended):
            self._tasks.spawn(self._share(self._link, ctx.request_id))

    async def find(self, request_id: str) -> JsonObject | None:
        """The explanation of a request that was routed lately."""
        trace = self._traces.find(request_id)
        if trace is not None:
            return self._explainer().explanation(trace)
        return None if self._link is None else await shared_trace(self._link, request_id)

    async def _share(self, link: Link, request_id: str) -> None:
        """Best effort: a trace is no reason to wait for a store."""
        trace = self._traces.find(request_id)
        if trace is None:
            return
        data = dumps(self._explainer().explanation(trace))
        if len(data) > LARGEST:
            return
        try:
            await link.call("SET", _key(request_id), data, "EX", KEPT)
        except StoreDown:
            _log.debug("the trace of %s could not be shared", request_id)

    def _may_share(self, now: float) -> bool:
        if len(self._shared) == MOST and now - self._shared[0] < KEPT:
            return False
        self._shared.append(now)
        return True


async def shared_trace(link: Link, request_id: str) -> JsonObject | None:
    """The explanation that whichever process routed the request has shared."""
    if not link.up:
        return None
    try:
        found = await link.call("GET", _key(request_id))
    except StoreDown:
        return None
    return object_in(found) if isinstance(found, bytes) else None


def _key(request_id: str) -> str:
    return f"{TAG}:trace:{request_id}"
