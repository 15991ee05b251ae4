"""Quality scores: the format, read strictly; look-ups; and the class of a prompt."""

import json
from pathlib import Path
from time import perf_counter

import pytest

from proxy.routing.kinds import KINDS, LONG, kind_of
from proxy.routing.scores import Scores, load_scores, scores_in
from tests.unit.proxy.routing.candidates import candidate

GOOD = {
    "version": 1,
    "generated": "2026-11-20T10:00:00Z",
    "source": "by hand",
    "scores": {
        "openai/m": {"general": {"score": 0.8, "n": 200, "interval": [0.75, 0.85]}, "code": {"score": 0.6, "n": 40}},
        "fast": {"code": {"score": 0.3, "n": 10}},
    },
}


def read(**changes: object) -> Scores:
    return scores_in(json.dumps({**GOOD, **changes}).encode(), "scores.json")


def test_a_place_is_looked_up_before_the_public_name_and_a_class_before_the_general_one() -> None:
    scores = read()
    assert scores.of(candidate("openai"), "code") == 0.6
    assert scores.of(candidate("openai"), "math") == 0.8
    assert scores.of(candidate("other"), "code") == 0.3
    assert scores.of(candidate("other"), "math") is None
    assert scores.of(candidate("other", public="slow"), "code") is None
    assert scores.of(candidate("openai"), "poetry") == 0.8
    assert scores.generated == "2026-11-20T10:00:00Z"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 2}, "version is 2, and this gateway reads version 1"),
        ({"version": "1"}, "Expected `int`, got `str` (at version)"),
        ({"generated": None}, "(at generated)"),
        ({"models": {}}, "unknown field `models` (at the top level)"),
        ({"scores": {"a/b": {"general": {"score": 1.2, "n": 3}}}}, "(at scores['a/b']['general'].score)"),
        ({"scores": {"a/b": {"general": {"score": 0.2, "n": 0}}}}, "(at scores['a/b']['general'].n)"),
        ({"scores": {"a/b": {"general": {"score": 0.2}}}}, "required field `n` (at scores['a/b']['general'])"),
        ({"scores": {"a/b": {"general": 0.2}}}, "Expected `object`, got `float`"),
        ({"scores": {"a/b": {"coding": {"score": 0.2, "n": 1}}}}, "scores['a/b']['coding'] is no class of prompt that exists; classes are general, code, math, long"),
        ({"scores": {"a/b": [1]}}, "Expected `object`, got `array`"),
        ({"scores": {"a/b": {"code": {"score": 0.2, "n": 1, "interval": [0.3, 0.4]}}}}, "scores['a/b']['code']: the interval does not hold the score"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_the_place_in_it(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=r"^scores\.json: ") as caught:
        read(**changes)
    assert said in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b'{"scores": {"a": {"x": ' + b"[" * 100_000])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        scores_in(data, "scores.json")


def test_a_file_is_read_and_a_missing_one_names_the_fix(tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    file.write_text(json.dumps(GOOD))
    assert load_scores(file).of(candidate("openai"), "code") == 0.6
    with pytest.raises(ValueError, match=r"none\.json cannot be read \(No such file.*name one that is there"):
        load_scores(tmp_path / "none.json")
    with pytest.raises(ValueError, match="cannot be read"):
        load_scores(tmp_path)


YAML = """
version: 1
generated: 2026-11-20T10:00:00Z
scores:
  openai/m:
    general: {score: 0.8, n: 200, interval: [0.75, 0.85], ttft_p95: 0.4}
  fast: {general: {score: 0.3, n: 10, ttft_p95: 2}}
"""


@pytest.mark.parametrize("name", ["scores.yaml", "scores.yml"])
def test_a_file_may_be_yaml_by_its_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(YAML)
    scores = load_scores(file)
    assert scores.of(candidate("openai"), "general") == 0.8
    assert (scores.ttft(candidate("openai")), scores.ttft(candidate("other"))) == (0.4, 2.0)
    assert scores.ttft(candidate("other", public="slow")) is None
    assert (scores.timed, read().timed) == (True, False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", r"scores\.yaml: not YAML \(line \d\)"),
        ("a: !!python/object:os.system {}", "not YAML"),
        ("a: &x [1]\nb: *x", "has references"),
        ("[" * 50 + "]" * 50, "nested too deeply"),
        ("? [1, 2]\n: 3", "not YAML|holds what JSON has not"),
        ("a: !!set {b}", "holds what JSON has not|unknown field"),
        ("version: 1\ngenerated: x\nscores: {a/b: {general: {score: 2, n: 1}}}", r"at scores\['a/b'\]"),
        ("version: 1\ngenerated: x\nscores: {a/b: {general: {score: 1, n: 1, ttft_p95: -1}}}", "ttft_p95"),
        ("", "Expected `object`"),
        ("\x00", "not YAML"),
    ],
)
def test_bad_yaml_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "scores.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=said):
        load_scores(file)


def test_a_file_without_end_is_not_read_whole() -> None:
    with pytest.raises(ValueError, match="larger than 16 MiB"):
        load_scores("/dev/zero")


# ---- the class of a prompt ------------------------------------------------------------------------------------------


def chat(text: str) -> bytes:
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}]}).encode()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write a haiku about autumn.", "general"),
        ("What is the capital of Norway?", "general"),
        ("Why does this fail?\n```\nx = 1\n```", "code"),
        ("Refactor this Python function so that it returns early.", "code"),
        ("Traceback (most recent call last): KeyError", "code"),
        ("Translate this import permit for the customs.", "general"),
        (r"Evaluate $\frac{1}{2} + x$.", "math"),
        ("Prove that there are infinitely many primes.", "math"),
        ("The probability that a triangle has an acute angle?", "math"),
        ("How many people live in Oslo?", "general"),
    ],
)
def test_the_class_of_a_prompt(text: str, kind: str) -> None:
    assert kind_of(chat(text)) == kind
    assert kind in KINDS


def test_a_long_prompt_is_long_by_its_tokens_or_else_its_bytes() -> None:
    words = "a word and another " * 10_000
    assert kind_of(chat(words)) == "long"
    assert kind_of(chat(words), prompt=LONG - 1) == "general"
    assert kind_of(chat("short"), prompt=LONG) == "long"
    picture = chat("data:image/png;base64," + "A" * 400_000)
    assert kind_of(picture) == "general"


def test_the_last_message_is_looked_at_however_long_the_prompt_is() -> None:
    body = chat("a tale of old " * 3000 + "```code```")
    assert kind_of(body, prompt=100) == "code"


def test_the_look_at_a_prompt_is_bounded() -> None:
    body = chat("y" * 20_000_000)
    began = perf_counter()
    kind_of(body, prompt=1)
    assert perf_counter() - began < 0.01
