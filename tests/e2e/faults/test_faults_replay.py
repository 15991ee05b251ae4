"""Pooled connections that the upstream closed: a question is asked once more on a new one, a creation never twice."""

import asyncio

import pytest

from tests.support.faults import Connection, scripted
from tests.support.processes import config_for, running
from tests.support.rawhttp import Client, ask, chat, request

pytestmark = pytest.mark.e2e


async def stale(connection: Connection) -> None:
    """Answers once a connection; closes it only when the second request has arrived, as a race with an idle timeout would."""
    await connection.request()
    connection.plain()
    await connection.request()
    connection.reset()


async def hasty(connection: Connection) -> None:
    """Answers and closes, without a word about it in the headers."""
    await connection.request()
    connection.plain()
    await connection.writer.drain()
    connection.writer.close()


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_stale_connection_never_surfaces_for_chat(stream: bool) -> None:
    async with scripted(stale) as upstream:
        with running(config_for(upstream.url)) as gateway:
            async with await Client.open(gateway.port) as client:
                attempts = []
                for _ in range(6):
                    await client.send(chat(stream=stream))
                    answer = await client.answer()
                    assert answer.status == 200
                    attempts.append(answer.header("x-tollway-attempts"))
            assert "2" in attempts
            assert set(attempts) == {"1", "2"}


async def test_closed_idle_connections_cost_no_request() -> None:
    async with scripted(hasty) as upstream:
        with running(config_for(upstream.url)) as gateway:
            for _ in range(30):
                answer = await ask(gateway.port, chat())
                assert answer.status == 200
                await asyncio.sleep(0.005)
            assert len(upstream.requests) <= 60


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/files/f/content", "/v1/fine_tuning/jobs", "/v1/unknown/thing"])
async def test_a_passthrough_post_is_never_sent_twice(path: str) -> None:
    async with scripted(stale) as upstream:
        with running(config_for(upstream.url, passthrough={"provider": "mock"})) as gateway:
            first = await ask(gateway.port, chat())
            assert first.status == 200
            answer = await ask(gateway.port, request("POST", path, b'{"input_file_id":"f"}'))
            assert answer.status == 502
            assert answer.error["code"] == "upstream_unavailable"
            assert sum(one.startswith(b"POST " + path.encode()) for one in upstream.requests) == 1


async def test_a_request_that_dies_twice_is_given_up() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        connection.reset()

    async with scripted(script) as upstream:
        with running(config_for(upstream.url)) as gateway:
            answer = await ask(gateway.port, chat())
            assert (answer.status, answer.error["code"]) == (502, "upstream_unavailable")
            assert len(upstream.requests) == 2


async def test_no_replay_once_a_byte_of_the_answer_came() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        connection.writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        connection.chunk(b'data: {"choices":[{"index":0,"delta":{"content":"Far"}}]}\n\n')
        await connection.writer.drain()
        await asyncio.sleep(0.1)
        connection.reset()

    async with scripted(script) as upstream:
        with running(config_for(upstream.url)) as gateway:
            answer = await ask(gateway.port, chat(stream=True))
            assert answer.ending != "whole"
            assert len(answer.errors) == 1
            assert len(upstream.requests) == 1
