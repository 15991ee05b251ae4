"""What the benchmark of admission rests on: its requests are limited, held, sent and settled as those that are served."""

import json
import sys

import pytest

from . import admission
from .admission import Stages, limited, measure
from .chain import BODY, requests


async def test_every_stage_does_its_part() -> None:
    async with limited() as (bench, _):
        stages = Stages(bench)
        found: dict[str, float] = {}
        await stages.admitted(3, found)
        await requests(stages.whole, BODY, 2)
        kept = stages.later.kept
        assert len(kept) == 2
        for ctx, _ in kept:
            assert ctx.reservation is not None
            rules = [grant.rule.name for grant in ctx.reservation.grants]
            assert (rules, bool(ctx.ledger_id)) == (["rpm", "tpm", "concurrency", "budget.month"], True)
            assert ctx.on_dispatch is not None
        kept.clear()
        await stages.settled(2, found)
        assert all(ctx.settled is not None and ctx.settled.charge for ctx, _ in kept)
        assert set(found) == {"auth", "limits and hold", "sent", "after the answer", "record"}


async def test_nothing_is_held_afterwards() -> None:
    async with limited() as (bench, ledger):
        stages = Stages(bench)
        await stages.admitted(5, {})
        await stages.settled(5, {})
        assert ledger.state().open_holds == 0


async def test_the_figures_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission.gc, "collect", lambda: 0)
    figures = await measure(rounds=1, count=5)
    assert figures["on the path"] > figures["auth"] > 0
    assert figures["settlement"] > 0


def test_it_runs_as_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["admission", "--json", "--rounds", "1"])
    monkeypatch.setattr(admission, "collect_as_served", lambda: None)
    monkeypatch.setattr(admission.gc, "collect", lambda: 0)
    admission.main()
    assert "on the path" in json.loads(capsys.readouterr().out)
