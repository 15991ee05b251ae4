"""The server alone: the facts that the edge is built around. When an upgrade changes one, the guard for it can be looked at again."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from tests.support.processes import ROOT, free_port
from tests.support.rawhttp import Client, ask, request

pytestmark = pytest.mark.e2e


class Bare:
    """Granian around ``bare.app``, in a process of its own."""

    def __init__(self, port: int, *arguments: str) -> None:
        self.port = port
        self.child = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.stack.bare", str(port), *arguments],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def close(self) -> None:
        """Ends it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait(5)


@contextlib.asynccontextmanager
async def bare(*arguments: str) -> AsyncIterator[Bare]:
    server = Bare(free_port(), *arguments)
    try:
        for _ in range(500):
            with contextlib.suppress(OSError):
                (await Client.open(server.port)).close()
                break
            assert server.child.poll() is None
            await asyncio.sleep(0.02)
        yield server
    finally:
        server.close()


def get(path: str) -> bytes:
    return request("GET", path, key=None)


@pytest.mark.parametrize("status", [42, 1000])
async def test_fact_1_a_status_outside_100_to_999_ends_the_server(status: int) -> None:
    async with bare() as server:
        with contextlib.suppress(ConnectionError):
            await ask(server.port, get(f"/status/{status}"))
        assert await asyncio.to_thread(server.child.wait, 10) == 1


async def test_facts_that_one_process_can_show() -> None:
    async with bare() as server:
        port = server.port

        # Fact 3: content-length is not checked against one whole body: too many bytes, then a client that waits.
        async with await Client.open(port) as client:
            await client.send(get("/length/5") + get("/ok"))
            assert (await client.answer(method="GET")).body == b"01234"
            assert (await client.until(b"\r\n\r\n")).startswith(b"56789HTTP/1.1 200"), (
                "the surplus desyncs the connection"
            )
        async with await Client.open(port) as client:
            await client.send(get("/length/15"))
            with pytest.raises(TimeoutError):
                await client.answer(0.5, method="GET")

        # Fact 4: what breaks off after its start looks broken. Older versions ended it cleanly.
        for path in ("/raises", "/returns"):
            answer = await ask(port, get(path))
            assert (answer.body, answer.ending) == (b"data: 1\n\n", "cut"), path

        # Section 3.2: a client that left is told by receive() alone; the task goes on and its sends vanish.
        for way in ("half_close", "reset", "close"):
            client = await Client.open(port)
            await client.send(get("/waits"))
            await client.until(b": hello")
            getattr(client, way)()
            await asyncio.sleep(0.1)
            client.close()
        assert (
            await ask(port, get("/left"))
        ).body == b"http.disconnect,still running," * 2 + b"http.disconnect,still running"

        # Section 3.3: ports are text, an event stream's head leaves at once, a stack trace never becomes a body.
        assert (await ask(port, get("/types/%2e%2e/x"))).body == b"['str', b'/types/%2e%2e/x']"
        for status in (199, 100):
            assert (await ask(port, get(f"/status/{status}"))).status == 500
        assert server.child.poll() is None


async def test_fact_12_an_exception_from_start_up_is_only_a_warning() -> None:
    async with bare("lifespan-raises") as server:
        assert (await ask(server.port, get("/ok"))).body == b"ok", "it serves without its lifespan"
        assert server.child.poll() is None


async def test_fact_13_a_second_server_shares_the_port_silently() -> None:
    async with bare() as first:
        second = Bare(first.port)
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                await asyncio.to_thread(second.child.wait, 1.5)
        finally:
            second.close()
