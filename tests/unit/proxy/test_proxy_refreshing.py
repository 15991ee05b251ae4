"""The timed refresh: when it asks, what it keeps, what it says."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from aiohttp import web

from proxy import catalogue
from proxy.config.catalogue import Refresh
from proxy.errors import UpstreamError, UpstreamUnavailable
from proxy.refreshing import TICK, Refresher
from proxy.upstream.fetch import fetch

GOOD = b'{"version": 9, "as_of": "2026-12-01", "models": [{"id": "fresh", "provider": "openai", "context": 5}]}'


@pytest.fixture(autouse=True)
def _the_shipped_catalogue_afterwards() -> Iterator[None]:
    yield
    catalogue.shelve()


class Desk:
    """A refresher with everything around it by hand."""

    def __init__(self, *answers: bytes | UpstreamError, rounds: int = 0) -> None:
        self.answers = list(answers)
        self.now = 100.0
        self.rounds = rounds
        self.settings: Refresh | None = None
        self.asked: list[tuple[float, str]] = []
        self.applied = 0
        self.told: list[bool] = []
        self.refresher = Refresher(
            lambda: self.settings,
            fetch=self._fetch,
            applied=self._applied,
            told=self.told.append,
            clock=lambda: self.now,
            sleep=self._sleep,
        )

    async def _fetch(self, url: str) -> bytes:
        self.asked.append((self.now, url))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, UpstreamError):
            raise answer
        return answer

    def _applied(self) -> None:
        self.applied += 1

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.rounds -= 1
        if self.rounds <= 0:
            raise asyncio.CancelledError


async def test_a_good_one_is_swapped_in() -> None:
    desk = Desk(GOOD)
    assert await desk.refresher.once("http://models.test")
    assert (desk.applied, desk.told) == (1, [True])
    found = catalogue.info("openai", "fresh")
    assert found is not None
    assert found.context == 5
    assert catalogue.info("openai", "gpt-4o") is None


async def test_a_bad_one_changes_nothing_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(b"<html>", b"<html>", UpstreamUnavailable("gone"), UpstreamUnavailable("gone"), GOOD, b"<html>")
    with caplog.at_level(logging.INFO, "tollway.catalogue"):
        for _ in range(6):
            await desk.refresher.once("http://models.test")
    assert desk.told == [False, False, False, False, True, False]
    assert desk.applied == 1
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO", "WARNING"]
    assert catalogue.info("openai", "fresh") is not None


async def test_it_asks_when_it_is_due() -> None:
    desk = Desk(GOOD, rounds=10)
    desk.settings = Refresh(url="http://models.test", every=3 * TICK)
    with pytest.raises(asyncio.CancelledError):
        await desk.refresher.run()
    assert [at for at, _ in desk.asked] == [100.0, 100.0 + 3 * TICK, 100.0 + 6 * TICK, 100.0 + 9 * TICK]


async def test_off_means_off() -> None:
    desk = Desk(GOOD, rounds=10)
    with pytest.raises(asyncio.CancelledError):
        await desk.refresher.run()
    assert desk.asked == []


async def test_a_changed_setting_counts_at_once() -> None:
    desk = Desk(GOOD, rounds=2)
    desk.settings = Refresh(url="http://one.test")
    with pytest.raises(asyncio.CancelledError):
        await desk.refresher.run()
    desk.settings = Refresh(url="http://two.test")
    desk.rounds = 2
    with pytest.raises(asyncio.CancelledError):
        await desk.refresher.run()
    assert [url for _, url in desk.asked] == ["http://one.test", "http://two.test"]


async def test_fetching_takes_a_200_of_this_address_only() -> None:
    async def answer(request: web.Request) -> web.Response:
        match request.path:
            case "/good":
                return web.Response(body=GOOD * 2000)
            case "/moved":
                return web.Response(status=302, headers={"location": "/good"})
            case _:
                return web.Response(status=500)

    app = web.Application()
    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        assert await fetch(f"{base}/good") == GOOD * 2000
        for path, said in (("moved", "302"), ("broken", "500")):
            with pytest.raises(UpstreamError, match=said):
                await fetch(f"{base}/{path}")
    finally:
        await runner.cleanup()
    with pytest.raises(UpstreamError):
        await fetch(f"{base}/good")
