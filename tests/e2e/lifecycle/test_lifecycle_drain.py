"""SIGTERM: what fits into the drain is finished, the rest is told so, everything is settled once, and the process ends in time."""

import asyncio
import os
import signal
import time

import pytest

from tests.support.observed import access_lines, settled, workers
from tests.support.processes import Mock, config_for, free_port, running
from tests.support.rawhttp import Answer, Client, ask, chat, request

pytestmark = pytest.mark.e2e


def pace(seconds: float) -> dict[str, str]:
    """Controls for a stream of about so many seconds."""
    return {"x-mock-pace": "100", "x-mock-tokens": str(round(seconds * 10))}


async def test_200_open_streams_at_sigterm(mock: Mock) -> None:
    drain, health = 4.0, free_port()
    with running(config_for(mock.url, server={"drain": drain, "health_port": health})) as gateway:
        clients: list[Client] = []
        lengths = [0.5 + 6.5 * number / 199 for number in range(200)]
        for number, seconds in enumerate(lengths):
            client = await Client.open(gateway.port)
            await client.send(chat(stream=True, headers={**pace(seconds), "x-request-id": f"drain-{number}"}))
            clients.append(client)
        heads = [await client.head() for client in clients]
        asleep = await Client.open(gateway.port)
        begun = time.monotonic()
        gateway.child.send_signal(signal.SIGTERM)

        async def read(client: Client, head: Answer) -> float:
            await client.body_of(head, timeout=8)
            return time.monotonic() - begun

        async def probe() -> list[int]:
            """/readyz on the health listener until it is gone."""
            seen = []
            while True:
                try:
                    seen.append((await ask(health, request("GET", "/readyz"), timeout=2)).status)
                except (OSError, TimeoutError):
                    return seen
                await asyncio.sleep(0.1)

        probing = asyncio.create_task(probe())
        ends = await asyncio.gather(*map(read, clients, heads))
        exit_code = await asyncio.to_thread(gateway.child.wait, 10)
        took = time.monotonic() - begun
        assert exit_code == 0
        assert took < drain + 2
        seen = await probing
        assert len(seen) > 5
        assert set(seen[2:]) == {503}

        cut = 0
        for number, (head, end) in enumerate(zip(heads, ends, strict=True)):
            assert head.status == 200
            assert head.ending == "whole", (number, head.ending, head.body[-300:])
            if "[DONE]" in head.data:
                assert not head.errors
            else:
                cut += 1
                assert end > drain - 0.2, f"stream {number} of {lengths[number]:.1f} s was cut after {end:.1f} s"
                assert [error["code"] for error in head.errors] == ["gateway_draining"]
                assert head.body.count(b'"error"') == 1
        finished_early = sum(seconds < drain - 1 for seconds in lengths)
        assert 20 < cut <= 200 - finished_early

        lines = [line["request_id"] for line in access_lines(gateway) if line["request_id"].startswith("drain-")]
        assert sorted(lines) == sorted(f"drain-{number}" for number in range(200)), "each is settled exactly once"
        drained = [line for line in access_lines(gateway) if line["error"] == "gateway_draining"]
        assert len(drained) == cut
        assert all(line["output_tokens"] > 0 for line in drained)
        for client in (*clients, asleep):
            client.close()


async def test_a_plain_request_under_way_is_answered_and_its_connection_closed(mock: Mock) -> None:
    with running(config_for(mock.url, server={"drain": 5})) as gateway:
        async with await Client.open(gateway.port) as client:
            await client.send(chat(headers={"x-mock-head-delay": "800", "x-request-id": "waits"}))
            await asyncio.sleep(0.2)
            begun = time.monotonic()
            gateway.child.send_signal(signal.SIGTERM)
            answer = await client.answer()
            assert (answer.status, answer.ending) == (200, "whole")
            assert answer.header("connection") == "close"
            assert await client.closed()
            assert await asyncio.to_thread(gateway.child.wait, 5) == 0
            assert time.monotonic() - begun < 2.5
        assert (await settled(gateway, "waits"))["outcome"] == "ok"


async def test_a_plain_request_past_the_drain_is_a_503(mock: Mock) -> None:
    with running(config_for(mock.url, server={"drain": 0.5})) as gateway:
        async with await Client.open(gateway.port) as client:
            await client.send(chat(headers={"x-mock-head-delay": "20000", "x-request-id": "late"}))
            await asyncio.sleep(0.2)
            begun = time.monotonic()
            gateway.child.send_signal(signal.SIGTERM)
            answer = await client.answer()
            assert 0.4 < time.monotonic() - begun < 1
            assert (answer.status, answer.error["code"]) == (503, "gateway_draining")
            assert answer.header("retry-after") == "1"
            assert answer.header("connection") == "close"
            assert await asyncio.to_thread(gateway.child.wait, 5) == 0
        assert (await settled(gateway, "late"))["status"] == 503


async def test_a_stream_that_starts_during_the_drain_says_connection_close(mock: Mock) -> None:
    """On a connection that was busy when the drain began."""
    with running(config_for(mock.url, server={"drain": 5})) as gateway:
        async with await Client.open(gateway.port) as client:
            await client.send(chat(stream=True, headers={"x-mock-head-delay": "600"}))
            await asyncio.sleep(0.2)
            gateway.child.send_signal(signal.SIGTERM)
            answer = await client.answer()
            assert (answer.status, answer.ending) == (200, "whole")
            assert answer.header("connection") == "close"
            assert answer.data[-1] == "[DONE]"


async def test_an_idle_gateway_ends_at_once(mock: Mock) -> None:
    with running(config_for(mock.url, server={"drain": 30})) as gateway:
        idle = await Client.open(gateway.port)
        await idle.send(chat())
        assert (await idle.answer()).status == 200
        begun = time.monotonic()
        assert gateway.terminate() == 0
        assert time.monotonic() - begun < 2
        assert await idle.closed()
        idle.close()


async def test_a_client_stuck_in_its_body_does_not_hold_the_process(mock: Mock) -> None:
    with running(config_for(mock.url, server={"drain": 0.5})) as gateway:
        client = await Client.open(gateway.port)
        await client.send(chat()[:-10])
        await asyncio.sleep(0.2)
        begun = time.monotonic()
        gateway.child.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(gateway.child.wait, 5) == 0
        assert time.monotonic() - begun < 2.5
        client.close()


async def test_a_second_sigterm_changes_nothing(mock: Mock) -> None:
    with running(config_for(mock.url, server={"drain": 5})) as gateway:
        async with await Client.open(gateway.port) as client:
            await client.send(chat(stream=True, headers=pace(1)))
            answer = await client.head()
            for _ in range(3):
                gateway.child.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.1)
            await client.body_of(answer)
            assert answer.ending == "whole"
            assert answer.data[-1] == "[DONE]"
            assert await asyncio.to_thread(gateway.child.wait, 5) == 0


async def test_sigint_drains_too(mock: Mock) -> None:
    """Ctrl-C in a terminal reaches the parent and the worker alike."""
    with running(config_for(mock.url, server={"drain": 5})) as gateway:
        async with await Client.open(gateway.port) as client:
            await client.send(chat(stream=True, headers=pace(0.8)))
            answer = await client.head()
            for pid in (gateway.pid, *workers(gateway)):
                os.kill(pid, signal.SIGINT)
            await client.body_of(answer)
            assert answer.ending == "whole"
            assert answer.data[-1] == "[DONE]"
            await asyncio.to_thread(gateway.child.wait, 5)
        assert "Traceback" not in gateway.log()
