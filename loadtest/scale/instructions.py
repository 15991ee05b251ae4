"""Machine instructions of processes that already run, by ``perf stat``: the figure that neighbours on the machine do not change.

Where ``perf`` is missing or not allowed there is none, and CPU time has to do.
"""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

ATTACH_S = 0.15
"""Seconds after which ``perf`` has found every thread."""


def counted(pids: Sequence[int], work: Callable[[], T]) -> tuple[T, float | None]:
    """What ``work`` gives, and the user-mode instructions that ``pids`` ran meanwhile; None: they cannot be counted."""
    perf = shutil.which("perf")
    if perf is None:
        return work(), None
    command = [perf, "stat", "-x", ",", "-e", "instructions:u", "-p", ",".join(map(str, pids))]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as program:
        time.sleep(ATTACH_S)
        try:
            done = work()
        finally:
            program.send_signal(signal.SIGINT)
            said = program.communicate(timeout=10)[1]
    return done, instructions_in(said)


def instructions_in(said: str) -> float | None:
    """The count in the output of ``perf stat -x,``; None where it says ``<not supported>`` and the like."""
    for line in said.splitlines():
        count, _, rest = line.partition(",")
        if "instructions" in rest and count.isdigit():
            return float(count)
    return None
