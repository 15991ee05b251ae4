"""Several workers: one that dies is replaced, the counters stay right, and nothing outlives the parent's end."""

import asyncio
import os
import signal

import pytest

from tests.support.observed import gone, metric, workers
from tests.support.processes import Mock, config_for, running
from tests.support.rawhttp import ask, chat, eventually

pytestmark = pytest.mark.e2e


async def test_a_killed_worker_is_replaced_and_counters_stay_right(mock: Mock) -> None:
    with running(config_for(mock.url, server={"workers": 2}, telemetry={"access_log": "off"})) as gateway:
        first = await eventually(lambda: len(found := workers(gateway)) == 2 and found)
        for _ in range(60):
            assert (await ask(gateway.port, chat())).status == 200
        await eventually(lambda: metric(gateway, "tollway_requests_total", endpoint="chat", outcome="ok") == 60)
        os.kill(first[0], signal.SIGKILL)

        failures, answered = 0, 0
        for _ in range(60):
            try:
                assert (await ask(gateway.port, chat())).status == 200
                answered += 1
            except OSError:
                # A connection that the kernel had queued for the killed worker.
                failures += 1
            await asyncio.sleep(0.01)
        assert failures <= 3
        now = await eventually(lambda: len(found := workers(gateway)) == 2 and first[0] not in found and found, 15)
        assert first[1] in now
        for _ in range(20):
            assert (await ask(gateway.port, chat())).status == 200
        total = 60 + answered + 20
        await eventually(lambda: metric(gateway, "tollway_requests_total", endpoint="chat", outcome="ok") == total)
        await eventually(lambda: metric(gateway, "tollway_inflight_requests") == 0)
        assert metric(gateway, "tollway_config_reload_success") == 1
        assert gateway.terminate() == 0
        for pid in now:
            assert gone(pid), "a worker outlived the parent"


async def test_both_workers_drain(mock: Mock) -> None:
    with running(config_for(mock.url, server={"workers": 2, "drain": 5})) as gateway:
        await eventually(lambda: len(workers(gateway)) == 2)
        asked = [
            asyncio.create_task(
                ask(gateway.port, chat(stream=True, headers={"x-mock-pace": "50", "x-mock-tokens": "20"}))
            )
            for _ in range(30)
        ]
        await asyncio.sleep(0.5)
        gateway.child.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*asked)
        assert {(answer.status, answer.ending, answer.data[-1]) for answer in answers} == {(200, "whole", "[DONE]")}
        assert await asyncio.to_thread(gateway.child.wait, 8) == 0
