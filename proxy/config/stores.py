"""Where the gateway keeps things: the database, the shared counters, and who may administer them. Needs a restart."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .secrets import Secret
from .server import Wait

EMBEDDED_STATE = "TOLLWAY_EMBEDDED_STATE"
"""Where the workers find the embedded state store: its URL in their environment."""

Replicas = Annotated[int, Meta(ge=1, le=10_000)]
StoreTimeout = Annotated[float, Meta(gt=0, le=5, extra={"unit": "seconds"})]


class Admin(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The key of ``/admin/v1``; without one the admin API is closed."""

    key: Secret | None = None


class Storage(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The database of accounts, keys and the ledger. ``path`` for sqlite, ``url`` for postgres (``postgresql://…``).

    ``pepper``: secret text that keys are hashed with; unset, a file beside the journal holds one. ``journal``: folder of the
    write-ahead file, by default beside the database; ``journal_limit`` in bytes. ``grace``: seconds that known keys work while
    the database is down.
    """

    type: Literal["none", "sqlite", "postgres"] = "none"
    path: str = "tollway.db"
    url: Secret | None = None
    pepper: Secret | None = None
    journal: str | None = None
    journal_limit: Annotated[int, Meta(ge=1024 * 1024, extra={"unit": "bytes"})] = 64 * 1024 * 1024
    grace: Wait = 300.0


class State(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Counters of limits and budgets: in ``memory`` (one worker), an ``embedded`` Valkey (one machine), or ``redis`` (many).

    ``url``: ``redis://``, ``rediss://`` or ``unix://``; with ``sentinels`` and ``service``, or ``cluster``, as it applies.
    ``timeout``: seconds a call may take; ``replicas``: gateway processes among which limits are divided while the store is down.
    """

    type: Literal["memory", "embedded", "redis"] = "memory"
    url: Secret | None = None
    sentinels: tuple[str, ...] = ()
    service: str = "mymaster"
    cluster: bool = False
    ca_file: str | None = None
    timeout: StoreTimeout = 0.05
    replicas: Replicas = 1
