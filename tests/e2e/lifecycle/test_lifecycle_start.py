"""Starting: with a key variable and no file, the demo as its user pastes it, the health listener, refusals that help."""

import asyncio
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.observed import children, descriptors, gone, metric, metrics_text, workers
from tests.support.processes import KEY, Mock, Process, config_for, free_port, running
from tests.support.rawhttp import Client, ask, chat, eventually, request

pytestmark = pytest.mark.e2e

SECRET = "sk-provider-key-of-nobody"


async def listening(port: int, process: Process, timeout: float = 15.0) -> float:
    """Waits until ``port`` accepts; seconds since the call."""
    begun = time.monotonic()
    while time.monotonic() - begun < timeout:
        try:
            (await Client.open(port)).close()
        except OSError:
            assert process.child.poll() is None, process.log()
            await asyncio.sleep(0.02)
        else:
            return time.monotonic() - begun
    raise AssertionError(process.log())


async def test_a_key_variable_and_no_file_is_enough(mock: Mock, tmp_path: Path) -> None:
    port = free_port()
    environ = {"OPENAI_API_KEY": SECRET, "TOLLWAY_PROVIDERS__OPENAI__BASE_URL": mock.url}
    process = Process(["serve", "--port", str(port)], environ, cwd=tmp_path)
    try:
        await listening(port, process)
        answer = await ask(port, chat(key=None, headers={"x-test": "no-file"}))
        assert answer.status == 200, (answer.body, process.log())
        stream = await ask(port, chat(key=None, stream=True))
        assert stream.data[-1] == "[DONE]"
        seen = [one for one in mock.requests() if ["x-test", "no-file"] in one["headers"]]
        sent = {name.lower(): value for name, value in seen[0]["headers"]}
        assert sent["authorization"] == f"Bearer {SECRET}"
        assert SECRET not in process.log()
        assert process.terminate() == 0
    finally:
        process.close()


def test_no_file_is_refused_on_an_open_address(tmp_path: Path) -> None:
    process = Process(
        ["serve", "--host", "0.0.0.0", "--port", str(free_port())], {"OPENAI_API_KEY": SECRET}, cwd=tmp_path
    )
    try:
        assert process.child.wait(15) == 1
        said = process.log()
        assert "0.0.0.0" in said or "loopback" in said
        assert "keys" in said, "the fix is named"
        assert SECRET not in said
        assert "Traceback" not in said
    finally:
        process.close()


def test_nothing_at_all_is_refused_with_the_way_out(tmp_path: Path) -> None:
    process = Process(["serve", "--port", str(free_port())], cwd=tmp_path)
    try:
        assert process.child.wait(15) == 1
        said = process.log()
        assert "OPENAI_API_KEY" in said or "--demo" in said
        assert "Traceback" not in said
    finally:
        process.close()


async def test_the_demos_printed_lines_work_as_pasted(tmp_path: Path) -> None:
    port = free_port()
    process = Process(["serve", "--demo", "--port", str(port)], cwd=tmp_path)
    try:
        await asyncio.to_thread(process.wait_for, "tollway serve`")
        said = process.log()
        pasted = re.search(r"^  (curl .*?\n(?:    .*\n)*?    -d '.*')$", said, re.M)
        assert pasted is not None, said
        run = await asyncio.to_thread(
            subprocess.run, ["sh", "-c", pasted[1]], capture_output=True, timeout=20, check=False
        )
        assert run.returncode == 0
        assert run.stdout.count(b"data: ") > 5
        assert run.stdout.rstrip().endswith(b"data: [DONE]")
        plain = re.sub(r'"stream": true,? ?', "", pasted[1])
        assert plain != pasted[1]
        run = await asyncio.to_thread(subprocess.run, ["sh", "-c", plain], capture_output=True, timeout=20, check=False)
        assert b'"chat.completion"' in run.stdout
        twice = pasted[1].replace("curl -N", "curl -i", 1)
        run = await asyncio.to_thread(subprocess.run, ["sh", "-c", twice], capture_output=True, timeout=20, check=False)
        assert b"\nx-tollway-cache: hit\r\n" in run.stdout
        exported = re.search(r"^  (export .*)$", said, re.M)
        assert exported is not None
        assert f"http://127.0.0.1:{port}/v1" in exported[1]
        started = children(process.pid)
        assert len(started) >= 2
        process.terminate()
        for pid in started:
            assert gone(pid), "the demo left a process behind"
    finally:
        process.close()


async def test_it_answers_soon_after_the_start(mock: Mock) -> None:
    begun = time.monotonic()
    with running(config_for(mock.url)) as gateway:
        assert (await ask(gateway.port, chat())).status == 200
        assert time.monotonic() - begun < 4, "1.5 s alone on a machine; others use this one too"


async def test_the_health_listener(mock: Mock) -> None:
    health = free_port()
    with running(config_for(mock.url, server={"health_port": health})) as gateway:
        for path in ("/livez", "/readyz", "/healthz"):
            answer = await ask(health, request("GET", path, key=None))
            assert (answer.status, answer.ending) == (200, "whole")
            assert gateway.get(path)[0] == 200
        assert (await ask(health, request("GET", "/v1/models", key=None))).status == 404
        assert (await ask(health, request("POST", "/v1/chat/completions", b"{}", key=KEY))).status in (404, 405)
        assert "tollway_build_info" in metrics_text(gateway, health)
        head = await ask(health, request("HEAD", "/livez", key=None))
        assert (head.status, head.body) == (200, b"")
        # Noise on that port neither ends it nor keeps descriptors.
        (worker,) = workers(gateway)
        before = descriptors(worker)
        for noise in (b"\r\n\r\n", b"GET\r\n\r\n", b"x" * 20_000, b"GET / HTTP/1.1\r\n"):
            client = await Client.open(health)
            await client.send(noise)
            client.close()
        await eventually(lambda: descriptors(worker) <= before)
        assert (await ask(health, request("GET", "/livez", key=None))).status == 200


async def test_nothing_leaks_after_a_storm(mock: Mock) -> None:
    """Faults, clients that leave, refusals: afterwards the gauges and the descriptors are where they were."""
    config = config_for(mock.url, timeouts={"first_byte": 0.5, "idle": 0.5}, telemetry={"access_log": "off"})
    with running(config) as gateway:
        (worker,) = workers(gateway)
        for stream in (False, True):
            await ask(gateway.port, chat(stream=stream))
        await asyncio.sleep(0.3)
        before = descriptors(worker)
        faults = (
            "reset",
            "close",
            "reset-head",
            "cut:2",
            "reset-after:2",
            "hang",
            "hang-after:1",
            "status:042",
            "bad-chunk:1",
        )

        async def one(number: int) -> None:
            headers = {"x-mock-fault": faults[number % len(faults)]}
            data = chat(stream=number % 2 == 0, headers=headers)
            if number % 4 == 3:
                client = await Client.open(gateway.port)
                await client.send(data if number % 8 == 3 else data[:-5])
                await asyncio.sleep(0.05)
                client.reset() if number % 3 else client.close()
            else:
                await ask(gateway.port, data)

        for _ in range(3):
            await asyncio.gather(*(one(number) for number in range(72)))
        await eventually(lambda: metric(gateway, "tollway_inflight_requests") == 0, 5)
        assert mock.stats()["open"] == 0
        # Pooled upstream connections may stay; 216 requests must not each leave something.
        await eventually(lambda: descriptors(worker) <= before + 12, 5)
        assert metric(gateway, "tollway_unexpected_errors_total") == 0
        assert (await ask(gateway.port, chat())).status == 200
