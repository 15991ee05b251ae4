"""What a client may expect, and the verdict on what it saw: every rule from both sides."""

import pytest
from msgspec.structs import replace

from proxy.drill.cases import Case
from proxy.drill.expect import expected, survives
from proxy.drill.judge import judge
from proxy.drill.seen import Seen

from .build import PATIENCE, TRUTHS, answered, case, refused, shape

ONE = shape("a")
TWO = shape("a", "b")


def reasons(of: Case, seen: Seen) -> str:
    return "; ".join(judge(of, seen, TRUTHS, PATIENCE).reasons)


@pytest.mark.parametrize(
    ("names", "settings", "fault", "where", "expected"),
    [
        (("a", "b"), {}, "reset", "target 1 of 2", True),
        (("a", "b"), {}, "reset", "all 2 targets", False),
        (("a", "b"), {"retry": {"attempts": 1}}, "reset", "target 1 of 2", False),
        (("a", "b", "c"), {}, "reset", "targets 1-2 of 3", True),
        (("a", "b", "c"), {"retry": {"attempts": 2}}, "reset", "targets 1-2 of 3", False),
        (("a",), {}, "reset", "the first try", True),
        (("a",), {}, "reset", "the target", False),
        (("a",), {"fallbacks": ["b/m"]}, "bad-key", "the target", True),
        (("a",), {"fallbacks": ["b/m"], "retry": {"attempts": 1}}, "bad-key", "the target", False),
        (("a",), {"fallbacks": ["b/m"]}, "bad-key", "everywhere", False),
        (("a", "b"), {}, "context-length", "target 1 of 2", False),
        (("a",), {"fallbacks_for": {"context_length": ["b/m"]}}, "context-length", "the target", True),
        (("a",), {"fallbacks_for": {"content_policy": ["b/m"]}}, "context-length", "the target", False),
        (("a", "b"), {}, "status-400", "target 1 of 2", False),
    ],
)
def test_who_survives(
    names: tuple[str, ...], settings: dict[str, object], fault: str, where: str, expected: bool
) -> None:
    assert survives(case(shape(*names, **settings), fault, where)) is expected


def test_each_key_of_a_provider_is_a_try() -> None:
    several = replace(TWO, places=(replace(TWO.places[0], keys=3), TWO.places[1]))
    assert not survives(case(several, "bad-key", "target 1 of 2"))
    assert survives(case(several, "reset", "target 1 of 2"))


def test_another_target_answers() -> None:
    asked = case(TWO, "reset", "target 1 of 2")
    assert judge(asked, answered(1, attempts=2, struck=1), TRUTHS, PATIENCE).passed
    assert "an answer was due" in reasons(asked, refused(502))
    assert "x-tollway-attempts" in reasons(asked, replace(answered(1, attempts=2, struck=1), attempts=1, calls=1))
    assert "x-tollway-reason" in reasons(asked, replace(answered(1, attempts=2, struck=1), reason=""))
    assert "who answered" in reasons(asked, replace(answered(1, attempts=2, struck=1), place=None))


def test_bytes_that_came_twice_or_not_at_all_are_seen() -> None:
    asked = case(TWO, "reset", "target 1 of 2", stream=True)
    for text in ("the first the second text", "the second", "the first text"):
        assert "bytes are missing, or came twice" in reasons(asked, answered(1, attempts=2, struck=1, text=text))


def test_a_target_that_was_not_asked_proves_nothing() -> None:
    asked = case(shape("a", "b", policy="weighted"), "reset", "target 2 of 2")
    verdict = judge(asked, answered(0), TRUTHS, PATIENCE)
    assert verdict.passed
    assert not verdict.struck
    assert judge(asked, answered(1, attempts=1, struck=1), TRUTHS, PATIENCE).struck
    # Not asked, and yet an error: that is no excuse.
    assert not judge(asked, replace(refused(502), struck=0), TRUTHS, PATIENCE).passed


def test_alone_the_error_is_clean_honest_and_quick() -> None:
    asked = case(ONE, "status-500", "the target")
    assert judge(asked, refused(500, calls=3), TRUTHS, PATIENCE).passed
    assert "at most 3 may be made" in reasons(asked, refused(500, calls=4))
    assert "status 404 where 500 was due" in reasons(asked, refused(404))
    assert "it took 9.0 s" in reasons(asked, replace(refused(500), seconds=9.0))
    assert "gave up" in reasons(asked, Seen(kind="hung", struck=1, calls=1))
    assert "before the connection ended" in reasons(asked, Seen(kind="nothing", struck=1, calls=1))
    assert "a clean error was due" in reasons(asked, Seen(kind="nonsense", status=200, struck=1, calls=1))


def test_another_dialect_has_other_statuses_but_never_blames_the_clients_key() -> None:
    asked = case(ONE, "status-529", "the target")
    assert judge(asked, refused(503, source="upstream"), TRUTHS, PATIENCE).passed
    assert not judge(asked, refused(503), TRUTHS, PATIENCE).passed
    keys = case(ONE, "status-402", "the target")
    assert judge(keys, refused(400, source="upstream"), TRUTHS, PATIENCE).passed
    for status in (401, 403):
        assert not judge(keys, refused(status, source="upstream"), TRUTHS, PATIENCE).passed


def test_a_foreign_envelope_is_the_providers_or_a_failure() -> None:
    asked = case(ONE, "html-502", "the target")
    assert judge(asked, refused(502, kind="foreign error", source="upstream"), TRUTHS, PATIENCE).passed
    assert "OpenAI's envelope" in reasons(asked, refused(502, kind="foreign error"))


def test_retry_after_reaches_the_client() -> None:
    asked = case(ONE, "rate-limit", "the target")
    assert judge(asked, refused(429, retry_after="1"), TRUTHS, PATIENCE).passed
    assert "retry-after is missing" in reasons(asked, refused(429))
    assert judge(case(ONE, "rate-limit-silent", "the target"), refused(429), TRUTHS, PATIENCE).passed


def test_the_requests_own_fault_goes_back_at_once() -> None:
    asked = case(TWO, "context-length", "target 1 of 2")
    assert judge(asked, refused(400), TRUTHS, PATIENCE).passed
    assert "2 upstream calls where at most 1" in reasons(asked, refused(400, calls=2))
    named = case(shape("a", fallbacks_for={"context_length": ["b/m"]}), "context-length", "the target")
    assert judge(named, answered(1, attempts=2, struck=1), TRUTHS, PATIENCE).passed
    assert "an answer was due" in reasons(named, refused(400))


LATE = case(TWO, "cut-late", "target 1 of 2", stream=True)
CUT = Seen(kind="broken", status=200, text="the first", errors=("c: w",), place=0, attempts=1, calls=1, struck=1)


def test_after_the_commit_point_one_error_event_and_nothing_again() -> None:
    assert judge(LATE, CUT, TRUTHS, PATIENCE).passed
    assert "2 error events" in reasons(LATE, replace(CUT, errors=("c: w", "c: w")))
    assert "no error event" in reasons(LATE, replace(CUT, errors=()))
    assert "[DONE] after an error" in reasons(LATE, replace(CUT, done=True))
    assert "something was replayed" in reasons(LATE, replace(CUT, text="the first the second"))


def test_an_answer_that_goes_on_elsewhere_is_welcome_where_it_may() -> None:
    seen = answered(1, attempts=2, struck=1, text="the first and the second text")
    assert not judge(LATE, seen, TRUTHS, PATIENCE).passed
    places = tuple(replace(place, continues=True) for place in TWO.places)
    continued = replace(LATE, shape=replace(TWO, places=places))
    assert judge(continued, seen, TRUTHS, PATIENCE).passed


def test_senseless_answers_pass_as_they_came_when_nobody_else_could_answer() -> None:
    seen = Seen(kind="nonsense", status=200, place=0, attempts=1, calls=1, struck=1)
    assert judge(case(ONE, "not-json", "the target"), seen, TRUTHS, PATIENCE).passed
    assert "an answer was due" in reasons(case(TWO, "not-json", "target 1 of 2"), seen)


def test_harmless_faults_cost_nothing() -> None:
    asked = case(ONE, "early-hints", "the target")
    assert judge(asked, answered(0, struck=1), TRUTHS, PATIENCE).passed
    assert "the fault takes nothing away" in reasons(asked, refused(502))


def test_the_tries_that_are_told_are_those_that_were_made() -> None:
    seen = replace(answered(1, attempts=2, struck=1), calls=3)
    assert "x-tollway-attempts is 2, and the upstream saw 3" in reasons(case(TWO, "reset", "target 1 of 2"), seen)


def test_time_limits_count_for_faults_that_are_silent() -> None:
    quick = expected(case(ONE, "status-500", "the target"), PATIENCE).seconds
    assert expected(case(ONE, "hang", "the target"), PATIENCE).seconds == pytest.approx(quick + 3 * PATIENCE.answer)
    assert expected(case(ONE, "black-hole", "the target"), PATIENCE).seconds == pytest.approx(quick + 3)


def test_an_error_event_in_a_stream_that_had_begun_with_comments_is_an_error() -> None:
    asked = case(ONE, "hang", "the target", stream=True)
    seen = Seen(kind="broken", status=200, errors=("upstream_timeout: w",), calls=1, struck=1, attempts=1)
    assert judge(asked, seen, TRUTHS, PATIENCE).passed
    assert "one error event and nothing else" in reasons(asked, replace(seen, done=True))
