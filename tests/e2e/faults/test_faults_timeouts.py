"""Every limit ends at its time, neither early nor more than 250 ms late, and closes the upstream with it."""

import time
import uuid
from collections.abc import Iterator

import pytest

from tests.support.faults import black_hole
from tests.support.observed import closed_upstream, settled
from tests.support.processes import Gateway, Mock, config_for, free_port, running
from tests.support.rawhttp import ask, chat

pytestmark = pytest.mark.e2e

SLACK = 0.25


@pytest.fixture(scope="module")
def limited(mock: Mock) -> Iterator[Gateway]:
    """One model name a limit."""

    def model(**timeouts: float) -> dict[str, object]:
        return {"targets": [{"provider": "mock", "model": "gpt-4o", "timeouts": timeouts}]}

    models = {
        "first": model(first_byte=0.4),
        "idle": model(idle=0.4),
        "total": model(total=0.8),
        "patient": model(first_byte=5),
    }
    with running(config_for(mock.url, models=models)) as found:
        yield found


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_the_first_byte_limit(limited: Gateway, mock: Mock, stream: bool) -> None:
    tag = uuid.uuid4().hex
    headers = {"x-mock-head-delay": "20000", "x-request-id": tag, "x-test": tag}
    begun = time.monotonic()
    answer = await ask(limited.port, chat(model="first", stream=stream, headers=headers))
    assert 0.4 <= time.monotonic() - begun < 0.4 + SLACK
    assert answer.status == 504
    assert answer.error["code"] == "upstream_timeout"
    entry = await closed_upstream(mock, tag)
    assert entry["closed_after_ms"] < (0.4 + SLACK) * 1000
    assert (await settled(limited, tag))["outcome"] == "timeout"


async def test_the_idle_limit(limited: Gateway, mock: Mock) -> None:
    tag = uuid.uuid4().hex
    headers = {"x-mock-fault": "hang-after:2", "x-test": tag}
    begun = time.monotonic()
    answer = await ask(limited.port, chat(model="idle", stream=True, headers=headers))
    assert 0.4 <= time.monotonic() - begun < 0.4 + SLACK
    assert answer.ending != "whole"
    assert [error["code"] for error in answer.errors] == ["upstream_timeout"]
    await closed_upstream(mock, tag)


async def test_the_idle_limit_counts_from_the_last_byte(limited: Gateway) -> None:
    """Twenty pauses of 100 ms are no silence of 400 ms."""
    headers = {"x-mock-pace": "100", "x-mock-tokens": "12"}
    answer = await ask(limited.port, chat(model="idle", stream=True, headers=headers))
    assert (answer.ending, answer.data[-1]) == ("whole", "[DONE]")


async def test_the_total_limit(limited: Gateway, mock: Mock) -> None:
    tag = uuid.uuid4().hex
    headers = {"x-mock-pace": "50", "x-mock-tokens": "500", "x-test": tag}
    begun = time.monotonic()
    answer = await ask(limited.port, chat(model="total", stream=True, headers=headers))
    assert 0.8 <= time.monotonic() - begun < 0.8 + SLACK
    assert answer.ending != "whole"
    assert [error["code"] for error in answer.errors] == ["upstream_timeout"]
    await closed_upstream(mock, tag)


async def test_the_total_limit_of_a_plain_answer(limited: Gateway) -> None:
    begun = time.monotonic()
    answer = await ask(limited.port, chat(model="total", headers={"x-mock-head-delay": "20000"}))
    assert 0.8 <= time.monotonic() - begun < 0.8 + SLACK
    assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")


async def test_a_limit_ends_nothing_that_is_in_time(limited: Gateway) -> None:
    answer = await ask(limited.port, chat(model="patient", headers={"x-mock-head-delay": "700"}))
    assert answer.status == 200


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_the_connect_limit(stream: bool) -> None:
    async with black_hole() as port:
        with running(config_for(f"http://127.0.0.1:{port}/v1", timeouts={"connect": 0.4})) as gateway:
            begun = time.monotonic()
            answer = await ask(gateway.port, chat(stream=stream))
            assert 0.4 <= time.monotonic() - begun < 0.4 + SLACK
            assert answer.status in (502, 504)
            assert answer.error["code"] in ("upstream_timeout", "upstream_unavailable")


async def test_a_refused_connection_is_an_error_at_once() -> None:
    with running(config_for(f"http://127.0.0.1:{free_port()}/v1")) as gateway:
        begun = time.monotonic()
        answer = await ask(gateway.port, chat(stream=True))
        assert time.monotonic() - begun < 0.5
        assert (answer.status, answer.error["code"]) == (502, "upstream_unavailable")


async def test_a_name_that_does_not_resolve_is_an_error() -> None:
    with running(config_for("http://upstream.invalid/v1")) as gateway:
        answer = await ask(gateway.port, chat(), timeout=20)
        assert (answer.status, answer.error["code"]) == (502, "upstream_unavailable")


async def test_plain_http_where_tls_is_spoken_is_a_tls_error(mock: Mock) -> None:
    """Never a retry in the clear."""
    with running(config_for(mock.url.replace("http://", "https://"))) as gateway:
        answer = await ask(gateway.port, chat())
        assert (answer.status, answer.error["code"]) == (502, "upstream_tls")
