"""The tables do not contradict each other: nothing is folded twice, and nothing that a guard watches over is folded away."""

from itertools import chain

from proxy.semantic.guards import GUARDS
from proxy.semantic.guards.folding import folded
from proxy.semantic.guards.tables.courtesy import CLOSINGS, LONGEST, OPENINGS, REQUESTS
from proxy.semantic.guards.tables.meaning import ANTONYMS, MODALITY, NEGATIONS, PERSON
from proxy.semantic.guards.tables.names import ACRONYMS, NAMES, ORDINARY
from proxy.semantic.guards.tables.phrases import CONTRACTIONS, PHRASES, SINGLE
from proxy.semantic.guards.tables.quantities import ORDINALS, SPELT_UNITS, UNITS
from proxy.semantic.proof.pairs import built_in

BOTH_WORD_AND_NAME = frozenset(
    """turkey polish rust apple windows excel china chad jordan may march august us it who amazon target word python java go swift ruby
    mercury mars nice reading bath cork orange shell gap bill mark rose jack will aids led ram android fedora""".split()
)
PHRASE_ROWS = list(chain.from_iterable(PHRASES.values()))


def test_what_stands_for_all_is_folded_no_further() -> None:
    for words in chain(SINGLE.values(), SPELT_UNITS.values(), ORDINALS.values(), CONTRACTIONS.values()):
        tokens = words.split()
        assert folded(tokens) == tokens
    for _, stands in PHRASE_ROWS:
        assert folded(list(stands)) == list(stands)


def test_no_opposites_stand_for_each_other() -> None:
    for word, stands in SINGLE.items():
        assert frozenset((word, stands)) not in ANTONYMS
    for pair in ANTONYMS:
        one, other = pair
        assert folded(["to", one]) != folded(["to", other])
        assert folded([one]) != folded([other])


def test_no_negation_is_folded_away() -> None:
    for word in NEGATIONS - {"cannot"}:
        assert folded(["it", word, "is"]) == ["it", word, "is"]
    assert all("not" in stands.split() for word, stands in CONTRACTIONS.items() if word.endswith("n't"))


def test_persons_and_modal_verbs_stand_for_themselves_alone() -> None:
    for word in PERSON | MODALITY:
        assert SINGLE.get(word, word) == word


def test_a_name_that_is_also_a_word_keeps_its_case() -> None:
    assert BOTH_WORD_AND_NAME.isdisjoint(NAMES | ACRONYMS)
    assert BOTH_WORD_AND_NAME.isdisjoint(ORDINARY - {"go"})


def test_units_of_other_sizes_stay_apart() -> None:
    assert len({UNITS.get(unit, unit) for unit in ("kB", "KB", "KiB", "MB", "Mb", "MiB", "GB", "Gb", "GiB")}) == 9
    assert (
        len({UNITS.get(unit, unit) for unit in ("km", "miles", "meters", "cm", "mm", "feet", "inches", "yards")}) == 8
    )


def test_courtesies_fit_the_window_in_which_they_are_looked_for() -> None:
    assert max(map(len, CLOSINGS | REQUESTS | OPENINGS)) <= LONGEST


def test_folding_twice_is_folding_once() -> None:
    for pair in built_in():
        tokens = folded(pair.a.rstrip("?.!").lower().split())
        assert folded(tokens) == tokens, pair.a


def test_guards_have_plain_names() -> None:
    assert len(set(GUARDS)) == len(GUARDS)
    assert all(name.isalpha() and name.islower() for name in GUARDS)
