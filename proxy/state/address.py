"""Which server holds our keys now: the one in the URL, the master that Sentinel names, or the node of our cluster slot."""

import asyncio
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from msgspec import Struct
from msgspec.structs import replace

from .settings import LinkSettings, StoreDown

if TYPE_CHECKING:
    from redis.asyncio.retry import Retry

PORT = 6379
SENTINEL_PORT = 26379


class Address(Struct, frozen=True, kw_only=True):
    """A server: ``path`` of a Unix socket, or ``host`` and ``port``, and who we are there."""

    host: str = "localhost"
    port: int = PORT
    path: str = ""
    username: str | None = None
    password: str | None = None
    db: int = 0
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


class Access(TypedDict, total=False):
    """What redis-py's clients need besides host and port."""

    username: str | None
    password: str | None
    ssl: bool
    ssl_ca_certs: str | None
    socket_timeout: float
    socket_connect_timeout: float
    retry: "Retry"


def parse(settings: LinkSettings) -> Address:
    """The server of the URL. Raises ``ValueError`` for a URL that says nothing usable."""
    from redis.asyncio.connection import parse_url  # noqa: PLC0415 - the extra, and 0.3 s to import

    found = parse_url(settings.url)
    db = found.get("db")
    return Address(
        host=str(found.get("host") or "localhost"),
        port=int(found.get("port") or PORT),
        path=str(found.get("path") or ""),
        username=found.get("username"),
        password=found.get("password"),
        db=int(db) if db else 0,
        tls=ssl.create_default_context(cafile=settings.ca_file) if settings.url.startswith("rediss:") else None,
    )


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
    """One Sentinel's answer. Its password, if it wants one, is taken to be the store's."""
    from redis.asyncio.sentinel import Sentinel  # noqa: PLC0415
    from redis.exceptions import AuthenticationError, RedisError  # noqa: PLC0415

    for named in (False, True):
        access = _access(settings, address, within, named=named)
        client = Sentinel([_split(sentinel)], sentinel_kwargs=access)  # type: ignore[no-untyped-call]
        try:
            host, port = await client.discover_master(settings.service)
            return replace(address, host=str(host), port=int(port), path="")
        except AuthenticationError:
            continue
        except (RedisError, OSError):
            return None
        finally:
            await client.aclose()
    return None


def nodes(address: Address, slots: object) -> list[Address]:
    """The masters that a reply to ``CLUSTER SLOTS`` names, each once."""
    found: dict[Address, None] = {}
    for row in slots if isinstance(slots, list) else ():
        host, port = row[2][0].decode(), int(row[2][1])
        found[replace(address, host=host or address.host, port=port, path="")] = None
    return list(found)


def moved(address: Address, message: str) -> Address:
    """Where ``MOVED <slot> <host>:<port>`` points; an empty host is the one that said so."""
    host, _, port = message.rsplit(" ", 1)[-1].rpartition(":")
    return replace(address, host=host or address.host, port=int(port), path="")


def _access(settings: LinkSettings, address: Address, within: float, *, named: bool) -> Access:
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    access = Access(socket_timeout=within, socket_connect_timeout=within, retry=Retry(NoBackoff(), 0))
    if named:
        access["username"], access["password"] = address.username, address.password
    if address.tls is not None:
        access["ssl"], access["ssl_ca_certs"] = True, settings.ca_file
    return access


def _split(sentinel: str) -> tuple[str, int]:
    host, colon, port = sentinel.rpartition(":")
    return (host.strip("[]"), int(port)) if colon else (sentinel, SENTINEL_PORT)
