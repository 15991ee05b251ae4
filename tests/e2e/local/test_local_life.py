"""The engine's life: killed and back again, gone with the gateway, shared by the workers, listening on loopback behind a key."""

import http.client
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.inference.weights import weights
from tests.support.observed import metric
from tests.support.processes import Gateway, running
from tests.support.rawhttp import Client, ask, chat, eventually

from .conftest import local_config
from .processes import ENGINE, SUPERVISOR, alive, below, listens

pytestmark = pytest.mark.e2e

SHORT = chat(model="any", max_tokens=3)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """One to be hurt."""
    with running(local_config()) as found:
        yield found


async def status(gateway: Gateway) -> int:
    return (await ask(gateway.port, SHORT)).status


async def answers_again(gateway: Gateway) -> None:
    """Until the model answers; whatever comes meanwhile is a clean refusal."""
    deadline = time.monotonic() + 20
    while (answer := await ask(gateway.port, SHORT)).status != 200:
        assert answer.status in (502, 503), answer.body
        assert answer.json["error"]["message"], answer.body  # the gateway's own, or the engine's while it loads
        assert time.monotonic() < deadline, gateway.log()


async def test_a_killed_engine_comes_back(gateway: Gateway) -> None:
    (engine,) = below(gateway.pid, ENGINE)
    async with await Client.open(gateway.port) as client:
        await client.send(chat(model="any", stream=True, max_tokens=1900, ignore_eos=True))
        stream = await client.head(20)
        await client.until(b'"content"', 20)
        os.kill(engine, signal.SIGKILL)
        await client.body_of(stream)
        assert stream.errors, "a cut stream says so"
    await answers_again(gateway)
    (fresh,) = below(gateway.pid, ENGINE)
    assert fresh != engine
    assert "starting it again" in gateway.log()


async def test_a_killed_supervisor_comes_back(gateway: Gateway) -> None:
    (supervisor,), (engine,) = below(gateway.pid, SUPERVISOR), below(gateway.pid, ENGINE)
    os.kill(supervisor, signal.SIGKILL)
    await eventually(lambda: not alive([engine]), 5)
    await answers_again(gateway)
    assert below(gateway.pid, SUPERVISOR) != [supervisor]


async def test_signals_for_the_gateway_do_not_end_the_engine(gateway: Gateway) -> None:
    """A service manager stops every process of a group; the gateway has answers to finish."""
    children = [*below(gateway.pid, SUPERVISOR), *below(gateway.pid, ENGINE)]
    for pid in children:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
    assert await status(gateway) == 200
    assert alive(children) == children


async def test_sigterm_stops_everything_quickly(gateway: Gateway) -> None:
    children = [*below(gateway.pid, SUPERVISOR), *below(gateway.pid, ENGINE)]
    assert len(children) == 2
    began = time.monotonic()
    assert gateway.terminate() == 0
    assert time.monotonic() - began < 5
    assert alive(children) == []


async def test_a_killed_gateway_leaves_no_engine(gateway: Gateway) -> None:
    """Only the parent is killed: the workers, which outlive it for a while, hold the same pipe."""
    children = [*below(gateway.pid, SUPERVISOR), *below(gateway.pid, ENGINE)]
    assert len(children) == 2
    os.kill(gateway.pid, signal.SIGKILL)
    await eventually(lambda: alive(children) == [], 5)


async def test_workers_share_one_engine() -> None:
    with running(local_config(server={"workers": 2})) as gateway:
        gateway.wait_ready()
        assert len(below(gateway.pid, ENGINE)) == 1
        for _ in range(6):
            assert await status(gateway) == 200


async def test_two_models_side_by_side(tmp_path: Path) -> None:
    other = tmp_path / "another.gguf"
    other.symlink_to(weights(None))
    local = {"use": "local", "options": {"threads": 1, "parallel": 1}}
    # Names that differ in one sign only, and a file of one's own, which brings its own template.
    named = {**local, "options": {"model": str(other), "alias": "another", "threads": 1, "parallel": 1, "context": 512}}
    config = local_config(
        providers={"my-model": local, "my_model": named},
        models={
            "first": {"targets": [{"provider": "my-model", "model": "smollm2-135m-instruct"}]},
            "second": {"targets": [{"provider": "my_model", "model": "another"}]},
        },
    )
    with running(config) as gateway:
        assert len(below(gateway.pid, ENGINE)) == 2
        for public, model in (("first", "smollm2-135m-instruct"), ("second", "another")):
            answer = await ask(gateway.port, chat(model=public, max_tokens=3))
            assert answer.status == 200, answer.body
            assert answer.json["model"] == model
        long = await ask(gateway.port, chat(model="second", messages=[{"role": "user", "content": "word " * 600}]))
        assert long.status == 400


async def test_only_loopback_and_only_with_the_key(local: Gateway) -> None:
    (engine,) = below(local.pid, ENGINE)
    ((address, port),) = listens(engine)
    assert address == "0100007F"
    for headers in ({}, {"authorization": "Bearer wrong"}):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("POST", "/v1/chat/completions", b'{"messages": []}', headers)
        assert connection.getresponse().status == 401
        connection.close()


def test_the_key_is_on_no_command_line(local: Gateway) -> None:
    for module in (SUPERVISOR, ENGINE):
        (pid,) = below(local.pid, module)
        assert Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:] == [b"-m", module.encode(), b""]


async def test_a_reload_cannot_start_an_engine_and_says_so() -> None:
    """Neither one more nor one with other options; the last good configuration stays."""
    config = local_config()
    another = {**config["providers"], "more": {"use": "local"}}
    changed = {"local": {"use": "local", "options": {"threads": 1, "context": 1024}}}
    with running(config) as gateway:
        for number, providers in enumerate((another, changed), 1):
            gateway.write({**config, "providers": providers})
            await eventually(
                lambda number=number: metric(gateway, "tollway_config_reload_failures_total") == number, 5, every=0.1
            )
            assert b"restart it" in gateway.get("/readyz")[1]
            assert await status(gateway) == 200


async def test_a_gateway_without_a_local_model_says_so_too(mock: Any) -> None:
    config = local_config(
        providers={"mock": {"use": "openai", "base_url": mock.url, "api_key": "none"}},
        models={"*": {"targets": [{"provider": "mock", "model": "*"}]}},
    )
    with running(config) as gateway:
        config["providers"]["local"] = {"use": "local"}
        gateway.write(config)
        await eventually(lambda: metric(gateway, "tollway_config_reload_failures_total") == 1, 5, every=0.1)
        assert b"restart it" in gateway.get("/readyz")[1]
