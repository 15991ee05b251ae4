"""User instructions of the machine, counted by the kernel: they hardly depend on what else runs. Linux, where the kernel allows it."""

import ctypes
import errno
import os
import platform
import struct
import sys

SYSCALL = {"x86_64": 298, "aarch64": 241}
"""``perf_event_open`` by machine (arch/*/…/syscall.tbl, include/uapi/asm-generic/unistd.h)."""

HARDWARE, COUNT_INSTRUCTIONS = 0, 1
INHERIT, EXCLUDE_KERNEL, EXCLUDE_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6
ATTRIBUTES = struct.Struct("IIQQQQQ")
SIZE = 112
"""``struct perf_event_attr`` as of version 5 (linux/perf_event.h): type, size, config, period, sample and read formats, flags, …"""


class NotCounted(Exception):
    """The kernel, the machine or the sandbox has no counter for us; the message says which."""


class Instructions:
    """A counter of this thread. ``threads``: and of those that start after it was made."""

    def __init__(self, *, threads: bool = False) -> None:
        self.threads = threads
        number = SYSCALL.get(platform.machine())
        if sys.platform != "linux" or number is None:
            raise NotCounted(f"no counter of instructions on {sys.platform} {platform.machine()}")
        flags = EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR | (INHERIT if threads else 0)
        wanted = ATTRIBUTES.pack(HARDWARE, SIZE, COUNT_INSTRUCTIONS, 0, 0, 0, flags)
        attributes = ctypes.create_string_buffer(wanted.ljust(SIZE, b"\0"))
        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = library.syscall(number, attributes, 0, -1, -1, 0)
        if self._descriptor < 0:
            reason = errno.errorcode.get(ctypes.get_errno(), "")
            raise NotCounted(f"the kernel gives no counter of instructions ({reason}); see perf_event_paranoid")

    def read(self) -> int:
        """Instructions so far."""
        return int.from_bytes(os.read(self._descriptor, 8), sys.byteorder)

    def close(self) -> None:
        """Gives the counter back."""
        os.close(self._descriptor)
