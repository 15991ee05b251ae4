"""Text as models speak it: at word borders, and never inside a character."""

import json

from hypothesis import given
from hypothesis import strategies as st

from proxy.cache.replay.pieces import LONG, cut, quoted, spoken, tokens

texts = st.text(st.characters(exclude_categories=["Cs"]))


def test_words_keep_the_space_before_them() -> None:
    assert cut("Hello world, this is a test.") == ["Hello", " world,", " this", " is a", " test."]


def test_scripts_without_spaces_are_cut_too() -> None:
    assert cut("道を行く人は多いです") == ["道を行く", "人は多い", "です"]
    assert len(cut("x" * 1000)) > 40


def test_a_long_text_is_not_forty_times_as_long_in_events() -> None:
    text = "some words and more " * LONG
    assert "".join(cut(text)) == text
    assert len(cut(text[:LONG])) > 2000
    assert len(cut(text)) < len(text) / 48


def test_nothing_has_no_pieces() -> None:
    assert cut("") == []
    assert spoken("") == []


@given(texts | st.text(' \n\\"\x7f\x00é漢😀ab', min_size=1))
def test_pieces_are_the_text_and_each_is_json(text: str) -> None:
    pieces = cut(text)
    assert "".join(pieces) == text
    assert all(len(piece) >= 4 for piece in pieces[:-1])
    assert [json.loads(b'"%b"' % piece) for piece in quoted(pieces)] == pieces
    assert [json.loads(b'"%b"' % piece) for piece in spoken(text)] == pieces


def test_tokens_are_those_of_the_text_or_none() -> None:
    assert tokens("to be", ["to", " be"]) == [b"to", b" be"]
    assert tokens("to be", ["to", " bee"]) == []
    assert tokens("", []) == []
