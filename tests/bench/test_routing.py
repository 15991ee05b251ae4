"""The routing bench measures what it says, and its cheap path is cheap: nothing is worked out twice."""

import sys

import pytest

from proxy.context import Principal
from proxy.policy.targets import Candidate
from proxy.routing import asking, needs

from . import routing
from .routing import CHOOSING, MANY, SLOS, context, live_board, measure, router


def test_the_figures_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing.gc, "collect", lambda: 0)
    figures = measure(count=200, rounds=3)
    assert {"resolve", "plan one", "plan many sticky", "one over resolve"} <= set(figures)
    choices = {name: figure for name, figure in figures.items() if name.startswith("choice ")}
    assert {f"choice many {name}" for name in (*CHOOSING, *SLOS)} < set(choices)
    assert max(choices.values()) < 8.0 * 4, "with room for a machine that is busy"
    assert 0 < figures["resolve"] < figures["plan one"] < figures["plan many priority"]


def test_a_choice_is_among_all_of_them() -> None:
    _, found = router(live_board())
    plan = found.plan(context("many priority", Principal(name="a", tenant="a")))
    assert len(plan.candidates) == MANY


def test_a_plain_body_is_never_decoded_and_no_candidate_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    _, found = router(live_board())
    ctx = context("many priority", Principal(name="a", tenant="a"))
    found.plan(ctx)
    looked: list[object] = []
    monkeypatch.setattr(needs, "object_in", looked.append)
    monkeypatch.setattr(asking, "kind_of", lambda *given: looked.append(given))
    monkeypatch.setattr(Candidate, "place", property(lambda each: looked.append(each)))
    found.plan(ctx)
    assert looked == []


def test_it_runs_as_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["routing", "--json", "--count", "20", "--rounds", "1"])
    monkeypatch.setattr(routing.gc, "collect", lambda: 0)
    routing.main()
    assert '"plan one"' in capsys.readouterr().out
