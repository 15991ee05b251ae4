"""Sealed answers: what comes back is what went in, and any other byte, key, secret, version or length is told by its kind."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from proxy.cache.sealing import COMPRESSED, HEAD, Unsealed, packed, raw_size, seal, unseal
from proxy.protocols import CacheEntry
from tests.support.cache_stores import answer

KEY, SECRET = bytes(range(32)), b"s" * 32
LIMIT = 1 << 20


def kind_of(sealed: bytes, *, secret: bytes = SECRET, key: bytes = KEY, limit: int = LIMIT) -> str:
    with pytest.raises(Unsealed) as caught:
        unseal(secret, key, sealed, limit=limit)
    return caught.value.kind


@given(st.binary(max_size=20_000), st.binary(max_size=50), st.lists(st.text(max_size=20), max_size=4), st.text())
def test_it_comes_back_as_it_was(body: bytes, event: bytes, tags: list[str], name: str) -> None:
    entry = answer(body, usage_event=event, tags=tuple(tags), public=name, tenant=name[::-1])
    sealed = seal(SECRET, KEY, packed(entry))
    assert unseal(SECRET, KEY, sealed, limit=LIMIT) == entry
    assert raw_size(sealed) == len(packed(entry))


@given(st.data())
def test_no_byte_can_be_changed(data: st.DataObject) -> None:
    sealed = bytearray(seal(SECRET, KEY, packed(answer(data.draw(st.binary(max_size=200))))))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    assert kind_of(bytes(sealed)) in ("foreign", "version", "truncated", "corrupt")


@given(st.data())
def test_no_part_of_it_is_enough_and_nothing_may_be_added(data: st.DataObject) -> None:
    sealed = seal(SECRET, KEY, packed(answer(b"x" * 100)))
    kept = data.draw(st.integers(0, len(sealed) - 1))
    assert kind_of(sealed[:kept]) == ("foreign" if kept < 3 else "truncated")
    assert kind_of(sealed + data.draw(st.binary(min_size=1, max_size=9))) == "corrupt"


@given(st.binary(max_size=300))
def test_noise_is_known_as_such(noise: bytes) -> None:
    assert kind_of(noise) == "foreign" if noise[:3] != b"TWC" else True
    assert kind_of(b"TWC\x01" + noise) in ("truncated", "corrupt")
    assert raw_size(noise) >= 0


def test_another_key_or_secret() -> None:
    sealed = seal(SECRET, KEY, packed(answer()))
    assert kind_of(sealed, key=KEY[::-1]) == "corrupt"
    assert kind_of(sealed, secret=b"t" * 32) == "corrupt"


def test_large_texts_are_deflated_and_noise_is_not() -> None:
    text, noise = packed(answer(b"data: {}\n\n" * 5000)), packed(answer(os.urandom(50_000)))
    assert len(seal(SECRET, KEY, text)) < len(text) / 20
    assert len(seal(SECRET, KEY, noise)) == len(noise) + HEAD
    small = packed(answer(b"x" * (COMPRESSED - 400)))
    assert len(small) <= COMPRESSED
    assert len(seal(SECRET, KEY, small)) == len(small) + HEAD


def test_nothing_beyond_the_limit_is_inflated() -> None:
    raw = packed(answer(bytes(5 * LIMIT)))
    sealed = seal(SECRET, KEY, raw)
    assert len(sealed) < LIMIT
    assert kind_of(sealed) == "oversized"
    assert unseal(SECRET, KEY, sealed, limit=len(raw)).size == 5 * LIMIT


@pytest.mark.parametrize("raw", [b"", b"\xc0", b"\x80", b"\xc1", b"\x95\x01\x02\x03\x04\x05", packed(answer())[:-1]])
def test_a_sound_seal_around_what_is_no_answer(raw: bytes) -> None:
    assert kind_of(seal(SECRET, KEY, raw)) == "corrupt"


def test_every_field_travels() -> None:
    entry = answer(b"b", usage_event=b"u", tags=("t",), form="events", content_type="text/event-stream")
    found = unseal(SECRET, KEY, seal(SECRET, KEY, packed(entry)), limit=LIMIT)
    assert structs.asdict(found) == structs.asdict(entry)
    assert all(getattr(entry, field.name) != field.default for field in structs.fields(CacheEntry))
