"""The owners of one process: a million of them in bounded memory, old ones forgotten, the database told behind the requests."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Sequence

import pytest

from proxy.ownership import memory
from proxy.ownership.claims import LIFETIME, QUEUED, Claim, WriteBehind, passes
from proxy.ownership.memory import GENERATION, MemoryOwners
from proxy.protocols import Owned, Owners
from tests.support.clock import FakeClock
from tests.support.rawhttp import eventually

DAY = 86_400.0


class Database:
    """Keeps what it is told; fails on demand."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.places: dict[str, str] = {}
        self.error: Exception | None = None
        self.calls = 0

    async def save(self, claims: Sequence[Claim]) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error
        for claim in claims:
            self.rows.setdefault(claim.ident, claim.account)
            self.places.setdefault(claim.ident, claim.place)

    async def remove(self, idents: Sequence[str]) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error
        for ident in idents:
            self.rows.pop(ident, None)


def made(clock: FakeClock | None = None, **options: object) -> MemoryOwners:
    wall = clock or FakeClock(1_790_000_000.0)
    return MemoryOwners(enforced=lambda: True, wall=wall, **options)  # type: ignore[arg-type]


async def accounts(owners: Owners, *idents: str) -> list[str | None]:
    return [found.account if found is not None else None for found in await owners.owners(idents)]


async def one(owners: Owners, ident: str) -> str | None:
    return (await accounts(owners, ident))[0]


async def test_the_first_claim_counts_until_it_is_forgotten() -> None:
    owners: Owners = made()
    await owners.claim("a", ["file-1", "resp_1"])
    await owners.claim("b", ["file-1", "resp_1", "file-2"])
    assert await accounts(owners, "file-1", "resp_1", "file-2", "file-3") == ["a", "a", "b", None]
    await owners.forget(["file-1", "resp_1", "file-9"])
    assert await accounts(owners, "file-1", "resp_1") == [None, None]
    await owners.claim("b", ["file-1"])
    assert await one(owners, "file-1") == "b"


async def test_ids_are_told_apart_to_the_last_character() -> None:
    owners = made()
    await owners.claim("a", ["file-abc"])
    for other in ("file-abC", "file-ab", "file-abc ", "FILE-abc", "file-abc\x00", ""):
        assert await one(owners, other) is None


async def test_what_providers_forget_is_forgotten_and_nothing_else() -> None:
    clock = FakeClock(1_790_000_000.0)
    owners = made(clock)
    await owners.claim("a", ["file-1", "resp_1"])
    clock.now += LIFETIME - 1
    await owners.claim("a", ["resp_2"])
    assert await accounts(owners, "file-1", "resp_1", "resp_2") == ["a", "a", "a"]
    clock.now += GENERATION + 2
    await owners.claim("a", ["resp_3"])
    assert await accounts(owners, "file-1", "resp_1", "resp_2", "resp_3") == ["a", None, "a", "a"]


@pytest.mark.parametrize("step", [-3600.0, 3600.0, -400 * DAY, 400 * DAY])
async def test_a_clock_that_steps_hands_nothing_over(step: float) -> None:
    clock = FakeClock(1_790_000_000.0)
    owners = made(clock)
    await owners.claim("a", ["file-1", "resp_1"])
    clock.now += step
    await owners.claim("b", ["file-1", "resp_2"])
    assert await one(owners, "file-1") == "a"
    assert await one(owners, "resp_1") in ("a", None)


async def test_room_is_made_from_what_would_pass_anyway() -> None:
    owners = made(capacity=10)
    await owners.claim("a", [f"resp_{n}" for n in range(4)] + [f"file-{n}" for n in range(6)])
    await owners.claim("a", ["file-new1", "file-new2"])
    assert await accounts(owners, "resp_0", "resp_1", "resp_2", "file-0") == [None, None, "a", "a"]
    await owners.claim("a", [f"vs_{n}" for n in range(10)])
    assert len(owners) == 10
    assert owners.dropped == 12
    assert await one(owners, "file-0") is None
    assert await one(owners, "vs_9") == "a"


async def test_the_place_stays_with_the_first_claim() -> None:
    clock, database = FakeClock(1_790_000_000.0), Database()
    behind = WriteBehind(database.save, database.remove)
    owners = made(clock, behind=behind)
    await owners.claim("a", ["file-1", "sig:1"], "openai#1")
    await owners.claim("a", ["file-1"], "openai#0")
    await owners.claim("a", ["file-2"])
    expected = [Owned("a", "openai#1"), Owned("a", "openai#1"), Owned("a", ""), None]
    assert await owners.owners(["file-1", "sig:1", "file-2", "sig:2"]) == expected
    await behind.flush()
    assert database.places == {"file-1": "openai#1", "sig:1": "openai#1", "file-2": ""}
    again = made(clock)
    await again.load(rows(*(Claim(ident, "a", clock.now, place) for ident, place in database.places.items())))
    assert await again.owners(["file-1", "sig:1", "file-2", "sig:2"]) == expected
    await again.forget(["sig:1", "file-1"])
    assert await again.owners(["file-1", "sig:1"]) == [None, None]


async def test_sealed_texts_pass_and_are_the_first_to_go() -> None:
    clock = FakeClock(1_790_000_000.0)
    owners = made(clock, capacity=10)
    await owners.claim("a", [f"sig:{n}" for n in range(8)] + ["resp_1", "file-1"])
    await owners.claim("a", ["resp_2", "file-2"])
    assert await accounts(owners, "sig:0", "sig:1", "sig:2", "resp_1", "file-1") == [None, None, "a", "a", "a"]
    clock.now += LIFETIME + GENERATION + 1
    await owners.claim("a", ["sig:new"])
    assert await accounts(owners, "sig:7", "sig:new", "file-1") == [None, "a", "a"]


async def test_a_million_ids_fit() -> None:
    """Measured on a tenth; the table doubles at known sizes, so the bound is per id at its worst."""
    owners = made()
    tracemalloc.start()
    try:
        for account in range(100):
            idents = [f"file-{account:08x}{n:024x}" for n in range(1000)]
            await owners.claim(f"account {account}", idents, f"a provider#{account % 7}")
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / 100_000 < 150, f"{used / 100_000:.0f} bytes an id"


async def rows(*claims: Claim) -> AsyncIterator[Claim]:
    for claim in claims:
        yield claim


async def test_what_was_written_is_loaded_and_what_has_passed_is_removed() -> None:
    clock, database = FakeClock(1_790_000_000.0), Database()
    behind = WriteBehind(database.save, database.remove)
    database.rows = {"resp_old": "a"}
    owners = made(clock, behind=behind)
    old, new = clock.now - LIFETIME - 1, clock.now - DAY
    await owners.load(rows(Claim("file-1", "a", old), Claim("resp_old", "a", old), Claim("resp_new", "b", new)))
    assert await accounts(owners, "file-1", "resp_old", "resp_new") == ["a", None, "b"]
    await behind.flush()
    assert database.rows == {}


# ---- write-behind ---------------------------------------------------------------------------------------------------


async def test_claims_reach_the_database_in_order() -> None:
    database = Database()
    behind = WriteBehind(database.save, database.remove)
    owners = made(behind=behind)
    await owners.claim("a", ["file-1", "file-2"])
    await owners.forget(["file-1"])
    await owners.claim("b", ["file-1"])
    await owners.claim("b", ["file-2"])
    assert await behind.flush()
    assert database.rows == {"file-1": "b", "file-2": "a"}


async def test_a_database_that_is_down_is_waited_for() -> None:
    database = Database()
    behind = WriteBehind(database.save, database.remove)
    owners = made(behind=behind)
    database.error = ConnectionError("gone")
    await owners.claim("a", [f"file-{n}" for n in range(1200)])
    assert not await behind.flush()
    database.error = None
    assert await behind.flush()
    assert len(database.rows) == 1200
    assert behind.lost == 0


async def test_what_the_database_refuses_does_not_hold_up_the_rest() -> None:
    database = Database()
    behind = WriteBehind(database.save, database.remove)
    owners = made(behind=behind)
    database.error = ValueError("odd")
    await owners.claim("a", ["file-1"])
    assert await behind.flush()
    database.error = None
    await owners.claim("a", ["file-2"])
    assert await behind.flush()
    assert (database.rows, behind.lost) == ({"file-2": "a"}, 1)


async def test_the_queue_is_bounded() -> None:
    database = Database()
    behind = WriteBehind(database.save, database.remove)
    behind.claimed([Claim(f"file-{n}", "a", 0.0) for n in range(QUEUED + 7)])
    assert behind.lost == 7
    await behind.flush()
    assert len(database.rows) == QUEUED
    assert "file-0" not in database.rows


async def test_the_loop_writes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.ownership.claims.PAUSE", 0.001)
    monkeypatch.setattr("proxy.ownership.claims.RETRY", 0.001)
    database = Database()
    behind = WriteBehind(database.save, database.remove)
    loop = asyncio.create_task(behind.run())
    try:
        database.error = ConnectionError("gone")
        behind.claimed([Claim("file-1", "a", 0.0)])
        await eventually(lambda: database.calls >= 3, 5.0, every=0.001)
        database.error = None
        await eventually(lambda: "file-1" in database.rows, 5.0, every=0.001)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


@pytest.mark.parametrize("ident", ["resp_1", "chatcmpl-1", "msg_1", "rs_1", "fc_1", "audio_1", "sig:0a"])
def test_these_pass(ident: str) -> None:
    assert passes(ident)


@pytest.mark.parametrize(
    "ident", ["file-1", "batch_1", "vs_1", "conv_1", "ftjob-1", "ft:x", "msgbatch_1", "response", "files/1", "sig", ""]
)
def test_these_last(ident: str) -> None:
    assert not passes(ident)


def test_generations_cover_a_lifetime() -> None:
    assert memory.GENERATION * 4 == LIFETIME
