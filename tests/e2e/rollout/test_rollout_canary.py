"""Changed configurations on trial, over real processes: a bad one takes itself back, a good one stays.

A file is looked at every two seconds and a trial takes its time, so these tests take some seconds.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.observed import metric
from tests.support.processes import KEY, Gateway, Mock, config_for, free_port, running
from tests.support.rawhttp import Answer, Client, ask, chat, eventually

pytestmark = pytest.mark.e2e

SHARE = 0.2
WITHIN = 6.0
"""Seconds: a poll every two, the load, and a machine that others use too."""

LEAVER, JOINER = "sk-tw-the-one-who-leaves", "sk-tw-the-one-who-joins"


@pytest.fixture
def other() -> Iterator[Mock]:
    """Where a good change leads to."""
    found = Mock("--seed", "7")
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def stand(mock: Mock) -> Iterator[tuple[Gateway, dict[str, Any]]]:
    """A gateway, and the configuration that it runs with."""
    canary = {"share": SHARE, "seconds": 2.5, "minimum": 30}
    config = config_for(mock.url, canary=canary, health={}, retry={"attempts": 1})
    config["keys"].append({"name": "leaver", "key": LEAVER})
    with running(config) as gateway:
        yield gateway, config


class Load:
    """Requests without a pause over a few connections, and what they came to."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answers: list[Answer] = []

    async def run(self) -> None:
        """Until cancelled."""
        async with await Client.open(self._port) as client:
            while True:
                await client.send(chat())
                answer = await client.answer()
                answer.body = b""
                self.answers.append(answer)
                await asyncio.sleep(0.005)

    def arms(self) -> Counter[str]:
        """Answers by the arm that they name."""
        return Counter(answer.header("x-tollway-canary") or "" for answer in self.answers)

    @property
    def failed(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status != 200]


@asynccontextmanager
async def load(port: int) -> AsyncIterator[Load]:
    """Load while the block runs."""
    found = Load(port)
    tasks = [asyncio.create_task(found.run()) for _ in range(3)]
    try:
        yield found
        for task in tasks:
            assert not task.done(), task.exception()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_bad_base_url_takes_itself_back(stand: tuple[Gateway, dict[str, Any]]) -> None:
    gateway, config = stand
    bad = json.loads(json.dumps(config))
    bad["providers"]["mock"]["base_url"] = f"http://127.0.0.1:{free_port()}/v1"
    async with load(gateway.port) as found:
        gateway.write(bad)
        await eventually(lambda: metric(gateway, "tollway_canary_rollbacks_total"), WITHIN, every=0.1)
        rolled, before = time.monotonic(), len(found.answers)
        await asyncio.sleep(2.5)
    # Nothing works in the trial, so its first ten requests are enough; some more were under way until it was looked at.
    tried = found.arms()["trial"]
    assert metric(gateway, "tollway_canary_rollbacks_total", reason="failing") == 1
    assert {answer.header("x-tollway-canary") for answer in found.failed} == {"trial"}
    assert 10 <= len(found.failed) == tried
    assert tried <= SHARE * 2 * found.arms()["base"] + 10
    # Nobody has met it since, though the file is still the same.
    late = found.answers[before + 20 :]
    assert len(late) > 50
    assert {(answer.status, answer.header("x-tollway-canary")) for answer in late} == {(200, None)}
    assert time.monotonic() - rolled > 2
    assert metric(gateway, "tollway_canary_state") == 0
    status, body = gateway.get("/readyz")
    assert status == 200
    assert "taken back" in json.loads(body)["config_error"]
    assert metric(gateway, "tollway_config_reload_success") == 0
    assert '"level":"error","logger":"tollway.canary"' in gateway.log()
    # The old content again: nothing to try, and all is well.
    gateway.write(config)
    await eventually(lambda: "config_error" not in json.loads(gateway.get("/readyz")[1]), WITHIN, every=0.1)
    assert metric(gateway, "tollway_config_reload_success") == 1


async def test_a_good_change_is_promoted_and_keys_change_at_once(
    stand: tuple[Gateway, dict[str, Any]], other: Mock
) -> None:
    gateway, config = stand
    good = json.loads(json.dumps(config))
    good["providers"]["mock"]["base_url"] = other.url
    good["keys"] = [{"name": "app", "key": KEY}, {"name": "joiner", "key": JOINER}]
    assert (await ask(gateway.port, chat(key=LEAVER))).status == 200
    async with load(gateway.port) as found:
        gateway.write(good)
        await eventually(lambda: found.arms()["trial"] > 0, WITHIN)
        assert metric(gateway, "tollway_canary_state") == 1
        # Both arms let in whom the new file knows, and nobody else.
        statuses = Counter()
        for _ in range(20):
            statuses["leaver", (await ask(gateway.port, chat(key=LEAVER))).status] += 1
            joined = await ask(gateway.port, chat(key=JOINER))
            statuses["joiner", joined.status] += 1
        assert statuses == {("leaver", 401): 20, ("joiner", 200): 20}
        await eventually(lambda: metric(gateway, "tollway_canary_promotions_total"), WITHIN, every=0.1)
        before = len(found.answers)
        await asyncio.sleep(0.5)
    assert found.failed == []
    arms = found.arms()
    assert 0.05 < arms["trial"] / (arms["trial"] + arms["base"]) < 0.4
    assert {answer.header("x-tollway-canary") for answer in found.answers[before + 20 :]} == {None}
    assert metric(gateway, "tollway_canary_rollbacks_total") == 0
    served = other.stats()["requests"]
    assert (await ask(gateway.port, chat())).status == 200
    assert other.stats()["requests"] == served + 1
    assert "config_error" not in json.loads(gateway.get("/readyz")[1])


@pytest.mark.slow
async def test_the_verdict_of_one_worker_is_the_others_too(mock: Mock) -> None:
    config = config_for(
        mock.url,
        server={"workers": 2},
        state={"type": "embedded"},
        canary={"share": 0.5, "seconds": 60},
        retry={"attempts": 1},
    )
    with running(config) as gateway:
        await eventually(lambda: gateway.get("/readyz")[0] == 200, 15.0)
        bad = json.loads(json.dumps(config))
        bad["providers"]["mock"]["base_url"] = f"http://127.0.0.1:{free_port()}/v1"
        gateway.write(bad)
        await eventually(lambda: gateway.log().count("is tried on 50 %") == 2, WITHIN, every=0.1)
        # One connection is one worker's: the other one has no request to judge by.
        async with await Client.open(gateway.port) as client:
            for _ in range(60):
                await client.send(chat())
                await client.answer()
        await eventually(lambda: metric(gateway, "tollway_canary_rollbacks_total") == 2, WITHIN, every=0.1)
        assert metric(gateway, "tollway_canary_rollbacks_total", reason="failing") == 1
        assert metric(gateway, "tollway_canary_rollbacks_total", reason="elsewhere") == 1
        for _ in range(20):
            assert (await ask(gateway.port, chat())).status == 200
