"""The admin API of a running gateway: the same application that the command line calls in-process."""

import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from starlette.types import ASGIApp

from . import __version__
from .admin import answers
from .admin.access import Access, AdminKey, Closed
from .admin.app import admin_app
from .admin.desk import Desk
from .config import Config
from .config.checks import ADMIN_KEY
from .generation import terms_of
from .health.changes import KeyHealth, TargetHealth
from .identity.failures import FailureLimiter
from .protocols import LimitStore, Purge

if TYPE_CHECKING:
    from .storage.database import Database


class Kept(Protocol):
    """What the process keeps: ``Stores`` of one that serves, ``AdminStores`` of one that administers only."""

    @property
    def database(self) -> "Database | None":
        """``None`` where nothing is stored."""

    @property
    def pepper(self) -> bytes:
        """What keys are hashed with."""

    @property
    def limits(self) -> LimitStore | None:
        """The live counters; ``None`` where this process cannot see them."""

    async def changed(self) -> None:
        """Something was changed: whoever serves is to know."""

    def figures(self) -> Mapping[str, object]:
        """How the stores are."""


class Answers(Protocol):
    """The stored answers."""

    def shown(self) -> answers.Cache:
        """How much is kept."""

    async def purge(self, what: Purge) -> answers.CachePurged:
        """Forgets."""


class Administration:
    """Follows the configuration in force: its accounts, and its admin key."""

    def __init__(
        self,
        stores: Kept,
        config: Config,
        *,
        trace: Callable[[str], Awaitable[Mapping[str, object] | None]],
        health: Callable[[], Sequence[TargetHealth]],
        cache: Answers,
    ) -> None:
        """``trace`` finds how a request was routed, by its id; ``health``: how targets and keys do; ``cache``: what is kept."""
        self._stores = stores
        self._config = config
        self._desk = Desk(
            database=stores.database,
            pepper=stores.pepper,
            clock=time.time,
            version=__version__,
            store=stores.limits,
            changed=stores.changed,
            status=self._status,
            file_accounts=lambda: terms_of(self._config).accounts,
            trace=trace,
            health=lambda: [_shown(target) for target in health()],
            cache=cache.shown,
            purge=cache.purge,
        )

    def app(self, config: Config) -> ASGIApp:
        """The application under ``config``."""
        self._config = config
        return admin_app(self._desk, access_of(config))

    def _status(self) -> Mapping[str, object]:
        return self._stores.figures()


def _shown(target: TargetHealth) -> answers.TargetHealth:
    return answers.TargetHealth(
        provider=target.provider,
        model=target.model,
        state=target.state,
        reason=target.reason,
        back_in_seconds=round(target.back_in, 3),
        ttft_seconds=round(target.ttft, 4) if target.ttft else None,
        ttft_p95_seconds=round(target.p95, 4) if target.p95 is not None else None,
        inflight=target.inflight,
        waiting=target.waiting,
        openings=target.openings,
        keys=[_shown_key(key) for key in target.keys],
    )


def _shown_key(key: KeyHealth) -> answers.KeyHealth:
    return answers.KeyHealth(
        key=key.key,
        state="ready" if key.usable else "resting",
        reason=key.reason,
        back_in_seconds=round(key.back_in, 3),
        left=round(key.left, 4),
    )


def access_of(config: Config) -> Access:
    """Who may administer over the network."""
    key = config.admin.key.reveal() if config.admin.key is not None else os.environ.get(ADMIN_KEY, "")
    if not key:
        return Closed()
    failures = FailureLimiter(
        per_address=config.auth.failures_per_minute, total=config.auth.failures_total_per_minute, clock=time.monotonic
    )
    return AdminKey(key, failures)
