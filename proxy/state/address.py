"""A server's address: as a URL has it, and as the nodes of a cluster tell it."""

import ssl
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from .settings import LinkSettings

SCHEMES = ("redis", "rediss", "unix")
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
    url = urlsplit(settings.url)
    if url.scheme not in SCHEMES:
        raise ValueError(
            f"The state store's URL must begin with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}."
        )
    asked = {name: values[-1] for name, values in parse_qs(url.query).items()}
    local = url.scheme == "unix"
    db = asked.get("db", "" if local else unquote(url.path).strip("/")) or "0"
    if not db.isdecimal():
        raise ValueError(f"The state store's URL names {db!r} as its database, which is a number.")
    return Address(
        host=unquote(url.hostname or "") or "localhost",
        port=(None if local else url.port) or PORT,
        path=unquote(url.path) if local else "",
        username=unquote(url.username or "") or asked.get("username"),
        password=unquote(url.password or "") or asked.get("password"),
        db=int(db),
        tls=ssl.create_default_context(cafile=settings.ca_file) if url.scheme == "rediss" else None,
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
