"""Memory of a process tree: idle after its start, then with many open streams that say next to nothing. Each peer runs alone."""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..bench import meter
from ..bench.load import Meter, parse
from ..bench.servers import BenchError, Server, child_of_ours, posts_seen
from .install import NotInstalled
from .load import Bodies, Varied
from .measure import Plan
from .peers import Peer, Place
from .sides import Side, one

SETTLE_S = 1.0
PACE_S, OPENING_S = 3.0, 2.0
SLOW_PACE_S, SLOW_OPENING_S = 15.0, 25.0
PAST_FIRST = 1.2  # of the pace, after the last stream has opened: each is past its first chunk
GRACE_S = 15.0
POLL_S = 0.02


@dataclass(frozen=True)
class Footprint:
    """Bytes of one peer's process tree: idle, warm, and with ``streams`` of them open; or why there are none (``note``)."""

    side: str
    streams: int
    idle: meter.Memory
    warm: meter.Memory
    full: meter.Memory
    note: str = ""

    @property
    def each(self) -> float:
        """PSS of one open stream, in bytes."""
        return (self.full.pss - self.warm.pss) / max(1, self.streams)


NOTHING = meter.Memory(0, 0)


def footprints(
    peers: Sequence[Peer],
    place: Place,
    upstream: Server,
    plan: Plan,
    files: Bodies,
    runs: Meter,
    tell: Callable[[str], None],
) -> list[Footprint]:
    """One of each; a peer that cannot be started says why."""
    found = []
    for peer in peers:
        tell(f"memory: {peer.title} ...")
        try:
            with one(peer, place) as side:
                found.append(_footprint(side, upstream, plan.idle_streams, files, runs))
        except (NotInstalled, BenchError) as error:
            found.append(Footprint(peer.name, 0, NOTHING, NOTHING, NOTHING, note=str(error).splitlines()[0]))
            tell(f"memory: {peer.title}: {error}")
    return found


def _footprint(side: Side, upstream: Server, count: int, files: Bodies, runs: Meter) -> Footprint:
    pid = side.server.pid
    time.sleep(SETTLE_S)
    idle = meter.memory(pid)
    warm_up = Varied(files.file(chunks=50, pace_us=0), connections=16, seconds=0.5, warmup=0)
    runs.run(side.server, side.asked(warm_up))
    warm = meter.memory(pid)
    return Footprint(side.name, count, idle, warm, _with_streams(side, upstream, count, files))


def _with_streams(side: Side, upstream: Server, count: int, files: Bodies) -> meter.Memory:
    """Memory while ``count`` streams are open, each past its first chunk and silent."""
    pace, opening = (SLOW_PACE_S, SLOW_OPENING_S) if side.slow else (PACE_S, OPENING_S)
    seconds = opening + PAST_FIRST * pace + 1
    body = files.file(chunks=4, pace_us=int(pace * 1e6))
    load = side.asked(Varied(body, connections=count, seconds=seconds, warmup=0))
    command = [word for word in load.command(side.server.port) if word != "-d"]
    before = posts_seen(upstream)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=child_of_ours(None)) as program:
        try:
            deadline = time.monotonic() + opening
            while posts_seen(upstream) - before < count and time.monotonic() < deadline:
                time.sleep(POLL_S)
            time.sleep(PAST_FIRST * pace)
            full = meter.memory(side.server.pid)
            counts = parse(program.communicate(timeout=seconds + GRACE_S)[0]).counts
        except subprocess.TimeoutExpired:
            raise BenchError(f"{side.title}: the idle streams did not end") from None
        finally:
            program.kill()
    if counts["errors"] or counts["in_flight"] < count or counts["total_chunks"] < count:
        raise BenchError(
            f"of {count} idle streams {counts['in_flight']:.0f} were open, with {counts['errors']:.0f} errors"
        )
    return full
