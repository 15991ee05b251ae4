"""What every ``CacheStore`` promises, whatever it keeps its answers in."""

import asyncio
import os

import pytest
from msgspec import structs

from proxy.cache.fleet import SKEW
from proxy.protocols import CacheStore, Purge
from proxy.wire.usage import NO_USAGE, Usage
from tests.support.cache_stores import FACTORIES, MAX_ENTRY, Records, answer, new_key
from tests.support.clock import FakeClock

NOISE = os.urandom(MAX_ENTRY)
BODIES = {
    "nothing": b"",
    "small": b'{"id":"chatcmpl-1"}',
    "not a text": bytes(range(256)),
    "compressed": b"data: {}\n\n" * 2000,
    "beside the loop": b"data: {}\n\n" * 20_000,
    "as large as may be": NOISE,
}


def test_every_store_is_under_contract() -> None:
    assert set(FACTORIES) == {"memory", "valkey", "redis"}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_what_was_put_comes_back_as_it_was(store: CacheStore, records: Records, body: bytes) -> None:
    key = new_key()
    kept = answer(
        body,
        form="events",
        content_type="text/event-stream",
        usage_event=b"data: {}\n\n",
        tags=("night", "eval"),
        public="füst/模型",
        tenant="söhne & co",
    )
    await store.put(key, kept)
    assert await store.get(key) == kept
    assert await store.get(key) == kept
    assert records.failures == {}


async def test_an_entry_with_nothing_but_what_it_must_have(store: CacheStore) -> None:
    key = new_key()
    kept = answer(b"[0.1]", form="vector", usage=NO_USAGE, provider="", model="", public="", tenant="")
    await store.put(key, kept)
    assert await store.get(key) == kept


async def test_unknown_keys_and_keys_that_differ_in_a_bit_are_misses(store: CacheStore, records: Records) -> None:
    key = new_key()
    await store.put(key, answer())
    assert await store.get(bytes([key[0] ^ 1]) + key[1:]) is None
    assert await store.get(key[:-1] + bytes([key[-1] ^ 1])) is None
    assert records.failures == {}


async def test_the_latest_is_kept(store: CacheStore, wall: FakeClock) -> None:
    key = new_key()
    await store.put(key, answer(b"old"))
    await store.put(key, answer(b"new"))
    found = await store.get(key)
    assert found is not None
    assert found.body == b"new"


async def test_an_answer_expires(store: CacheStore, wall: FakeClock) -> None:
    key, longer = new_key(), new_key()
    await store.put(key, answer(ttl=10.0))
    await store.put(longer, answer(ttl=10.5))
    wall.advance(9.9)
    assert await store.get(key) is not None
    wall.advance(0.1)
    assert await store.get(key) is None
    assert await store.get(longer) is not None


async def test_what_has_expired_is_not_kept_and_leaves_nothing_older(store: CacheStore) -> None:
    key = new_key()
    await store.put(key, answer(b"older"))
    await store.put(key, answer(ttl=0.0))
    assert await store.get(key) is None


@pytest.mark.parametrize("ttl", [1e300, float("inf"), float("nan"), -1e300])
async def test_absurd_times_break_nothing(store: CacheStore, ttl: float) -> None:
    key = new_key()
    await store.put(key, answer(ttl=ttl))
    await store.get(key)
    await store.put(key, answer(b"sane"))
    found = await store.get(key)
    assert found is not None
    assert found.body == b"sane"


async def test_what_no_format_can_hold_breaks_nothing(store: CacheStore) -> None:
    key = new_key()
    await store.put(key, answer(public="half of a character: \ud800"))
    await store.put(key, answer(usage=Usage(input=1 << 70)))
    await store.put(key, answer())
    assert await store.get(key) == answer()


async def test_many_at_once_in_their_order(store: CacheStore) -> None:
    keys = [new_key() for _ in range(100)]
    for number, key in enumerate(keys):
        if number % 3:
            await store.put(key, answer(b"%d" % number))
    found = await store.get_many(keys)
    assert [each and each.body for each in found] == [b"%d" % n if n % 3 else None for n in range(100)]
    assert list(await store.get_many([])) == []


async def test_many_megabytes_at_once(store: CacheStore, records: Records) -> None:
    keys = [new_key() for _ in range(60)]
    for number, key in enumerate(keys):
        if number % 10:
            await store.put(key, answer(NOISE[number : number + 200_000]))
    found = await store.get_many(keys)
    assert [each and each.body[:50] for each in found] == [NOISE[n : n + 50] if n % 10 else None for n in range(60)]
    assert records.failures == {}


async def test_a_key_twice_in_one_lookup(store: CacheStore) -> None:
    key = new_key()
    await store.put(key, answer())
    first, second = await store.get_many([key, key])
    assert first == second == answer()


async def test_crowds_of_readers_and_writers(store: CacheStore, records: Records) -> None:
    keys = [new_key() for _ in range(50)]

    async def client(number: int) -> None:
        for step in range(10):
            key = keys[(number * 7 + step * 11) % len(keys)]
            found = await store.get(key)
            assert found is None or found.body == key
            await store.put(key, answer(key))

    await asyncio.gather(*map(client, range(40)))
    assert records.failures == {}


# ---- purges ---------------------------------------------------------------------------------------------------------

KEPT = {
    "a": answer(b"a", tenant="acme", public="fast", tags=("night",)),
    "b": answer(b"b", tenant="acme", public="slow", tags=("night", "eval")),
    "c": answer(b"c", tenant="other", public="fast"),
    "d": answer(b"d", tenant="other", public="slow", tags=("eval",)),
}

PURGES = {
    "everything": (Purge(), ""),
    "account": (Purge(account="acme"), "cd"),
    "model": (Purge(model="fast"), "bd"),
    "tag": (Purge(tag="night"), "cd"),
    "account and model": (Purge(account="acme", model="fast"), "bcd"),
    "model and tag": (Purge(model="slow", tag="eval"), "ac"),
    "account, model and tag": (Purge(account="other", model="slow", tag="eval"), "abc"),
    "no account of that name": (Purge(account="acm"), "abcd"),
    "no tag of that name": (Purge(tag="nigh"), "abcd"),
}


async def stocked(store: CacheStore) -> dict[str, bytes]:
    """A key for each of ``KEPT``."""
    keys = {name: new_key() for name in KEPT}
    for name, key in keys.items():
        await store.put(key, KEPT[name])
    return keys


async def left(store: CacheStore, keys: dict[str, bytes]) -> str:
    """Which are still there."""
    found = await store.get_many(list(keys.values()))
    return "".join(name for name, each in zip(keys, found, strict=True) if each is not None)


@pytest.mark.parametrize(("what", "stays"), PURGES.values(), ids=PURGES)
async def test_a_purge_forgets_what_agrees_with_all_that_it_gives(store: CacheStore, what: Purge, stays: str) -> None:
    keys = await stocked(store)
    count = await store.purge(what)
    assert await left(store, keys) == stays
    assert count in (None, len(KEPT) - len(stays))


async def test_a_purge_by_key_is_counted(store: CacheStore) -> None:
    keys = await stocked(store)
    assert await store.purge(Purge(key=keys["a"].hex())) == 1
    assert await left(store, keys) == "bcd"
    assert await store.purge(Purge(key=keys["a"].hex())) == 0
    assert await store.purge(Purge(key=keys["b"].hex(), account="other")) == 0
    assert await store.purge(Purge(key=keys["b"].hex(), account="acme", tag="eval")) == 1
    assert await left(store, keys) == "cd"


@pytest.mark.parametrize("key", ["", "zz", "ab", "0" * 64])
async def test_a_key_that_is_none_forgets_nothing(store: CacheStore, key: str) -> None:
    keys = await stocked(store)
    if key:
        assert await store.purge(Purge(key=key)) == 0
        assert await left(store, keys) == "abcd"


async def test_what_is_stored_after_a_purge_stays(store: CacheStore, wall: FakeClock) -> None:
    keys = await stocked(store)
    for what in (Purge(), Purge(account="acme"), Purge(tag="eval"), Purge(model="slow", tag="eval")):
        await store.purge(what)
    wall.advance(SKEW + 0.001)
    for name, key in keys.items():
        await store.put(key, structs.replace(KEPT[name], stored_at=wall()))
    assert await left(store, keys) == "abcd"


async def test_many_purges_are_all_followed(store: CacheStore) -> None:
    keys = await stocked(store)
    for number in range(300):
        await store.purge(Purge(account=f"somebody {number}"))
    assert await left(store, keys) == "abcd"
    await store.purge(Purge(account="acme"))
    assert await left(store, keys) == "cd"


async def test_a_closed_store_is_quiet(store: CacheStore) -> None:
    await store.put(new_key(), answer())
    await store.close()
    assert await store.get(new_key()) is None
