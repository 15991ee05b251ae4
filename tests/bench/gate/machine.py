"""Machine instructions a request: by the kernel's counter, else under valgrind, else not at all, and said."""

import os
import re
import shutil
import subprocess
import sys

import msgspec

from ..instructions import Instructions, NotCounted

COLLECTED = re.compile(r"Collected : (\d+)")
FEW, MORE = 50, 250
"""Requests of the two runs under valgrind, whose difference is what requests cost."""


class Counter(msgspec.Struct, frozen=True):
    """How instructions are counted here. ``instructions``: the kernel's counter, or ``None``; ``name``: for the baseline."""

    name: str
    instructions: Instructions | None = None


def counter() -> Counter:
    """The best there is; a name that begins with ``none`` says why there is none."""
    try:
        return Counter("perf", Instructions())
    except NotCounted as error:
        if shutil.which("valgrind"):
            return Counter("callgrind")
        return Counter(f"none: {error}, and valgrind is not installed")


def under_valgrind(case: str) -> float:
    """Instructions of one request: two runs of a program that differ in their requests alone. Takes minutes."""
    few, more = (_collected(case, count) for count in (FEW, MORE))
    return (more - few) / (MORE - FEW)


def _collected(case: str, count: int) -> int:
    program = [sys.executable, "-m", "tests.bench.gate.fixed", case, str(count)]
    options = ("--tool=callgrind", "--callgrind-out-file=/dev/null")
    done = subprocess.run(
        ["valgrind", *options, *program],
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    found = COLLECTED.search(done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"valgrind ended with {done.returncode}: {done.stderr[-500:]}")
    return int(found.group(1))
