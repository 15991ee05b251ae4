"""Live reload: a changed file applies within seconds without touching open streams; a bad one changes nothing and is seen."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.observed import metric
from tests.support.processes import KEY, Gateway, Mock, Process, config_for, free_port, running
from tests.support.rawhttp import Client, ask, chat, eventually

pytestmark = pytest.mark.e2e

WITHIN = 4.0
"""Seconds: a poll every two, the load, and a machine that others use too."""


@pytest.fixture
def reloading(mock: Mock) -> Iterator[tuple[Gateway, dict[str, Any]]]:
    """A gateway and the configuration it began with."""
    config = config_for(mock.url)
    with running(config) as found:
        yield found, config


async def status_becomes(port: int, data: bytes, status: int) -> None:
    deadline = time.monotonic() + WITHIN
    while (answer := await ask(port, data)).status != status:
        assert time.monotonic() < deadline, (answer.status, answer.body)
        await asyncio.sleep(0.1)


async def test_keys_and_models_change_without_dropping_a_stream(
    reloading: tuple[Gateway, dict[str, Any]], mock: Mock
) -> None:
    gateway, config = reloading
    other = Mock("--seed", "7")
    try:
        async with await Client.open(gateway.port) as client:
            await client.send(chat(stream=True, headers={"x-mock-pace": "100", "x-mock-tokens": "45"}))
            stream = await client.head()
            assert (await ask(gateway.port, chat(key="sk-tw-second"))).status == 401
            config["keys"] = [{"name": "second", "key": "sk-tw-second"}]
            config["providers"]["other"] = {"use": "openai", "base_url": other.url, "api_key": "none"}
            config["models"] = {"renamed": {"targets": [{"provider": "other", "model": "gpt-4o"}]}}
            gateway.write(config)
            await status_becomes(gateway.port, chat(key="sk-tw-second", model="renamed"), 200)
            assert (await ask(gateway.port, chat(model="renamed"))).status == 401
            assert (await ask(gateway.port, chat(key="sk-tw-second", model="gpt-4o"))).status == 404
            assert other.stats()["requests"] >= 1
            await client.body_of(stream)
            assert stream.ending == "whole"
            assert stream.data[-1] == "[DONE]"
            assert len(stream.data) > 44
        assert metric(gateway, "tollway_config_reload_success") == 1
    finally:
        other.close()


BAD = [b'{"keys": [], "unknwon": 1}', b"", b'{"keys": [{"name": "a", "key": "${NO_SUCH_VARIABLE}"}]}', b"{not json"]


async def test_a_bad_file_keeps_the_last_good_one(reloading: tuple[Gateway, dict[str, Any]]) -> None:
    gateway, config = reloading
    for number, bad in enumerate(BAD[:2], 1):
        gateway.path.write_bytes(bad)
        await eventually(
            lambda number=number: metric(gateway, "tollway_config_reload_failures_total") == number, WITHIN, every=0.1
        )
        assert metric(gateway, "tollway_config_reload_success") == 0
        assert (await ask(gateway.port, chat())).status == 200
        status, body = gateway.get("/readyz")
        assert status == 200
        assert json.loads(body)["config_error"]
        assert KEY not in body.decode()
    assert KEY not in gateway.log()
    # The very file it runs with comes back: everything is well again, and says so.
    gateway.write(config)
    await eventually(lambda: metric(gateway, "tollway_config_reload_success") == 1, WITHIN, every=0.1)
    assert "config_error" not in json.loads(gateway.get("/readyz")[1])


@pytest.mark.slow
@pytest.mark.parametrize("bad", [*BAD, b'{"server": {"port": "many"}}', b"\x00\xff" * 100, b" " * 10_000_000])
async def test_no_bad_file_changes_anything(reloading: tuple[Gateway, dict[str, Any]], bad: bytes) -> None:
    gateway, config = reloading
    gateway.path.write_bytes(bad)
    await eventually(lambda: metric(gateway, "tollway_config_reload_success") == 0, WITHIN, every=0.1)
    assert (await ask(gateway.port, chat())).status == 200
    config["keys"].append({"name": "second", "key": "sk-tw-second"})
    gateway.write(config)
    await status_becomes(gateway.port, chat(key="sk-tw-second"), 200)
    assert metric(gateway, "tollway_config_reload_success") == 1


async def test_a_symlink_flip_as_kubernetes_does_it(mock: Mock, tmp_path: Path) -> None:
    def version(name: str, key: str) -> dict[str, Any]:
        folder = tmp_path / name
        folder.mkdir()
        config = config_for(mock.url, keys=[{"name": "app", "key": key}])
        config["server"]["port"] = port
        (folder / "tollway.json").write_text(json.dumps(config))
        (folder / "tollway.json").chmod(0o600)
        return config

    port = free_port()
    version("..one", "sk-tw-one")
    version("..two", "sk-tw-two")
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "tollway.json").symlink_to("..data/tollway.json")
    process = Process(["serve", "--config", str(tmp_path / "tollway.json")])
    try:
        await eventually(lambda: "listens" in process.log())
        await _accepts(port)
        assert (await ask(port, chat(key="sk-tw-one"))).status == 200
        (tmp_path / "..tmp").symlink_to("..two")
        (tmp_path / "..tmp").replace(tmp_path / "..data")
        await status_becomes(port, chat(key="sk-tw-two"), 200)
        assert (await ask(port, chat(key="sk-tw-one"))).status == 401
    finally:
        process.close()


async def test_what_needs_a_restart_is_said_and_left(reloading: tuple[Gateway, dict[str, Any]]) -> None:
    gateway, config = reloading
    config["server"]["drain"] = 9
    gateway.write(config)
    await eventually(lambda: "restart" in gateway.log(), WITHIN)
    assert (await ask(gateway.port, chat())).status == 200


async def _accepts(port: int) -> None:
    for _ in range(200):
        try:
            (await Client.open(port)).close()
        except OSError:
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("nobody listens")
