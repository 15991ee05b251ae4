"""Checks: how they are written, what they pass and fail, and what hostile answers do to them."""

import json
from collections.abc import Iterator
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.comparison.checks import Judged, check_of
from proxy.comparison.grading import LONGEST, Verdict, grade, last_number
from proxy.comparison.matching import Matcher, Overrun


@pytest.fixture(scope="module")
def matcher() -> Iterator[Matcher]:
    found = Matcher(seconds=0.5)
    yield found
    found.stop()


def verdict(check: object, answer: str, matcher: Matcher) -> bool | None:
    found = check_of(check)
    assert not isinstance(found, Judged)
    return grade(found, answer, matcher).passed


PERSON = {
    "type": "object",
    "required": ["name", "age"],
    "additionalProperties": False,
    "properties": {"name": {"type": "string", "minLength": 1}, "age": {"type": "integer", "minimum": 0}},
}


@pytest.mark.parametrize(
    ("check", "answer", "passed"),
    [
        ({"exact": "Paris"}, "  Paris\n", True),
        ({"exact": "Paris"}, "paris", False),
        ({"exact": "Paris", "ignore_case": True}, "PARIS", True),
        ({"exact": ["Paris", "Lutetia"]}, "Lutetia", True),
        ({"exact": "Paris"}, "It is Paris.", False),
        ({"exact": "caf\u00e9"}, "cafe\u0301", True),
        ({"regex": "^(yes|no)$"}, "yes", True),
        ({"regex": "^(yes|no)$"}, "yes, of course", False),
        ({"regex": "YES", "ignore_case": True}, "oh yes", True),
        ({"regex": "line two$"}, "line one\nline two", True),
        ({"numeric": 42}, "The answer is 42.", True),
        ({"numeric": 42}, "First 41, then 42", True),
        ({"numeric": 42}, "42 at first, then 43", False),
        ({"numeric": 0.3}, "0.1 + 0.2 = 0.3", True),
        ({"numeric": 1234.5}, "$1,234.50", True),
        ({"numeric": -5}, "\u22125", True),
        ({"numeric": 3, "tolerance": 0.5}, "3.5", True),
        ({"numeric": 3, "tolerance": 0.5}, "3.51", False),
        ({"numeric": 200, "relative": 0.05}, "191", True),
        ({"numeric": 200, "relative": 0.05}, "189", False),
        ({"numeric": 7}, "seven", False),
        ({"numeric": 7}, "1e999 NaN inf", False),
        ({"json_schema": PERSON}, '{"name": "Ada", "age": 36}', True),
        ({"json_schema": PERSON}, 'Here:\n```json\n{"name": "Ada", "age": 36}\n```\nDone.', True),
        ({"json_schema": PERSON}, '{"name": "Ada", "age": 36.5}', False),
        ({"json_schema": PERSON}, '{"name": "Ada", "age": true}', False),
        ({"json_schema": PERSON}, '{"name": "Ada", "age": 36, "x": 1}', False),
        ({"json_schema": PERSON}, '{"name": "", "age": 36}', False),
        ({"json_schema": PERSON}, "Ada is 36", False),
        ({"json_schema": PERSON}, '```\n{}\n```\n```\n{"name": "Ada", "age": 36}\n```', False),
        ({"json_schema": {"type": "number"}}, "NaN", False),
        ({"json_schema": {"type": "number"}}, "9" * 5000, False),
        ({"json_schema": {"multipleOf": 0.1}}, "0.3", True),
        ({"json_schema": {"enum": [1, "a", None]}}, "true", False),
        ({"json_schema": {"const": {"a": [1]}}}, '{"a": [1.0]}', True),
        ({"json_schema": {"anyOf": [{"type": "string"}, {"minimum": 5}]}}, "4", False),
        ({"json_schema": {"oneOf": [{"minimum": 1}, {"minimum": 5}]}}, "7", False),
        ({"json_schema": {"not": {"type": "null"}}}, "null", False),
        ({"json_schema": {"type": "array", "uniqueItems": True}}, "[1, 2, 1.0]", False),
        ({"json_schema": {"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}}, '["a", 1, "b"]', False),
        ({"json_schema": {"pattern": "^a+$"}}, '"aab"', False),
        ({"json_schema": {"pattern": "^a+$"}}, '"aaa"', True),
        ({"json_schema": {"exclusiveMinimum": 3}}, "3", False),
        ({"json_schema": {"maxProperties": 1, "minProperties": 1}}, "{}", False),
        ({"json_schema": {"type": ["string", "null"]}}, "null", True),
        ({"json_schema": {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}}, "1", False),
        ({"json_schema": {"properties": {"next": {"$ref": "#"}}, "required": ["v"]}}, '{"v": 1, "next": {"v": 2}}', True),
        ({"json_schema": {"properties": {"next": {"$ref": "#"}}, "required": ["v"]}}, '{"v": 1, "next": {}}', False),
    ],
)  # fmt: skip
def test_what_passes(check: object, answer: str, passed: bool, matcher: Matcher) -> None:
    assert verdict(check, answer, matcher) is passed


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("Paris", "is no object"),
        ({}, "has no kind"),
        ({"exact": "a", "regex": "b"}, "has exact and regex"),
        ({"exact": "a", "case": True}, "unknown field `case`"),
        ({"exact": []}, "names no text"),
        ({"exact": 5}, "Expected `str | array`"),
        ({"regex": "("}, "a regex that cannot be read"),
        ({"regex": "a" * 5000}, "length"),
        ({"numeric": "5"}, "Expected `float`"),
        ({"numeric": 5, "tolerance": -1}, ">= 0"),
        ({"json_schema": []}, "is no object"),
        ({"json_schema": {}, "strict": True}, "or something beside it"),
        ({"json_schema": {"type": "text"}}, "'type' has a value of the wrong kind"),
        ({"json_schema": {"if": {}}}, "'if', which is not checked here"),
        ({"json_schema": {"properties": {"a": {"format2": 1}}}}, "'format2', which is not checked"),
        ({"json_schema": {"$ref": "https://x/y"}}, "only places in itself"),
        ({"json_schema": {"$ref": "#/$defs/no"}}, "which is not there"),
        ({"judge": ""}, "length"),
    ],
)
def test_a_check_that_cannot_be_read_says_why(check: object, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        check_of(check)
    assert said in str(caught.value)


# ---- hostile answers -------------------------------------------------------------------------------------------------


def test_a_pattern_that_never_ends_is_stopped_and_grades_nothing(matcher: Matcher) -> None:
    begun = monotonic()
    assert verdict({"regex": "^(a+)+$"}, "a" * 60 + "!", matcher) is None
    assert verdict({"json_schema": {"pattern": "^(a+)+$"}}, json.dumps("a" * 60 + "!"), matcher) is None
    assert monotonic() - begun < 20, "the process that ran it was ended"
    assert verdict({"regex": "^a+$"}, "aaa", matcher) is True, "the next pattern has a new one"


def test_the_time_is_for_one_pattern_and_not_for_the_start() -> None:
    hasty = Matcher(seconds=0.2)
    try:
        assert hasty.search("b", "abc")
        with pytest.raises(Overrun):
            hasty.search("(x+x+)+y", "x" * 60)
    finally:
        hasty.stop()


@pytest.mark.parametrize(
    ("check", "answer", "passed"),
    [
        ({"json_schema": {"$ref": "#"}}, "1", None),
        ({"json_schema": {"type": "object"}}, "[" * 100_000, False),
        ({"json_schema": {"items": {}}}, "[" + "1," * 90_000 + "1]", True),
        ({"json_schema": {"uniqueItems": True}}, "[" + ",".join(map(str, range(20_000))) + "]", None),
        ({"json_schema": {"multipleOf": 3}}, "1" + "0" * 400, None),
        ({"numeric": 1}, "1 " * LONGEST, False),
        ({"numeric": 1}, "1," * 50_000, True),
        ({"exact": "a"}, "a\x00\x1b[2J", False),
        ({"regex": "b"}, "\ud800 b \r\n \u2028 x", True),
    ],
)
def test_no_answer_breaks_a_check(check: object, answer: str, passed: bool | None, matcher: Matcher) -> None:
    begun = monotonic()
    assert verdict(check, answer, matcher) is passed
    assert monotonic() - begun < 10


@given(st.text())
def test_any_text_gets_a_verdict(answer: str) -> None:
    idle = Matcher()
    for check in ({"exact": "x"}, {"numeric": 1}, {"json_schema": {"type": "integer"}}):
        found = check_of(check)
        assert not isinstance(found, Judged)
        assert isinstance(grade(found, answer, idle), Verdict)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e30, max_value=1e30))
def test_a_number_is_found_as_it_was_written(value: float) -> None:
    assert last_number(f"1 and then: {value!r}.") == value
    assert last_number(f"x={value:.3f}, done") == pytest.approx(value, abs=5e-4, rel=1e-12)


@given(st.integers(0, 10**15))
def test_thousands_may_stand_apart(value: int) -> None:
    assert last_number(f"7 or {value:,} km") == float(value)
