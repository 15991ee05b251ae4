"""A server's address: as a URL has it, and as the nodes of a cluster tell it."""

import ssl

from msgspec import Struct
from msgspec.structs import replace

from .settings import LinkSettings

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


def split(sentinel: str) -> tuple[str, int]:
    """Host and port of a Sentinel as it is configured."""
    host, colon, port = sentinel.rpartition(":")
    return (host.strip("[]"), int(port)) if colon else (sentinel, SENTINEL_PORT)
