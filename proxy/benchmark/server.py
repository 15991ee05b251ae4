"""What the server under load took of this machine, where it runs here: processor time and memory of its processes, from ``/proc``."""

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

_PARENT, _USER, _SYSTEM, _RESIDENT = 1, 11, 12, 21
"""Fields of ``/proc/PID/stat`` behind the name (proc_pid_stat(5), less three)."""


class Taken(Struct, frozen=True, kw_only=True):
    """At one moment: seconds of processor time since each process began, bytes resident (shared pages once a process)."""

    cpu: float
    resident: int
    processes: int


class Spent(Struct, frozen=True, kw_only=True):
    """Over a run: seconds of processor time, for how many requests, and bytes resident at its end."""

    cpu: float
    requests: int
    resident: int
    processes: int

    @property
    def per_1000(self) -> float | None:
        """Seconds of processor time for a thousand requests."""
        return self.cpu / self.requests * 1000 if self.requests else None


def tree(pid: int, root: Path = PROC) -> tuple[int, ...]:
    """A process and all that come from it; nothing where it is not there."""
    parents = {int(folder.name): _stat(folder) for folder in root.glob("[0-9]*")}
    ours = {pid} & parents.keys()
    # A child may have a smaller id than its parent: ids begin anew.
    while more := {each for each, stat in parents.items() if stat and stat[_PARENT] in ours} - ours:
        ours |= more
    return tuple(sorted(ours))


def look(pids: Sequence[int], root: Path = PROC) -> Taken | None:
    """Of these processes together; ``None``: none of them is there any more."""
    stats = [stat for pid in pids if (stat := _stat(root / str(pid)))]
    if not stats:
        return None
    return Taken(
        cpu=sum(stat[_USER] + stat[_SYSTEM] for stat in stats) / _TICK,
        resident=sum(stat[_RESIDENT] for stat in stats) * _PAGE,
        processes=len(stats),
    )


def spent(before: Taken | None, after: Taken | None, requests: int) -> Spent | None:
    """Between two moments; ``None`` where a process has ended between them, and its time with it."""
    if before is None or after is None or after.processes != before.processes:
        return None
    return Spent(cpu=after.cpu - before.cpu, requests=requests, resident=after.resident, processes=after.processes)


def together(runs: Sequence[Spent | None]) -> Spent | None:
    """Of several runs: their times and requests in all, the memory of the last."""
    known = [each for each in runs if each is not None]
    if not known or len(known) < len(runs):
        return None
    last = known[-1]
    return Spent(
        cpu=sum(each.cpu for each in known),
        requests=sum(each.requests for each in known),
        resident=last.resident,
        processes=last.processes,
    )


def _stat(folder: Path) -> list[int]:
    """The numbers of a process, its state as 0 before them; nothing of one that has ended."""
    try:
        text = (folder / "stat").read_text(errors="replace")
    except OSError:
        return []
    _, *numbers = text[text.rfind(")") + 1 :].split()
    return [0, *map(int, numbers)]
