"""Changes of rows that several people edit: only against the version that was read."""

from collections.abc import Mapping

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from .errors import StorageConflict, StorageMissing
from .tables import AnyRow


async def change(
    connection: AsyncConnection, table: Table, id: str, expected: int, values: Mapping[str, object]
) -> AnyRow:
    """The row after ``values``, its version one higher. Raises ``StorageConflict`` if it is not at ``expected``, ``StorageMissing``."""
    guarded = update(table).where(table.c.id == id, table.c.version == expected)
    found = (await connection.execute(guarded.values({**values, "version": expected + 1}).returning(*table.c))).first()
    if found is not None:
        return found
    there = (await connection.execute(select(table.c.version).where(table.c.id == id))).scalar()
    what = table.name.removesuffix("s")
    if there is None:
        raise StorageMissing(f"There is no {what} {id!r}.")
    raise StorageConflict(f"The {what} was changed meanwhile (version {there}, not {expected}): read it again.")
