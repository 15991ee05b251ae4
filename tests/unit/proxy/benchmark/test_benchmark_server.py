"""What the processes of a server took: their whole tree, the difference between two moments, several runs together."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proxy.benchmark.server import Spent, Taken, look, spent, together, tree

STAT = "{pid} ({name}) S {parent} 1 1 0 -1 0 0 0 0 0 {user} {system} 0 0 20 0 1 0 5 1000 {pages} 18446744073709551615 1"


def processes(root: Path) -> Path:
    """100 with two children, the older of which has the smaller id; 300 is somebody else."""
    for pid, parent, name in ((100, 1, "a b) S 9 ("), (101, 100, "w"), (50, 101, "w"), (300, 1, "x")):
        (root / str(pid)).mkdir()
        fields = {"pid": pid, "parent": parent, "name": name, "user": pid, "system": 10, "pages": pid}
        (root / str(pid) / "stat").write_text(STAT.format(**fields))
    (root / "200").mkdir()
    return root


def test_a_tree_and_what_it_took(tmp_path: Path) -> None:
    root = processes(tmp_path)
    assert tree(100, root) == (50, 100, 101)
    found = look(tree(100, root), root)
    assert found is not None
    assert found.cpu == pytest.approx((251 + 30) / os.sysconf("SC_CLK_TCK"))
    assert (found.resident, found.processes) == (251 * os.sysconf("SC_PAGE_SIZE"), 3)
    assert tree(7, root) == ()
    assert look((), root) is None


def test_between_two_moments() -> None:
    before, after = Taken(cpu=3.0, resident=10, processes=2), Taken(cpu=3.5, resident=20, processes=2)
    found = spent(before, after, 250)
    assert found == Spent(cpu=0.5, requests=250, resident=20, processes=2)
    assert found.per_1000 == 2.0
    assert spent(before, Taken(cpu=9.0, resident=1, processes=1), 5) is None, "one has ended, and its time with it"
    assert spent(None, after, 5) is None
    assert Spent(cpu=1.0, requests=0, resident=1, processes=1).per_1000 is None


def test_runs_together() -> None:
    one, other = (Spent(cpu=at, requests=100, resident=int(at), processes=1) for at in (1.0, 2.0))
    assert together([one, other]) == Spent(cpu=3.0, requests=200, resident=2, processes=1)
    assert together([one, None]) is None
    assert together([]) is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux alone tells")
def test_a_process_that_works_is_seen_to_work() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        try:
            pids, deadline = tree(child.pid), time.monotonic() + 20
            assert pids == (child.pid,)
            while (found := look(pids)) is None or found.cpu < 0.05:
                assert time.monotonic() < deadline
            assert found.resident > 1_000_000
        finally:
            child.kill()
