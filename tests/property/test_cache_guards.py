"""Guards against any text: they never raise, are an equivalence, do not mind typing noise, and mind every word that decides."""

import re
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proxy.semantic.guards import Features, differs, features, signature
from proxy.semantic.guards.tables.courtesy import ASKINGS, CLOSINGS, OPENINGS, REQUESTS
from proxy.semantic.guards.tables.frames import MOVING
from proxy.semantic.guards.tables.meaning import MODALITY, NEGATIONS, PERSON
from proxy.semantic.guards.tables.phrases import CONTRACTIONS, PHRASES, SINGLE
from proxy.semantic.guards.tables.quantities import NUMBER_WORDS, ORDINALS, UNITS
from proxy.semantic.proof.pairs import built_in
from tests.bench.cache_guards import HOSTILE

TEXTS = sorted({text for pair in built_in() for text in (pair.a, pair.b)})
PLAIN = [text for text in TEXTS if text.isascii() and not set(text) & set("`\"'\n{}[]<>=;|\\^~:")]
"""Questions without quotations and code."""

WORDS = sorted(
    {word for text in PLAIN for word in text.split()}
    | {word for phrases in (ASKINGS, CLOSINGS, OPENINGS, REQUESTS) for phrase in phrases for word in phrase}
    | CONTRACTIONS.keys() | PHRASES.keys() | SINGLE.keys() | UNITS.keys() | NUMBER_WORDS.keys() | ORDINALS.keys()
    | {"?", ".", ",", ":", "(", ")", "-", '"', "'", "`", "```", "“", "”", "\n", "\n ", "5", "1,000", "-3", "°C", "II", "é", "什么", "\x1f"}
)  # fmt: skip
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)
ANY = st.one_of(
    st.text(max_size=60), SENTENCES, st.lists(st.sampled_from(WORDS), max_size=9).map("".join), st.sampled_from(TEXTS)
)


@settings(max_examples=600, deadline=None)
@given(ANY, ANY)
def test_an_equivalence_with_a_name_for_every_difference(a: str, b: str) -> None:
    one, other = features(a), features(b)
    assert signature(one) == signature(features(a))
    assert differs(one, one) == ""
    named = differs(one, other)
    assert named == differs(other, one)
    assert (named == "") == (signature(one) == signature(other)) == (one.form == other.form)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec=None), max_size=80))
def test_anything_at_all(text: str) -> None:
    found = features(text)
    assert isinstance(found, Features)
    assert len(signature(found)) == 16
    assert differs(found, features("What is a cat?")) or text


NOISE: dict[str, Callable[[str], str]] = {
    "doubled spaces": lambda text: text.replace(" ", "  "),
    "space around": lambda text: f" {text}\n",
    "odd spaces": lambda text: text.replace(" ", "\u00a0"),
    "invisible": lambda text: text[:1] + "\u200b" + text[1:],
    "hyphens": lambda text: text.replace("-", "\u2011"),
    "wide marks": lambda text: text.replace("?", "\uff1f"),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLAIN), st.lists(st.sampled_from(sorted(NOISE)), min_size=1, max_size=3))
def test_noise_of_typing_passes(text: str, noise: list[str]) -> None:
    noisy = text
    for name in noise:
        noisy = NOISE[name](noisy)
    assert differs(features(text), features(noisy)) == ""


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([text for text in TEXTS if "'" in text or '"' in text]))
def test_curly_quotation_marks_pass(text: str) -> None:
    assume("`" not in text)
    curly = text.replace("'", "’").replace('"', "”")
    one = features(text)
    assume(not one.form.startswith("kept") and not re.search(r"""["'].*'.*["']""", text))
    assert differs(one, features(curly)) == ""


DECIDING = sorted(
    (NEGATIONS | MODALITY | PERSON | frozenset("all only every most least first last before after 7 ten Berlin https://x.example".split()))
    - {"i", "me", "one", "you", "your", "lack", "need"}
)  # fmt: skip
"""Put anywhere into a question, each makes another of it; those left out are part of courtesies."""


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(PLAIN), st.data())
def test_a_word_that_decides_is_never_overlooked(text: str, data: st.DataObject) -> None:
    words = text.split()
    at = data.draw(st.integers(1, len(words)))
    added = data.draw(st.sampled_from(DECIDING))
    changed = " ".join([*words[:at], added, *words[at:]])
    assert differs(features(text), features(changed)), changed


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLAIN), st.data())
def test_content_words_do_not_change_places(text: str, data: st.DataObject) -> None:
    """Verbs that an indirect question moves are none."""
    words = text.split()
    long = [
        index
        for index, word in enumerate(words)
        if len(word) > 3 and word.isalpha() and word.islower() and word not in MOVING
    ]
    assume(len(long) > 1 and "difference" not in words and "Compare" not in words and "differ" not in words)
    one, other = data.draw(st.lists(st.sampled_from(long), min_size=2, max_size=2, unique=True))
    assume(words[one] != words[other])
    changed = words.copy()
    changed[one], changed[other] = words[other], words[one]
    assert differs(features(text), features(" ".join(changed))), changed


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([text for text in TEXTS if any(letter in "0123456789" for letter in text)]), st.data())
def test_no_figure_is_overlooked(text: str, data: st.DataObject) -> None:
    places = [index for index, letter in enumerate(text) if letter in "0123456789"]
    at = data.draw(st.sampled_from(places))
    digit = data.draw(st.sampled_from([figure for figure in "123456789" if figure != text[at]]))
    assert differs(features(text), features(text[:at] + digit + text[at + 1 :]))


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_linear_in_hostile_texts(piece: str) -> None:
    """Ten times what is measured on an idle machine; a quadratic expression would take seconds."""
    for length, seconds in ((9_999, 0.25), (100_000, 0.05)):
        text = (piece * length)[:length]
        times = []
        for _ in range(3):
            begun = time.perf_counter()
            features(text)
            times.append(time.perf_counter() - begun)
        assert min(times) < seconds
