"""One box, in short: silent streams are held and heard, more workers do not make a request dearer, the store is asked as often as is said."""

from pathlib import Path
from statistics import median

import pytest

from loadtest.bench.servers import Cores, Server
from loadtest.scale import workers
from loadtest.scale.box import Setting
from loadtest.scale.stores import of_valkey
from loadtest.scale.streams import silent, table

STREAMS = 500
KEEPALIVE = 1.5


@pytest.mark.usefixtures("upstream")
def test_silent_streams_are_held_and_heard(cores: Cores, folder: Path) -> None:
    found = silent(cores, folder, streams=STREAMS, keepalive=KEEPALIVE, seconds=0.5, looks=1)
    print(table(found))
    assert found.open == STREAMS
    first, _, last = (time / 1000 for time in found.interval)
    assert found.fewest >= 1
    assert 0.6 * KEEPALIVE <= first
    assert last <= KEEPALIVE + 1.5
    assert found.descriptors <= 2.05
    assert found.memory_kib < 250
    assert found.left_open <= 64
    assert found.p99_beside < 1_000


def test_more_workers_do_not_make_a_request_dearer(cores: Cores, folder: Path, upstream: Server) -> None:
    lines = workers.measured(cores, folder, upstream, rounds=1, seconds=0.5, warmup=0.0, workers=(1, 2))
    assert [(line.setting.state, line.setting.workers) for line in lines] == [
        ("memory", 1),
        ("embedded", 1),
        ("embedded", 2),
    ]
    print(workers.table(lines))
    assert lines[1].costs[0].store > 0 == lines[0].costs[0].store
    counted = lines[2].counted
    # Instructions do not depend on what else runs here; where they cannot be counted, time has to do.
    assert median(counted) <= workers.MUST if counted else median(lines[2].ratios) < 3


def test_limits_and_a_cache_that_misses_are_four_calls(cores: Cores, folder: Path, upstream: Server) -> None:
    asked = of_valkey(cores, folder, Setting(state="embedded"), upstream=upstream.port, seconds=0.5)
    assert asked.trips == pytest.approx(4, rel=0.05)
    assert asked.commands < 40
    assert asked.log_bytes > 300
    assert asked.metrics_bytes > 1_000
