"""Many streams that are open and silent, on one gateway: are new requests still answered, what does a stream hold, do comments come?"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from loadtest.bench import bodies, meter
from loadtest.bench.load import Load
from loadtest.bench.servers import (
    BUILD,
    ROOT,
    UPSTREAM_LIFE_S,
    BenchError,
    Cores,
    Server,
    child_of_ours,
    clean_environment,
    free_port,
)
from loadtest.compare.bodies import chat

from .box import Box, Setting, box

MUST = 2.0
"""p99 of new requests beside silent streams over that without them."""

RATE = 500.0
"""Streams opened in a second."""

SILENCE_US = 3_600_000_000
"""Between a stream's first event and its second."""


@dataclass(frozen=True)
class Found:
    """What came of it. Times in milliseconds, memory in KiB of PSS a stream."""

    streams: int
    open: int
    memory_kib: float
    descriptors: float
    p99_alone: float
    p99_beside: float
    comments: int
    fewest: int
    interval: tuple[float, float, float]
    """First, median and last of the times between the last byte of a stream and its next comment."""
    idle_share: float
    """CPU that all of them take while nothing happens but comments, in cores."""
    left_open: int
    """Descriptors that the gateway has more than before, some time after all streams have gone."""

    @property
    def ratio(self) -> float:
        """p99 beside the streams over p99 alone."""
        return self.p99_beside / self.p99_alone


def silent(
    cores: Cores,
    folder: Path,
    *,
    streams: int,
    workers: int = 1,
    keepalive: float = 15.0,
    seconds: float = 3.0,
    looks: int = 3,
) -> Found:
    """Opens them, asks new requests meanwhile (``looks`` times ``seconds``), and lets them go. Takes two keepalives and more."""
    setting = Setting(
        workers=workers, state="embedded" if workers > 1 else "memory", more=f"streaming: {{keepalive: {keepalive}}}\n"
    )
    quick = Load(bodies.write(folder, "quick", chat()), connections=16, seconds=seconds, warmup=0.3, rate=100)
    quiet = bodies.write(folder, "quiet", chat(chunks=2, pace_us=SILENCE_US))
    with talking_once(cores, folder) as upstream, box(cores, folder, setting, upstream=upstream.port) as each:
        each.measured(Load(quick.body, connections=64, seconds=0.5, warmup=0))
        alone = median(each.measured(quick).p99_us for _ in range(looks))
        before, descriptors = meter.memory(each.server.pid), _descriptors(each)
        with _listening(each, quiet, streams, cores) as client:
            full, held = meter.memory(each.server.pid), _descriptors(each)
            cpu, began = meter.cpu_seconds(each.server.pid), time.monotonic()
            time.sleep(keepalive * 1.2)
            share = (meter.cpu_seconds(each.server.pid) - cpu) / (time.monotonic() - began)
            beside = median(each.measured(quick).p99_us for _ in range(looks))
            time.sleep(keepalive * 0.5)
            said = _ended(client)
        left = _settled(each, descriptors)
    return Found(
        streams=streams,
        open=int(said["open"]),
        memory_kib=(full.pss - before.pss) / streams / 1024,
        descriptors=(held - descriptors) / streams,
        p99_alone=alone / 1000,
        p99_beside=beside / 1000,
        comments=int(said["comments"]),
        fewest=int(said["least"]),
        interval=(said["first_ms"], said["median_ms"], said["last_ms"]),
        idle_share=share,
        left_open=left,
    )


@contextmanager
def talking_once(cores: Cores, folder: Path) -> Iterator[Server]:
    """A mock upstream whose streams say something after a millisecond, and then whatever their pace allows."""
    port = free_port()
    command = [str(BUILD / "upstream"), "-p", str(port), "-s", str(UPSTREAM_LIFE_S), "-t", "1000"]
    with Server("talking-once", command, port=port, core=cores.load, folder=folder, ready_path="/v1/models") as server:
        server.wait_ready()
        yield server


@contextmanager
def _listening(each: Box, body: Path, streams: int, cores: Cores) -> Iterator["subprocess.Popen[str]"]:
    """The client, once all streams are open."""
    command = [sys.executable, "-m", "loadtest.scale.idle", str(each.server.port), str(streams), str(RATE), str(body)]
    with subprocess.Popen(
        command, cwd=ROOT, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=child_of_ours(cores.load),
    ) as client:  # fmt: skip
        try:
            assert client.stdout is not None
            if client.stdout.readline() != "open\n":
                raise BenchError(f"{streams} streams could not be opened")
            yield client
        finally:
            client.kill()


def _ended(client: "subprocess.Popen[str]") -> dict[str, float]:
    """Lets the client go; what it found."""
    said, _ = client.communicate(timeout=30)
    found: dict[str, float] = json.loads(said)
    return found


def _descriptors(each: Box) -> int:
    """Open files of all processes of the gateway."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in meter.tree(each.server.pid))


def _settled(each: Box, before: int, *, within: float = 15.0) -> int:
    """How many descriptors more than ``before`` are left: none, or those after ``within`` seconds. Idle connections to the upstream stay."""
    deadline = time.monotonic() + within
    while (left := _descriptors(each) - before) > 64 and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def table(found: Found) -> str:
    """Lines in Markdown."""
    first, middle, last = (time / 1000 for time in found.interval)
    return "\n".join(
        (
            "| silent streams | |",
            "|---|---|",
            f"| open to the end | {found.open:,} of {found.streams:,} |",
            f"| memory of one (PSS) | {found.memory_kib:.1f} KiB |",
            f"| descriptors of one | {found.descriptors:.2f} |",
            f"| p99 of 100 new requests/s, alone and beside them | {found.p99_alone:.1f} and {found.p99_beside:.1f} ms, {found.ratio:.2f} x |",
            f"| comments | {found.comments:,}, at least {found.fewest} on each; {first:.2f} to {last:.2f} s after the last byte, median {middle:.2f} |",
            f"| CPU of their silence | {found.idle_share:.1%} of a core |",
            f"| descriptors left after they went | {found.left_open} |",
        )
    )
