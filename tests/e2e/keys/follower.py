"""A process that follows the keys of a database, as a worker does, and prints what it would answer each time that changes.

``python -m tests.e2e.keys.follower sqlite PATH | postgres URL``; keys to ask about come by standard input, one digest a line.
"""

import asyncio
import sys

from proxy.context import Principal
from proxy.errors import TollwayError
from proxy.identity.principals import Terms
from proxy.identity.stored import StoredKeys
from proxy.storage.database import Database

STEP = 0.01
"""Seconds between two askings."""


def answer(stored: StoredKeys, name: bytes) -> str:
    """What a request with this key would meet: the limits of its caller, or the error's class."""
    try:
        found = stored.find(name)
    except TollwayError as error:
        return type(error).__name__
    return "unknown" if found is None else limits(found)


def limits(found: Principal) -> str:
    """``ok`` and every rule's limit."""
    return " ".join(["ok", *(f"{rule.name}={rule.limit}" for rule in found.rules)])


async def follow(kind: str, where: str) -> None:
    """Until standard input ends."""
    database = Database.sqlite(where) if kind == "sqlite" else Database.postgres(where)
    await database.open()
    stored = StoredKeys(database, terms=Terms(ledgered=True), grace=300)
    task = asyncio.create_task(stored.run())
    asked: dict[str, str] = {}
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    reading = asyncio.create_task(reader.readline())
    while True:
        await asyncio.wait([reading], timeout=STEP)
        if reading.done():
            line = reading.result().decode().strip()
            if not line:
                break
            asked[line] = ""
            reading = asyncio.create_task(reader.readline())
        for name, last in asked.items():
            now = answer(stored, bytes.fromhex(name))
            if now != last and stored.loaded:
                asked[name] = now
                print(name, now, flush=True)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await database.close()


if __name__ == "__main__":
    asyncio.run(follow(*sys.argv[1:]))
