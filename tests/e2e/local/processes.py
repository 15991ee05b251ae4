"""The processes below a gateway, as ``ps`` and the kernel show them."""

import os
import subprocess
from pathlib import Path

SUPERVISOR = "proxy.inference.supervisor"
ENGINE = "proxy.inference.server"


def table() -> dict[int, tuple[int, str]]:
    """Every process that runs: its parent and its command line."""
    lines = subprocess.run(["ps", "-eo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in lines.splitlines():
        pid, parent, state, *words = line.split(None, 3)
        if not state.startswith("Z"):
            found[int(pid)] = (int(parent), "".join(words))
    return found


def below(pid: int, module: str) -> list[int]:
    """Processes of ``module`` whose ancestors include ``pid``."""
    processes = table()

    def descends(child: int) -> bool:
        parent = processes.get(child, (0, ""))[0]
        return parent == pid or (parent > 1 and descends(parent))

    return sorted(child for child, (_, line) in processes.items() if line.endswith(module) and descends(child))


def alive(pids: list[int]) -> list[int]:
    """Those that still run."""
    running = table()
    return [pid for pid in pids if pid in running]


def listens(pid: int) -> set[tuple[str, int]]:
    """(address, port) of the TCP listeners of a process. Linux only."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(os.readlink(descriptor))
        except FileNotFoundError:
            continue
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                address, _, port = words[1].partition(":")
                found.add((address, int(port, 16)))
    return found
