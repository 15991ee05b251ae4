"""The application behind ``server.admin_port``: the admin API and probes, in a process that serves no requests.

What only those that serve know (health, traces, stored answers in memory) comes through the shared state, or is refused.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from random import Random
from secrets import token_hex

from starlette.types import ASGIApp

from .admin.app import PREFIX
from .admin.refusals import StateRequired
from .admin_cache import AdminCache
from .admin_stores import AdminStores
from .administration import Administration
from .config import Config, ConfigError, Loaded
from .config.reload import Watcher
from .config.show import Change
from .context import Receive, Scope, Send
from .health.board import HealthBoard
from .health.changes import TargetHealth
from .lifespan import Lifespan
from .local.health import Health, State
from .policy.accounts import keys_of
from .tracing import shared_trace

_log = logging.getLogger("tollway.admin")

UNSEEN = (
    "{} known to the processes that serve, which share no state, so the admin listener cannot tell: "
    "set state: {{type: embedded}} or {{type: redis}}, or leave server.admin_port out."
)


class AdminPlane:
    """One process's application: ASGI in. ``ready``: told once, when it can answer."""

    def __init__(self, loaded: Loaded, *, reload: Callable[[], Loaded], ready: Callable[[], None]) -> None:
        config = self._config = loaded.config
        self._ready = ready
        self._stores = AdminStores(config)
        self._cache = AdminCache(config, shared=self._stores.shared is not None)
        self._board = HealthBoard(
            config.health,
            provider_keys=keys_of(config),
            clock=time.perf_counter,
            # Not for secrets, and nobody is asked from here.
            rng=Random(0),  # noqa: S311
        )
        self._state = State()
        self._health = Health(self._state, metrics=None)
        self._admin: ASGIApp = self._health
        self._watcher = Watcher(
            loaded, reload=reload, on_change=self._apply, on_error=self._refuse, on_recovery=self._recovered
        )
        self._lifespan = Lifespan(start=self._start, stop=self._stop)
        self._background: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            path = scope["path"]
            app = self._admin if path.startswith(f"{PREFIX}/") else self._health
            await app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _start(self) -> None:
        async with AsyncExitStack() as failed:
            # What stays open would keep the process, which is to end.
            failed.push_async_callback(self._stop)
            await self._open()
            failed.pop_all()
        gc.collect()
        gc.freeze()
        self._state.ready = True
        self._ready()

    async def _open(self) -> None:
        await self._stores.open()
        await self._cache.open()
        self._administration = Administration(
            self._stores, self._config, trace=self._trace, health=self._targets, cache=self._cache
        )
        self._admin = self._administration.app(self._config)
        self._background = [asyncio.create_task(self._watcher.run())]
        if self._stores.shared is not None:
            self._background.append(asyncio.create_task(self._hear()))

    async def _hear(self) -> None:
        """What workers tell each other of targets, until cancelled."""
        from .health.sharing import CHANNEL, SharedHealth  # noqa: PLC0415 - only where a state is shared
        from .state.push import Push  # noqa: PLC0415 - an extra

        assert self._stores.shared is not None
        settings, link = self._stores.shared
        push = Push(settings, link, channel=CHANNEL)
        try:
            await SharedHealth(self._board, link, push, sender=token_hex(8)).run()
        finally:
            await push.close()

    async def _stop(self) -> None:
        self._state.draining = True
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._cache.close()
        await self._stores.close()

    # ---- what those that serve know ---------------------------------------------------------------------------------

    async def _trace(self, request_id: str) -> Mapping[str, object] | None:
        if self._stores.shared is None:
            raise StateRequired(UNSEEN.format("How requests were routed is"))
        return await shared_trace(self._stores.shared[1], request_id)

    def _targets(self) -> Sequence[TargetHealth]:
        if self._stores.shared is None:
            raise StateRequired(UNSEEN.format("How targets do is"))
        return self._board.shown()

    # ---- reload -----------------------------------------------------------------------------------------------------

    async def _apply(self, loaded: Loaded, change: Change) -> None:
        """Accounts of the file and the admin key follow; what needs a restart is said by those that serve."""
        config: Config = loaded.config
        self._board.use(config.health, provider_keys=keys_of(config), forwards=(), changed=())
        self._admin = self._administration.app(config)
        _log.info("configuration applied to the admin listener: %s", ", ".join(change.hot) or "nothing")

    def _refuse(self, error: ConfigError) -> None:
        self._state.config_error = str(error)

    def _recovered(self) -> None:
        self._state.config_error = ""
