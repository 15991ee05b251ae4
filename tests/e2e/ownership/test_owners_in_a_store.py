"""The owners of a fleet on real servers: one call a request, closed while the store is down, filled again when it was emptied."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from proxy.errors import LimitsUnavailable
from proxy.ownership import redis
from proxy.ownership.claims import LIFETIME, Claim, WriteBehind
from proxy.ownership.redis import RedisOwners
from proxy.protocols import Owned
from proxy.state.link import StateLink
from proxy.state.settings import LinkSettings
from tests.support.valkey import Server

from .stand import A, B, Stand, owning


@pytest.fixture(scope="module", params=["valkey", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[Server]:
    found = Server(request.param)
    yield found
    found.close()


class Counting(StateLink):
    """Counts the calls."""

    calls = 0

    async def call(self, *words: bytes | str | int) -> object:  # type: ignore[override]
        self.calls += 1
        return await super().call(*words)


class Database:
    """What the write-behind has written."""

    def __init__(self) -> None:
        self.rows: dict[str, Claim] = {}

    async def save(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            self.rows.setdefault(claim.ident, claim)

    async def remove(self, idents: Sequence[str]) -> None:
        for ident in idents:
            self.rows.pop(ident, None)

    async def load(self) -> AsyncIterator[Claim]:
        for claim in list(self.rows.values()):
            yield claim


class Fleet:
    """Processes that share a store and a database."""

    def __init__(self, store: Server) -> None:
        self.database = Database()
        self.links: list[Counting] = []
        self._store = store

    async def process(self) -> RedisOwners:
        link = Counting(LinkSettings(url=self._store.unix, timeout=1.0))
        self.links.append(link)
        assert await link.open()
        self.behind = WriteBehind(self.database.save, self.database.remove)
        owners = RedisOwners(link, enforced=lambda: True, wall=time.time, behind=self.behind, load=self.database.load)
        await owners.open()
        return owners


@pytest.fixture
async def fleet(store: Server) -> AsyncIterator[Fleet]:
    if store.child.poll() is not None:
        store.restart()
    store.ask("FLUSHALL")
    found = Fleet(store)
    yield found
    for link in found.links:
        await link.close()


async def test_processes_know_the_same(fleet: Fleet) -> None:
    one, two = await fleet.process(), await fleet.process()
    await one.claim(A, ["file-1", "resp_1"])
    await two.claim(B, ["file-1", "resp_1", "file-2"])
    assert await owning(two, ["file-1", "resp_1", "file-2", "file-3"]) == [A, A, B, None]
    await two.forget(["file-1"])
    assert await owning(one, ["file-1"]) == [None]


async def test_the_place_is_kept_with_the_first_owner(fleet: Fleet, store: Server) -> None:
    one = await fleet.process()
    behind, two = fleet.behind, await fleet.process()
    odd = "two\nlines #1"
    await one.claim(odd, ["file-1", "sig:1"], "azure eu#1")
    await two.claim(B, ["file-1"], "openai#0")
    await two.claim(B, ["file-2"])
    expected = [Owned(odd, "azure eu#1"), Owned(odd, "azure eu#1"), Owned(B, "")]
    assert await two.owners(["file-1", "sig:1", "file-2"]) == expected
    assert LIFETIME - 60 < int(store.ask("TTL", redis._key("sig:1"))[1:]) <= LIFETIME
    await behind.flush()
    await fleet.behind.flush()
    store.ask("FLUSHALL")
    await one._look()
    assert await one.owners(["file-1", "sig:1", "file-2"]) == expected


async def test_however_many_ids_it_is_one_call(fleet: Fleet) -> None:
    owners = await fleet.process()
    before = fleet.links[0].calls
    assert await owning(owners, [f"file-{number}" for number in range(300)]) == [None] * 300
    assert fleet.links[0].calls == before + 1


async def test_two_claims_at_once_have_one_winner(fleet: Fleet) -> None:
    one, two = await fleet.process(), await fleet.process()
    idents = [f"file-{number}" for number in range(200)]
    await asyncio.gather(one.claim(A, idents), two.claim(B, idents[::-1]))
    assert await owning(one, idents) == await owning(two, idents)
    assert None not in await owning(one, idents)


async def test_what_passes_has_a_time_and_what_lasts_has_none(fleet: Fleet, store: Server) -> None:
    owners = await fleet.process()
    await owners.claim(A, ["resp_1", "file-1"])
    assert LIFETIME - 60 < int(store.ask("TTL", redis._key("resp_1"))[1:]) <= LIFETIME
    assert store.ask("TTL", redis._key("file-1")) == b":-1\r\n"


async def test_an_emptied_store_refuses_until_it_is_filled(fleet: Fleet, store: Server) -> None:
    owners = await fleet.process()
    await owners.claim(A, ["file-1", "resp_1"])
    await fleet.behind.flush()
    old = Claim("resp_old", A, time.time() - LIFETIME - 5)
    half = Claim("resp_half", A, time.time() - LIFETIME / 2)
    fleet.database.rows |= {"resp_old": old, "resp_half": half}
    store.ask("FLUSHALL")
    with pytest.raises(LimitsUnavailable) as refused:
        await owning(owners, ["file-1"])
    assert refused.value.code == "owners_unavailable"
    loop = asyncio.create_task(owners.run())
    try:
        begun = time.monotonic()
        while time.monotonic() - begun < 3.0:
            try:
                found = await owning(owners, ["file-1", "resp_1", "resp_old", "resp_half"])
                break
            except LimitsUnavailable:
                await asyncio.sleep(0.02)
        assert found == [A, A, None, A]
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
    assert int(store.ask("TTL", redis._key("resp_half"))[1:]) <= LIFETIME / 2


async def test_a_store_that_is_down_closes_and_claims_wait(fleet: Fleet, store: Server) -> None:
    owners = await fleet.process()
    gate = Stand(owners)
    gate.upstream.routes["POST", "/files"] = {"id": "file-made-in-the-dark"}
    store.kill()
    client = await gate.ask(A, "GET", "/v1/files/file-1")
    assert (client.status, client.error["code"]) == (503, "owners_unavailable")
    assert client.headers[b"retry-after"] == b"1"
    assert gate.upstream.asked == []
    assert (await gate.ask(A, "POST", "/v1/files", {})).status == 200, "nothing that is kept is named here"
    assert (await gate.ask(A, "POST", "/v1/chat/completions", {"model": "small", "messages": []})).status == 200
    store.restart()
    loop = asyncio.create_task(owners.run())
    try:
        begun = time.monotonic()
        status = 0
        while time.monotonic() - begun < 8.0 and status != 200:
            status = (await gate.ask(A, "GET", "/v1/files/file-made-in-the-dark")).status
            await asyncio.sleep(0.05)
        assert status == 200
        assert (await gate.ask(B, "GET", "/v1/files/file-made-in-the-dark")).status == 404
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def test_a_deletion_while_it_is_down_is_made_up_for(fleet: Fleet, store: Server) -> None:
    owners = await fleet.process()
    await owners.claim(A, ["file-1", "file-2"])
    await fleet.behind.flush()
    store.kill()
    await owners.forget(["file-1"])
    assert await fleet.behind.flush()
    assert set(fleet.database.rows) == {"file-2"}
    store.restart()
    loop = asyncio.create_task(owners.run())
    try:
        begun = time.monotonic()
        found: Sequence[str | None] = []
        while time.monotonic() - begun < 8.0 and not found:
            try:
                found = await owning(owners, ["file-1", "file-2"])
            except LimitsUnavailable:
                await asyncio.sleep(0.05)
        assert found == [None, A]
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
