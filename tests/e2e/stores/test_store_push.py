"""Changes told to everybody at once, and the sign that something may have been missed."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.state import push
from proxy.state.push import MISSED
from proxy.state.settings import LinkSettings
from tests.support.rawhttp import eventually
from tests.support.tcp_proxy import tcp_proxy
from tests.support.valkey import Server

from .conftest import pushing

pytestmark = pytest.mark.e2e


async def until(condition: Callable[[], bool], within: float = 3.0) -> None:
    await eventually(condition, within)


@pytest.mark.parametrize("way", ["tcp", "unix"])
async def test_everybody_hears_everything_once(engine: Server, way: str) -> None:
    settings = LinkSettings(url=engine.url if way == "tcp" else engine.unix)
    async with pushing(settings) as (one, heard), pushing(settings) as (_, other):
        await until(lambda: heard == other == [MISSED])
        await one.publish("keys")
        await one.publish("accounts")
        await until(lambda: heard == other == [MISSED, "keys", "accounts"], within=0.5)


async def test_after_a_cut_one_word_says_that_some_may_be_missing(valkey: Server) -> None:
    async with tcp_proxy(valkey.port) as proxy, pushing(LinkSettings(url=proxy.url)) as (one, heard):
        await until(lambda: heard == [MISSED])
        proxy.reset()
        await until(lambda: heard == [MISSED, MISSED])
        await until(lambda: one._link.up)
        await one.publish("keys")
        await until(lambda: heard == [MISSED, MISSED, "keys"])


async def test_a_store_that_dies_and_comes_back(valkey: Server) -> None:
    async with pushing(LinkSettings(url=valkey.url)) as (one, heard):
        await until(lambda: heard == [MISSED])
        valkey.kill()
        await one.publish("nobody hears it, and nothing is raised")
        await asyncio.sleep(0.2)
        valkey.restart()
        await until(lambda: heard == [MISSED, MISSED])
        await until(lambda: one._link.up)
        await one.publish("keys")
        await until(lambda: heard[2:] == ["keys"])


async def test_a_connection_that_has_gone_silent_is_given_up(valkey: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "SILENCE", 0.2)
    async with tcp_proxy(valkey.port) as proxy, pushing(LinkSettings(url=proxy.url)) as (_, heard):
        await until(lambda: heard == [MISSED])
        await asyncio.sleep(0.7)
        assert heard == [MISSED], "a quiet channel is no silent connection"
        proxy.swallow = True
        await asyncio.sleep(0.6)
        proxy.swallow = False
        await until(lambda: heard == [MISSED, MISSED])


async def test_listening_begins_when_the_store_is_there(valkey: Server) -> None:
    valkey.kill()
    async with pushing(LinkSettings(url=valkey.url)) as (_, heard):
        await asyncio.sleep(0.1)
        assert heard == []
        valkey.restart()
        await until(lambda: heard == [MISSED])
