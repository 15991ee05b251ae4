"""Whose the objects are that providers keep: the first account that claims an id has it."""

from collections.abc import AsyncIterator, Iterable, Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import checks
from .engine import Engine
from .loading import in_portions
from .portions import portions
from .queries import OwnedObject
from .tables import AnyRow, objects


async def claim(engine: Engine, claims: Sequence[OwnedObject]) -> None:
    """Ids that have an owner keep it."""
    rows = [_values(claim) for claim in sorted(claims, key=lambda each: each.id)]

    async def work(connection: AsyncConnection) -> None:
        await connection.execute(engine.insert(objects).on_conflict_do_nothing(index_elements=["id"]), rows)

    if rows:
        await engine.write(work, replayable=True)


def _values(claim: OwnedObject) -> dict[str, object]:
    return {
        "id": checks.text("The object's id", claim.id, checks.OBJECT_ID),
        "account": checks.text("The object's account", claim.account, checks.CLEAN),
        "place": checks.text("The object's place", claim.place, checks.NAME, empty=True),
        "at": checks.moment("The claim's time", claim.at),
    }


async def owners(engine: Engine, ids: Iterable[str]) -> dict[str, OwnedObject]:
    """What is known of each that has an owner."""
    wanted = list(ids)

    async def work(connection: AsyncConnection) -> dict[str, OwnedObject]:
        found: dict[str, OwnedObject] = {}
        for portion in portions(wanted):
            rows = await connection.execute(select(objects).where(objects.c.id.in_(portion)))
            found.update((row[0], _of(row)) for row in rows)
        return found

    return await engine.read(work)


def everything(engine: Engine) -> AsyncIterator[OwnedObject]:
    """All of them."""
    return in_portions(engine, objects, _of)


async def forget(engine: Engine, ids: Iterable[str]) -> None:
    """They were deleted."""
    wanted = sorted(set(ids))

    async def work(connection: AsyncConnection) -> None:
        for portion in portions(wanted):
            await connection.execute(delete(objects).where(objects.c.id.in_(portion)))

    await engine.write(work, replayable=True)


async def expire(engine: Engine, before: float) -> int:
    """Forgets old ones; returns how many."""

    async def work(connection: AsyncConnection) -> int:
        gone = await connection.execute(delete(objects).where(objects.c.at < before))
        return gone.rowcount

    return await engine.write(work, replayable=True)


def _of(row: AnyRow) -> OwnedObject:
    id, account, place, at = row
    return OwnedObject(id, account, place, at)
