"""Whatever JSON comes: other bytes for the same document make the same key, and no key stands for two readings of one body."""

import json
import math
import random
from collections.abc import Callable
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.cache.canonical import canonical
from proxy.wire.mac import framed

NOTHING = frozenset[str]()

TEXT = st.text(max_size=8) | st.sampled_from(
    ['"', '\\"', "\\u0022", "\\\\u0022", "\\", '": ', ', "', "/", "\u2028", "{}", "a"]
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | FLOATS | TEXT
KEYS = TEXT | st.sampled_from(["a", "b", "store", "temperature"])
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
    ),
    max_size=5,
)


def noisy(value: Any, rng: random.Random) -> str:
    """``value`` as another program might write it: order of keys, whitespace, escapes."""

    def space() -> str:
        return "".join(rng.choice(" \t\r\n") for _ in range(rng.choice((0, 0, 0, 1, 2))))

    def string(text: str) -> str:
        written = []
        for char in text:
            plain = json.dumps(char, ensure_ascii=False)[1:-1]
            escaped = "".join(f"\\u{unit:04{rng.choice('xX')}}" for unit in units(char))
            written.append(rng.choice((plain, plain, escaped, "\\/" if char == "/" else plain)))
        return f'"{"".join(written)}"'

    if isinstance(value, dict):
        pairs = list(value.items())
        rng.shuffle(pairs)
        inside = ",".join(
            f"{space()}{string(key)}{space()}:{space()}{noisy(each, rng)}{space()}" for key, each in pairs
        )
        return f"{{{inside or space()}}}"
    if isinstance(value, list):
        return f"[{','.join(f'{space()}{noisy(each, rng)}{space()}' for each in value) or space()}]"
    if isinstance(value, str):
        return string(value)
    if isinstance(value, float):
        return rng.choice((repr(value), f"{value:.17e}", f"{value:.20E}"))
    return json.dumps(value)


def units(char: str) -> list[int]:
    """Its UTF-16 code units."""
    data = char.encode("utf-16-be")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def same(one: Any, other: Any) -> bool:
    """Equal, with whole numbers, floats, booleans and signs of zero kept apart."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return bool(one == other)


@given(DOCUMENTS, st.randoms(use_true_random=False))
def test_noise_never_matters(document: dict[str, Any], rng: random.Random) -> None:
    plain = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    written = f"{rng.choice(('', ' '))}{noisy(document, rng)}".encode()
    material, read = canonical(written, NOTHING)
    assert material == canonical(plain, NOTHING)[0]
    assert read is not None
    assert same(read, document)


@given(DOCUMENTS, DOCUMENTS)
def test_other_documents_have_other_material(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = (canonical(json.dumps(each).encode(), NOTHING)[0] for each in (one, other))
    assert (first == second) is same(one, other)


@given(DOCUMENTS, st.data())
def test_one_changed_leaf_is_another_key(document: dict[str, Any], data: st.DataObject) -> None:
    assume(document)
    name = data.draw(st.sampled_from(sorted(document)))
    changed = {**document, name: data.draw(LEAVES)}
    assume(not same(document, changed))
    assert canonical(json.dumps(document).encode(), NOTHING)[0] != canonical(json.dumps(changed).encode(), NOTHING)[0]


def reading(which: int) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """A parser that lets the first (0) or the last (-1) of equal keys win."""

    def hook(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if which or key not in found:
                found[key] = value
        return found

    return hook


@given(DOCUMENTS, DOCUMENTS, st.randoms(use_true_random=False))
def test_two_readings_of_one_body_never_share_a_key(
    one: dict[str, Any], other: dict[str, Any], rng: random.Random
) -> None:
    inner = f"{noisy(one, rng)[:-1]}{',' if one and other else ''}{noisy(other, rng)[1:]}"
    body = rng.choice((inner, f'{{"a":[{inner}]}}', f'{{"a":{inner},"b":"\\u0022\\u0022"}}')).encode()
    material, document = canonical(body, NOTHING)
    first, last = (json.loads(body, object_pairs_hook=reading(which)) for which in (0, -1))
    if one.keys() & other.keys():
        assert document is None
        assert material == body
        for read in (first, last):
            assert canonical(json.dumps(read).encode(), NOTHING)[0] != material
    else:
        assert document is not None
        assert same(document, last)


@given(st.binary(max_size=40) | st.text('{}[]",:\\u0123456789eE.- ntab', max_size=30).map(str.encode))
def test_bytes_that_are_anything_never_raise(body: bytes) -> None:
    material, document = canonical(body, NOTHING)
    if document is None:
        assert material == body
    else:
        assert same(json.loads(body), document) or material == body


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_framed_parts_are_told_apart(one: list[bytes], other: list[bytes]) -> None:
    assert (framed(*one) == framed(*other)) is (one == other)
