"""The one spelling: what must not matter does not, and what two parsers could read differently stands for itself."""

import json

import orjson
import pytest

from proxy.cache.canonical import canonical

NOTHING = frozenset[str]()

SAME = [
    b'{"model":"m","messages":[{"role":"user","content":"caf\xc3\xa9 \\"x\\" / \\\\"}],"n":1,"temperature":0.5,"tags":{}}',
    b'{"temperature":0.5,"n":1,"tags":{},"messages":[{"content":"caf\xc3\xa9 \\"x\\" / \\\\","role":"user"}],"model":"m"}',
    b'\r\n{ "model" : "m",\t"messages": [ {"role": "user", "content": "caf\\u00e9 \\u0022x\\u0022 \\/ \\u005C"} ],'
    b' "n": 1, "temperature": 5e-1, "tags": { } }\n',
    b'{"model": "m", "messages": [{"role": "user", "content": "caf\\u00e9 \\"x\\" / \\\\"}], "n": 1, "temperature": 0.50, "tags": {}}',
    b'{"\\u006dodel":"m","messages":[{"role":"user","content":"caf\xc3\xa9 \\"x\\" / \\\\"}],"n":1,"temperature":0.5,"tags":{}}',
]

OTHER = [
    (b'{"n":1}', b'{"n":1.0}'),
    (b'{"n":1}', b'{"n":"1"}'),
    (b'{"n":1}', b'{"n":true}'),
    (b'{"n":null}', b"{}"),
    (b'{"stop":["a","b"]}', b'{"stop":["b","a"]}'),
    (b'{"a":"x "}', b'{"a":"x"}'),
    (b'{"a":"\xc3\xa9"}', b'{"a":"e\xcc\x81"}'),
    (b'{"seed":9007199254740993}', b'{"seed":9007199254740992}'),
    (b'{"seed":18446744073709551615}', b'{"seed":18446744073709551614}'),
    (b'{"seed":18446744073709551617}', b'{"seed":18446744073709551616}'),
    (b'{"seed":18446744073709551616}', b'{"seed":18446744073709551616.0}'),
    (b'{"seed":-9223372036854775809}', b'{"seed":-9223372036854775808}'),
    (b'{"a":"\\ud800"}', b'{"a":"\\ud801"}'),
    (b'{"a":"\\u0000"}', b'{"a":""}'),
]

TWICE = [
    b'{"n":1,"n":2}',
    b'{"n":1,"n":1}',
    b'{"n":1, "\\u006e":1}',
    b'{"a":[{"x":1,"x":2}]}',
    b'{"a":{"b":{"c":"", "c":""}}}',
    # As many quotes are added by escapes as are lost with the key.
    b'{"a":"\\u0022\\u0022","n":1,"n":1}',
    b'{"a":"\\u0022\\u0022\\u0022\\u0022","n":"1","n":"1"}',
    b'{"a":"\\\\\\u0022\\\\u0022\\u0022","n":1,"n":1}',
    b'{"big":18446744073709551617,"n":1,"n":1}',
]

UNREADABLE = [
    b"", b"[]", b'"x"', b"null", b"{", b'{"a":NaN}', b'{"a":Infinity}', b'{"a":1e999}', b'{"a":01}', b'{"a":"\xff"}',
    b'{"a":"\xed\xa0\x80"}', b'{"a":"\\udc00"}', b'{"a":"\\ud800\\u0041"}', b'\xef\xbb\xbf{"a":1}', b'{"a":1,}', b'{"a":' + b"9" * 5000 + b"}",
    b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"a":' + b"[" * 300 + b'{"n":1,"n":2}' + b"]" * 300 + b"}",
]  # fmt: skip


@pytest.mark.parametrize("body", SAME)
def test_noise_does_not_matter(body: bytes) -> None:
    material, document = canonical(body, NOTHING)
    assert material == canonical(SAME[0], NOTHING)[0]
    assert document == json.loads(SAME[0])


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_all_else_does(one: bytes, other: bytes) -> None:
    assert canonical(one, NOTHING)[0] != canonical(other, NOTHING)[0]


@pytest.mark.parametrize("body", TWICE)
def test_a_key_that_is_there_twice_is_read_by_nobody(body: bytes) -> None:
    assert canonical(body, NOTHING) == (body, None)
    assert canonical(b" " + body, frozenset(("n",))) == (b" " + body, None), "not even where it does not matter"


@pytest.mark.parametrize("body", UNREADABLE)
def test_what_is_no_document_stands_for_itself(body: bytes) -> None:
    assert canonical(body, NOTHING) == (body, None)


def test_beyond_64_bits_the_bytes_are_the_key_and_the_document_is_known() -> None:
    body = b'{"seed": 18446744073709551617, "a": "\\u0022"}'
    assert canonical(body, NOTHING) == (body, {"seed": 2**64 + 1, "a": '"'})


def test_what_is_ignored_is_gone_from_both() -> None:
    body = b'{"stream":true,"a":{"stream":1},"metadata":{"k":"\\u0022"},"b":2}'
    material, document = canonical(body, frozenset(("stream", "metadata", "absent")))
    assert document == {"a": {"stream": 1}, "b": 2}
    assert material == b'{"a":{"stream":1},"b":2}'


def test_a_key_behind_what_is_ignored_may_not_hide() -> None:
    body = b'{"metadata":{"x":"1","x":"2"},"b":2}'
    assert canonical(body, frozenset(("metadata",))) == (body, None)


def test_keys_are_sorted_at_every_depth() -> None:
    one = {"b": [{"d": 1, "c": {"z": 1, "y": 2}}], "a": 0}
    assert canonical(orjson.dumps(one), NOTHING)[0] == b'{"a":0,"b":[{"c":{"y":2,"z":1},"d":1}]}'
