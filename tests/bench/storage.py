"""The database with 10^6 requests and 100,000 keys in it: how long loading, seeding, a batch, a balance and a page take.

``python -m tests.bench.storage [--rows N] [--keys N] [--engine sqlite|postgres] [--json]``. Targets: keys loaded in 1.5 s, balances and
pages in 100 ms. Rows are put in by the driver, not by what is measured.
"""

import argparse
import asyncio
import itertools
import json
import random
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from msgspec import structs

from proxy.policy.rules import window_of
from proxy.storage.database import Database
from proxy.storage.queries import EntryFilter, TransactionFilter, UsageQuery
from proxy.storage.records import account_book
from proxy.storage.tables import SUMS, metadata
from tests.contract.storage.made import NOW, capture, entry, hold
from tests.support.postgres import server

Row = tuple[object, ...]
DAY = 86_400
ACCOUNTS, DAYS, MODELS, CHARGE = 1_000, 30, 8, 700

TARGETS = {"all keys": 1500.0, "spent": 3000.0}
"""Milliseconds; of everything else ``PAGE``, of a batch none."""
PAGE = 100.0


class Content:
    """What is in the database: keys of which few are busy, as keys are."""

    def __init__(self, rows: int, keys: int) -> None:
        self.rows, self.keys = rows, keys
        self.usage: Counter[tuple[int, str, str, str, str, str, str]] = Counter()
        self.spending: Counter[tuple[str, str, str]] = Counter()

    def tables(self) -> Iterator[tuple[str, Sequence[str], Iterator[Row]]]:
        """(table, columns, rows), in an order that foreign keys like; sums last."""
        accounts = range(ACCOUNTS)
        yield (
            "accounts",
            ("id", "name", "created", "status", "version"),
            ((f"acc_{n:05}", f"Team {n}", NOW - n, "active", 1) for n in accounts),
        )
        yield "keys", ("id", "account", "name", "digest", "hint", "created", "version", "limits"), (
            (f"key_{n:06}", f"acc_{n % ACCOUNTS:05}", "app", n.to_bytes(32), "sk-tw-ab…yz", NOW - n, 1,
             '{"rpm":600,"tpm":200000}' if n % 10 == 0 else None)
            for n in range(self.keys)
        )  # fmt: skip
        yield "entries", tuple(metadata.tables["entries"].c.keys()), self._entries()
        numbers = range(self.rows)
        names = ("seq", "id", "ref", "kind", "account", "at", "request", "note", "actor")
        yield "transactions", names, (
            (n + 1, f"txn_old_{n}", f"capture/{n:032x}", "capture", f"acc_{self.key(n) % ACCOUNTS:05}", self.at(n), f"{n:032x}", "", "")
            for n in numbers
        )  # fmt: skip
        yield "postings", ("txn", "line", "book", "amount"), itertools.chain.from_iterable(
            ((n + 1, 0, account_book(f"acc_{self.key(n) % ACCOUNTS:05}"), -CHARGE), (n + 1, 1, "revenue", CHARGE)) for n in numbers
        )  # fmt: skip
        spent = Counter(
            {
                id: micro
                for (period, scope, id), micro in self.spending.items()
                if (period, scope) == ("total", "account")
            }
        )
        yield (
            "balances",
            ("book", "amount"),
            (
                (book, amount)
                for book, amount in [
                    *((account_book(id), -micro) for id, micro in spent.items()),
                    ("revenue", spent.total()),
                ]
            ),
        )
        columns = ("level", "account", "key", "day", "route", "model", "provider", *SUMS)
        yield "usage", columns, (
            (*ident, count, count * 900, count * 300, 0, 0, 0, count * CHARGE, 0, count * 500, 0) for ident, count in self.usage.items()
        )  # fmt: skip
        yield (
            "spending",
            ("period", "scope", "id", "micro"),
            ((*ident, micro) for ident, micro in self.spending.items()),
        )

    def key(self, number: int) -> int:
        """Whose request it is: half of them of one key in a hundred."""
        spread = number * 2_654_435_761 % self.keys
        return spread // 100 if number % 2 else spread

    def at(self, number: int) -> float:
        return NOW - DAYS * DAY * (1 - number / self.rows)

    def _entries(self) -> Iterator[Row]:
        for number in range(self.rows):
            owner, at, model = self.key(number), self.at(number), f"model-{number % MODELS}"
            account, key = f"acc_{owner % ACCOUNTS:05}", f"key_{owner:06}"
            day = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
            models = ("fast", model, f"provider-{number % 3}")
            self.usage.update(
                [(0, "", "", day, *models), (1, account, "", day, "", "", ""), (2, account, "", day, *models), (3, account, key, day, *models)]
            )  # fmt: skip
            periods = ["total", *(window_of(per, at) for per in ("day", "week", "month") if at > NOW - DAY)]
            for period in periods:
                self.spending[period, "key", key] += CHARGE
                self.spending[period, "account", account] += CHARGE
            yield (
                f"{number:032x}", f"req-{number}", f"chatcmpl-{number}", account, key, "app", "chat", "fast", f"provider-{number % 3}",
                model, "ok", "complete", "reported", None, 900, 300, 0, 0, 0, 1, 0, CHARGE, 0, 500, False, "book-1", at, at + 2,
            )  # fmt: skip


def fill_sqlite(path: Path, content: Content) -> None:
    """With the standard library's driver."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    for table, columns, rows in content.tables():
        places = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", rows)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def fill_postgres(url: str, content: Content) -> None:
    """With COPY."""
    connection = await asyncpg.connect(url)
    for table, columns, rows in content.tables():
        while portion := list(itertools.islice(rows, 100_000)):
            await connection.copy_records_to_table(table, records=portion, columns=list(columns))
    await connection.execute("SELECT setval('transactions_seq_seq', (SELECT max(seq) FROM transactions))")
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def measure(database: Database, content: Content) -> dict[str, float]:
    """Milliseconds of each question: the median of five, of the long ones of three."""
    random.seed(1)
    busy, month = "acc_00007", UsageQuery(first="2026-11-01", last="2026-11-30", limit=100)
    middle = f"{content.rows // 2:032x}"
    batches = itertools.count(content.rows)

    async def batch() -> object:
        idents = [f"{next(batches):032x}" for _ in range(500)]
        owners = [f"acc_{random.randrange(ACCOUNTS):05}" for _ in idents]
        return await database.record(
            [entry(ident, account=owner, key=f"key_{random.randrange(content.keys):06}") for ident, owner in zip(idents, owners, strict=True)],
            [capture(ident, 7, owner) for ident, owner in zip(idents, owners, strict=True)],
        )  # fmt: skip

    async def one_hold() -> object:
        return await database.post([hold(f"{next(batches):032x}", 5)])

    questions: dict[str, Callable[[], Awaitable[object]]] = {
        "all keys": database.all_keys,
        "spent": lambda: database.spent(NOW),
        "balance": lambda: database.balance(account_book(busy)),
        "balances of 500": lambda: database.balances(account_book(f"acc_{n:05}") for n in range(500)),
        "usage by day": lambda: database.usage(month),
        "usage by account": lambda: database.usage(structs.replace(month, group_by=("account",))),
        "usage by day, model": lambda: database.usage(structs.replace(month, group_by=("day", "model"))),
        "usage of an account by key": lambda: database.usage(structs.replace(month, group_by=("key",), account=busy)),
        "usage of a key by day": lambda: database.usage(structs.replace(month, key="key_000007")),
        "usage of today by key": lambda: database.usage(UsageQuery(group_by=("key",), first="2026-11-23", limit=100)),
        "entries": lambda: database.entries(),
        "entries, a later page": lambda: database.entries(after=middle),
        "entries of an account": lambda: database.entries(EntryFilter(account=busy)),
        "entries of a key": lambda: database.entries(EntryFilter(key="key_000007"), limit=20),
        "entries of a day": lambda: database.entries(EntryFilter(since=NOW - 9 * DAY, until=NOW - 8 * DAY)),
        "entries of no such model": lambda: database.entries(EntryFilter(model="none")),
        "entry by the provider's id": lambda: database.entries(EntryFilter(upstream_id="chatcmpl-77")),
        "transactions of an account": lambda: database.transactions(TransactionFilter(account=busy)),
        "top-ups of an account": lambda: database.transactions(TransactionFilter(account=busy, kinds=("top_up", "refund"))),
        "open holds": lambda: database.open_holds(NOW),
        "keys, a page": lambda: database.keys(limit=100, after="key_050000"),
        "post a hold": one_hold,
        "record 500 entries": batch,
    }  # fmt: skip
    found = {}
    for name, question in questions.items():
        times = []
        for _ in range(3 if name in TARGETS else 5):
            begun = time.perf_counter()
            await question()
            times.append(1000 * (time.perf_counter() - begun))
        found[name] = sorted(times)[len(times) // 2]
    return found


async def run_sqlite(rows: int, keys: int) -> dict[str, float]:
    """In a file that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="tollway-bench-") as folder:
        path = Path(folder) / "tollway.db"
        database = Database.sqlite(path)
        await database.migrate()
        await database.close()
        content = Content(rows, keys)
        await asyncio.to_thread(fill_sqlite, path, content)
        await database.open()
        try:
            return await measure(database, content)
        finally:
            await database.close()


async def run_postgres(rows: int, keys: int) -> dict[str, float]:
    """On a server of its own."""
    async with server().database() as url:
        content = Content(rows, keys)
        await fill_postgres(url, content)
        database = Database.postgres(url)
        await database.open()
        try:
            return await measure(database, content)
        finally:
            await database.close()


def main() -> None:
    """Prints a line a question; what is over its target says so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--engine", choices=("sqlite", "postgres"), action="append")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    runs = {"sqlite": run_sqlite, "postgres": run_postgres}
    figures = {}
    for name in chosen.engine or runs:
        figures[name] = found = asyncio.run(runs[name](chosen.rows, chosen.keys))
        if chosen.json:
            continue
        print(f"\n{name}: {chosen.rows:,} entries, {chosen.keys:,} keys", flush=True)
        for question, taken in found.items():
            target = TARGETS.get(question, PAGE)
            missed = "" if taken <= target or question.startswith("record") else f"   over {target:.0f}"
            print(f"  {question:30} {taken:9.1f} ms{missed}", flush=True)
    if chosen.json:
        print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
