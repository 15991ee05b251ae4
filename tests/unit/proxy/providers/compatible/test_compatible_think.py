"""Reasoning between tags, in any pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.openai_dialect.think import Splitter, split


def pieced(text: str, cuts: list[int], *, unopened: bool = False) -> tuple[str, str]:
    splitter = Splitter(unopened=unopened)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pairs = [splitter.feed(text[a:b]) for a, b in pairwise(places)]
    pairs.append(splitter.close())
    return "".join(reasoning for reasoning, _ in pairs), "".join(answer for _, answer in pairs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>\na\n</think>\n\nb", ("a", "b")),
        ("  \n<think>a</think>b", ("a", "b")),
        ("<think></think>b", ("", "b")),
        ("<think>a", ("a", "")),
        ("<think>a < b </ c</think>d </think>", ("a < b </ c", "d </think>")),
        ("b <think>a</think>", ("", "b <think>a</think>")),
        ("<thinking>", ("", "<thinking>")),
        ("<thi", ("", "<thi")),
        ("", ("", "")),
        ("  b ", ("", "  b ")),
    ],
)
def test_whole(text: str, expected: tuple[str, str]) -> None:
    assert split(text) == expected


def test_without_the_opening_tag() -> None:
    assert split("a</think>b", unopened=True) == ("a", "b")
    assert split("<think>a</think>b", unopened=True) == ("a", "b")
    assert split("just text", unopened=True) == ("", "just text")


PIECES = st.lists(
    st.sampled_from(["<think>", "</think>", "<", "</", "a", "b c", " ", "\n", "think>", "\u00e9"]), max_size=10
)


@given(PIECES, st.lists(st.integers(0, 60), max_size=8), st.booleans())
def test_every_cut_gives_the_same(pieces: list[str], cuts: list[int], unopened: bool) -> None:
    text = "".join(pieces)
    assert pieced(text, cuts, unopened=unopened) == pieced(text, [], unopened=unopened)


@given(PIECES)
def test_nothing_but_tags_and_space_is_lost(pieces: list[str]) -> None:
    text = "".join(pieces)
    reasoning, answer = split(text)
    # Apart: the end of one and the beginning of the other may look like a tag.
    kept = "".join(part.replace("<think>", "").replace("</think>", "") for part in (reasoning, answer))
    assert "".join(kept.split()) == "".join(text.replace("<think>", "").replace("</think>", "").split())
