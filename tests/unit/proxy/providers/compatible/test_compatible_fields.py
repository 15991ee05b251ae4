"""Edits of a client's bytes: what is not edited keeps its own."""

import json

import orjson
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.openai_dialect.fields import Draft, Sheet
from proxy.wire.values import JsonObject

BODY = b' { "model" : "m",\n "n":1.0e0, "caf\\u00e9": {"a":[1 , 2]}, "max_completion_tokens":5 } '


def test_nothing_changed_is_the_very_object() -> None:
    assert Draft(BODY).bytes() is BODY


def test_one_value() -> None:
    draft = Draft(BODY)
    draft.set("model", "other")
    assert draft.bytes() == BODY.replace(b'"m"', b'"other"')


def test_one_name() -> None:
    draft = Draft(BODY)
    draft.rename("max_completion_tokens", "max_tokens")
    assert ("max_tokens" in draft, "max_completion_tokens" in draft, draft.get("max_tokens")) == (True, False, 5)
    assert draft.bytes() == BODY.replace(b"max_completion_tokens", b"max_tokens")


def test_a_new_member_comes_last() -> None:
    draft = Draft(BODY)
    draft.set("stream", True)
    assert draft.bytes() == BODY.replace(b"5 }", b'5,"stream":true }')


def test_each_member_can_go() -> None:
    for name in ("model", "n", "caf\u00e9", "max_completion_tokens"):
        draft = Draft(BODY)
        draft.remove(name)
        expected = json.loads(BODY)
        del expected[name]
        assert json.loads(draft.bytes()) == expected


def test_all_members_can_go_and_one_come() -> None:
    draft = Draft(b'{"a":1,"b":2}')
    draft.remove("a")
    draft.remove("b")
    draft.set("c", 3)
    assert draft.bytes() == b'{"c":3}'
    empty = Draft(b"{}")
    empty.set("c", 3)
    assert empty.bytes() == b'{"c":3}'


def test_a_repeated_name_is_edited_wherever_it_stands() -> None:
    draft = Draft(b'{"a":"long value","b":0,"a":1}')
    draft.set("a", 2)
    assert draft.bytes() == b'{"a":2,"b":0,"a":2}'


NAMES = st.sampled_from(["a", "b", "c", "max_tokens", 'q"', "caf\u00e9"])
VALUES = st.recursive(st.none() | st.integers(-9, 9) | st.text(max_size=6), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8)  # fmt: skip
STEPS = st.lists(st.tuples(st.sampled_from(["set", "remove", "rename"]), NAMES, NAMES, VALUES), max_size=6)


@given(st.dictionaries(NAMES, VALUES, max_size=5), STEPS, st.booleans())
def test_bytes_and_objects_are_edited_alike(
    document: JsonObject, steps: list[tuple[str, str, str, object]], spaced: bool
) -> None:
    body = json.dumps(document, ensure_ascii=spaced, indent=1 if spaced else None).encode()
    draft, sheet = Draft(body), Sheet(document)
    for step, name, other, value in steps:
        for fields in (draft, sheet):
            if step == "set":
                fields.set(name, value)  # type: ignore[arg-type]
            elif step == "remove":
                fields.remove(name)
            elif name in fields and name != other:
                fields.rename(name, other)
        assert all(
            (key in draft) == (key in sheet) and draft.get(key) == sheet.get(key) for key in ("a", "b", "max_tokens")
        )
    assert orjson.loads(draft.bytes()) == sheet.values
