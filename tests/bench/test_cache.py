"""The cache bench measures what it says: requests that are cached, answers that are kept."""

import sys

import pytest

from proxy.cache.asking import CacheRules
from proxy.cache.judging import unfit
from proxy.cache.keys import Keys
from proxy.protocols import Question
from proxy.wire.endpoints import CHAT
from tests.unit.proxy.cache.asked import asked

from . import cache
from .cache import SECRET, SETTINGS, SIZES, answer, chat, measure, stream


def test_what_is_measured_is_cached() -> None:
    rules, keys = CacheRules(settings=SETTINGS), Keys(settings=SETTINGS, secret=lambda: SECRET)
    for size in SIZES:
        ctx = asked(chat(size))
        assert abs(len(ctx.body) - size * 1000) < 100
        wanted = rules.wanted(ctx)
        assert (wanted.status, keys.keyed(ctx, wanted).reason) == ("miss", "")
    ctx = asked(chat(1))
    assert isinstance(keys.question(ctx, rules.wanted(ctx), keys.keyed(ctx, rules.wanted(ctx))), Question)
    assert unfit(CHAT.name, "json", answer(1000), tools=False) == ""
    assert unfit(CHAT.name, "events", stream(400), tools=False) == ""


def test_the_figures_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache.gc, "collect", lambda: 0)
    figures = measure(count=200, rounds=3)
    assert figures["wanted"] < 1.0 * 4, "with room for a machine that is busy"
    assert figures["keyed, 1 KB"] < 4.0 * 4
    assert 0 < figures["canonical, 10 KB"] < figures["keyed, 10 KB"] < 14.0 * 4


def test_it_runs_as_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["cache", "--json", "--count", "20", "--rounds", "1"])
    monkeypatch.setattr(cache.gc, "collect", lambda: 0)
    cache.main()
    assert '"keyed, 1 KB"' in capsys.readouterr().out
