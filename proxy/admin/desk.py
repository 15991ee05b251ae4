"""What the handlers work with: the database, the live counters, time, and whom to tell when something has changed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from secrets import token_hex
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from ..errors import ObjectNotFound
from ..protocols import LimitStore, Purge
from ..storage.records import AccountRecord
from .answers import Cache, CachePurged, TargetHealth
from .refusals import StorageRequired

if TYPE_CHECKING:
    # The database brings optional packages, which a gateway without one need not have.
    from ..storage.database import Database


ID_BYTES = 12
TELL_SECONDS = 1.0
_log = logging.getLogger("tollway.admin")


async def _tell_nobody() -> None:
    """For a process that serves no requests."""


def _nothing() -> Mapping[str, object]:
    return {}


def _none() -> Mapping[str, AccountRecord]:
    return {}


async def _no_trace(request_id: str) -> Mapping[str, object] | None:
    return None


def _no_targets() -> list[TargetHealth]:
    return []


def _no_cache() -> Cache:
    return Cache(store="none")


async def _nothing_kept(_: Purge) -> CachePurged:
    return CachePurged(forgotten=0, everywhere=True)


class Desk(Struct, frozen=True, kw_only=True):
    """``clock`` gives unix seconds, ``version`` is the gateway's. ``changed`` is awaited after each change so that workers hear of it at once.

    ``status`` adds whatever figures the process has. ``file_accounts``: accounts of the configuration file, by name (their id).
    ``trace`` finds how a request was routed, by its id; ``health`` tells how targets and keys do, as this process sees them; so does
    ``cache`` of stored answers, which ``purge`` forgets.
    """

    database: "Database | None"
    pepper: bytes
    clock: Callable[[], float]
    version: str
    store: LimitStore | None = None
    changed: Callable[[], Awaitable[None]] = _tell_nobody
    status: Callable[[], Mapping[str, object]] = _nothing
    file_accounts: Callable[[], Mapping[str, AccountRecord]] = _none
    trace: Callable[[str], Awaitable[Mapping[str, object] | None]] = _no_trace
    health: Callable[[], list[TargetHealth]] = _no_targets
    cache: Callable[[], Cache] = _no_cache
    purge: Callable[[Purge], Awaitable[CachePurged]] = _nothing_kept

    async def tell(self) -> None:
        """Pushes a change that is stored by now: whatever goes wrong with it, workers look for changes by themselves too."""
        try:
            async with asyncio.timeout(TELL_SECONDS):
                await self.changed()
        except Exception as error:  # noqa: BLE001 - the change is made; an error now would say that it was not
            _log.warning("workers could not be told of a change at once: %s", type(error).__name__)

    @property
    def db(self) -> "Database":
        """The database. Raises ``StorageRequired`` where none is configured."""
        if self.database is None:
            raise StorageRequired(
                "This gateway keeps no accounts, keys or ledger: set storage: {type: sqlite} (or postgres) in the configuration."
            )
        return self.database

    async def account(self, named: str) -> AccountRecord:
        """By id or name, a file's account under the file's terms. Raises ``ObjectNotFound``."""
        owned = self.file_accounts().get(named)
        if owned is not None:
            stored = await self.db.ensure_account(owned)
        else:
            found = await self.db.account(named) or await self.db.account_named(named)
            if found is None:
                raise ObjectNotFound("There is no account with this id or name.", param="account")
            stored = found
        return self.overlaid(stored)

    def overlaid(self, stored: AccountRecord) -> AccountRecord:
        """The account under the terms that hold: the file's, where the file has it."""
        owned = self.file_accounts().get(stored.id)
        if owned is None:
            return stored
        return structs.replace(stored, limits=owned.limits, budgets=owned.budgets, plan=owned.plan)


def new_id(prefix: str) -> str:
    """``acc_`` and 24 hexadecimal digits."""
    return f"{prefix}_{token_hex(ID_BYTES)}"
