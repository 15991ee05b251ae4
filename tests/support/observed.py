"""What can be seen of a running gateway from outside: its log, its metrics, its processes."""

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from .processes import Gateway, Mock
from .rawhttp import eventually

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.M)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def access_lines(gateway: Gateway) -> list[dict[str, Any]]:
    """Access log lines so far; not one that is being written."""
    found = []
    for line in gateway.log().splitlines(keepends=True):
        if line.startswith("{") and line.endswith("\n") and '"request_id"' in line and '"outcome"' in line:
            found.append(json.loads(line))
    return found


async def settled(gateway: Gateway, request_id: str, timeout: float = 5.0) -> dict[str, Any]:
    """The one access log line of a request; fails when there are more."""

    def mine() -> list[dict[str, Any]]:
        return [line for line in access_lines(gateway) if line["request_id"] == request_id]

    lines: list[dict[str, Any]] = await eventually(mine, timeout)
    assert len(lines) == 1, lines
    return lines[0]


def metrics_text(gateway: Gateway, port: int | None = None) -> str:
    """The exposition, from the data listener or from ``port``."""
    origin = gateway.origin if port is None else f"http://127.0.0.1:{port}"
    with urlopen(origin + "/metrics", timeout=5) as answer:
        text: str = answer.read().decode()
        return text


def metric(gateway: Gateway, name: str, port: int | None = None, **labels: str) -> float:
    """Sum of a metric's samples that carry ``labels``."""
    total = 0.0
    for found, rest, value in _SAMPLE.findall(metrics_text(gateway, port)):
        if found == name and labels.items() <= dict(_LABEL.findall(rest)).items():
            total += float(value)
    return total


def children(pid: int) -> list[int]:
    """Pids of the child processes of ``pid``."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def gone(pid: int) -> bool:
    """Has the process ended, and been waited for?"""
    return not Path(f"/proc/{pid}").exists()


def workers(gateway: Gateway) -> list[int]:
    """Pids of the worker processes."""
    found = children(gateway.pid)
    return sorted(pid for pid in found if "resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_text())


def descriptors(pid: int) -> int:
    """Open file descriptors."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def rss(pid: int) -> int:
    """Resident memory in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"{pid} has no memory: it ended")


def entry(mock: Mock, tag: str) -> dict[str, Any]:
    """The mock's journal entry of the one request that carried ``x-test: tag``; empty while there is none."""
    found = entries(mock, tag)
    assert len(found) <= 1, found
    return found[0] if found else {}


def entries(mock: Mock, tag: str) -> list[dict[str, Any]]:
    """All journal entries with that tag."""
    return [one for one in mock.requests() if ["x-test", tag] in one["headers"]]


async def closed_upstream(mock: Mock, tag: str, timeout: float = 3.0) -> dict[str, Any]:
    """Waits until the upstream saw the request's connection closed by us; its journal entry."""
    found: dict[str, Any] = await eventually(
        lambda: (one := entry(mock, tag)) and one["outcome"] != "open" and one, timeout, every=0.01
    )
    assert found["outcome"] == "client_closed", found
    return found
