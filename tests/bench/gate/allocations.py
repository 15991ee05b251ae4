"""How often this thread asks Python's allocators for memory, exactly: a counting layer in C in front of them, built on first use.

What comes from CPython's free lists (small tuples, floats, frames) asks nobody and is not counted; nor is what Rust or libc keep to themselves.
"""

import ctypes
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("allocations.c")


class NotCountable(Exception):
    """No C compiler, or one that fails; the message says which."""


class Allocations:
    """Counts from ``open`` to ``close``."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.allocations.restype = ctypes.c_ulonglong

    @classmethod
    def open(cls) -> "Allocations":
        """Raises ``NotCountable``."""
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise NotCountable("no C compiler found: install gcc or clang")
        with tempfile.TemporaryDirectory() as folder:
            built = Path(folder) / "allocations.so"
            # The interpreter that loads it brings the functions that it calls.
            late = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
            command = [compiler, "-O2", "-shared", "-fPIC", *late, "-o", str(built), str(SOURCE)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            if done.returncode:
                raise NotCountable(f"{SOURCE.name} does not compile: {done.stderr.strip()[-300:]}")
            counter = cls(ctypes.PyDLL(str(built)))
        counter._library.install()
        return counter

    def read(self) -> int:
        """Blocks that this thread asked for so far."""
        return int(self._library.allocations())

    def close(self) -> None:
        """Takes the layer out again. What was allocated through it is freed by what is below."""
        self._library.uninstall()
