"""The file of pairs: private, bounded, whole lines only, and every pair that is lost is counted."""

import asyncio
import fcntl
import json
import os
import queue
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from proxy.semantic import recorded as module
from proxy.semantic.layer import Pair
from proxy.semantic.recorded import Recorded
from tests.contract.vectors.made import Records

PAIR = Pair(route="fast", partition=b"p" * 32, a="one?", b="öne?", similarity=0.95, would_hit=True, same=None)


@asynccontextmanager
async def recording(path: Path, records: Records, **options: int) -> AsyncIterator[Recorded]:
    made = Recorded(path, wall=lambda: 12.5, records=records, **options)
    try:
        yield made
    finally:
        await made.close()


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_line_for_each_pair_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path, records = tmp_path / "pairs.jsonl", Records()
    path.touch(mode=0o644)
    async with recording(path, records) as record:
        record(PAIR)
        record(replace(PAIR, same=True))
    assert [line["same"] for line in lines(path)] == [None, True]
    assert lines(path)[0] == {
        "at": 12.5,
        "route": "fast",
        "partition": "70" * 8,
        "a": "one?",
        "b": "öne?",
        "similarity": 0.95,
        "would_hit": True,
        "same": None,
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert records.failures == []


async def test_a_full_file_is_put_aside_once(tmp_path: Path) -> None:
    path, records = tmp_path / "pairs.jsonl", Records()
    async with recording(path, records, largest=1000) as record:
        for number in range(40):
            record(replace(PAIR, a=str(number)))
    aside = tmp_path / "pairs.jsonl.1"
    assert path.stat().st_size <= 1000
    assert aside.stat().st_size <= 1000
    kept = [line["a"] for line in (*lines(aside), *lines(path))]
    assert kept == [str(number) for number in range(40 - len(kept), 40)]
    assert sorted(os.listdir(tmp_path)) == ["pairs.jsonl", "pairs.jsonl.1"]
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600


async def test_a_pair_larger_than_the_file_may_be_does_not_turn_in_circles(tmp_path: Path) -> None:
    path, records = tmp_path / "pairs.jsonl", Records()
    async with recording(path, records, largest=100) as record:
        record(PAIR)
        record(replace(PAIR, a="two"))
    assert [line["a"] for line in lines(path)] == ["two"]


async def test_two_processes_at_one_file_lose_nothing_when_it_is_put_aside(tmp_path: Path) -> None:
    path, records = tmp_path / "pairs.jsonl", Records()
    async with recording(path, records, largest=20_000) as one, recording(path, records, largest=20_000) as other:
        for number in range(100):
            one(replace(PAIR, a=f"one {number}"))
            other(replace(PAIR, a=f"other {number}"))
    found = [str(line["a"]) for line in (*lines(tmp_path / "pairs.jsonl.1"), *lines(path))]
    assert len(found) == len(set(found)) == 200
    assert records.failures == []


async def test_a_file_that_another_process_just_put_aside_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, aside, records = tmp_path / "pairs.jsonl", tmp_path / "pairs.jsonl.1", Records()
    lock = fcntl.flock

    def late(file: int, how: int) -> None:
        lock(file, how)
        if not aside.exists():
            path.rename(aside)

    monkeypatch.setattr(module.fcntl, "flock", late)
    async with recording(path, records) as record:
        record(PAIR)
    assert lines(aside) == []
    assert len(lines(path)) == 1


async def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, records = tmp_path / "pairs.jsonl", Records()
    write, room = os.write, [1, 0, 1]

    def writes(file: int, line: bytes) -> int:
        return write(file, line if room.pop(0) else line[:20])

    monkeypatch.setattr(module.os, "write", writes)
    async with recording(path, records) as record:
        for name in ("first", "second", "third"):
            record(replace(PAIR, a=name))
    assert [line["a"] for line in lines(path)] == ["first", "third"]
    assert records.failures == ["record"]


@pytest.mark.parametrize("what", ["missing folder", "folder", "pipe", "device"])
async def test_what_cannot_be_written_is_counted_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    path, records = tmp_path / "pairs", Records()
    if what == "missing folder":
        path = path / "none" / "pairs"
    elif what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path = Path(os.devnull)
    before = path.stat().st_mode if path.exists() else 0
    async with recording(path, records) as record:
        record(PAIR)
        record(PAIR)
    assert records.failures == ["record", "record"]
    assert len([entry for entry in caplog.records if "cannot be recorded" in entry.message]) == 1
    assert "one?" not in caplog.text
    assert (path.stat().st_mode if path.exists() else 0) == before


async def test_a_slow_disk_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, records, go = tmp_path / "pairs.jsonl", Records(), queue.Queue[None]()
    monkeypatch.setattr(module, "LAST_WRITES", 0.05)
    monkeypatch.setattr(Recorded, "_append", lambda self, line: go.get())
    made = Recorded(path, wall=lambda: 0.0, records=records)
    for _ in range(module.WAITING + 50):
        made(PAIR)
    assert 49 <= len(records.failures) <= 50, "one may be under way"
    await asyncio.wait_for(made.close(), 5)
    assert len(records.failures) >= module.WAITING + 49, "what nobody wrote is counted too"
    made(PAIR)
    assert len(records.failures) >= module.WAITING + 50, "nothing is taken after the end"
    go.put(None)
    made._waiting.put(None)
    await asyncio.to_thread(made._thread.join, 5)


async def test_bytes_that_wait_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, records, go = tmp_path / "pairs.jsonl", Records(), queue.Queue[None]()
    monkeypatch.setattr(module, "WAITING_BYTES", 10_000)
    monkeypatch.setattr(Recorded, "_append", lambda self, line: go.get())
    async with recording(path, records) as record:
        for _ in range(20):
            record(replace(PAIR, a="x" * 1000))
        assert 10 <= len(records.failures) <= 12
        for _ in range(20):
            go.put(None)


async def test_what_is_no_text_or_no_number_is_left_out(tmp_path: Path) -> None:
    path, records = tmp_path / "pairs.jsonl", Records()
    async with recording(path, records) as record:
        record(replace(PAIR, a="\ud800"))
        record(replace(PAIR, similarity=float("nan")))
        record(PAIR)
    assert len(lines(path)) == 1
    assert records.failures == ["record", "record"]
