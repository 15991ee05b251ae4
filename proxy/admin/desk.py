"""What the handlers work with: the database, the live counters, time, and whom to tell when something has changed."""

from collections.abc import Awaitable, Callable, Mapping
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from msgspec import Struct, structs

from ..errors import ObjectNotFound
from ..protocols import LimitStore
from ..storage.records import AccountRecord
from .refusals import StorageRequired

if TYPE_CHECKING:
    # The database brings optional packages, which a gateway without one need not have.
    from ..storage.database import Database


async def _tell_nobody() -> None:
    """For a process that serves no requests."""


def _nothing() -> Mapping[str, object]:
    return {}


def _none() -> Mapping[str, AccountRecord]:
    return {}


class Desk(Struct, frozen=True, kw_only=True):
    """``clock`` gives unix seconds, ``version`` is the gateway's. ``changed`` is awaited after each change so that workers hear of it at once; it must not raise.

    ``status`` adds whatever figures the process has. ``file_accounts``: accounts of the configuration file, by name (their id).
    """

    database: "Database | None"
    pepper: bytes
    clock: Callable[[], float]
    version: str
    store: LimitStore | None = None
    changed: Callable[[], Awaitable[None]] = _tell_nobody
    status: Callable[[], Mapping[str, object]] = _nothing
    file_accounts: Callable[[], Mapping[str, AccountRecord]] = _none

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


ID_BYTES: Final = 12


def new_id(prefix: str) -> str:
    """``acc_`` and 24 hexadecimal digits."""
    return f"{prefix}_{token_hex(ID_BYTES)}"
