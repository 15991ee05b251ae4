"""The tokenizer gives what the library ``tokenizers`` gives for the same vocabulary, on whatever a client may send."""

import functools
import gzip
import random
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from proxy.protocols import EmbedderFailed
from proxy.semantic.embedders import wordpiece
from proxy.semantic.embedders.wordpiece import LONGEST_WORD, WordPiece

WORDS = WordPiece.read()
ALL = 1 << 20

OLD = unicodedata.ucd_3_2_0
"""Characters that Unicode 3.2 knew are known to the older tables of the reference."""

PARTS = [
    *"aAbZ09 .,;:!?'\"-_()[]{}<>/\\|@#$%^&*+=~`\t\n\r\x00\x07\x7f\x85\xa0\u200b\u200d\u2028\u3000\ufeff\ufffd",
    *"éÉßÄöñçøłİıΣςσкЙ中文字日本語한국어العربيةहिन्दीไทย\u0301\u0308\U0001f600\U0001f469\u200d\U0001f467\U00020000\uf900",
    "the", "unaffable", "##ing", "[CLS]", "[SEP]", "[MASK]", "[cls]", "[UNK", "can't", "U.S.A.", "x" * LONGEST_WORD,
    "x" * (LONGEST_WORD + 1), "http://example.com/a?b=c", "snake_case", "1,000.50", "  ",
]  # fmt: skip


@functools.cache
def reference() -> Tokenizer:
    """As MiniLM's own files set it up."""
    made = Tokenizer(models.WordPiece(WORDS.pieces, unk_token="[UNK]", max_input_chars_per_word=LONGEST_WORD))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", WORDS.pieces["[CLS]"]), ("[SEP]", WORDS.pieces["[SEP]"])]
    )
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return made


def expected(text: str) -> list[int]:
    """By the reference."""
    found: list[int] = reference().encode(text).ids
    return found


def test_the_vocabulary_is_the_one_that_bert_was_published_with() -> None:
    assert len(WORDS.pieces) == 30_522
    assert [WORDS.pieces[token] for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the")] == [
        0, 100, 101, 102, 103, 1996,
    ]  # fmt: skip


def test_a_sentence_is_numbered() -> None:
    text = "How do I reset my password?"
    assert WORDS.numbers(text, ALL) == [101, 2129, 2079, 1045, 25141, 2026, 20786, 1029, 102] == expected(text)


def test_thousands_of_hostile_strings_agree() -> None:
    rng = random.Random(7)
    for _ in range(4000):
        text = "".join(rng.choices(PARTS, k=rng.randint(0, 30)))
        assert WORDS.numbers(text, ALL) == expected(text), repr(text)


def test_every_character_agrees() -> None:
    checked = 0
    for code in range(0x110000):
        character = chr(code)
        category = OLD.category(character)
        if category in ("Cn", "Cs") or category != unicodedata.category(character):
            continue  # unknown to the reference, or of another kind since
        if category == "Co" and code % 100:
            continue  # there are 137,000 private ones
        checked += 1
        assert WORDS.numbers(f"a{character}b", ALL) == expected(f"a{character}b"), hex(code)
    assert checked > 90_000


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec="latin-1"), max_size=120))
def test_any_western_text_agrees(text: str) -> None:
    assert WORDS.numbers(text, ALL) == expected(text)


def test_half_a_pair_of_surrogates_is_dropped() -> None:
    assert WORDS.numbers("a\ud800b", ALL) == expected("ab")


def test_of_a_long_text_only_so_much_is_numbered() -> None:
    assert 256 < len(WORDS.numbers("word " * 100_000, 256)) < 300
    assert len(WORDS.numbers("word " * 254, 256)) == 256
    assert WORDS.numbers("漢" * 1000, 100)[:99] == expected("漢" * 1000)[:99]


PACKED = wordpiece.VOCABULARY.read_bytes()


@pytest.mark.parametrize(
    "content", [b"", b"not gzip", PACKED[:-20], PACKED[:999] + b"?" + PACKED[1000:], gzip.compress(b"another")]
)
def test_a_damaged_vocabulary_is_refused(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "uncased.vocab.gz"
    damaged.write_bytes(content)
    monkeypatch.setattr(wordpiece, "VOCABULARY", damaged)
    with pytest.raises(EmbedderFailed, match="install tollway again"):
        WordPiece.read()
