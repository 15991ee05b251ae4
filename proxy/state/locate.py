"""Which server to try now: the one in the URL, the nodes that a cluster told us of, or the master that Sentinels name."""

import asyncio
from collections.abc import Sequence

import hiredis
from msgspec.structs import replace

from .address import Address, split
from .connection import Reply, dial, pack
from .settings import LinkSettings, StoreDown


async def locate(settings: LinkSettings, address: Address, known: Sequence[Address], within: float) -> list[Address]:
    """Servers to try, the likeliest first. ``known``: nodes of the cluster, as it told them last.

    Raises ``StoreDown`` where nobody can say within ``within`` seconds.
    """
    if settings.sentinels:
        return [await _master(settings, address, within)]
    return [*known, *(() if address in known else (address,))]


async def _master(settings: LinkSettings, address: Address, within: float) -> Address:
    """The master by the first Sentinel that knows one; all are asked at once, since one may hang."""
    asked = [asyncio.ensure_future(_ask(sentinel, settings, address, within)) for sentinel in settings.sentinels]
    try:
        for answer in asyncio.as_completed(asked, timeout=within):
            if (found := await answer) is not None:
                return found
    except TimeoutError:
        pass
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    raise StoreDown("sentinel", f"no Sentinel names a master of {settings.service}")


async def _ask(sentinel: str, settings: LinkSettings, address: Address, within: float) -> Address | None:
    """One Sentinel's answer. The password, if it wants one, is taken to be the store's; one that wants none only says so."""
    host, port = split(sentinel)
    try:
        connection = await dial(replace(address, host=host, port=port, path=""), within)
    except OSError:
        return None
    try:
        greeting = connection.submit(pack((b"AUTH", address.password or "")))
        answer = connection.submit(pack((b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", settings.service)))
        await asyncio.wait((greeting, answer))
        greeting.exception()
        return _named(address, await answer)
    except (hiredis.ReplyError, StoreDown):
        return None
    finally:
        connection.end("closed")


def _named(address: Address, answer: Reply) -> Address | None:
    match answer:
        case [bytes() as host, bytes() as port]:
            return replace(address, host=host.decode(), port=int(port), path="")
    return None
