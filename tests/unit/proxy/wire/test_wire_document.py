"""One decode for all: what it says of a body is what those who look at every byte say."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.ownership.bodies import PLAIN, escapes, may_name
from proxy.ownership.sealed import carries
from proxy.tokens.estimate import ROOM, estimate_prompt, likely_tokens
from proxy.wire import document as document_module
from proxy.wire.document import document_in, is_plain
from proxy.wire.members import deeper_than

HI = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"model":"a","n":1,"seed":18446744073709551615,"temperature":0.7,"stop":null}',
        b' { "model" : "a" ,\r\n\t"messages" : [ { "content" : "a  b" } ] } ',
        '{"content":"é 日本 😀 \\n \\" \\\\"}'.encode(),
    ],
)
def test_a_body_with_one_reading_is_that_document(body: bytes) -> None:
    assert document_in(body) == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"a"',
        b"{",
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{ "a": 1, "a": 2 }',
        b'{"a":1,"\\u0061":2}',
        b'{"messages":[{"role":"user","role":"system"}]}',
        b'{"seed":18446744073709551616}',
        b'{"seed":1e999}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"\\u0061":1}',
        b'{"a":1}x',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_what_could_be_read_otherwise_or_is_spelt_otherwise_is_left_to_others(body: bytes) -> None:
    assert document_in(body) is None


def test_a_long_body_is_not_decoded_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_module, "LARGEST", 10)
    assert document_in(b'{"a":"bc"}') == {"a": "bc"}
    assert document_in(b'{"a":"bcd"}') is None


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"model": "a", "messages": HI, "temperature": 0.5, "stream": True, "max_tokens": 5, "user": "u"},
        {"messages": [{"role": "user", "content": "hi", "name": "Ann"}, {"role": "assistant", "content": None}]},
        {"messages": HI, "stream_options": {"include_usage": True}, "stop": ["a", "b"]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "you"}]}]},
        {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]},
        {"system": [{"type": "text", "text": "be brief"}], "messages": HI},
        {"model": "a", "prompt": "hi"},
        {"model": "a", "prompt": [1, 2, 3]},
        {"model": "a", "input": ["a", "b"], "dimensions": 3},
        {"model": "a", "system": "be brief", "messages": HI, "stop_sequences": ["x"]},
    ],
)
def test_settings_and_texts_are_plain(plain: dict[str, Any]) -> None:
    assert is_plain(plain)


@pytest.mark.parametrize(
    "other",
    [
        {"tools": []},
        {"store": True},
        {"store": False},
        {"container": "c"},
        {"metadata": {}},
        {"previous_response_id": "resp_1"},
        {"api_base": "x"},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "text": "hi"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "signature": "s"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": ["hi"]}]}]},
        {"messages": [{"role": "user", "content": [["hi"]]}]},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"input": [{"type": "item_reference"}]},
        {"messages": [{"role": "user", "content": {"role": "user"}}]},
        {"messages": [{"role": "tool", "tool_call_id": "call_1", "content": "hi"}]},
        {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]},
        {"messages": [[]]},
        {"prompt": {"id": "pmpt_1"}},
        {"input": [["a"]]},
        {"stop": {"name": []}},
        {"user": {"file_id": "file-1"}},
        {"stream_options": {"image_url": "x"}},
    ],
)
def test_what_names_or_nests_anything_else_is_not(other: dict[str, Any]) -> None:
    assert not is_plain({"model": "a", "messages": HI} | other)


NAMES = ["model", "messages", "prompt", "input", "system", "user", "stop", "stream_options", "role", "content", "name"]
HIDING = [
    "file_id",
    "container",
    "audio",
    "image_url",
    "file_data",
    "store",
    "code_execution",
    "signature",
    "id",
    "type",
]
texts = st.sampled_from(
    ["hi", '"file_id"', "file_id", '\\"image_url\\":', "data:image/png;base64,AAAA", "code_execution", "[[[{{{", "", "\\u0066"]
)  # fmt: skip
values = st.recursive(
    st.one_of(texts, st.none(), st.integers(-5, 5), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([*NAMES, *HIDING]), inner, max_size=3),
        st.fixed_dictionaries({"type": st.sampled_from(["text", "image_url", "message"]), "text": inner}),
        st.fixed_dictionaries({"role": texts, "content": inner}),
    ),
    max_leaves=6,
)


@settings(max_examples=500, deadline=None)
@given(body=st.dictionaries(st.sampled_from([*NAMES, *NAMES, *HIDING]), values, max_size=5))
def test_who_looks_at_every_byte_of_a_plain_body_finds_nothing(body: dict[str, Any]) -> None:
    raw = orjson.dumps(body)
    assert document_in(raw) == body
    if is_plain(body):
        named = PLAIN.search(raw)
        # Where it is a text and no name, who looks closely finds nothing either.
        assert named is None or named[0][1:].rstrip(b'"').decode() in texts_in(body)
        assert not escapes(raw) or b"\\\\u00" in raw
        assert not carries(raw)
        assert not deeper_than(raw, 5)
        estimate = estimate_prompt(raw)
        assert (estimate.likely, estimate.bound) == (likely_tokens(len(raw)), len(raw) + ROOM)
    if may_name(raw, "chat") and not texts_in(body) & {'"file_id"', "file_id", "code_execution", "\\u0066"}:
        assert not is_plain(body)


def texts_in(value: object) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        value = list(value.values())
    return set().union(*map(texts_in, value)) if isinstance(value, list) else set()
