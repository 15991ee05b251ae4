"""What a process that only administers works with: the database, and the shared state where there is one. It serves no requests,
so it has no journal, no keys in memory and no counters of its own.
"""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .config import Config
from .config.checks_policy import effective_state
from .identity.pepper import PepperError
from .limits.memory import MemoryLimitStore
from .protocols import LimitStore
from .stores import OPEN_WITHIN, StoresError, journal_root, link_settings, read_pepper, unwritable

if TYPE_CHECKING:
    from .state.link import StateLink
    from .state.push import Push
    from .state.settings import LinkSettings
    from .storage.database import Database


class AdminStores:
    """Implements ``Kept``. ``shared``: the state and the way to it; ``None`` where each worker counts for itself."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._push: Push | None = None
        self.pepper = b""
        self.database: Database | None = _database(config)
        self.limits: LimitStore | None = None
        self.shared: tuple[LinkSettings, StateLink] | None = None
        if effective_state(config) != "memory":
            self._share(config)

    def _share(self, config: Config) -> None:
        from .limits.failover import FailoverStore  # noqa: PLC0415 - the extra `redis`
        from .limits.redis import SCRIPTS, RedisLimitStore  # noqa: PLC0415
        from .state.link import StateLink  # noqa: PLC0415
        from .state.push import Push  # noqa: PLC0415

        settings = link_settings(config)
        link = StateLink(settings, scripts=SCRIPTS)
        self.shared = settings, link
        self._push = Push(settings, link)
        # While the store is down nothing is counted here: balances are the ledger's then.
        local = MemoryLimitStore(time.monotonic, time.time)
        self.limits = FailoverStore(link, RedisLimitStore(link, time.time), local)

    async def open(self) -> None:
        """Connects. Raises ``StoresError``."""
        if self.shared is not None:
            await self.shared[1].open()
        if self.database is None:
            return
        from .storage.errors import StorageError  # noqa: PLC0415 - the extra `server`

        try:
            async with asyncio.timeout(OPEN_WITHIN):
                await self.database.open()
                self.pepper = await read_pepper(self._config, self.database)
        except (StorageError, PepperError) as error:
            raise StoresError(str(error)) from None
        except TimeoutError:  # is an OSError, too
            raise StoresError(f"The database did not answer within {OPEN_WITHIN:g} s: is it there?") from None
        except OSError as error:
            raise unwritable(journal_root(self._config), error) from None

    async def changed(self) -> None:
        """Workers with a shared state are told at once; the others look for changes twice a second."""
        if self._push is not None:
            await self._push.publish("keys")

    def figures(self) -> dict[str, object]:
        """How the stores are, as far as this process knows."""
        figures: dict[str, object] = {"state": effective_state(self._config), "storage": self._config.storage.type}
        if self.shared is not None:
            figures["state_up"] = self.shared[1].up
        return figures

    async def close(self) -> None:
        """Lets go of everything."""
        if self._push is not None:
            await self._push.close()
        if self.limits is not None:
            await self.limits.close()
        if self.shared is not None:
            await self.shared[1].close()
        if self.database is not None:
            await self.database.close()


def _database(config: Config) -> "Database | None":
    storage = config.storage
    if storage.type == "none":
        return None
    from .storage.database import Database  # noqa: PLC0415 - the extra `server`

    if storage.type == "sqlite":
        return Database.sqlite(Path(storage.path))
    return Database.postgres(storage.url.reveal() if storage.url is not None else "")
