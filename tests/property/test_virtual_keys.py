"""Virtual keys: their form holds for all of them, and nothing that is nearly one passes for one."""

import re

from hypothesis import given
from hypothesis import strategies as st

from proxy.identity import virtual_keys
from proxy.identity.virtual_keys import LENGTH, PREFIX, RANDOM_BITS, digest, hint, looks_alike, new_key, well_formed

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
keys = st.integers(0, 2**RANDOM_BITS - 1).map(
    lambda number: (body := PREFIX + virtual_keys._base62(number, 27)) + virtual_keys._checksum(body)
)


@given(keys)
def test_every_key_is_well_formed(key: str) -> None:
    assert well_formed(key)
    assert len(key) == LENGTH == 39
    assert re.fullmatch(r"sk-tw-[0-9A-Za-z]{33}", key)


@given(keys, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_seen(key: str, at: int, other: str) -> None:
    wrong = key[:at] + other + key[at + 1 :]
    assert well_formed(wrong) == (wrong == key)


@given(keys, st.integers(len(PREFIX), LENGTH - 2))
def test_two_neighbours_swapped_are_seen(key: str, at: int) -> None:
    wrong = key[:at] + key[at + 1] + key[at] + key[at + 2 :]
    assert well_formed(wrong) == (wrong == key)


@given(keys, st.integers(0, LENGTH - 1))
def test_a_cut_or_longer_key_is_seen(key: str, at: int) -> None:
    assert not well_formed(key[:at])
    assert not well_formed(key + key[at])
    assert not well_formed(key + "\n")


@given(st.text(max_size=80))
def test_any_text_can_be_asked_about(text: str) -> None:
    assert well_formed(text) is False
    assert looks_alike(text) == text.startswith("sk-tw-")
    assert "…" in hint(text)


@given(keys)
def test_a_hint_shows_little(key: str) -> None:
    shown = hint(key)
    assert shown == f"{key[:8]}…{key[-4:]}"
    assert len(shown) == 13


@given(st.integers(0, 2**160 - 1), st.integers(0, 2**160 - 1))
def test_different_numbers_are_different_keys(one: int, other: int) -> None:
    assert (virtual_keys._base62(one, 27) == virtual_keys._base62(other, 27)) == (one == other)


def test_all_160_bits_are_used() -> None:
    """The largest number fits, and its last bit shows."""
    last = 2**RANDOM_BITS - 1
    value = 0
    for character in virtual_keys._base62(last, 27):
        value = value * 62 + ALPHABET.index(character)
    assert value == last


def test_no_two_are_alike_and_their_text_is_random() -> None:
    made = {new_key() for _ in range(2_000)}
    assert len(made) == 2_000
    assert len({key[6:14] for key in made}) == 2_000
    assert all(well_formed(key) for key in made)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_digest_depends_on_the_pepper_and_the_key(one: bytes, other: bytes) -> None:
    pepper = b"p" * 32
    assert len(digest(pepper, one)) == 32
    assert (digest(pepper, one) == digest(pepper, other)) == (one == other)
    assert digest(b"q" * 32, one) != digest(pepper, one)
