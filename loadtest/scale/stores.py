"""What a request asks of the stores: commands, bytes and CPU of Valkey; rows, WAL and CPU of PostgreSQL; bytes of log and metrics."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loadtest.bench import bodies, meter
from loadtest.bench.load import Load
from loadtest.bench.servers import Cores, get
from loadtest.compare.bodies import chat

from .box import Setting, box

if TYPE_CHECKING:
    from proxy.storage.database import Database
    from tests.support.postgres import PostgresServer

COMMAND = re.compile(rb"cmdstat_(\w+):calls=(\d+)")
NET = re.compile(rb"total_net_(input|output)_bytes:(\d+)")
MEMORY = re.compile(rb"used_memory:(\d+)")


@dataclass(frozen=True)
class Asked:
    """Of one request with one setting: round trips, commands (those inside scripts too), bytes in and out, CPU in microseconds."""

    trips: float
    commands: float
    bytes_in: float
    bytes_out: float
    store_us: float
    gateway_us: float
    log_bytes: float
    metrics_bytes: int


def of_valkey(cores: Cores, folder: Path, setting: Setting, *, upstream: int, seconds: float = 1.0) -> Asked:
    """One worker's requests, as its store counts them."""
    load = Load(bodies.write(folder, "stores", chat()), connections=16, seconds=seconds, warmup=0)
    with box(cores, folder, setting, upstream=upstream) as each:
        each.measured(load)
        each.asked("CONFIG", "RESETSTAT")
        log = folder / f"box-{setting.name}.access"
        written = log.stat().st_size
        cost = each.measured(load)
        time.sleep(0.5)  # settlements and log lines come after the answers
        said = each.asked("INFO", "everything")
        calls = {name.decode(): int(count) for name, count in COMMAND.findall(said)}
        net = {name.decode(): int(count) for name, count in NET.findall(said)}
        _, page = get(each.server.port, "/metrics")
        return Asked(
            trips=calls.get("evalsha", 0) / cost.requests,
            commands=sum(calls.values()) / cost.requests,
            bytes_in=net["input"] / cost.requests,
            bytes_out=net["output"] / cost.requests,
            store_us=cost.store_us,
            gateway_us=cost.gateway_us,
            log_bytes=(log.stat().st_size - written) / cost.requests,
            metrics_bytes=len(page),
        )


@dataclass(frozen=True)
class Written:
    """Of one settled request in PostgreSQL: bytes of WAL, bytes on disk, CPU of the server in microseconds; rows a second of one writer."""

    batch: int
    wal_bytes: float
    disk_bytes: float
    cpu_us: float
    entries_per_s: float


def of_postgres(*, batches: Sequence[int] = (10, 500), entries: int = 10_000) -> list[Written]:
    """Entries of many keys, written in batches as the ledger's writer does, on a real server that waits for no disk."""
    return asyncio.run(_of_postgres(batches, entries))


async def _of_postgres(batches: Sequence[int], entries: int) -> list[Written]:
    from proxy.storage.database import Database  # noqa: PLC0415 - the extra `server`
    from tests.support.postgres import server  # noqa: PLC0415 - development only

    engine, found = server(), []
    for batch in batches:
        async with engine.database() as url:
            database = Database.postgres(url)
            await database.open()
            try:
                await _write(database, range(batch * 2), batch)
                before, cpu, began = await _sizes(engine, url), _server_cpu(engine), time.perf_counter()
                await _write(database, range(batch * 2, batch * 2 + entries), batch)
                seconds = time.perf_counter() - began
                after, cpu = await _sizes(engine, url), _server_cpu(engine) - cpu
            finally:
                await database.close()
        wal, disk = ((late - early) / entries for early, late in zip(before, after, strict=True))
        found.append(Written(batch, wal, disk, cpu / entries * 1e6, entries / seconds))
    return found


async def _write(database: "Database", numbers: range, batch: int) -> None:
    """Requests of a thousand keys in a hundred accounts that cost money, each with its transaction."""
    from proxy.money.bookkeeping import Batch, Bookkeeper  # noqa: PLC0415 - the extra `server`
    from tests.contract.storage.made import NOW, entry  # noqa: PLC0415 - the tests' own rows

    books = Bookkeeper(database)
    made = [
        entry(f"{number:032x}", account=f"acc_{number % 97:05}", key=f"key_{number % 997:06}", at=NOW + number / 1000)
        for number in numbers
    ]
    for start in range(0, len(made), batch):
        await books.write(Batch(entries=made[start : start + batch], held={}, again=False))


async def _sizes(engine: "PostgresServer", url: str) -> tuple[int, int]:
    """Bytes of WAL ever written, and of the database."""
    name = url.rpartition("/")[2]
    [row] = await engine.execute(
        "SELECT pg_current_wal_lsn() - '0/0' AS wal, pg_database_size(current_database()) AS disk", database=name
    )
    return int(row["wal"]), int(row["disk"])


def _server_cpu(engine: "PostgresServer") -> float:
    """CPU seconds of all its processes."""
    # The scratch server keeps its process to itself; the bench is the only one that asks.
    child = engine._child
    assert child is not None
    return meter.cpu_seconds(child.pid)
