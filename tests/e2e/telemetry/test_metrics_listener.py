"""Where metrics are read, by whom, and what a client can and cannot make of them."""

import asyncio
import os
import re
import signal
from collections.abc import Iterable, Iterator

import pytest

from tests.support.observed import descriptors, metric, metrics_text, workers
from tests.support.processes import KEY, Gateway, Mock, config_for, free_port, running
from tests.support.rawhttp import Client, ask, chat, eventually, request

SCRAPE = "scrape-me-please"


@pytest.fixture(scope="module")
def apart(mock: Mock) -> Iterator[tuple[Gateway, int]]:
    """A gateway whose probes and metrics have a port of their own, and few connections."""
    health = free_port()
    config = config_for(
        mock.url,
        server={"health_port": health, "connections": 8},
        telemetry={"metrics_key": SCRAPE, "access_log": "off", "key_metrics": 3},
        keys=[{"name": "app", "key": KEY, "budget": {"usd": 5, "per": "day"}}],
        auth={"failures_per_minute": 100_000, "failures_total_per_minute": 100_000},
    )
    with running(config) as gateway:
        yield gateway, health


def scrape(port: int, key: str | None = SCRAPE) -> bytes:
    return request("GET", "/metrics", key=key)


async def test_metrics_are_on_their_own_port_alone(apart: tuple[Gateway, int]) -> None:
    gateway, health = apart
    answer = await ask(health, scrape(health))
    assert (answer.status, answer.ending) == (200, "whole")
    assert answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    assert b"\n# TYPE tollway_requests_total counter\n" in answer.body
    for path in ("/metrics", "/metrics?name=x"):
        assert (await ask(gateway.port, request("GET", path, key=SCRAPE))).status == 404
    for path in ("/livez", "/readyz"):
        assert (await ask(gateway.port, request("GET", path, key=None))).status == 200, "probes are on both"


@pytest.mark.parametrize("key", [None, "scrape-me-pleas", KEY])
async def test_who_has_no_key_reads_nothing(apart: tuple[Gateway, int], key: str | None) -> None:
    answer = await ask(apart[1], scrape(apart[1], key))
    assert (answer.status, answer.header("www-authenticate")) == (401, "Bearer")
    assert b"tollway_" not in answer.body


async def test_metrics_are_read_while_every_connection_is_taken(apart: tuple[Gateway, int]) -> None:
    gateway, health = apart
    held = [await Client.open(gateway.port) for _ in range(8)]
    for client in held:
        await client.send(chat(stream=True, headers={"x-mock-pace": "40", "x-mock-tokens": "40"}))
        assert (await client.head()).status == 200
    blocked = await Client.open(gateway.port)
    await blocked.send(chat())
    with pytest.raises(TimeoutError):
        await blocked.head(timeout=0.3)
    answer = await ask(health, scrape(health))
    assert answer.status == 200
    for client in (*held, blocked):
        client.close()


async def test_what_is_left_of_a_budget_is_what_was_not_spent(apart: tuple[Gateway, int]) -> None:
    gateway, health = apart

    async def value(name: str, labels: str) -> float:
        text = (await ask(health, scrape(health))).body.decode()
        found = re.search(rf"^{name}\{{{labels}\}} (\S+)$", text, re.M)
        return float(found[1]) if found is not None else 0.0

    async def agree() -> float:
        """Nothing is held any more: what was charged, and what is left, is all that there was."""
        async with asyncio.timeout(5):
            while True:
                charged = await value("tollway_charge_usd_total", 'model="gpt-4o",provider="mock"')
                left = await value("tollway_budget_remaining_usd", 'name="app",period="day",scope="key"')
                if left + charged == pytest.approx(5.0):
                    return charged
                await asyncio.sleep(0.05)

    assert await value("tollway_budget_limit_usd", 'name="app",period="day",scope="key"') == 5.0
    before = await agree()
    assert (await ask(gateway.port, chat(max_tokens=20))).status == 200
    after = await agree()
    assert after > before
    assert await value("tollway_key_usd_total", 'key="app",of="charge"') == pytest.approx(after)


async def test_ten_thousand_inventions_add_no_series(apart: tuple[Gateway, int]) -> None:
    """Models behind a wildcard, keys and paths that nobody has, methods, and values of headers: labels take none of it."""
    gateway, health = apart

    def inventions(name: str) -> tuple[bytes, ...]:
        return (
            chat(key=f"sk-tw-{name}"),
            request("GET", f"/v1/{name}/{name}", key=f"sk-{name}"),
            request("DELETE", f"/v1/models/{name}", key=f"sk-{name}"),
            chat(model="", tools=name, headers={"x-tollway-timeout-ms": name}),
        )

    async def ask_all(wanted: Iterable[bytes]) -> None:
        client = await Client.open(gateway.port)
        for data in wanted:
            await client.send(data)
            answer = await client.answer()
            if answer.header("connection") == "close":
                client.close()
                client = await Client.open(gateway.port)
        client.close()

    def lane(number: int) -> Iterator[bytes]:
        for index in range(2_500):
            name = f"invented-{number}-{index}"
            if index % 25 == 0:
                yield chat(model=name, headers={"x-mock-tokens": "1", "x-stainless-lang": name})
                yield request("GET", f"/v1/{name}")
            else:
                yield inventions(name)[index % 4]

    # Twenty of each, so that what there is of them is there.
    for number in range(20):
        name = f"first-{number}"
        await ask_all((*inventions(name), chat(model=name), request("GET", f"/v1/{name}")))
    before = (await ask(health, scrape(health))).body.decode()
    await asyncio.gather(*(ask_all(lane(number)) for number in range(4)))
    after = (await ask(health, scrape(health))).body.decode()
    assert "invented" not in after
    assert names(after) == names(before)


def names(page: str) -> set[str]:
    """Every series of a page, without its value."""
    return {line.rpartition(" ")[0] for line in page.splitlines()}


async def ended(client: Client) -> bool:
    """Did the server go away, as far as a second tells?"""
    try:
        async with asyncio.timeout(1):
            while await client.fill():
                pass
    except TimeoutError:
        return False
    return True


async def test_any_worker_answers_for_all_and_none_for_the_dead(mock: Mock) -> None:
    health = free_port()
    config = config_for(mock.url, server={"workers": 2, "health_port": health}, telemetry={"access_log": "off"})
    slow = chat(stream=True, headers={"x-mock-pace": "200", "x-mock-tokens": "60"})
    with running(config) as gateway:
        first = await eventually(lambda: len(found := workers(gateway)) == 2 and found)
        clients = [await Client.open(gateway.port) for _ in range(16)]
        for client in clients:
            await client.send(slow)
            assert (await client.head()).status == 200
        for _ in range(6):
            await eventually(lambda: metric(gateway, "tollway_inflight_requests", health) == 16)
        # The kernel may have given all of them to one.
        busier = max(first, key=descriptors)
        os.kill(busier, signal.SIGKILL)
        gone = sum(await asyncio.gather(*(ended(client) for client in clients)))
        assert 0 < gone <= 16, "it had some of them"
        left = 16 - gone
        await eventually(lambda: len(found := workers(gateway)) == 2 and busier not in found, 15)
        await eventually(lambda: metric(gateway, "tollway_inflight_requests", health) == left)
        assert "tollway_budgets_unlisted 0.0" in metrics_text(gateway, health)
        for client in clients:
            client.close()
