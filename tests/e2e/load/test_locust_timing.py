"""What the lines of a stream say about its timing, and what a ramp in words means: arithmetic, without a process."""

import pytest

from loadtest.locust.ramp_plan import steps, users_at
from loadtest.locust.sse_timing import Stream


def chunk(text: str) -> bytes:
    return b'data: {"choices": [{"delta": {"content": "%s"}}]}\n' % text.encode()


ROLE = b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}\n'
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 9}}\n'
DONE = b"data: [DONE]\n"


def read(*lines: tuple[float, bytes]) -> Stream:
    """A stream whose request left at 10 s, with these lines at these times."""
    found = Stream(sent=10.0)
    for at, line in lines:
        found.line(line, at)
    return found


def test_a_whole_stream_is_timed_by_its_text() -> None:
    found = read(
        (10.1, ROLE),
        (10.1, b"\n"),
        (10.3, chunk("a")),
        (10.5, chunk("b")),
        (10.9, chunk("c")),
        (10.9, USAGE),
        (11.0, DONE),
    )
    assert found.fault == ""
    assert found.ttft == pytest.approx(0.3), "the role is no token"
    assert found.gaps == pytest.approx([0.2, 0.4])
    assert found.tokens == 9, "as reported, though there were three chunks"
    assert found.tokens_per_s == pytest.approx(8 / 0.6)
    assert found.ended == 11.0


def test_without_usage_chunks_are_tokens_and_comments_are_nothing() -> None:
    found = read((10.2, b": waiting\n"), (10.5, chunk("a")), (10.5, chunk("b")), (10.6, DONE))
    assert (found.ttft, found.tokens, found.gaps) == (0.5, 2, [0.0])
    assert found.tokens_per_s == 0, "one read brought everything"


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([chunk("a")], "the stream broke off"),
        ([], "the stream broke off"),
        ([ROLE, DONE], "there was no text"),
        ([chunk("a"), b'data: {"error": {"code": "upstream_error"}}\n'], "an error event"),
        ([chunk("a"), b"data: {\n", DONE], "an event is no JSON"),
        ([chunk("a"), DONE, chunk("b")], "an event came after [DONE]"),
    ],
)
def test_what_is_no_whole_answer_says_why(lines: list[bytes], fault: str) -> None:
    assert read(*((10.0 + number, line) for number, line in enumerate(lines))).fault.startswith(fault)


def test_a_ramp_goes_evenly_from_step_to_step_and_ends() -> None:
    plan = steps("10s:5, 20s:25,10s:0")
    assert [users_at(plan, at) for at in (0, 2, 9.9, 10, 20, 30, 35, 39.9, 40)] == [0, 1, 5, 5, 15, 25, 12, 0, None]


@pytest.mark.parametrize("text", ["", "10:5", "10s", "ten:5", "0s:5", "14401s:1", "10s:20001"])
def test_a_ramp_that_cannot_be_or_has_no_bound_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RAMP"):
        steps(text)
