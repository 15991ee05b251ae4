"""That the bench of the semantic layer runs; and, at a size that any machine bears, that what must be cheap is."""

import json
import sys

import pytest

from . import cache_vectors


def test_it_runs_as_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["cache_vectors", "--json", "--rounds", "4", "--rows", "200"])
    cache_vectors.main()
    found = json.loads(capsys.readouterr().out)
    assert found["partition empty, 200 elsewhere"]["p50"] <= 20
    assert found["lookup, 200 of one signature"]["p50"] <= 1000
    assert found["refused without a vector, 200"]["p50"] <= 1000
    assert found["embedding, 14 words"]["p50"] > 0
    assert "loop late (ms), embedding" in found
