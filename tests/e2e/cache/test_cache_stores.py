"""Two gateways and one Valkey: what one has stored the other serves, purges reach both, and a store that dies is only a miss."""

import json
import time
import uuid
from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from proxy.cli.cache_purge import purge
from tests.support.processes import Gateway, Mock, config_for
from tests.support.rawhttp import Answer, ask, chat, eventually
from tests.support.valkey import Server, server

pytestmark = pytest.mark.e2e

ADMIN_KEY = "an admin key of a test"
WITHIN = 1.0
"""Seconds in which a purge is seen everywhere."""


@pytest.fixture(scope="module")
def valkey() -> Iterator[Server]:
    """The store of both."""
    with server() as found:
        yield found


@pytest.fixture(scope="module", params=["state", "memory"])
def pair(request: pytest.FixtureRequest, mock: Mock, valkey: Server) -> Iterator[tuple[Gateway, Gateway]]:
    """Two gateways over one state: with shared answers, and each with its own."""
    made = [
        config_for(
            mock.url,
            admin={"key": ADMIN_KEY},
            state={"type": "redis", "url": valkey.url},
            cache={"exact": {"ttl": "1h"}, "store": request.param},
        )
        for _ in range(2)
    ]
    one, other = (Gateway(config, wait=False) for config in made)
    try:
        one.wait_ready()
        other.wait_ready()
        yield one, other
    finally:
        one.close()
        other.close()


SHARED = pytest.mark.parametrize("pair", ["state"], indirect=True)


async def asked(gateway: Gateway, tag: str, tags: str = "") -> Answer:
    """One request, always the same for ``tag``."""
    headers = {"x-tollway-tags": tags} if tags else {}
    answer = await ask(gateway.port, chat(messages=[{"role": "user", "content": tag}], headers=headers))
    assert answer.status == 200, answer.body
    return answer


async def until_hit(gateway: Gateway, tag: str, tags: str = "") -> Answer:
    """What is stored after its answer has left is found a moment later."""
    deadline = time.monotonic() + 3.0
    while (answer := await asked(gateway, tag, tags)).header("x-tollway-cache") != "hit":
        assert time.monotonic() < deadline, answer.headers
    return answer


def administered(gateway: Gateway, path: str, body: object = None) -> dict[str, object]:
    """An answer of the admin API."""
    headers = {"authorization": f"Bearer {ADMIN_KEY}", "content-type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    with urlopen(Request(f"{gateway.origin}/admin/v1{path}", data, headers), timeout=5) as answer:
        found: dict[str, object] = json.load(answer)
    return found


def metric(gateway: Gateway, line: str) -> float:
    """A sample; 0 while there is none."""
    _, text = gateway.get("/metrics")
    found = [row.rpartition(" ")[2] for row in text.decode().splitlines() if row.startswith(line + " ")]
    return float(found[0]) if found else 0.0


@SHARED
async def test_what_one_has_stored_the_other_serves(pair: tuple[Gateway, Gateway], mock: Mock) -> None:
    one, other = pair
    tag = uuid.uuid4().hex
    fresh = await asked(one, tag)
    assert fresh.header("x-tollway-cache") == "miss"
    stored = await until_hit(other, tag)
    assert stored.body == fresh.body
    assert sum(tag in json.dumps(entry) for entry in mock.requests()) <= 2
    shown = administered(other, "/cache")
    assert (shown["store"], shown["entries"], shown["up"]) == ("state", None, True)


async def test_a_purge_at_one_is_seen_at_both_within_a_second(pair: tuple[Gateway, Gateway]) -> None:
    tags = [uuid.uuid4().hex for _ in range(3)]
    for gateway in pair:
        for tag in tags:
            await until_hit(gateway, tag, tags=tag)
    began = time.monotonic()
    done = administered(pair[0], "/cache/purge", {"tag": tags[0]})
    assert done["everywhere"] is True
    for gateway in pair:
        while (await asked(gateway, tags[0], tags=tags[0])).header("x-tollway-cache") == "hit":
            assert time.monotonic() - began < WITHIN
        assert (await asked(gateway, tags[1])).header("x-tollway-cache") == "hit"


async def test_the_command_forgets_one_answer(pair: tuple[Gateway, Gateway]) -> None:
    tag = uuid.uuid4().hex
    stored = await until_hit(pair[1], tag)
    key = stored.header("x-tollway-cache-key")
    assert key is not None
    words = ["--key", key, "--url", pair[1].origin]
    done = CliRunner().invoke(purge, words, env={"TOLLWAY_ADMIN_KEY": ADMIN_KEY})
    assert done.exit_code == 0, done.output
    assert "orgotten" in done.stdout
    assert (await asked(pair[1], tag)).header("x-tollway-cache") == "miss"


@SHARED
async def test_rubbish_in_the_store_is_a_miss_and_counted(pair: tuple[Gateway, Gateway], valkey: Server) -> None:
    one, other = pair
    tag = uuid.uuid4().hex
    key = (await until_hit(one, tag)).header("x-tollway-cache-key")
    before = metric(other, 'tollway_cache_errors_total{kind="foreign"}')
    valkey.ask("SET", f"{{tollway}}:cache:{key}", '{"poison": true}')
    assert (await asked(other, tag)).header("x-tollway-cache") == "miss"
    await eventually(lambda: metric(other, 'tollway_cache_errors_total{kind="foreign"}') == before + 1)
    await until_hit(one, tag)


@SHARED
async def test_a_store_that_dies_in_the_middle_is_only_a_miss(pair: tuple[Gateway, Gateway], valkey: Server) -> None:
    one, _ = pair
    tag = uuid.uuid4().hex
    await until_hit(one, tag)
    valkey.kill()
    try:
        for _ in range(20):
            assert (await asked(one, tag)).header("x-tollway-cache") == "miss"
        assert administered(one, "/cache")["up"] is False
        assert administered(one, "/cache/purge", {"tag": "x"}) == {
            "forgotten": None,
            "everywhere": False,
            "object": "cache.purge",
        }
    finally:
        valkey.restart()
    await eventually(lambda: administered(one, "/cache")["up"] is True)
    await until_hit(one, tag)
