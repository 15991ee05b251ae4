"""What dead processes left: each request once, whoever finds it, and again after a crash on the way."""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.money.bookkeeping import Bookkeeper
from proxy.money.journal import LOCK, Journal
from proxy.money.recovery import OLDEST_HOLD, Recovered, Recovery
from proxy.protocols import Entry
from proxy.storage.database import Database
from proxy.storage.errors import StorageError
from proxy.storage.queries import OpenHold

from .abandoned import abandon
from .books import FakeBooks
from .made import entry, hold


def recovery(root: Path, books: FakeBooks, told: list[tuple[str, Entry | None]] | None = None) -> Recovery:
    async def tell(ident: str, found: Entry | None) -> None:
        if told is not None:
            told.append((ident, found))

    return Recovery(root, books, Bookkeeper(books), wall=lambda: hold(0).at + 60, told=tell)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def dead(root: Path) -> Path:
    """1 settled, 2 under way with output, 3 under way without, 4 never sent, 5 released."""
    journal = Journal(root, limit=4 << 20, segment=65536)
    for number in range(1, 6):
        journal.hold(hold(number))
        if number < 4:
            journal.dispatched(hold(number).ident)
    journal.settle(entry(1))
    journal.checkpoint(hold(2).ident, 30)
    journal.release(hold(5).ident)
    return abandon(journal)


async def test_every_request_is_ended_as_it_stood(tmp_path: Path) -> None:
    dead(tmp_path)
    books, told = FakeBooks(), list[tuple[str, Entry | None]]()
    found = await recovery(tmp_path, books, told).once()
    assert found == Recovered(journals=1, entries=1, estimated=2, released=2)
    rows = {int(ident, 16): row for ident, row in books.entries.items()}
    assert rows[1] == entry(1)
    assert (rows[2].ending, rows[2].charge, rows[2].cost, rows[2].output_tokens) == ("recovered", 500, 500, 30)
    assert (rows[3].ending, rows[3].charge, rows[3].cost) == ("recovered_early", 0, 200)
    assert all("recovered" in rows[number].flags and rows[number].count == "estimated" for number in (2, 3))
    assert rows[2].ended == hold(0).at + 60
    # Of the settled one the limits knew before its process died.
    assert {int(ident, 16): row is not None for ident, row in told} == {2: True, 3: True, 4: False, 5: False}
    assert names(tmp_path) == []
    assert await recovery(tmp_path, books).once() == Recovered()


async def test_a_living_process_is_left_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path, limit=4 << 20, segment=65536)
    journal.hold(hold(1))
    books = FakeBooks()
    assert await recovery(tmp_path, books).once() == Recovered()
    journal.close()
    assert (await recovery(tmp_path, books).once()).released == 1


async def test_a_crash_on_the_way_changes_nothing(tmp_path: Path) -> None:
    folder = dead(tmp_path)
    books, told = FakeBooks(), list[tuple[str, Entry | None]]()
    books.lost = 1
    with pytest.raises(StorageError):
        await recovery(tmp_path, books, told).once()
    assert folder.exists()
    found = await recovery(tmp_path, books, told).once()
    assert (found.entries, found.estimated) == (0, 2), "the first was there already"
    assert len(books.entries) == 3
    assert books.balance("revenue") == 900


async def test_while_the_database_is_down_the_journal_stays(tmp_path: Path) -> None:
    folder, books = dead(tmp_path), FakeBooks()
    books.down = True
    with pytest.raises(StorageError):
        await recovery(tmp_path, books).once()
    assert folder.exists()
    books.down = False
    assert (await recovery(tmp_path, books).once()).journals == 1


async def test_what_is_not_a_journal_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text("secret")
    (tmp_path / ".being-made").mkdir()
    old = tmp_path / ".never-finished"
    old.mkdir()
    os.utime(old, (1, 1))
    (tmp_path / "emptied").mkdir()
    assert await recovery(tmp_path, FakeBooks()).once() == Recovered()
    assert names(tmp_path) == [".being-made", "pepper"]
    assert await recovery(tmp_path / "nothing", FakeBooks()).once() == Recovered()


async def test_damaged_files_do_not_stop_recovery(tmp_path: Path) -> None:
    folder = dead(tmp_path)
    for path in folder.glob("*.seg"):
        path.write_bytes(path.read_bytes()[:700] + b"\xff" * 64 + path.read_bytes()[764:])
    (folder / "00000099.seg").write_bytes(b"")
    found = await recovery(tmp_path, FakeBooks()).once()
    assert found.journals == 1
    assert found.entries + found.estimated + found.released >= 3


async def test_a_cost_that_is_not_known_is_marked(tmp_path: Path) -> None:
    dead(tmp_path)
    books = FakeBooks()
    await Recovery(tmp_path, books, Bookkeeper(books), wall=time.time, cost=lambda held, usage: None).once()
    row = books.entries[hold(2).ident]
    assert (row.cost, row.unpriced, row.flags) == (0, True, ("recovered", "unpriced"))


async def test_holds_of_a_machine_that_is_gone_are_given_back(tmp_path: Path) -> None:
    books = FakeBooks()
    now = hold(0).at + 60
    books.old = [
        OpenHold(hold(1).ident, "acc_1", 700, now - OLDEST_HOLD - 1),
        OpenHold(hold(2).ident, "acc_1", 700, now - 1),
    ]
    assert (await recovery(tmp_path, books).once()).expired == 1
    assert books.refs == {"release/1"}


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database.sqlite(tmp_path / "t.db")
    await made.open()
    yield made
    await made.close()


async def test_ten_thousand_open_holds_in_five_seconds(tmp_path: Path, database: Database) -> None:
    root = tmp_path / "journal"
    journal = Journal(root, limit=64 << 20)
    for number in range(10_000):
        journal.hold(hold(number))
        journal.dispatched(hold(number).ident)
        if number % 2:
            journal.checkpoint(hold(number).ident, 10)
    abandon(journal)
    started = time.monotonic()
    found = await Recovery(root, database, Bookkeeper(database), wall=time.time).once()
    assert time.monotonic() - started < 5.0
    assert found.estimated == 10_000
    assert await database.trial_balance() == (0, [])
    assert await database.balance("revenue") == 5000 * 300


async def test_two_that_look_at_once_recover_it_once(tmp_path: Path, database: Database) -> None:
    root = tmp_path / "journal"
    dead(root)
    one, other = (Recovery(root, database, Bookkeeper(database), wall=time.time) for _ in range(2))
    first, second = await one.once(), await other.once()
    assert (first.journals, second.journals) == (1, 0)
    assert len(await database.entries()) == 3


async def test_a_folder_without_a_lock_is_nobodys_journal(tmp_path: Path) -> None:
    (dead(tmp_path) / LOCK).unlink()
    assert (await recovery(tmp_path, FakeBooks()).once()).journals == 0
