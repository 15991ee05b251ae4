"""100,000 stored keys: how long a start takes, what they cost in memory, and what a lookup costs among them.

``python -m tests.bench.keys [--keys 100000] [--json]``. Targets: start < 2 s; a lookup as quick as among ten (at most 1.25 times, which
is noise), < 2 us beside the HMAC; authorising a key without rules < 0.3 us. SQLite in a temporary folder.
"""

import argparse
import asyncio
import gc
import json
import multiprocessing
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from proxy.errors import AuthenticationFailed
from proxy.identity.authorisation import authorise
from proxy.identity.callers import Callers
from proxy.identity.failures import FailureLimiter
from proxy.identity.principals import Terms, file_key
from proxy.identity.stored import StoredKeys
from proxy.identity.virtual_keys import digest, hint, new_key
from proxy.policy.terms import Limits
from proxy.storage.database import Database
from proxy.storage.records import AccountRecord, AuditRecord, KeyRecord

PEPPER = b"p" * 32
CLIENT = "192.0.2.1"
ACCOUNTS = 100
Figures = dict[str, float]


def fill(path: Path, keys: Sequence[str]) -> None:
    """``filled`` in a process of its own, so that it leaves nothing in this one's memory."""
    child = multiprocessing.get_context("spawn").Process(target=_fill, args=(path, keys))
    child.start()
    child.join()
    assert child.exitcode == 0


def _fill(path: Path, keys: Sequence[str]) -> None:
    asyncio.run(filled(path, keys))


async def filled(path: Path, keys: Sequence[str]) -> None:
    """A database with these keys: one is created, and the rest copied from it by SQL."""
    database = Database.sqlite(path)
    await database.open()
    for number in range(ACCOUNTS):
        account = AccountRecord(id=f"acc_{number:04}", name=f"account {number}", created=0.0, limits=Limits(rpm=600))
        await database.create_account(account, note(number))
    row = KeyRecord(
        id="key_00000000", account="acc_0000", name="app", digest=digest(PEPPER, keys[0].encode()), hint=hint(keys[0]),
        created=0.0, limits=Limits(rpm=60, tpm=100_000),
    )  # fmt: skip
    await database.create_key(row, note(ACCOUNTS))
    await database.close()
    with sqlite3.connect(path) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(keys)")]
        first = dict(zip(names, connection.execute("SELECT * FROM keys").fetchone(), strict=True))
        rows = [
            {**first, "id": f"key_{number:08}", "account": f"acc_{number % ACCOUNTS:04}", "hint": hint(text),
             "digest": digest(PEPPER, text.encode()), "name": f"app {number}"}
            for number, text in enumerate(keys[1:], 1)
        ]  # fmt: skip
        connection.executemany(
            f"INSERT INTO keys ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})", rows
        )
    connection.close()


def resident() -> float:
    """MiB of this process at its largest so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def note(number: int) -> AuditRecord:
    """An audit row."""
    return AuditRecord(id=f"aud_{number}", at=0.0, actor="bench", action="create", object="x")


def best(work: Callable[[], object], *, number: int, rounds: int = 7) -> float:
    """Microseconds of one call, the best of several rounds."""
    found = []
    for _ in range(rounds):
        begun = time.perf_counter()
        for _ in range(number):
            work()
        found.append(time.perf_counter() - begun)
    return min(found) / number * 1e6


def identify(callers: Callers, keys: Sequence[str]) -> float:
    """Microseconds of ``identify`` among these keys, one after the other."""
    presented = [[text.encode()] for text in keys]

    def work() -> None:
        for credentials in presented:
            callers.identify(credentials, CLIENT)

    work()
    return best(work, number=10) / len(presented)


def refused(callers: Callers) -> None:
    """One key that nobody has."""
    try:
        callers.identify([b"sk-tw-nobody"], CLIENT)
    except AuthenticationFailed:
        return


def limiter() -> FailureLimiter:
    """One that never refuses."""
    return FailureLimiter(per_address=10**9, total=10**9, clock=time.perf_counter)


async def among_ten(keys: Sequence[str]) -> Callers:
    """Callers of a database that holds these keys and no others."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tollway.db"
        fill(path, keys)
        database = Database.sqlite(path)
        await database.open()
        stored = StoredKeys(database, terms=Terms(ledgered=True), grace=300)
        await stored.sync()
        await database.close()
    return Callers([], limiter(), terms=Terms(), stored=stored, pepper=PEPPER)


def compared(many: Callers, few: Callers, keys: Sequence[str]) -> float:
    """What a lookup of the same keys costs in the one, over the other: the median of rounds that take turns."""
    return median(identify(many, keys) / identify(few, keys) for _ in range(9))


async def measure(count: int) -> Figures:
    """Everything, in microseconds, seconds and MiB; ``lookup_ratio``: a lookup among all over one among ten."""
    keys = [new_key() for _ in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tollway.db"
        fill(path, keys)
        gc.collect()
        before = resident()
        database = Database.sqlite(path)
        begun = time.perf_counter()
        await database.open()
        opened = time.perf_counter()
        stored = StoredKeys(database, terms=Terms(ledgered=True), grace=300)
        await stored.sync()
        loaded = time.perf_counter()
        after = resident()
        await stored.sync()
        followed = time.perf_counter()
        await database.close()
    assert stored.count == count
    gc.collect()
    gc.freeze()
    random.seed(1)
    some = random.sample(keys, 1_000)
    among = Callers([], limiter(), terms=Terms(), stored=stored, pepper=PEPPER)
    plain = Callers([(text, file_key(str(n))) for n, text in enumerate(some[:10])], limiter(), terms=Terms())
    few = await among_ten(some[:10])
    # First, while the database counts as read: nobody follows it here.
    unknown = best(lambda: refused(among), number=10_000)
    first = some[0].encode()
    caller = among.identify([first], CLIENT)
    hmac = best(lambda: digest(PEPPER, first), number=20_000)
    empty = best(lambda: None, number=20_000)
    cold = random.sample(keys, min(count, 20_000))[1_000:]
    begun_cold = time.perf_counter()
    for text in cold:
        among.identify([text.encode()], CLIENT)
    return {
        "open_s": opened - begun,
        "load_s": loaded - opened,
        "start_s": loaded - begun,
        "memory_mib": after - before,
        "poll_ms": (followed - loaded) * 1e3,
        "hmac_us": hmac - empty,
        "file_us": identify(plain, some[:10]),
        "stored_us": identify(among, some),
        "one_stored_us": best(lambda: among.identify([first], CLIENT), number=20_000) - empty,
        "first_use_us": (time.perf_counter() - begun_cold) / max(1, len(cold)) * 1e6,
        "unknown_us": unknown,
        "lookup_ratio": compared(among, few, some[:10]),
        "authorise_us": best(lambda: authorise(caller, "chat", CLIENT), number=20_000) - empty,
    }


def main(arguments: Sequence[str]) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.keys")
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    figures = asyncio.run(measure(chosen.keys))
    if chosen.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
        return
    print(f"{chosen.keys:,} keys of {ACCOUNTS} accounts")
    for name, value in figures.items():
        print(f"  {name:16}{value:10.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
