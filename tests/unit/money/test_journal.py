"""The write-ahead journal: what is written is there, whatever happens to the process, the disk or the files."""

import errno
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from proxy.errors import LedgerUnavailable
from proxy.money import segments
from proxy.money.journal import LOCK, Journal
from proxy.money.replay import HOLD, replay, replay_folder, segments_of
from proxy.money.segments import HEADER, SIZE, Segment, records_in
from proxy.protocols import Hold

from .abandoned import abandon
from .made import entry, hold

SMALL = 4096
"""Bytes of a file in most tests: about ten holds."""


def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def fill(journal: Journal) -> tuple[list[int], LedgerUnavailable]:
    """Holds until one is refused: their numbers, and the refusal."""
    held: list[int] = []
    while True:
        try:
            journal.hold(hold(len(held)))
        except LedgerUnavailable as error:
            return held, error
        held.append(len(held))
        assert len(held) < 10_000


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path, limit=1_000_000, segment=SMALL)
    yield made
    if not made._closing:
        made.close()


# ---- what is in it --------------------------------------------------------------------------------------------------


def test_a_request_from_hold_to_entry(journal: Journal) -> None:
    journal.hold(hold(1))
    journal.dispatched(hold(1).ident)
    journal.checkpoint(hold(1).ident, 50)
    journal.checkpoint(hold(1).ident, 20)
    found = replay_folder(journal.folder).open[hold(1).ident]
    assert (found.hold, found.dispatched, found.output) == (hold(1), True, 50)
    place = journal.settle(entry(1))
    assert place is not None
    assert journal.read(place) == entry(1)
    replayed = replay_folder(journal.folder)
    assert replayed.entries == {entry(1).ident: entry(1)}
    assert replayed.open == {}


def test_a_release_leaves_neither_hold_nor_entry(journal: Journal) -> None:
    journal.hold(hold(1))
    journal.release(hold(1).ident)
    replayed = replay_folder(journal.folder)
    assert (replayed.open, replayed.entries, list(replayed.released)) == ({}, {}, [hold(1).ident])


def test_the_second_of_anything_does_nothing(journal: Journal) -> None:
    journal.hold(hold(1))
    with pytest.raises(LedgerUnavailable):
        journal.hold(hold(1))
    journal.settle(entry(1))
    assert journal.settle(entry(1, charge=9)) is None
    journal.release(entry(1).ident)
    with pytest.raises(LedgerUnavailable):
        journal.hold(hold(1))
    assert replay_folder(journal.folder).entries[entry(1).ident].charge == entry(1).charge
    journal.done(entry(1).ident)
    journal.done(entry(1).ident)


def test_what_was_not_written_down_is_not_sent(journal: Journal) -> None:
    with pytest.raises(LedgerUnavailable):
        journal.dispatched("f" * 32)
    journal.checkpoint("f" * 32, 5)
    assert replay_folder(journal.folder).open == {}


def test_everything_about_a_request_is_in_one_file(journal: Journal) -> None:
    journal.hold(hold(0))
    for number in range(1, 60):
        journal.hold(hold(number))
        journal.settle(entry(number))
        journal.done(entry(number).ident)
    journal.dispatched(hold(0).ident)
    first = journal.open[hold(0).ident].segment
    for number in range(100, 160):
        journal.hold(hold(number))
        journal.release(hold(number).ident)
        journal.done(hold(number).ident)
    journal.checkpoint(hold(0).ident, 7)
    assert journal.open[hold(0).ident].segment > first
    until(lambda: len(segments_of(journal.folder)) <= 3)
    found = replay_folder(journal.folder).open[hold(0).ident]
    assert (found.dispatched, found.output) == (True, 7)


@pytest.mark.parametrize("what", ["dispatched", "checkpoint"])
def test_what_is_noted_later_survives_the_file_it_was_noted_in(journal: Journal, what: str) -> None:
    """The file of the note may go before the hold's own."""

    def others(begin: int) -> None:
        for number in range(begin, begin + 60):
            journal.hold(hold(number))
            journal.settle(entry(number))
            journal.done(entry(number).ident)

    journal.hold(hold(0))
    others(100)
    if what == "dispatched":
        journal.dispatched(hold(0).ident)
    else:
        journal.checkpoint(hold(0).ident, 9)
    others(200)
    until(lambda: len(segments_of(journal.folder)) <= 3)
    found = replay_folder(journal.folder).open[hold(0).ident]
    assert (found.dispatched, found.output) == ((True, 0) if what == "dispatched" else (False, 9))


def test_one_quiet_stream_does_not_keep_every_file(journal: Journal) -> None:
    """Its file stays, then its hold is written again, and the file goes."""
    journal.hold(hold(0))
    journal.dispatched(hold(0).ident)
    for number in range(1, 400):
        journal.hold(hold(number))
        journal.settle(entry(number))
        if number >= 20:
            journal.done(entry(number - 10).ident)
        journal.compact()
    until(lambda: len(segments_of(journal.folder)) <= 9)
    # Files go while the journal works; what is left when it has ended does not.
    journal.close()
    assert replay_folder(journal.folder).open[hold(0).ident].dispatched


def test_a_request_tried_elsewhere_is_settled_by_the_last_targets_prices(journal: Journal) -> None:
    """After a kill; what is held stays as the books have it."""
    first = hold(0)
    journal.hold(first)
    journal.dispatched(first.ident)
    journal.checkpoint(first.ident, 7)
    later = structs.replace(
        first, provider="dear", model="large", input_price=9, output_price=9, held=0, at=first.at + 60
    )
    journal.retarget(later)
    journal.close()
    found = replay_folder(journal.folder).open[first.ident]
    assert (found.hold.provider, found.hold.model, found.hold.output_price) == ("dear", "large", 9)
    assert (found.hold.held, found.hold.at, found.dispatched, found.output) == (first.held, first.at, True, 7)


def test_a_request_that_is_over_is_not_retargeted(journal: Journal) -> None:
    journal.hold(hold(0))
    journal.settle(entry(0))
    journal.retarget(hold(0))
    assert not journal.open


def test_a_finished_journal_leaves_nothing(journal: Journal, tmp_path: Path) -> None:
    journal.hold(hold(1))
    journal.settle(entry(1))
    journal.done(entry(1).ident)
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_one_stays_for_recovery(journal: Journal) -> None:
    journal.hold(hold(1))
    journal.close()
    assert list(replay_folder(journal.folder).open) == [hold(1).ident]
    assert len(segments_of(journal.folder)) == 1


# ---- limits ---------------------------------------------------------------------------------------------------------


def test_beyond_its_limit_holds_are_refused_and_what_is_under_way_is_settled(tmp_path: Path) -> None:
    journal = Journal(tmp_path, limit=16 * SMALL, segment=SMALL)
    held, _ = fill(journal)
    assert 100 < len(held) < 300
    for number in held[:5]:
        assert journal.settle(entry(number)) is not None
    assert journal.size <= 18 * SMALL
    until(lambda: not journal.failing)
    for number in held[5:]:
        journal.settle(entry(number))
    for number in held:
        journal.done(entry(number).ident)
    journal.hold(hold(20_000))
    until(lambda: journal.size <= 3 * SMALL)
    journal.release(hold(20_000).ident)
    journal.done(hold(20_000).ident)
    journal.close()


def test_a_disk_without_room_refuses_and_recovers_by_itself(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holds under way are settled in what room there is; once there is more, holds are taken again."""
    allocate = segments._allocate

    def full(file: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(segments, "_allocate", full)
    held, refused = fill(journal)
    assert "disk" in str(refused)
    assert journal.failing
    assert journal.settle(entry(held[0])) is None, "no room for the entry: its caller keeps it"
    monkeypatch.setattr(segments, "_allocate", allocate)
    until(lambda: not journal._starved, 5.0)
    journal.hold(hold(2000))
    until(lambda: not journal.failing, 5.0)
    for number in [*held[1:], 2000]:
        journal.settle(entry(number))
    for number in [*held, 2000]:
        journal.done(entry(number).ident)


DISK_FULL = """
import resource, sys
from pathlib import Path
from proxy.errors import LedgerUnavailable
from proxy.money.journal import Journal
from tests.unit.money.made import hold
journal = Journal(Path(sys.argv[1]), limit=1 << 26)
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
taken = 0
try:
    while taken < 100_000:
        journal.hold(hold(taken))
        taken += 1
except LedgerUnavailable:
    print("refused", taken, flush=True)
"""


def run(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    root = Path(__file__).parents[3]
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_full_disk_is_an_error_and_no_signal(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    ended = run(DISK_FULL, str(tmp_path))
    assert ended.stdout.startswith("refused "), ended.stderr
    taken = int(ended.stdout.split()[1])
    (folder,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert len(replay_folder(folder).open) == taken > 1000


def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file"):
        Journal(tmp_path / "file" / "journal", limit=SMALL)


def test_a_record_larger_than_a_file_is_refused(journal: Journal) -> None:
    with pytest.raises(LedgerUnavailable):
        journal.hold(hold(1, key_name="x" * SMALL))
    assert journal.open == {}


# ---- kill -9 --------------------------------------------------------------------------------------------------------

KILLED = """
import os, sys
from pathlib import Path
from proxy.money.journal import Journal
from tests.unit.money.made import entry, hold
journal = Journal(Path(sys.argv[1]), limit=1 << 26, segment=8192)
out = sys.stdout.buffer.raw
for number in range(1_000_000):
    journal.hold(hold(number))
    out.write(b"h%d\\n" % number)
    journal.dispatched(hold(number).ident)
    out.write(b"d%d\\n" % number)
    if number % 3:
        journal.settle(entry(number))
        out.write(b"s%d\\n" % number)
"""


@pytest.mark.parametrize("told", [1, 2, 77, 400, 1111])
def test_what_a_killed_process_had_said_is_in_its_journal(told: int, tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=root, stdout=subprocess.PIPE)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(told)]
    process.kill()
    lines += process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    process.wait(10)
    (folder,) = tmp_path.iterdir()
    found = replay_folder(folder)
    for line in lines:
        if line.endswith(b"\n"):
            ident = f"{int(line[1:]):032x}"
            assert ident in found.open or ident in found.entries, line
            if line.startswith(b"d"):
                assert ident in found.entries or found.open[ident].dispatched, line
            if line.startswith(b"s"):
                assert ident in found.entries, line


# ---- damage ---------------------------------------------------------------------------------------------------------


def written(folder: Path, count: int = 6) -> tuple[bytes, list[Hold]]:
    segment = Segment(folder / "1.seg", 1, SMALL)
    holds = [hold(number) for number in range(count)]
    for each in holds:
        assert segment.append(msgspec.msgpack.encode((HOLD, each, False, 0)))
    segment.close()
    data = (folder / "1.seg").read_bytes()
    (folder / "1.seg").unlink()
    return data, holds


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Hold]]:
    return written(tmp_path_factory.mktemp("whole"))


def test_a_whole_file_reads_whole(whole: tuple[bytes, list[Hold]]) -> None:
    data, holds = whole
    assert [each.hold for each in replay(records_in(data)).open.values()] == holds
    assert data.startswith(HEADER)
    assert len(data) == SMALL


@settings(max_examples=200, deadline=None)
@given(cut=st.integers(0, SMALL))
def test_a_cut_file_has_what_was_before_the_cut(whole: tuple[bytes, list[Hold]], cut: int) -> None:
    data, holds = whole
    found = [each.hold for each in replay(records_in(data[:cut])).open.values()]
    assert found == holds[: len(found)]
    one = data.find(segments.MARK, len(HEADER) + 4) - len(HEADER)
    assert len(found) >= min(len(holds), (cut - len(HEADER)) // one)


@settings(max_examples=300, deadline=None)
@given(flips=st.lists(st.tuples(st.integers(0, SMALL - 1), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bits_cost_the_record_they_are_in(
    whole: tuple[bytes, list[Hold]], flips: list[tuple[int, int]]
) -> None:
    data, holds = whole
    damaged = bytearray(data)
    for at, bits in flips:
        damaged[at] ^= bits
    found = [each.hold for each in replay(records_in(bytes(damaged))).open.values()]
    assert [each for each in holds if each in found] == found, "nothing is invented"
    assert len(found) >= len(holds) - len(flips)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600), st.integers(0, 2000))
def test_any_bytes_can_be_read(noise: bytes, at: int) -> None:
    framed = segments.MARK + len(noise).to_bytes(4, "little") + crc32(noise).to_bytes(4, "little") + noise
    for data in (noise, framed, framed[:at], framed * 3):
        replay(records_in(data))


def test_what_a_client_names_cannot_pass_for_a_record() -> None:
    """The marker is no UTF-8, so that no text in a record holds it."""
    with pytest.raises(UnicodeDecodeError):
        segments.MARK.decode()
    assert all(byte >= 0xC0 for byte in segments.MARK)


def test_a_torn_last_record_is_passed_over(journal: Journal) -> None:
    journal.hold(hold(1))
    journal.hold(hold(2))
    folder = abandon(journal)
    (path, *_) = segments_of(folder)
    data = bytearray(path.read_bytes())
    end = journal._segment.at
    data[end - 5 : end] = bytes(5)
    path.write_bytes(data)
    assert list(replay_folder(folder).open) == [hold(1).ident]
    assert (folder / LOCK).exists()


def test_the_files_have_their_blocks_before_they_are_used(journal: Journal) -> None:
    for path in segments_of(journal.folder):
        assert path.stat().st_size == SMALL
        assert path.stat().st_blocks * 512 >= SMALL
        assert path.stat().st_mode & 0o077 == 0
    assert SIZE == 1024 * 1024
    assert os.stat(journal.folder).st_mode & 0o077 == 0


def test_the_disk_gets_everything_ten_times_a_second(journal: Journal) -> None:
    journal.hold(hold(1))
    until(lambda: journal._segment.synced == journal._segment.at, 2.0)


# ---- figures --------------------------------------------------------------------------------------------------------


def test_writing_takes_microseconds(tmp_path: Path) -> None:
    """A hold 2 us, a checkpoint 1 us on an idle machine; ten times that is allowed here."""
    journal = Journal(tmp_path, limit=64 << 20)
    holds = [hold(number) for number in range(2000)]
    best = {"hold": 1.0, "checkpoint": 1.0}
    for begin in range(0, 2000, 500):
        started = time.perf_counter()
        for each in holds[begin : begin + 500]:
            journal.hold(each)
        best["hold"] = min(best["hold"], (time.perf_counter() - started) / 500)
        started = time.perf_counter()
        for each in holds[begin : begin + 500]:
            journal.checkpoint(each.ident, 5)
        best["checkpoint"] = min(best["checkpoint"], (time.perf_counter() - started) / 500)
    for each in holds:
        journal.release(each.ident)
        journal.done(each.ident)
    journal.close()
    assert best["hold"] < 20e-6
    assert best["checkpoint"] < 10e-6
