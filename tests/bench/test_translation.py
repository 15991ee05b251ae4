"""That the translation benchmark measures what it says: requests of 1 KB, events that say something, every dialect and front."""

import json
import sys

import pytest

from proxy.translation.fronts import FRONTS
from proxy.wire.values import obj, object_in

from . import translation
from .translation import CHAT_BODY, DIALECTS, FRONT_BODIES, account_of, events_of, measure, request_of


def test_requests_are_about_a_kilobyte() -> None:
    for body in (CHAT_BODY, *FRONT_BODIES.values()):
        assert 900 < len(body) < 1200


def test_every_front_is_measured() -> None:
    assert set(FRONT_BODIES) == set(FRONTS)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_request_is_translated_whole(name: str) -> None:
    sent = object_in(request_of(DIALECTS[name])())
    assert sent is not None
    assert json.dumps(sent).count("which of the two bridges") == 6
    assert obj(sent).get("tools") or obj(sent).get("toolConfig")


@pytest.mark.parametrize("name", DIALECTS)
def test_an_account_is_the_named_one(name: str) -> None:
    assert account_of(DIALECTS[name]).name == "here"


@pytest.mark.parametrize("name", DIALECTS)
def test_events_say_something(name: str) -> None:
    assert events_of(DIALECTS[name])(3) > 0


def test_the_figures_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translation.gc, "collect", lambda: 0)
    figures = measure(count=4, rounds=1)
    assert set(figures) == {*DIALECTS, "messages", "responses"}
    assert all(row["us_per_request"] > 0 < row["us_per_event"] for row in figures.values())


def test_it_runs_as_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["translation", "--json", "--count", "4", "--rounds", "1"])
    monkeypatch.setattr(translation.gc, "freeze", lambda: None)
    monkeypatch.setattr(translation.gc, "collect", lambda: 0)
    translation.main()
    assert set(json.loads(capsys.readouterr().out)["anthropic"]) == {"us_per_request", "us_per_event"}
