"""One question and every way in which an answer can fail, as the mock commits them."""

from contextlib import closing

import pytest

from proxy.comparison.asking import Endpoint
from proxy.comparison.reading import Reply
from proxy.wire.values import JsonObject
from tests.support.processes import Mock


def body(*, stream: bool) -> JsonObject:
    found: JsonObject = {"model": "small", "messages": [{"role": "user", "content": "How long is the road?"}]}
    return found | ({"stream": True, "stream_options": {"include_usage": True}} if stream else {})


def one(mock: Mock, asked: JsonObject, headers: dict[str, str], timeout: float = 10.0) -> Reply:
    with closing(Endpoint(mock.url, None, timeout=timeout)) as endpoint:
        return endpoint.ask(asked, headers)


def test_text_tokens_and_times(mock: Mock) -> None:
    slow = {"x-mock-first-token": "150", "x-mock-pace": "10", "x-mock-tokens": "20"}
    streamed = one(mock, body(stream=True), slow)
    whole = one(mock, body(stream=False), {"x-mock-tokens": "20"})
    assert (streamed.error, streamed.finish, streamed.text) == ("", "stop", whole.text)
    assert streamed.usage == whole.usage
    assert streamed.usage is not None
    assert streamed.usage.output == 20
    assert streamed.ttft is not None
    assert 0.149 <= streamed.ttft < streamed.seconds - 0.15, "nineteen pauses of 10 ms come after the first token"
    assert whole.ttft is None


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fault", "error", "passing"),
    [
        ("status:500", "server_error", True),
        ("status:400", "", False),
        ("context-length", "context_length_exceeded", False),
        ("content-policy", "invalid_prompt", False),
        ("quota", "insufficient_quota", False),
        ("html-502", "status_502", True),
        ("reset", "unreachable", True),
        ("close", "unreachable", True),
        ("cut:3", "cut", True),
        ("not-json", "not_json", True),
        ("json-200-error", "", True),
        ("empty", "", True),
        ("null-body", "not_json", True),
    ],
)
def test_a_fault_is_an_error_with_a_code(mock: Mock, fault: str, error: str, passing: bool, stream: bool) -> None:
    found = one(mock, body(stream=stream), {"x-mock-fault": fault})
    assert found.error
    assert not error or found.error == error, found
    assert found.passing is passing
    assert found.detail


@pytest.mark.parametrize(
    ("fault", "error"),
    [("malformed-sse:2", "not_json"), ("sse-error:2", ""), ("cut-mid-event:3", "cut"), ("hang-after:3", "timeout")],
)
def test_a_stream_that_fails_in_the_middle_may_have_cost_something(mock: Mock, fault: str, error: str) -> None:
    found = one(mock, body(stream=True), {"x-mock-fault": fault}, timeout=0.6)
    assert found.error
    assert not error or found.error == error, found
    assert found.begun


@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [
        ("rate-limit:ms=1500", 1.5, 1.5),
        ("rate-limit:seconds=2", 2.0, 2.0),
        ("rate-limit:date", 0.0, 2.1),
        ("rate-limit:garbage", None, None),
        ("rate-limit:none", None, None),
    ],
)
def test_how_long_a_limit_asks_to_wait(mock: Mock, fault: str, least: float | None, most: float | None) -> None:
    found = one(mock, body(stream=True), {"x-mock-fault": fault})
    assert (found.status, found.passing) == (429, True)
    if least is None or most is None:
        assert found.wait is None
    else:
        assert found.wait is not None
        assert least <= found.wait <= most


def test_a_connection_is_kept_from_question_to_question(mock: Mock) -> None:
    before = mock.stats()["accepted"]
    with closing(Endpoint(mock.url, None, timeout=10)) as endpoint:
        for stream in (True, False, True, True, False):
            assert endpoint.ask(body(stream=stream)).error == ""
    # One for the questions, one for each look at the figures.
    assert mock.stats()["accepted"] - before <= 2
