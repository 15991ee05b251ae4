"""The benchmark of health runs, and its figures hold with room for a machine that is busy."""

import json
import sys

import pytest

from . import health
from .health import measure


def test_what_a_request_pays() -> None:
    figures = measure(count=2_000, rounds=5)
    assert figures["ready, nothing rests"] < 1.0
    assert figures["ready, two are open"] < 3.0 * 3
    assert figures["enter"] < 1.5 * 3
    assert figures["95th percentile"] < 3.0


def test_it_runs_as_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["health", "--json"])
    monkeypatch.setattr(health, "measure", lambda: measure(count=10, rounds=1))
    health.main()
    assert set(json.loads(capsys.readouterr().out)) == set(health.steps())
