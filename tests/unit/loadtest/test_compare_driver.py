"""The driver from end to end: the real gateway in its three forms, a peer in a few lines, and one that cannot be installed."""

import os
import shutil
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.bench.servers import BenchError, Server, free_port
from loadtest.compare import memory, run
from loadtest.compare.install import NotInstalled
from loadtest.compare.measure import Plan
from loadtest.compare.peers import PEERS, Peer, Place, server
from loadtest.compare.record import Record
from loadtest.compare.scenarios import SCENARIOS
from tests.unit.loadtest.runs import record

pytestmark = pytest.mark.e2e

SHORT = Plan(rounds=1, seconds=0.15, warmup=0.05, paced_chunks=5, idle_streams=10, tries=1, warming=0.2)

TUNNEL = """
import asyncio, sys
listen, upstream = map(int, sys.argv[1:])

async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except ConnectionError:
        pass
    writer.close()

async def serve(reader, writer):
    there = await asyncio.open_connection("127.0.0.1", upstream)
    await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))

async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", listen) as found:
        await found.serve_forever()

asyncio.run(main())
"""


def tunnel(place: Place) -> Server:
    port = free_port()
    command = [sys.executable, "-c", TUNNEL, str(port), str(place.upstream)]
    return server("tunnel", place, command, port=port, ready="/v1/models")


def absent(place: Place) -> Server:
    raise NotInstalled("absent could not be installed: no such package")


@pytest.fixture
def as_before() -> Iterator[None]:
    """The driver pins itself to a core and takes the signals; a test gives both back."""
    cores = os.sched_getaffinity(0)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    os.sched_setaffinity(0, cores)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.skipif(not shutil.which("cc"), reason="the load generator is C, and there is no compiler")
def test_a_run_measures_all_sides_and_leaves_out_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, as_before: None
) -> None:
    monkeypatch.setattr(run, "QUICK", SHORT)
    monkeypatch.setattr(run, "SCENARIOS", [each for each in SCENARIOS if each.name in {"c16", "rate50"}])
    for name, seconds in (("SETTLE_S", 0.1), ("PACE_S", 0.4), ("OPENING_S", 1.0)):
        monkeypatch.setattr(memory, name, seconds)
    for peer in (
        Peer("tunnel", "Tunnel", "1", "copies bytes", tunnel),
        Peer("absent", "Absent", "1", "is not there", absent),
    ):
        monkeypatch.setitem(PEERS, peer.name, peer)
    options = run.parser().parse_args(
        ["--quick", "--only", "chat", "--only", "latency", "--only", "memory", "--peers", "tunnel,absent"]
    )
    found, cells = run.compare(options)
    sides = {"tollway", "tollway-hit", "tollway-plain", "tunnel"}
    assert set(found.medians["c16"]) == sides
    assert set(found.medians["rate50"]) == {*sides, "direct"}
    assert all(each["request_us"] > 1 for each in found.medians["c16"].values())
    assert set(found.memory) == {"tollway", "tunnel"}
    assert all(1e6 < each["idle_pss"] <= each["idle_rss"] for each in found.memory.values())
    assert found.missing["memory"] == {"absent": "absent could not be installed: no such package"}
    left_out = {each.name: each.missing for each in found.sides if each.missing}
    assert left_out == {"absent": "absent could not be installed: no such package"}
    assert all(len(cell.outcomes) == 1 for cell in cells if not cell.note)


def test_names_of_peers_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.parser().parse_args(["--peers", "nginx,kong"])
    assert "kong is no peer: choose from nginx, " in capsys.readouterr().err


def ended(monkeypatch: pytest.MonkeyPatch, outcome: Record | BaseException, *arguments: str) -> int:
    def compare(options: Namespace) -> tuple[Record, list[object]]:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome, []

    monkeypatch.setattr(run, "compare", compare)
    return run.main(arguments)


@pytest.mark.parametrize(
    ("outcome", "expected"), [(BenchError("no compiler"), 2), (KeyboardInterrupt(), 130), (record(), 0)]
)
def test_the_command_ends_with_a_status(
    monkeypatch: pytest.MonkeyPatch, as_before: None, outcome: Record | BaseException, expected: int
) -> None:
    assert ended(monkeypatch, outcome, "--no-save") == expected


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [([], True), (["--quick"], False), (["--only", "chat"], False), (["--quick", "--save"], True)],
)
def test_whole_runs_are_kept_with_the_readme(
    monkeypatch: pytest.MonkeyPatch, as_before: None, tmp_path: Path, arguments: list[str], kept: bool
) -> None:
    written: list[str] = []
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    monkeypatch.setattr("loadtest.compare.readme.write", lambda: written.append("README.md"))
    ended(monkeypatch, record(), *arguments)
    assert bool(list(tmp_path.glob("*-compare.md"))) == kept
    assert bool(written) == kept
