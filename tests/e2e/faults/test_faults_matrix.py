"""Every fault of the mock, plain and streamed: one defined outcome each, never a clean end for a cut answer."""

import json
import time
import uuid
from collections.abc import Iterator

import pytest

from proxy.mock.faults import FAULTS
from tests.support.observed import entries, metric, rss, settled, workers
from tests.support.processes import Gateway, Mock, config_for, running
from tests.support.rawhttp import Answer, ask, chat

pytestmark = pytest.mark.e2e

LIMIT = 0.6
"""Seconds of ``first_byte`` and ``idle``."""

PACE = {"x-mock-pace": "5"}


@pytest.fixture(scope="module")
def short(mock: Mock) -> Iterator[Gateway]:
    """A gateway that loses patience soon."""
    with running(config_for(mock.url, timeouts={"first_byte": LIMIT, "idle": LIMIT, "total": 20})) as found:
        yield found


async def faulty(gateway: Gateway, fault: str, *, stream: bool) -> tuple[Answer, str, float]:
    """(answer, request id, seconds)."""
    tag = uuid.uuid4().hex
    headers = {"x-mock-fault": fault, "x-request-id": tag, "x-test": tag, **PACE}
    begun = time.monotonic()
    answer = await ask(gateway.port, chat(stream=stream, headers=headers))
    return answer, tag, time.monotonic() - begun


REFUSED: list[tuple[str, int, str | None, str]] = [
    ("reset", 502, "upstream_unavailable", "upstream_error"),
    ("close", 502, "upstream_unavailable", "upstream_error"),
    ("reset-head", 502, "upstream_unavailable", "upstream_error"),
    ("hang", 504, "upstream_timeout", "timeout"),
    ("both-framings", 502, "upstream_invalid_response", "upstream_error"),
    ("bad-header:control", 502, "upstream_invalid_response", "upstream_error"),
    ("bad-header:nul", 502, "upstream_invalid_response", "upstream_error"),
    ("bad-header:cr", 502, "upstream_invalid_response", "upstream_error"),
    ("status:042", 502, "upstream_invalid_response", "upstream_error"),
    ("status:text", 502, "upstream_invalid_response", "upstream_error"),
    ("huge-header:200000", 502, "upstream_invalid_response", "upstream_error"),
    ("bad-key", 502, "upstream_error", "upstream_error"),
    ("status:403", 502, "upstream_error", "upstream_error"),
]
"""Faults that leave nothing to pass on: (fault, status, code, outcome), alike for plain and streamed requests."""


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("fault", "status", "code", "outcome"), REFUSED, ids=[row[0] for row in REFUSED])
async def test_a_fault_before_the_answer_is_one_clear_error(
    short: Gateway, fault: str, status: int, code: str, outcome: str, stream: bool
) -> None:
    answer, tag, seconds = await faulty(short, fault, stream=stream)
    assert (answer.status, answer.ending) == (status, "whole")
    assert answer.header("content-type") == "application/json"
    assert answer.header("x-tollway-error-source") == "gateway"
    assert answer.header("x-request-id") == tag
    error = answer.error
    assert (error["type"], error["code"]) == ("upstream_error", code)
    assert tag in error["message"]
    assert "sk-upstream" not in answer.body.decode()
    line = await settled(short, tag)
    assert (line["outcome"], line["status"]) == (outcome, status)
    assert seconds < LIMIT + 0.5


PASSED: list[tuple[str, int, str | None]] = [
    ("rate-limit:seconds=2", 429, "rate_limit_exceeded"),
    ("rate-limit:ms=1500", 429, "rate_limit_exceeded"),
    ("rate-limit:date", 429, "rate_limit_exceeded"),
    ("rate-limit:garbage", 429, "rate_limit_exceeded"),
    ("rate-limit:none", 429, "rate_limit_exceeded"),
    ("quota", 429, "insufficient_quota"),
    ("overloaded", 503, "server_is_overloaded"),
    ("context-length", 400, "context_length_exceeded"),
    ("content-policy", 400, "invalid_prompt"),
    ("model-missing", 404, "model_not_found"),
    ("status:500", 500, None),
    ("status:404", 404, None),
]
"""Errors of the provider's own making: they pass with status, headers and bytes."""


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("fault", "status", "code"), PASSED, ids=[row[0] for row in PASSED])
async def test_the_providers_own_error_passes_unchanged(
    short: Gateway, mock: Mock, fault: str, status: int, code: str | None, stream: bool
) -> None:
    answer, tag, _ = await faulty(short, fault, stream=stream)
    port = int(mock.origin.rsplit(":", 1)[1])
    direct = await ask(port, chat(stream=stream, headers={"x-mock-fault": fault}))
    assert (answer.status, answer.body, answer.ending) == (status, direct.body, "whole")
    assert answer.error["code"] == code
    assert answer.header("x-tollway-error-source") == "upstream"
    for name in ("retry-after", "retry-after-ms", "x-should-retry", "x-ratelimit-remaining-requests"):
        if "date" not in fault or name != "retry-after":
            assert answer.header(name) == direct.header(name), name
    assert (await settled(short, tag))["outcome"] == "upstream_error"


CUT = ["cut:3", "reset-after:3", "cut-mid-event:3", "eof:3", "bad-chunk:3"]


@pytest.mark.parametrize("fault", CUT)
async def test_a_cut_stream_ends_with_one_error_event_and_visibly_incomplete(short: Gateway, fault: str) -> None:
    answer, tag, seconds = await faulty(short, fault, stream=True)
    assert (answer.status, answer.header("content-type")) == (200, "text/event-stream; charset=utf-8")
    assert seconds < LIMIT, "told by a limit, not by the break itself"
    assert answer.ending != "whole"
    assert "[DONE]" not in answer.data
    (error,) = answer.errors
    assert (error["type"], error["code"]) == ("upstream_error", "upstream_error")
    assert answer.body.endswith(b"}}\n\n")
    whole = [json.loads(text) for text in answer.data[:-1] if _is_json(text)]
    assert len(whole) >= 3
    line = await settled(short, tag)
    assert (line["outcome"], line["status"]) == ("upstream_error", 200)
    assert line["output_tokens"] >= 2
    assert line["output_source"] == "counted"


@pytest.mark.parametrize("fault", ["cut:3", "reset-after:3", "cut-mid-event:3", "bad-chunk:3", "length-long:10"])
async def test_a_cut_plain_answer_is_a_clean_502(short: Gateway, fault: str) -> None:
    answer, tag, _ = await faulty(short, fault, stream=False)
    assert (answer.status, answer.ending) == (502, "whole")
    assert answer.error["type"] == "upstream_error"
    assert (await settled(short, tag))["outcome"] == "upstream_error"


async def test_silence_inside_a_stream_ends_at_the_idle_limit(short: Gateway) -> None:
    answer, tag, seconds = await faulty(short, "hang-after:3", stream=True)
    assert answer.status == 200
    assert LIMIT <= seconds < LIMIT + 0.5
    assert answer.ending != "whole"
    (error,) = answer.errors
    assert error["code"] == "upstream_timeout"
    assert "[DONE]" not in answer.data
    assert (await settled(short, tag))["outcome"] == "timeout"


async def test_silence_inside_a_plain_answer_is_a_504(short: Gateway) -> None:
    answer, tag, seconds = await faulty(short, "hang-after:3", stream=False)
    assert (answer.status, answer.ending) == (504, "whole")
    assert answer.error["code"] == "upstream_timeout"
    assert LIMIT <= seconds < LIMIT + 0.5
    assert (await settled(short, tag))["outcome"] == "timeout"


UNCHANGED = [
    "malformed-sse:2",
    "unknown-event:2",
    "empty-delta:2",
    "duplicate:2",
    "html:200",
    "odd-error:1",
    "no-blank-line",
    "json-200-error",
    "null-body",
    "not-json",
    "empty",
    "slow-drip:0",
    "early:103",
    "redirect",
    "html-502",
    "bad-header:latin",
    "huge-header:30000",
    "eof",
    "gzip-bomb",
]
"""Odd answers that are whole: they pass byte for byte, since only the client can judge them."""


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", UNCHANGED)
async def test_an_odd_but_whole_answer_passes_byte_for_byte(
    short: Gateway, mock: Mock, fault: str, stream: bool
) -> None:
    (worker,) = workers(short)
    # First without the gateway: packing its bomb takes the mock as long as the gateway would wait.
    direct = await ask(int(mock.origin.rsplit(":", 1)[1]), chat(stream=stream, headers={"x-mock-fault": fault}))
    answer, tag, _ = await faulty(short, fault, stream=stream)
    if stream and fault == "empty":
        # A stream of no events has no end either: it broke off before it began.
        assert answer.status in (200, 502)
        assert "[DONE]" not in answer.body.decode()
    else:
        assert (answer.status, answer.ending) == (direct.status, "whole")
        assert answer.body == direct.body
    for name in ("x-mock-bad", "x-mock-huge", "location", "content-encoding", "content-type"):
        assert answer.header(name) == direct.header(name), name
    assert (await settled(short, tag))["status"] == answer.status
    assert workers(short) == [worker]


async def test_an_error_event_of_the_provider_is_not_followed_by_one_of_ours(short: Gateway) -> None:
    answer, tag, _ = await faulty(short, "sse-error:3", stream=True)
    assert answer.status == 200
    assert len(answer.errors) == 1
    assert "request id" not in answer.errors[0]["message"]
    assert "[DONE]" not in answer.data
    assert (await settled(short, tag))["outcome"] == "upstream_error"


async def test_a_short_length_never_ends_a_stream_cleanly_without_its_end(short: Gateway) -> None:
    answer, tag, _ = await faulty(short, "length-short:60", stream=True)
    if answer.ending == "whole":
        assert answer.status == 502 or answer.data[-1] == "[DONE]"
    assert len(answer.errors) <= 1
    assert (await settled(short, tag))["status"] == answer.status


async def test_a_gzip_bomb_costs_no_memory(short: Gateway, mock: Mock) -> None:
    (worker,) = workers(short)
    await ask(int(mock.origin.rsplit(":", 1)[1]), chat(headers={"x-mock-fault": "gzip-bomb"}))
    await faulty(short, "gzip-bomb", stream=False)
    before = rss(worker)
    for stream in (False, True, False, True):
        answer, _, _ = await faulty(short, "gzip-bomb", stream=stream)
        assert len(answer.body) < 200_000
    assert rss(worker) - before < 24 * 1024 * 1024


async def test_a_slow_drip_passes_whole(short: Gateway) -> None:
    """A byte every few milliseconds never trips the idle limit. The first event, which takes some hundred bytes, may be late."""
    headers = {"x-mock-fault": "slow-drip:1", "x-mock-tokens": "4", "x-tollway-first-byte-timeout-ms": "15000"}
    answer = await ask(short.port, chat(stream=True, headers=headers), timeout=20)
    assert (answer.status, answer.ending) == (200, "whole")
    assert answer.data[-1] == "[DONE]"


def test_every_fault_of_the_mock_is_in_a_table_above() -> None:
    named = {row[0] for row in REFUSED} | {row[0] for row in PASSED} | {*CUT, *UNCHANGED}
    # These two are the whole mock's, not one answer's; the other has its own tests.
    named |= {"refused", "black-hole", "silent"}
    named |= {"hang-after", "sse-error", "length-short", "length-long", "slow-drip"}
    assert set(FAULTS) <= {name.partition(":")[0] for name in named}


async def test_a_storm_of_faults_leaves_nothing_in_flight(short: Gateway, mock: Mock) -> None:
    tag = uuid.uuid4().hex
    for fault in ("reset", "cut:2", "status:099", "bad-chunk:2"):
        await ask(short.port, chat(stream=True, headers={"x-mock-fault": fault, "x-test": tag}))
    answer = await ask(short.port, chat())
    assert answer.status == 200
    assert metric(short, "tollway_unexpected_errors_total") == 0
    assert len(entries(mock, tag)) in (4, 5)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
