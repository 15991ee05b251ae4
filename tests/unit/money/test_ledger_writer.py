"""From the journal into the database: batches, outages, lost answers, what is held and what is given back."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.errors import LedgerUnavailable
from proxy.money.bookkeeping import Batch, Bookkeeper
from proxy.money.journal import Journal
from proxy.money.ledger import JournaledLedger
from proxy.protocols import Ledger
from tests.support.clock import FakeClock

from .books import FakeBooks
from .made import entry, hold


class Made:
    """A ledger over a fake database."""

    def __init__(self, root: Path, *, sync: bool = False, kept: int = 10_000, allowance: int = 0) -> None:
        self.books = FakeBooks()
        self.clock = FakeClock()
        self.journal = Journal(root, limit=4 << 20, segment=65536)
        self.ledger = JournaledLedger(
            self.journal,
            Bookkeeper(self.books, allowance=lambda account: allowance),
            sync=sync,
            clock=self.clock,
            kept=kept,
            batch=10,
            interval=0.01,
            patience=5.0,
        )

    def send(self, number: int, **changes: object) -> None:
        """Held and dispatched."""
        self.ledger.hold(hold(number, **changes))
        self.ledger.dispatched(hold(number).ident)

    async def all(self) -> None:
        """Everything is written, or the test fails."""
        for _ in range(100):
            assert await self.ledger.write()
            if not self.ledger.state().queued and not self.ledger._released:
                return


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Made]:
    found = Made(tmp_path)
    yield found
    found.ledger.close()


def test_it_is_a_ledger(tmp_path: Path) -> None:
    made = Made(tmp_path)
    ledger: Ledger = made.ledger
    assert not ledger.sync
    made.ledger.close()


async def test_a_short_request_is_a_capture_alone(made: Made) -> None:
    made.send(1)
    made.ledger.settle(entry(1))
    await made.all()
    assert made.books.refs == {"capture/1"}
    assert made.books.balance("account/acc_1") == -400
    assert made.books.balance("revenue") == 400
    assert made.books.entries[entry(1).ident].held == 1000
    assert made.journal._settled == {}


async def test_a_long_one_is_held_captured_and_given_back(made: Made) -> None:
    made.send(1)
    await made.all()
    assert made.books.refs == {"hold/1"}
    assert made.books.balance("held/acc_1") == 1000
    made.ledger.settle(entry(1))
    await made.all()
    assert made.books.refs == {"hold/1", "capture/1", "release/1"}
    assert made.books.balance("held/acc_1") == 0
    assert made.books.balance("account/acc_1") == -400


async def test_more_than_was_held_comes_from_the_account(made: Made) -> None:
    made.send(1, held=100)
    await made.all()
    made.ledger.settle(entry(1))
    await made.all()
    assert made.books.refs == {"hold/1", "capture/1"}
    assert (made.books.balance("held/acc_1"), made.books.balance("account/acc_1")) == (0, -400)


async def test_a_request_that_was_never_sent_leaves_no_entry(made: Made) -> None:
    made.ledger.hold(hold(1))
    made.ledger.release(hold(1).ident)
    made.ledger.hold(hold(2))
    await made.all()
    made.ledger.release(hold(2).ident)
    await made.all()
    assert made.books.refs == {"hold/2", "release/2"}
    assert made.journal._settled == {}
    assert made.books.entries == {}
    assert made.books.balance("held/acc_1") == 0


async def test_a_free_request_moves_nothing_and_has_its_entry(made: Made) -> None:
    made.send(1, held=0)
    await made.all()
    made.ledger.settle(entry(1, charge=0))
    await made.all()
    assert made.books.refs == set()
    assert len(made.books.entries) == 1


async def test_settled_twice_or_never_held_does_nothing(made: Made) -> None:
    made.send(1)
    made.ledger.settle(entry(1))
    made.ledger.settle(entry(1, charge=999))
    made.ledger.release(entry(1).ident)
    made.ledger.settle(entry(2))
    await made.all()
    made.ledger.settle(entry(1, charge=999))
    await made.all()
    assert [each.charge for each in made.books.entries.values()] == [400]


async def test_a_release_while_its_hold_is_being_written_gives_it_back(made: Made) -> None:
    made.ledger.hold(hold(1))
    record = made.books.record

    async def slow(entries: object, transactions: object) -> list[bool]:
        made.ledger.release(hold(1).ident)
        return await record(entries, transactions)  # type: ignore[arg-type]

    made.books.record = slow  # type: ignore[method-assign]
    assert await made.ledger.write()
    made.books.record = record  # type: ignore[method-assign]
    await made.all()
    assert made.books.refs == {"hold/1", "release/1"}
    assert made.books.balance("held/acc_1") == 0


async def test_a_settlement_while_its_hold_is_being_written_captures_it(made: Made) -> None:
    made.send(1)
    record = made.books.record

    async def slow(entries: object, transactions: object) -> list[bool]:
        made.ledger.settle(entry(1))
        return await record(entries, transactions)  # type: ignore[arg-type]

    made.books.record = slow  # type: ignore[method-assign]
    assert await made.ledger.write()
    made.books.record = record  # type: ignore[method-assign]
    await made.all()
    assert made.books.balance("held/acc_1") == 0
    assert made.books.balance("account/acc_1") == -400


# ---- outages --------------------------------------------------------------------------------------------------------


async def test_nothing_is_lost_while_the_database_is_down(tmp_path: Path) -> None:
    made = Made(tmp_path, kept=5)
    made.books.down = True
    for number in range(50):
        made.send(number)
        made.ledger.settle(entry(number))
    assert not await made.ledger.write()
    made.clock.advance(7)
    state = made.ledger.state()
    assert (state.queued, state.failing, state.oldest) == (50, True, 7.0)
    kept = [item for item in made.ledger._queue if not isinstance(item.entry, tuple)]
    assert len(kept) == 5, "the others wait in the journal alone"
    made.books.down = False
    await made.all()
    assert len(made.books.entries) == 50
    assert made.books.balance("revenue") == 50 * 400
    assert made.ledger.state().failing is False
    made.ledger.close()


async def test_an_answer_that_was_lost_doubles_nothing(made: Made) -> None:
    made.books.lost = 3
    made.send(1)
    made.send(2)
    assert not await made.ledger.write()
    made.ledger.settle(entry(1))
    made.ledger.release(hold(2).ident)
    assert not await made.ledger.write()
    assert not await made.ledger.write()
    await made.all()
    assert made.books.balance("revenue") == 400
    assert made.books.balance("account/acc_1") == -400
    assert made.books.balance("held/acc_1") == 0


async def test_a_figure_the_database_refuses_does_not_stop_the_others(made: Made, tmp_path: Path) -> None:
    made.books.poison = {entry(2).ident}
    for number in range(5):
        made.send(number)
        made.ledger.settle(entry(number))
    await made.all()
    assert len(made.books.entries) == 4
    assert made.ledger.state().rejected == 1
    (line,) = (tmp_path / "rejected.jsonl").read_text().splitlines()
    assert json.loads(line)["ident"] == entry(2).ident


async def test_the_loop_goes_on_through_an_outage(made: Made) -> None:
    made.books.down = True
    task = asyncio.get_running_loop().create_task(made.ledger.run())
    made.send(1)
    made.ledger.settle(entry(1))
    deadline = time.monotonic() + 10
    while made.books.calls < 2:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
    made.books.down = False
    while not made.books.entries:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_shutdown_writes_what_waits_or_says_that_it_could_not(made: Made) -> None:
    made.send(1)
    made.ledger.settle(entry(1))
    assert await made.ledger.flush(5.0)
    made.send(2)
    made.ledger.settle(entry(2))
    made.books.down = True

    async def later(_: float) -> None:
        made.clock.advance(1)

    made.ledger._sleep = later
    assert not await made.ledger.flush(3.0)
    made.books.down = False
    assert await made.ledger.flush(3.0)


async def test_an_entry_the_journal_has_no_room_for_is_kept_in_memory(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.send(1)
    monkeypatch.setattr(made.journal, "settle", lambda found: made.journal._settled.update({}) or None)
    made.ledger._kept = 0
    made.ledger.settle(entry(1))
    await made.all()
    assert len(made.books.entries) == 1
    monkeypatch.undo()
    made.journal.release(entry(1).ident)
    made.journal.done(entry(1).ident)


# ---- waiting for the database ---------------------------------------------------------------------------------------


async def test_sync_waits_for_the_hold_and_for_the_entry(tmp_path: Path) -> None:
    made = Made(tmp_path, sync=True)
    task = asyncio.get_running_loop().create_task(made.ledger.run())
    made.send(1)
    await made.ledger.committed(hold(1).ident)
    assert made.books.refs == {"hold/1"}
    made.ledger.settle(entry(1))
    await made.ledger.committed(hold(1).ident)
    assert entry(1).ident in made.books.entries
    await made.ledger.committed(hold(1).ident)
    await made.ledger.committed("unknown")
    made.books.down = True
    made.send(2)
    with pytest.raises(LedgerUnavailable):
        await made.ledger.committed(hold(2).ident)
    made.ledger.release(hold(2).ident)
    made.books.down = False
    assert await made.ledger.flush(5.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    made.ledger.close()


async def test_waiting_has_an_end(made: Made) -> None:
    made.ledger._patience = 0.01
    made.send(1)
    with pytest.raises(LedgerUnavailable):
        await made.ledger.committed(hold(1).ident)
    made.ledger.release(hold(1).ident)


# ---- allowances -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("allowance", [1000, 2000])
async def test_the_allowance_pays_first_and_only_once(tmp_path: Path, allowance: int) -> None:
    """Also when the first batch is sent again with more behind it."""
    made = Made(tmp_path, allowance=allowance)
    for number in range(4):
        made.send(number)
        made.ledger.settle(entry(number))
    made.books.lost = 1
    assert not await made.ledger.write()
    made.send(5)
    made.ledger.settle(entry(5))
    await made.all()
    assert made.books.balance("allowance") == -allowance
    assert made.books.balance("account/acc_1") == -(5 * 400 - allowance)
    assert made.books.balance("revenue") == 5 * 400
    made.ledger.close()


async def test_an_allowance_is_for_the_month_in_which_a_request_began(tmp_path: Path) -> None:
    made = Made(tmp_path, allowance=500)
    month = 31 * 86_400
    for number in range(3):
        made.send(number)
        made.ledger.settle(entry(number, at=entry(0).at + number * month, ended=entry(0).at + number * month))
    await made.all()
    assert made.books.balance("allowance") == -1200
    made.ledger.close()


async def test_a_held_request_that_the_allowance_pays_gives_all_of_it_back(tmp_path: Path) -> None:
    made = Made(tmp_path, allowance=10_000)
    made.send(1)
    await made.all()
    made.ledger.settle(entry(1))
    await made.all()
    assert made.books.balance("held/acc_1") == made.books.balance("account/acc_1") == 0
    assert made.books.balance("allowance") == -400
    made.ledger.close()


async def test_a_writer_that_is_cancelled_as_it_is_woken_ends(made: Made) -> None:
    writing = asyncio.get_running_loop().create_task(made.ledger.run())
    for _ in range(5):
        await asyncio.sleep(0)
    made.ledger._wake.set()
    writing.cancel()
    await asyncio.wait([writing], timeout=5)
    assert writing.cancelled()


async def test_a_batch_whose_writer_was_cancelled_is_sent_as_one_that_may_be_there(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.send(1)
    made.ledger.settle(entry(1))
    write = made.ledger._books.write
    seen: list[bool] = []

    async def slow(batch: Batch) -> list[bool]:
        seen.append(batch.again)
        written = await write(batch)
        if len(seen) == 1:
            await asyncio.Event().wait()
        return written

    monkeypatch.setattr(made.ledger._books, "write", slow)
    first = asyncio.get_running_loop().create_task(made.ledger.write())
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await made.ledger.write()
    assert seen == [False, True]
    made.send(2)
    made.ledger.settle(entry(2))
    assert await made.ledger.write()
    assert seen == [False, True, False]
