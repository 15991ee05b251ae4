"""The table, the advice and the machine form."""

import json

import pytest

from proxy.drill.cases import Case
from proxy.drill.judge import judge
from proxy.drill.report import advice, as_json, headline, lines, shortened, summary
from proxy.drill.seen import Seen
from proxy.drill.shape import shapes_of
from proxy.drill.stage import Played

from .build import PATIENCE, TRUTHS, answered, case, config, refused, route, shape

TWO = shape("a", "b")


def played(of: Case, seen: Seen) -> Played:
    return Played(case=of, seen=seen, verdict=judge(of, seen, TRUTHS, PATIENCE))


GOOD = played(case(TWO, "reset", "target 1 of 2"), answered(1, attempts=2, struck=1))
BAD = played(case(TWO, "reset", "all 2 targets", stream=True), refused(404, calls=2))


def text(*rows: Played, failures_only: bool = False) -> str:
    return "\n".join(line.text for line in lines(rows, failures_only=failures_only))


def test_a_row_says_fault_place_request_verdict_and_what_was_seen() -> None:
    said = text(GOOD, BAD)
    assert "reset  target 1 of 2  plain    pass  answer from b/m, 2 tries, 100 ms" in said
    assert "reset  all 2 targets  stream   FAIL  404 code" in said
    assert "because status 404 where 502 was due" in said
    assert [line.failed for line in lines([GOOD, BAD])][-3:] == [False, True, True]


def test_alike_plain_and_streamed_requests_are_one_row() -> None:
    streamed = played(case(TWO, "reset", "target 1 of 2", stream=True), answered(1, attempts=2, struck=1, seconds=0.2))
    assert "both     pass  answer from b/m, 2 tries, 100 and 200 ms" in text(GOOD, streamed)


def test_failures_alone() -> None:
    said = text(GOOD, BAD, failures_only=True)
    assert "FAIL" in said
    assert "pass" not in said


@pytest.mark.parametrize(
    ("names", "settings", "expected"),
    [
        (("a",), {}, "Add a second target or fallbacks to models.r"),
        (("a", "b"), {"retry": {"attempts": 1}}, "retry.attempts is 1"),
        (("a/x", "a/y"), {}, "every target is at a"),
        (("a", "b", "c", "a/x"), {}, "set it to 4"),
        (("a", "b"), {}, ""),
    ],
)
def test_the_one_setting_that_would_help_is_named(
    names: tuple[str, ...], settings: dict[str, object], expected: str
) -> None:
    found = advice(shape(*names, **settings))
    assert expected in found
    assert bool(found) == bool(expected)


def test_a_route_is_described() -> None:
    models = {"r": route("a", fallbacks=["s"], fallbacks_for={"context_length": ["c/long"]}), "s": route("b")}
    said = headline(shapes_of(config(models))[0])
    assert said == "route r (priority: a/m; fallbacks: b/m; c/long for context_length; 3 tries)"


def test_the_last_line_counts() -> None:
    assert summary([GOOD, BAD], 3.4) == "2 requests over 1 route in 3 s: 1 FAILED"
    assert summary([GOOD], 3.4).endswith("all passed")
    assert "silence 2 s" in shortened(PATIENCE)


def test_json_has_everything() -> None:
    found = json.loads(json.dumps(as_json([GOOD, BAD], PATIENCE, 1.23456)))
    assert (found["ok"], found["requests"], found["failed"], found["seconds"]) == (False, 2, 1, 1.235)
    assert found["limits"] == {"connect": 1.0, "answer": 2.0, "total": 30.0}
    (only,) = found["routes"]
    assert only["places"] == [{"target": "a/m", "role": "own"}, {"target": "b/m", "role": "own"}]
    first, second = only["results"]
    assert (first["fault"], first["passed"], first["answered_by"], first["attempts"]) == ("reset", True, "b/m", 2)
    assert second["reasons"] == ["status 404 where 502 was due"]
