"""Tells the other workers at once that something has changed. What gets lost they find by looking, a moment later."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .address import Address, nodes, parse
from .link import StateLink
from .locate import locate
from .settings import TAG, LinkSettings, StoreDown

if TYPE_CHECKING:
    from redis.asyncio import Redis

CHANNEL = f"{TAG}:changes"

AGAIN = 1.0
"""Seconds between two attempts to listen."""

SILENCE = 5.0
"""Seconds without a word after which the connection is asked for a sign of life, and as many again until it is given up."""

MISSED = ""
"""What a listener hears whenever it begins to listen: something may have happened before."""


class Push:
    """Words sent over the ``link``, heard over a connection of redis-py's."""

    def __init__(self, settings: LinkSettings, link: StateLink, *, channel: str = CHANNEL) -> None:
        self._channel = channel
        self._settings = settings
        self._address = parse(settings)
        self._link = link
        self._known: Sequence[Address] = ()
        self._tasks: set[asyncio.Task[None]] = set()

    async def publish(self, kind: str) -> None:
        """Tells everybody who listens. Nobody hears it while the store is down."""
        try:
            await self._link.call("PUBLISH", self._channel, kind)
        except StoreDown:
            pass

    def listen(self, callback: Callable[[str], None]) -> None:
        """Calls ``callback(kind)`` from now on, and ``callback(MISSED)`` after each time that words may have been lost."""
        self._tasks.add(asyncio.create_task(self._listen(callback), name="state-push"))

    async def close(self) -> None:
        """Nobody is called any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _listen(self, callback: Callable[[str], None]) -> None:
        from redis.exceptions import RedisError  # noqa: PLC0415 - the extra

        while True:
            for address in await self._addresses():
                try:
                    await self._hear(self._client(address), callback)
                except (RedisError, OSError):
                    continue
            await asyncio.sleep(AGAIN)

    async def _addresses(self) -> Sequence[Address]:
        """Any node of a cluster hears what any other is told."""
        try:
            return await locate(self._settings, self._address, self._known, AGAIN)
        except (StoreDown, OSError):
            return ()

    async def _hear(self, client: "Redis", callback: Callable[[str], None]) -> None:
        """Until the connection ends, with an error."""
        async with client, client.pubsub() as words:
            if self._settings.cluster:
                told = await client.execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
                self._known = nodes(self._address, told)
            await words.subscribe(self._channel)
            silent = False
            while True:
                word = await words.get_message(timeout=SILENCE)
                if word is None and silent:
                    raise TimeoutError
                silent = word is None
                if word is None:
                    await words.ping()
                elif word["type"] == "subscribe":
                    callback(MISSED)
                elif word["type"] == "message":
                    callback(word["data"].decode(errors="replace"))

    def _client(self, address: Address) -> "Redis":
        from redis.asyncio import Redis  # noqa: PLC0415
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415

        return Redis(
            host=address.host,
            port=address.port,
            unix_socket_path=address.path or None,
            db=address.db,
            username=address.username,
            password=address.password,
            ssl=address.tls is not None,
            ssl_ca_certs=self._settings.ca_file,
            socket_connect_timeout=AGAIN,
            socket_timeout=AGAIN,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
        )
