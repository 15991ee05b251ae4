"""The engine leaves one core to the gateway and keeps within a container's share."""

import os
from pathlib import Path

import pytest

from proxy.inference import cores
from proxy.inference.cores import MOST, threads, usable


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000\n", 64),
        ("200000 100000\n", 2),
        ("50000 100000\n", 1),
        ("6400000 50000\n", 64),
        ("odd\n", 64),
        ("5 0", 64),
    ],
)
def test_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert usable(file) == expected


def test_no_control_group_and_no_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable(tmp_path / "none") == 6


@pytest.mark.parametrize(("found", "expected"), [(1, 1), (2, 1), (4, 3), (128, MOST)])
def test_threads(monkeypatch: pytest.MonkeyPatch, found: int, expected: int) -> None:
    monkeypatch.setattr(cores, "usable", lambda: found)
    assert threads() == expected
