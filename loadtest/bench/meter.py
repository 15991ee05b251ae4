"""CPU time and memory of a process tree, and what everybody else used meanwhile, read from Linux alone.

CPU comes from each process's own CPU clock (nanoseconds, all threads, ended ones too) plus what /proc says of reaped
children. The busy counters of /proc/stat would not do: they sample at the tick, in step with a stream paced at 10 ms.
"""

import os
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
CPU_CLOCK = 2  # the kernel's CPUCLOCK_SCHED: user and system time together

# Fields of /proc/PID/stat, counted after the command name.
PPID, CHILDREN_UTIME, CHILDREN_STIME, LAST_CORE = 1, 13, 14, 36


@dataclass(frozen=True)
class Memory:
    """Bytes of a process tree. PSS counts a page shared by n processes 1/n times, so its sum is the true footprint."""

    rss: int
    pss: int


@dataclass(frozen=True)
class Usage:
    """CPU seconds of one process, those of the children it has reaped, and the core it was last seen on."""

    own: float
    reaped: float
    core: int

    @property
    def cpu(self) -> float:
        return self.own + self.reaped


UNBORN = Usage(0, 0, 0)


def _stat(pid: int) -> list[str] | None:
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _every_pid() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def tree(pid: int) -> list[int]:
    """The process and its living descendants."""
    children: dict[int, list[int]] = defaultdict(list)
    for other in _every_pid():
        if stat := _stat(other):
            children[int(stat[PPID])].append(other)
    found: list[int] = []
    waiting = [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children[found[-1]]
    return found


def _usage(pid: int) -> Usage | None:
    """What one process has used so far; None when it is gone."""
    stat = _stat(pid)
    if stat is None:
        return None
    reaped = (int(stat[CHILDREN_UTIME]) + int(stat[CHILDREN_STIME])) / TICKS_PER_S
    try:
        return Usage(time.clock_gettime(~pid << 3 | CPU_CLOCK), reaped, int(stat[LAST_CORE]))
    except OSError:
        return None


def cpu_seconds(pid: int) -> float:
    """CPU seconds of the tree below `pid` since it began, children that ended included."""
    return sum(usage.cpu for member in tree(pid) if (usage := _usage(member)))


def memory(pid: int) -> Memory:
    """Memory of the tree below `pid`."""
    rss = pss = 0
    for member in tree(pid):
        try:
            rss += int((PROC / str(member) / "statm").read_text().split()[1]) * PAGE_BYTES
            rollup = (PROC / str(member) / "smaps_rollup").read_text()
        except OSError:
            continue
        pss += sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return Memory(rss, pss)


def others() -> dict[int, Usage]:
    """What each process that is not the driver or its descendant has used so far."""
    ours = set(tree(os.getpid()))
    return {pid: usage for pid in _every_pid() if pid not in ours and (usage := _usage(pid))}


def used_between(before: dict[int, Usage], after: dict[int, Usage], cores: set[int]) -> float:
    """CPU seconds that others used on `cores`. Of a process that came and went, the parent tells, but not the core."""
    living = sum(_growth(before, after, cores).values())
    reaped = sum(now.reaped - before.get(pid, UNBORN).reaped for pid, now in after.items())
    known = sum(usage.cpu for pid, usage in before.items() if pid not in after)
    return living + max(0.0, reaped - known)


def _growth(before: dict[int, Usage], after: dict[int, Usage], cores: set[int]) -> dict[int, float]:
    return {pid: now.own - before.get(pid, UNBORN).own for pid, now in after.items() if now.core in cores}


def busiest(cores: set[int], *, seconds: float) -> list[tuple[str, float]]:
    """Names and core shares of others that worked on `cores` in the next `seconds`, busiest first."""
    before = others()
    time.sleep(seconds)
    used = _growth(before, others(), cores)
    return [(_name(pid), used[pid] / seconds) for pid in sorted(used, key=lambda pid: -used[pid])]


def _name(pid: int) -> str:
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return "ended"
