"""How many threads the engine computes on: its threads spin while they wait, so one core too many slows every token."""

import os
from pathlib import Path

MOST = 8
"""More threads than this gain little with a small model."""

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""A container's share of the machine: quota and period in microseconds (the kernel's cgroup v2 documentation)."""


def threads() -> int:
    """The cores that this process may use but for one, which the gateway needs."""
    return max(1, min(MOST, usable() - 1))


def usable(quota: Path = QUOTA) -> int:
    """Whole cores that the scheduler and the container's quota leave to this process."""
    # Not everywhere: macOS has no affinity.
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    try:
        share, period = quota.read_text().split()
        return max(1, min(cores, int(share) // int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return cores
