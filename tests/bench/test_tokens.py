"""The comparison of tokenisers: the same counts are told from others, a broken engine is a result, and the corpus is what it says."""

import json
import os
import sys
from collections import Counter

import pytest

from proxy.tokens.bpe import SHIPPED

from . import tokens
from .token_corpus import GENERATED, LARGEST, corpus
from .tokens import ENGINES, Result, counts, differing, lateness, measure, prose, table, timed

SIZE = 100_000


def test_the_corpus_has_every_kind_and_is_the_same_again() -> None:
    found = list(corpus(2_500_000))
    kinds = Counter(kind for kind, _ in found)
    assert {make.__name__.strip("_") for make in GENERATED} | {"mixture", "py"} <= set(kinds)
    assert sum(len(text.encode()) for _, text in found) >= 2_500_000
    assert max(len(text) for _, text in found) <= LARGEST
    assert list(corpus(100_000)) == list(corpus(100_000)) != list(corpus(100_000, seed=8))


def test_tiktoken_agrees_with_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "lateness", lambda count: lateness(count, seconds=0.2))
    monkeypatch.setattr(tokens, "timed", lambda count, size: timed(count, size, number=3))
    [found] = measure(SIZE, ["tiktoken"])
    assert found.problem == ""
    assert found.differ == {"o200k_base": {}, "cl100k_base": {}}
    assert found.texts > 5
    assert found.microseconds[1_000] < found.microseconds[100_000]


def test_one_token_too_many_is_seen() -> None:
    encode = SHIPPED.encoding("o200k_base").encode_ordinary
    texts = ["a b", "it's", "a 'ſ"]

    def wrong(text: str) -> int:
        return len(encode(text)) + ("ſ" in text)

    expected = counts(lambda text: len(encode(text)), texts)
    assert differing(["x", "x", "y"], expected, counts(wrong, texts)) == {"y": 1}
    assert differing(["x", "x", "y"], expected, expected) == {}


def test_an_engine_that_raises_is_no_count() -> None:
    def count(text: str) -> int:
        if "!" in text:
            raise ValueError
        return 1

    assert list(counts(count, ["a", "!"])) == [1, -1]


def test_what_is_not_installed_and_what_crashes_are_results(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(name: str) -> None:
        os._exit(7)

    monkeypatch.setitem(ENGINES, "missing", ("no-such-distribution", ENGINES["tiktoken"][1]))
    monkeypatch.setitem(ENGINES, "crashes", ("tiktoken", crash))
    missing, crashed = measure(1_000, ["missing", "crashes"])
    assert missing.problem == "not installed: pip install no-such-distribution"
    assert crashed.problem == "its process crashed"
    assert "its process crashed" in table([missing, crashed])


def test_texts_that_are_timed_differ() -> None:
    assert len(set(prose(1_000, 40))) == 40


def test_it_runs_as_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made = Result(engine="tiktoken", version="1", microseconds={1000: 2.0})
    monkeypatch.setattr(tokens, "measure", lambda size, engines: [made])
    monkeypatch.setattr(sys, "argv", ["tokens", "--json"])
    tokens.main()
    assert json.loads(capsys.readouterr().out)[0]["microseconds"] == {"1000": 2.0}
