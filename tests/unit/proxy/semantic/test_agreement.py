"""Two answers that say the same, two that do not, and the many of which nobody can tell."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.semantic.agreement import LONGEST, same

LONG = "Paris has been the capital since the tenth century, and with some interruptions it has stayed so to this day."

SAME = [
    ("Paris", " paris.\n"),
    ("**Paris**", "Paris"),
    ("The capital is Paris.", "the capital is “Paris”!"),
    ("The answer: Paris", "Paris"),
    ("It is 1,000 km.", "It's 1000 km"),
    ("It isn't.", "It is not."),
    ('{"label": "spam", "score": 0.50}', '{"score":0.5,"label":"spam"}'),
    (LONG, LONG.replace(",", "").upper()),
    ("x" * (LONGEST + 1), "x" * (LONGEST + 1) + " "),
    ("```py\nprint(1)\n```", "```py\nprint(1)\n```"),
]

DIFFERENT = [
    ("Paris", "Lyon"),
    ("New York", "Paris"),
    ("The capital is Paris.", "The capital is Lyon."),
    ("It is legal.", "It is not legal."),
    ("It is legal.", "It isn’t legal."),
    ("You can.", "You cannot."),
    ("Yes. " + LONG, "No. " + LONG),
    ("Ja, das geht.", "Nein, das geht nicht."),
    ("はい、そうです", "いいえ、違います"),
    ("42", "43"),
    ("-5", "5"),
    ("5.2", "52"),
    ("x > 5", "x < 5"),
    ("2 + 2", "2 - 2"),
    ("It took 3 days in all, " + LONG[:80], "It took 4 days in all, " + LONG[:80]),
    ('{"label": "spam"}', '{"label": "ham"}'),
    ('{"ok": true}', '{"ok": false}'),
    ("[1, 2]", "[1, 3]"),
]

UNTOLD = [
    ("", "Paris"),
    ("Paris", " \n"),
    ("...", "!!"),
    ("Paris", "The capital of France is Paris."),
    ("The river is safe to swim in.", "Swimming in the river is safe."),
    ("A beats B", "B beats A"),
    ("C#", "C++"),
    (LONG, LONG.replace("tenth", "ninth")),
    (LONG, LONG.replace("capital", "largest city")),
    (4 * LONG + " It took 3 days.", 4 * LONG + " It took 4 days."),
    ("x" * (LONGEST + 1), "y"),
    ("Use `a`.", "Use `A`."),
    (f'{{"text": "{LONG}"}}', f'{{"text": "{LONG}."}}'),
    ('{"a": 1}', '{"b": 1}'),
    ('{"a": 1', '{"a": 1}'),
    ("[" * 5000 + "]" * 5000, "[" * 4000 + "]" * 4000),
]


@pytest.mark.parametrize(("cached", "fresh"), SAME)
def test_the_same(cached: str, fresh: str) -> None:
    assert same(cached, fresh) is True


@pytest.mark.parametrize(("cached", "fresh"), DIFFERENT)
def test_different(cached: str, fresh: str) -> None:
    assert same(cached, fresh) is False


@pytest.mark.parametrize(("cached", "fresh"), UNTOLD)
def test_it_cannot_be_told(cached: str, fresh: str) -> None:
    assert same(cached, fresh) is None


@pytest.mark.parametrize(("cached", "fresh"), [*SAME, *DIFFERENT, *UNTOLD])
def test_the_same_either_way_round(cached: str, fresh: str) -> None:
    assert same(cached, fresh) is same(fresh, cached)


words = st.lists(st.sampled_from('yes no not the Paris Lyon 4 5 . , - > { } [ ] " ` ** \ud800 ß'.split()), max_size=20)


@settings(max_examples=300, deadline=None)
@given(words.map(" ".join), words.map(" ".join))
def test_any_texts(one: str, other: str) -> None:
    """Never raises; an answer with something in it is the same as itself, and order does not matter."""
    assert same(one, other) is same(other, one)
    assert same(one, one) is (True if one.strip() else None)
