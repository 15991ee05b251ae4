"""The shared store: what lies there is sealed, processes agree on a secret and follow each other's purges, rubbish is a miss."""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from proxy.cache.fleet import SKEW, MemoryCacheOfFleet
from proxy.cache.memory import MemoryCacheStore
from proxy.cache.purges import LONGEST, MOST
from proxy.cache.redis import SharedCacheStore
from proxy.cache.sealing import HEAD, packed, seal
from proxy.protocols import CACHE_VERSION, Purge
from proxy.state.link import StateLink
from proxy.state.push import Push
from proxy.state.settings import LinkSettings
from tests.support.cache_stores import MAX_ENTRY, NOW, Records, answer, new_key, opened
from tests.support.clock import FakeClock
from tests.support.limit_stores import shared
from tests.support.valkey import Server
from tests.support.valkey import server as valkey_server

ENGINES = ("valkey", "redis")


@pytest.fixture(params=ENGINES)
def server(request: pytest.FixtureRequest) -> Server:
    """Empty."""
    found = shared(request.param)
    found.ask("FLUSHALL")
    return found


@pytest.fixture
async def pair(server: Server, wall: FakeClock, records: Records) -> AsyncIterator[list[SharedCacheStore]]:
    """Two processes."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(opened(server.unix, wall, records)) for _ in range(2)]


class Raw:
    """Another program with a connection to the same server."""

    def __init__(self, url: str) -> None:
        self.link = StateLink(LinkSettings(url=url, timeout=5.0))

    async def __aenter__(self) -> StateLink:
        assert await self.link.open()
        return self.link

    async def __aexit__(self, *_: object) -> None:
        await self.link.close()


def place(key: bytes) -> str:
    return f"{{tollway}}:cache:{key.hex()}"


# ---- what lies there ------------------------------------------------------------------------------------------------


async def test_an_answer_of_one_process_is_found_by_the_other(pair: list[SharedCacheStore]) -> None:
    one, other = pair
    assert one.secret() == other.secret()
    key = new_key()
    await one.put(key, answer())
    assert await other.get(key) == answer()


async def test_large_answers_lie_there_smaller_and_all_of_them_expire(
    server: Server, pair: list[SharedCacheStore]
) -> None:
    one, _ = pair
    large, small, noise = new_key(), new_key(), new_key()
    await one.put(large, answer(b"data: {}\n\n" * 10_000))
    await one.put(small, answer(b"data: {}\n\n" * 10, ttl=90.0))
    await one.put(noise, answer(os.urandom(50_000)))
    async with Raw(server.unix) as raw:
        sizes = [await raw.call("STRLEN", place(key)) for key in (large, small, noise)]
        assert [size < limit for size, limit in zip(sizes, (2000, 100 + 400, 50_400), strict=True)] == [True] * 3  # type: ignore[operator]
        stays = await raw.call("PTTL", place(small))
        assert isinstance(stays, int)
        assert 80_000 < stays <= 90_000
        for name in await raw.call("KEYS", "*") or ():  # type: ignore[union-attr]
            assert await raw.call("PTTL", name) > 0 or name == b"{tollway}:cache:secret"  # type: ignore[operator]
            assert name.startswith(b"{tollway}:")  # type: ignore[union-attr]


def flipped(sealed: bytes, place: int) -> bytes:
    return sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]


def rubbish() -> dict[str, tuple[Callable[[bytes, bytes], bytes], str]]:
    """Name to (what the sealed bytes of an answer become, the kind that is counted)."""
    return {
        "a text of another program": (lambda *_: b'{"id": "chatcmpl-1"}', "foreign"),
        "one byte": (lambda *_: b"T", "foreign"),
        "the magic alone": (lambda sealed, _: sealed[:3], "truncated"),
        "the head alone": (lambda sealed, _: sealed[:HEAD], "truncated"),
        "cut in the middle": (lambda sealed, _: sealed[: len(sealed) // 2], "truncated"),
        "without the last byte": (lambda sealed, _: sealed[:-1], "truncated"),
        "with a byte more": (lambda sealed, _: sealed + b"x", "corrupt"),
        "a bit of the flags": (lambda sealed, _: flipped(sealed, 4), "corrupt"),
        "a bit of the size": (lambda sealed, _: flipped(sealed, 8), "corrupt"),
        "a bit of the MAC": (lambda sealed, _: flipped(sealed, HEAD - 1), "corrupt"),
        "a bit of the first byte": (lambda sealed, _: flipped(sealed, HEAD), "corrupt"),
        "a bit of the last byte": (lambda sealed, _: flipped(sealed, len(sealed) - 1), "corrupt"),
        "an older version": (lambda sealed, _: sealed[:3] + bytes([CACHE_VERSION - 1]) + sealed[4:], "version"),
        "a newer version": (lambda sealed, _: sealed[:3] + bytes([CACHE_VERSION + 1]) + sealed[4:], "version"),
        "of another secret": (lambda _, key: seal(os.urandom(32), key, packed(answer())), "corrupt"),
        "without a secret": (lambda _, key: seal(b"", key, packed(answer())), "corrupt"),
        "a value of many megabytes": (lambda *_: b"TWC\x01" + bytes(32 << 20), "oversized"),
    }


@pytest.mark.parametrize("spoil", rubbish().values(), ids=rubbish())
async def test_poisoned_cut_and_old_values_are_misses_and_counted(
    server: Server, pair: list[SharedCacheStore], records: Records, spoil: tuple[Callable[[bytes, bytes], bytes], str]
) -> None:
    one, other = pair
    become, kind = spoil
    key = new_key()
    sealed = seal(one.secret(), key, packed(answer()))
    async with Raw(server.unix) as raw:
        await raw.call("SET", place(key), become(sealed, key))
        assert await other.get(key) is None
        assert records.failures == {kind: 1}
        await raw.call("SET", place(key), sealed)
        assert await other.get(key) == answer()
    await one.put(key, answer(b"anew"))
    assert await other.get(key) == answer(b"anew")


async def test_an_answer_moved_to_another_key_is_a_miss(
    server: Server, pair: list[SharedCacheStore], records: Records
) -> None:
    key, another = new_key(), new_key()
    await pair[0].put(key, answer())
    async with Raw(server.unix) as raw:
        await raw.call("RENAME", place(key), place(another))
    assert await pair[1].get(another) is None
    assert records.failures == {"corrupt": 1}


async def test_a_key_that_holds_no_text_is_a_miss(
    server: Server, pair: list[SharedCacheStore], records: Records
) -> None:
    key = new_key()
    async with Raw(server.unix) as raw:
        await raw.call("RPUSH", place(key), "a", "list")
    assert await pair[0].get(key) is None
    assert records.failures == {"oversized": 1}
    await pair[0].put(key, answer())
    assert await pair[1].get(key) == answer()


async def test_a_sound_seal_around_nonsense_is_a_miss(
    server: Server, pair: list[SharedCacheStore], records: Records
) -> None:
    key, bomb = new_key(), new_key()
    async with Raw(server.unix) as raw:
        await raw.call("SET", place(key), seal(pair[0].secret(), key, b"\xc1nonsense"))
        await raw.call("SET", place(bomb), seal(pair[0].secret(), bomb, bytes(64 << 20)))
    assert await pair[0].get(key) is None
    assert await pair[0].get(bomb) is None
    assert records.failures == {"corrupt": 1, "oversized": 1}


async def test_what_is_larger_than_an_answer_may_be_is_not_kept(pair: list[SharedCacheStore]) -> None:
    key = new_key()
    await pair[0].put(key, answer(b"older"))
    await pair[0].put(key, answer(os.urandom(2 * MAX_ENTRY)))
    assert await pair[1].get(key) is None
    pair[0].resize(4 * MAX_ENTRY)
    pair[1].resize(4 * MAX_ENTRY)
    await pair[0].put(key, answer(os.urandom(2 * MAX_ENTRY)))
    assert await pair[1].get(key) is not None


async def test_a_store_that_evicts_nothing_keeps_room_for_counters(wall: FakeClock, records: Records) -> None:
    """Limits and budgets lie in the same server: answers may not fill it, and those that are there are still found."""
    with valkey_server("valkey", "--maxmemory", "8mb", "--maxmemory-policy", "noeviction") as small:
        async with opened(small.unix, wall, records) as store, Raw(small.unix) as raw:
            keys = [new_key() for _ in range(100)]
            for key in keys:
                await store.put(key, answer(os.urandom(100_000)))
            found = [entry is not None for entry in await store.get_many(keys)]
            assert found == sorted(found, reverse=True)
            assert 10 < sum(found) < 60
            assert records.failures == {"full": 100 - sum(found)}
            assert await raw.call("SET", "{tollway}:counter", bytes(1_000_000)) == b"OK"
            await store.put(keys[0], answer(os.urandom(200_000)))
            assert await store.get(keys[0]) is None
            await raw.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
            # What the server may use is looked at twice a second.
            ended = time.monotonic() + 5
            while await store.get(keys[0]) is None and time.monotonic() < ended:
                await store.put(keys[0], answer())
                await asyncio.sleep(0.05)
            assert await store.get(keys[0]) == answer()


# ---- the secret -----------------------------------------------------------------------------------------------------


async def until(true: Callable[[], bool], within: float = 3.0) -> float:
    """Seconds until it is."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < within
        await asyncio.sleep(0.005)
    return time.monotonic() - began


async def test_a_flushed_store_gets_the_same_secret_again(server: Server, pair: list[SharedCacheStore]) -> None:
    one, other = pair
    secret, key = one.secret(), new_key()
    server.ask("FLUSHALL")
    assert await one.get(key) is None
    await one.put(key, answer())
    assert await other.get(key) == answer()
    assert one.secret() == other.secret() == secret


async def test_a_replaced_secret_is_taken_by_all(
    server: Server, pair: list[SharedCacheStore], records: Records
) -> None:
    """As after the store was swapped for another that a second fleet had begun to use."""
    key = new_key()
    await pair[0].put(key, answer())
    async with Raw(server.unix) as raw:
        await raw.call("SET", "{tollway}:cache:secret", b"s" * 32)
    for store in pair:
        assert await store.get(key) is None
        assert store.secret() == b"s" * 32
    assert await pair[0].get(key) is None
    assert records.failures == {"corrupt": 1}


@pytest.mark.parametrize("value", [b"", b"short", b"x" * 33, b"x" * 10_000])
async def test_a_secret_that_cannot_be_one_is_replaced(
    server: Server, pair: list[SharedCacheStore], value: bytes
) -> None:
    async with Raw(server.unix) as raw:
        await raw.call("SET", "{tollway}:cache:secret", value)
    key = new_key()
    for store in pair * 2:
        await store.get(key)
    await pair[0].put(key, answer())
    assert await pair[1].get(key) == answer()
    assert len(pair[0].secret()) == 32


async def test_two_that_start_at_once_agree(server: Server, wall: FakeClock, records: Records) -> None:
    for _ in range(5):
        server.ask("FLUSHALL")
        async with AsyncExitStack() as stack:
            stores = await asyncio.gather(
                *(stack.enter_async_context(opened(server.unix, wall, records)) for _ in range(6))
            )
            assert len({store.secret() for store in stores}) == 1


# ---- purges ---------------------------------------------------------------------------------------------------------


async def test_a_purge_is_followed_by_the_next_lookup_of_any_process(pair: list[SharedCacheStore]) -> None:
    one, other = pair
    key = new_key()
    await one.put(key, answer())
    assert await other.get(key) is not None
    assert await one.purge(Purge(account="acme")) is None
    assert await other.get(key) is None
    assert await one.get(key) is None


async def test_a_process_that_starts_later_follows_too(
    server: Server, pair: list[SharedCacheStore], wall: FakeClock, records: Records
) -> None:
    key = new_key()
    await pair[0].put(key, answer())
    await pair[0].purge(Purge(tag="x", model="slow"))
    await pair[0].purge(Purge(model="fast"))
    async with opened(server.unix, wall, records) as late:
        assert await late.get(key) is None


async def test_clocks_may_differ_by_some_seconds(
    server: Server, pair: list[SharedCacheStore], records: Records
) -> None:
    """An answer of a machine whose clock is ahead was stored before the purge, and does not outlive it."""
    key, later = new_key(), new_key()
    await pair[0].put(key, answer(now=NOW + SKEW))
    await pair[0].put(later, answer(now=NOW + SKEW + 0.1))
    await pair[0].purge(Purge(account="acme"))
    assert await pair[1].get(key) is None
    assert await pair[1].get(later) is not None


async def test_a_store_that_lost_a_purge_is_told_again(server: Server, pair: list[SharedCacheStore]) -> None:
    """As after a failover to a replica that had the answers but not yet the purge."""
    one, other = pair
    key = new_key()
    await one.put(key, answer())
    async with Raw(server.unix) as raw:
        kept = await raw.call("GET", place(key))
        assert isinstance(kept, bytes)
        await one.purge(Purge(account="acme"))
        await raw.call("DEL", "{tollway}:cache:purges", "{tollway}:cache:mark")
        assert await one.get(key) is None  # sees the mark gone, tells it again
        assert await other.get(key) is None
        assert await raw.call("HLEN", "{tollway}:cache:purges") == 1


async def test_too_many_purges_forget_everything_rather_than_grow(server: Server, pair: list[SharedCacheStore]) -> None:
    key = new_key()
    await pair[0].put(key, answer())
    async with Raw(server.unix) as raw:
        for start in range(0, MOST, 512):
            rows = ((f'["","","","t{number}"]', repr(NOW)) for number in range(start, start + 512))
            await raw.call("HSET", "{tollway}:cache:purges", *itertools.chain.from_iterable(rows))
        await pair[0].purge(Purge(account="somebody else"))
        assert await raw.call("HLEN", "{tollway}:cache:purges") == 1
    assert await pair[1].get(key) is None


async def test_old_purges_are_let_go_of(server: Server, pair: list[SharedCacheStore], wall: FakeClock) -> None:
    await pair[0].purge(Purge(account="old"))
    wall.advance(LONGEST + 2 * SKEW)
    await pair[0].purge(Purge(account="new"))
    async with Raw(server.unix) as raw:
        assert await raw.call("HKEYS", "{tollway}:cache:purges") == [b'["","new","",""]']
        stays = await raw.call("PTTL", "{tollway}:cache:purges")
        assert isinstance(stays, int)
        assert 0 < stays <= LONGEST * 1000


@pytest.mark.parametrize(
    "words",
    [
        ("SET", "{tollway}:cache:purges", "text"),
        ("RPUSH", "{tollway}:cache:mark", "list"),
        ("SET", "{tollway}:cache:mark", "m" * 100_000),
        ("HSET", "{tollway}:cache:purges", "no JSON", "1.0"),
        ("HSET", "{tollway}:cache:purges", '["",1,"",""]', "2000000000.0"),
        ("HSET", "{tollway}:cache:purges", '["","acme","",""]', "nan"),
        ("HSET", "{tollway}:cache:purges", '["","acme","",""]', "inf"),
        ("HSET", "{tollway}:cache:purges", '["","acme","",""]', "\xff\xfe"),
        ("HSET", "{tollway}:cache:purges", '["","acme","",""]', ""),
    ],
)
async def test_rubbish_among_the_purges_breaks_nothing(
    server: Server, pair: list[SharedCacheStore], wall: FakeClock, words: tuple[str, ...]
) -> None:
    async with Raw(server.unix) as raw:
        if words[1].endswith("mark"):
            await raw.call("DEL", words[1])
        await raw.call(*words)
    for store in pair:
        await store.purge(Purge(account="somebody"))
        await store.get(new_key())
    wall.advance(SKEW + 1)
    key = new_key()
    await pair[0].put(key, answer(now=wall()))
    assert await pair[1].get(key) is not None
    await pair[0].purge(Purge(account="acme"))
    assert await pair[1].get(key) is None


# ---- memory stores of a fleet ---------------------------------------------------------------------------------------


async def member(stack: AsyncExitStack, server: Server, wall: FakeClock, records: Records) -> MemoryCacheOfFleet:
    """A process that keeps its answers to itself."""
    settings = LinkSettings(url=server.unix, timeout=5.0)
    link = StateLink(settings)
    assert await link.open()
    stack.push_async_callback(link.close)
    push = Push(settings, link, channel="{tollway}:cache:changes")
    store = MemoryCacheOfFleet(MemoryCacheStore(1 << 20, wall, records), link, push, wall=wall, records=records)
    await store.open()
    stack.push_async_callback(store.close)
    return store


async def test_purges_reach_the_memory_of_every_process_within_a_second(
    server: Server, wall: FakeClock, records: Records
) -> None:
    async with AsyncExitStack() as stack:
        fleet = [await member(stack, server, wall, records) for _ in range(3)]
        await until(lambda: server.ask("PUBSUB", "NUMSUB", "{tollway}:cache:changes").endswith(b":3\r\n"))
        kept, gone, single = new_key(), new_key(), new_key()
        for store in fleet:
            await store.put(kept, answer(tenant="other"))
            await store.put(gone, answer())
            await store.put(single, answer(tenant="other"))
        assert await fleet[0].purge(Purge(account="acme")) is None
        assert await fleet[0].purge(Purge(key=single.hex())) is None
        took = await until(lambda: [store.figures()[0] for store in fleet] == [1, 1, 1], 1.0)
        assert took < 1.0
        assert [await store.get(kept) is not None for store in fleet] == [True] * 3
        await fleet[1].purge(Purge(account="other"))
        await until(lambda: [store.figures()[0] for store in fleet] == [0, 0, 0], 1.0)
    assert records.failures == {}
