"""Idempotency-Keys: what the first request with a key did and was answered, in the transaction that did it."""

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from . import checks
from .engine import Engine
from .errors import StorageConflict
from .queries import Answer, Idempotency
from .records import Json
from .tables import idempotency as table

_body = msgspec.json.Decoder(Json)

MOST_BODY = 1_000_000
"""Bytes of an answer that is kept."""


def check(asked: Idempotency) -> None:
    """Raises ``ValueError`` for a key that cannot be stored."""
    checks.text("The Idempotency-Key", asked.key, checks.ID)
    checks.text("The scope of the Idempotency-Key", asked.scope, checks.ID, empty=True)


async def begin(engine: Engine, connection: AsyncConnection, asked: Idempotency, at: float) -> bool:
    """Is this the first? A second one that comes meanwhile waits here for the first. Raises ``StorageConflict``."""
    row = {"scope": asked.scope, "key": asked.key, "digest": asked.request_digest, "status": 0, "body": "{}", "at": at}
    insert = engine.insert(table).on_conflict_do_nothing(index_elements=["scope", "key"]).returning(table.c.key)
    if (await connection.execute(insert, row)).first() is not None:
        return True
    await found(connection, asked)
    return False


async def finish(connection: AsyncConnection, asked: Idempotency, answer: Answer) -> None:
    """Stores what the first was answered."""
    this = (table.c.scope == asked.scope) & (table.c.key == asked.key)
    body = checks.json("The answer", answer.body, MOST_BODY)
    await connection.execute(update(table).where(this).values(status=answer.status, body=body))


async def found(connection: AsyncConnection, asked: Idempotency) -> Answer | None:
    """What the first was answered. Raises ``StorageConflict`` where that was another request."""
    query = select(table.c.digest, table.c.status, table.c.body)
    row = (await connection.execute(query.where(table.c.scope == asked.scope, table.c.key == asked.key))).first()
    if row is None:
        return None
    if row.digest != asked.request_digest:
        raise StorageConflict(f"The Idempotency-Key {asked.key!r} was used for another request: take a new one.")
    return Answer(row.status, _body.decode(row.body))
