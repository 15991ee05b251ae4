"""Is a text English, so that the tables may be used? And is it about words, so that not even they may?

``What is a synonym for big?`` and ``... for large?`` are two questions; so are two texts to be translated.
"""

from collections.abc import Sequence
from itertools import pairwise

from .tables.courtesy import IMPERATIVES
from .tables.languages import ENGLISH, OTHERS, PERHAPS_ENGLISH
from .tables.names import LANGUAGES, ORDINARY
from .tables.phrases import CONTRACTIONS, SPELLINGS

ABOUT_WORDS = frozenset(
    """translate translated translating translation translations spell spelt spelled spelling misspelled grammar grammatical grammatically
    synonym synonyms antonym antonyms opposite rhyme rhymes rhyming word words phrase phrases sentence sentences paragraph letter letters
    character characters syllable syllables vowel vowels consonant consonants pronounce pronounced pronunciation accent etymology say
    saying said says mean means meaning meant define defined definition correct correctly rewrite rephrase reword paraphrase proofread
    print prints printed output echo shorter uppercase lowercase capitalize capitalise capital-letters acronym abbreviation abbreviate abbreviated stand stands plural
    singular verb noun adjective adverb pronoun tense idiom slang proverb anagram palindrome speech term terms called title titled
    quote quotation lyrics regex text ascii unicode emoji typed written reads named type spellings hyphenated hyphenate string strings spell-check punctuation
    hyphen apostrophe comma wording summarise summarize edit""".split()
)  # fmt: skip

MARKERS = ENGLISH | CONTRACTIONS.keys()
COMMON = PERHAPS_ENGLISH | ORDINARY
SPELT = (SPELLINGS.keys() | frozenset(SPELLINGS.values())) - frozenset(("use", "using"))
NATIONS = frozenset(
    """american americans American Americans british British brits Brits britain Britain english English england England usa USA us US uk UK
    america America canada Canada canadian Canadian canadians Canadians australia Australia australian Australian australians
    Australians London london Oxford oxford Webster""".split()
)  # fmt: skip
"""Beside one of these a word that is spelt in two ways may be there for its spelling."""

CASED_LANGUAGES = LANGUAGES | frozenset(map(str.capitalize, LANGUAGES))
INTO = frozenset(("in", "into", "to", "from", "for"))


def is_english(tokens: Sequence[str]) -> bool:
    """By its small words. A text of names and nouns alone is not, and is compared as it stands."""
    if not OTHERS.isdisjoint(tokens) or (tokens and tokens[0].lower() in OTHERS):
        return False
    if not MARKERS.isdisjoint(tokens) or (tokens and tokens[0] in IMPERATIVES):
        return True
    return len(COMMON.intersection(tokens)) > 2


def is_about_words(tokens: Sequence[str], *, quotes: bool) -> bool:
    """Does the answer depend on which words are used, not only on what they mean? Pasted text counts: nobody knows what is wanted of it.

    ``quotes``: is there an apostrophe anywhere, so that a token may begin with one?
    """
    if is_named(tokens) or "\n" in tokens or ":" in tokens:
        return True
    if quotes and any(token[0] == "'" or token[1:] == "'s" for token in tokens):
        return True
    if not SPELT.isdisjoint(tokens) and (len(tokens) < 5 or not NATIONS.isdisjoint(tokens)):
        return True
    if "short" in tokens and ("short", "for") in pairwise(tokens):
        return True
    if CASED_LANGUAGES.isdisjoint(tokens):
        return False
    return any(token in CASED_LANGUAGES and before in INTO for before, token in pairwise(tokens))


def is_named(tokens: Sequence[str]) -> bool:
    """Does it say so itself?"""
    return not ABOUT_WORDS.isdisjoint(tokens)
