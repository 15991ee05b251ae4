"""The words of a document: every name and short text, and none where a walk would not tell."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.ownership.bodies import concerns_nobody, tells_nothing
from proxy.tokens.estimate import ATTACHING, estimate_prompt, likely_tokens
from proxy.wire.members import deeper_than
from proxy.wire.words import LONGEST, MOST, NO_WORDS, words_in

NAMES = st.sampled_from(
    ["a", "url", "audio", "file_id", "image_url", "input_audio", "file_data", "store", "container", "cachedContent", "code_execution"]
)  # fmt: skip
TEXTS = st.one_of(
    NAMES, st.sampled_from(["hi", "code_execution_20250522", "data:x", 'a "url" b', "x" * 70, 'say "store"'])
)
some: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(0, 9), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
documents = st.dictionaries(NAMES, some, max_size=4)


def test_names_and_short_texts_wherever_they_are() -> None:
    found = words_in(
        {"a": [{"b": "c", "d": ["e", ["f"]]}], "g": "x" * LONGEST, "h": "y" * (LONGEST + 1), "i": 5}, levels=8
    )
    assert found == {"a", "b", "c", "d", "e", "f", "g", "x" * LONGEST, "h", "i"}


@pytest.mark.parametrize("depth", range(1, 7))
def test_what_is_deeper_has_none(depth: int) -> None:
    document: Any = {}
    for _ in range(depth - 1):
        document = {"a": [document]} if depth % 2 else {"a": document}
    body = json.dumps(document).encode()
    for levels in range(1, 14):
        expected = not deeper_than(body, levels)
        assert bool(words_in(document | {"z": 1}, levels=levels)) is expected


def test_what_is_large_has_none() -> None:
    assert words_in({"input": list(range(MOST - 1))}, levels=4) == {"input"}
    assert words_in({"input": list(range(MOST))}, levels=4) is NO_WORDS
    assert words_in({"a": [{"b": [0] * 100} for _ in range(100)]}, levels=4) is NO_WORDS


@settings(max_examples=1500, deadline=None)
@given(document=documents)
def test_a_search_of_the_bytes_finds_no_more(document: dict[str, Any]) -> None:
    words, body = words_in(document, levels=64), json.dumps(document, ensure_ascii=False).encode()
    if tells_nothing(words):
        assert concerns_nobody(body)
    if words and ATTACHING.isdisjoint(words):
        assert estimate_prompt(body).likely == likely_tokens(len(body))
    if words:
        assert not deeper_than(body, 64)


def test_nothing_is_told_by_no_words() -> None:
    assert not tells_nothing(NO_WORDS)
    assert not tells_nothing(frozenset(("model", "code_execution_20250825")))
    assert tells_nothing(frozenset(("model", "messages")))
