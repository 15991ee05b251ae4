"""Names that a provider does not admit, there and back."""

import re

from hypothesis import given
from hypothesis import strategies as st

from proxy.translation.names import Names

INVALID = re.compile(r"[^a-zA-Z0-9_-]")


def forth(names: Names, name: str, limit: int = 64) -> str:
    return names.forth(name, invalid=INVALID, limit=limit)


def test_a_right_name_stays() -> None:
    names = Names()
    assert forth(names, "get_weather") == "get_weather"
    assert not names.changed


def test_a_name_with_other_characters_comes_back() -> None:
    names = Names()
    sent = forth(names, "mcp.server/tool")
    assert INVALID.search(sent) is None
    assert names.back(sent) == "mcp.server/tool"
    assert names.changed


def test_two_names_never_become_one() -> None:
    names = Names()
    assert len({forth(names, name) for name in ("a.b", "a b", "a_b", "a/b")}) == 4


def test_reserved_names_keep_theirs() -> None:
    names = Names()
    names.reserve(["a_b", "bad name", ""], invalid=INVALID, limit=64)
    assert forth(names, "a b") != "a_b"
    assert forth(names, "a_b") == "a_b"
    assert not Names().changed


def test_a_spelling_of_a_front_is_not_spelt_again() -> None:
    names = Names()
    sent = forth(names, "a.b")
    names.reserve([sent], invalid=INVALID, limit=64)
    assert forth(names, sent) == sent
    assert names.back(sent) == "a.b"


def test_an_unknown_name_is_its_own() -> None:
    assert Names().back("never_seen") == "never_seen"


def test_the_same_name_is_sent_the_same_in_every_request() -> None:
    long = "mcp__" + "x" * 100
    assert forth(Names(), long) == forth(Names(), long)


def test_digests_that_are_the_same_are_told_apart() -> None:
    names = Names()
    first = forth(names, "a b")
    # Another name that would get the very same spelling.
    names._forth.pop("a b")
    names._back[first] = "another"
    assert forth(names, "a b") != first


@given(st.lists(st.text(max_size=90), unique=True, max_size=12), st.integers(16, 64))
def test_every_name_fits_and_comes_back(public: list[str], limit: int) -> None:
    names = Names()
    names.reserve(public, invalid=INVALID, limit=limit)
    sent = [forth(names, name, limit) for name in public]
    assert len(set(sent)) == len(public)
    assert all(0 < len(name) <= limit and INVALID.search(name) is None for name in sent)
    assert [names.back(name) for name in sent] == public
    assert [forth(names, name, limit) for name in public] == sent
