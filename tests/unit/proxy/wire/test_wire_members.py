"""Edits in the original bytes do what decode, edit, encode would, and touch nothing else."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire.members import Watchlist, deeper_than, find, members
from proxy.wire.splice import with_model, with_usage

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(['"model"', "{[}]", '\\"', "\\\\", "a\\", "model", '"', "\u2028", "😀"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=8,
)
keys = st.one_of(st.sampled_from(["model", "stream_options", "x", 'mo"del', "", "mod\\el", "{"]), st.text(max_size=6))
bodies = st.dictionaries(keys, values, max_size=6)
renders = st.sampled_from(
    [
        lambda value: json.dumps(value).encode(),
        lambda value: json.dumps(value, ensure_ascii=False).encode(),
        lambda value: json.dumps(value, indent=3).encode(),
        lambda value: b" \n\t" + json.dumps(value, separators=(" ,\r\n", "\t: ")).encode() + b"\n ",
        orjson.dumps,
    ]
)


@settings(max_examples=300, deadline=None)
@given(body=bodies, render=renders)
def test_members_are_the_objects_members(body: dict[str, Any], render: Any) -> None:
    data = render(body)
    found = list(members(data))
    assert [member.key.decode() for member in found] == list(body)
    assert [json.loads(data[member.start : member.end]) for member in found] == list(body.values())


@settings(max_examples=300, deadline=None)
@given(body=bodies, render=renders, model=st.text(min_size=1, max_size=12))
def test_with_model_equals_decode_and_edit(body: dict[str, Any], render: Any, model: str) -> None:
    data = render(body)
    expected = {**body, "model": model} if "model" in body else body
    edited = with_model(data, model)
    assert json.loads(edited) == expected
    named = body.get("model")
    if isinstance(named, str):
        assert with_model(data, model, named) == edited, "its name is known already"
    if "model" not in body:
        assert edited is data


@settings(max_examples=300, deadline=None)
@given(body=bodies, render=renders, options=st.one_of(st.none(), st.dictionaries(st.sampled_from(["include_usage", "include_obfuscation", "x"]), st.booleans())))  # fmt: skip
def test_with_usage_equals_decode_and_edit(body: dict[str, Any], render: Any, options: dict[str, bool] | None) -> None:
    body = {**body, "stream_options": options} if options is not None else body
    given_options = body.get("stream_options")
    kept = given_options if isinstance(given_options, dict) else {}
    expected = {**body, "stream_options": {**kept, "include_usage": True}}
    assert json.loads(with_usage(render(body))) == expected
    if "stream_options" not in body:
        assert with_usage(render(body), absent=True) == with_usage(render(body))


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b'{"model":"a"}', b'{"model":"new"}'),
        (b'{ "model" :\t"a\\"b" , "x":1e400 }', b'{ "model" :\t"new" , "x":1e400 }'),
        (b'{"mod\\u0065l":"a"}', b'{"mod\\u0065l":"new"}'),
        (b'{"messages":[{"model":"deep"}],"model":"a"}', b'{"messages":[{"model":"deep"}],"model":"new"}'),
        (b'{"model":null}', b'{"model":"new"}'),
        (b'{"model":{"a":["}"]},"b":2}', b'{"model":"new","b":2}'),
        (b'{"x":12345678901234567890.10,"model":"a"}', b'{"x":12345678901234567890.10,"model":"new"}'),
        (b"{}", b"{}"),
    ],
)
def test_every_other_byte_stays(body: bytes, edited: bytes) -> None:
    assert with_model(body, "new") == edited


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b'{"model":"a","x":1}', b'{"model":"new","x":1}'),
        (b'{"model": "a"}', b'{"model": "new"}'),
        (b'{"x":["model"],"model":"a","y":2}', b'{"x":["model"],"model":"new","y":2}'),
        (b'{"x":"\\"model\\":\\"a\\"","model":"a"}', b'{"x":"\\"model\\":\\"a\\"","model":"new"}'),
        (b'{"model":"a","tools":[{"model":"a"}]}', b'{"model":"new","tools":[{"model":"a"}]}'),
        (b'{"tools":[{"model":"a"}],"x":1, "model" : "a"}', b'{"tools":[{"model":"a"}],"x":1, "model" : "new"}'),
        (b'{"model" :"a","z":{"model":"a"}}', b'{"model" :"new","z":{"model":"a"}}'),
        (b'{"z":{"model":"a"},"mod\\u0065l":"a"}', b'{"z":{"model":"a"},"mod\\u0065l":"new"}'),
        (b'{"z":"model","mod\\u0065l":"a"}', b'{"z":"model","mod\\u0065l":"new"}'),
        (b'{"x":1,"model":"\\u0061"}', b'{"x":1,"model":"new"}'),
    ],
)
def test_a_name_that_is_known_is_replaced_where_it_stands(body: bytes, edited: bytes) -> None:
    assert with_model(body, "new", "a") == edited


@pytest.mark.parametrize("named", ["é😀", 'a"b', "a\\", "a/b:c"])
def test_names_that_are_spelt_with_care(named: str) -> None:
    for written in (orjson.dumps(named), json.dumps(named).encode()):
        for body in (b'{"model":%b,"x":1}', b'{"x":1,"model":%b}'):
            assert with_model(body % written, "é", named) == body % '"é"'.encode()


def test_find() -> None:
    body = b'{"a":1,"b":[2,3]}'
    member = find(body, b"b")
    assert member is not None
    assert body[member.start : member.end] == b"[2,3]"
    assert find(body, b"c") is None


# ---- depth ----------------------------------------------------------------------------------------------------------


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((depth_of(inner) for inner in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth_of(inner) for inner in value), default=0)
    return 0


@settings(max_examples=300, deadline=None)
@given(body=bodies, render=renders, limit=st.integers(1, 6))
def test_depth_is_the_values_depth(body: dict[str, Any], render: Any, limit: int) -> None:
    assert deeper_than(render(body), limit) is (depth_of(body) > limit)


@pytest.mark.parametrize("limit", [1, 5, 64])
def test_depth_at_the_limit(limit: int) -> None:
    at = b"[" * limit + b"]" * limit
    assert not deeper_than(at, limit)
    assert deeper_than(b"[" + at + b"]", limit)
    assert not deeper_than(b'["' + b"[{" * 100 + b'"]', 1)
    assert deeper_than(b'{"]}":[1]}', 1)


# ---- the watchlist --------------------------------------------------------------------------------------------------

WATCH = Watchlist(unique=(b"model", b"n"), forbidden=(b"api_base",))


@pytest.mark.parametrize(
    ("body", "offence"),
    [
        (b'{"model":1}', None),
        (b'{"model":1,"model":2}', ("duplicate", b"model")),
        (b'{"model":1,"mod\\u0065l":2}', ("duplicate", b"model")),
        (b'{"\\u006d\\u006f\\u0064\\u0065\\u006c":1,"model":2}', ("duplicate", b"model")),
        (b'{"x":1,"x":2}', None),
        (b'{"x":{"model":1},"model":2}', None),
        (b'{"x":"model","model":2}', None),
        (b'{"api_base":1}', ("forbidden", b"api_base")),
        (b'{"api\\u005fbase":1}', ("forbidden", b"api_base")),
        (b'{"api\\u005Fbase":1}', ("forbidden", b"api_base")),
        (b'{"x":{"api_base":1}}', None),
        (b'{"x":"api_base"}', None),
        (b'{"x":"\\"api_base\\""}', None),
        (b'{"Model":1,"model":2}', None),
    ],
)
def test_offences(body: bytes, offence: tuple[str, bytes] | None) -> None:
    assert WATCH.offence(body) == offence


@settings(max_examples=200, deadline=None)
@given(pairs=st.lists(st.tuples(st.sampled_from(["model", "n", "api_base", "x", "é"]), values), max_size=5), escape=st.booleans())  # fmt: skip
def test_offences_of_random_objects(pairs: list[tuple[str, Any]], escape: bool) -> None:
    def spelt(key: str) -> str:
        return '"' + "".join(f"\\u{ord(letter):04x}" for letter in key) + '"' if escape else json.dumps(key)

    body = ("{" + ",".join(f"{spelt(key)}:{json.dumps(value)}" for key, value in pairs) + "}").encode()
    expected, seen = None, set()
    for key, _ in pairs:
        if key == "api_base":
            expected = ("forbidden", b"api_base")
            break
        if key in seen and key in ("model", "n"):
            expected = ("duplicate", key.encode())
            break
        seen.add(key)
    assert WATCH.offence(body) == expected
