"""Counts of single texts: exact on every kind of text, and never the cause of a failure."""

import asyncio
from collections.abc import Iterator
from unittest import mock

import pytest
import tokens_reference as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tokens_corpus import ALL

from proxy.tokens import text as module
from proxy.tokens.bpe import SHIPPED, VOCABULARIES, VocabularyName
from proxy.tokens.estimate import estimate_text
from proxy.tokens.memo import Memo, key_of
from proxy.tokens.text import CHUNK, LARGEST, MEMOS, chunks, count_text


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    with mock.patch.dict(MEMOS, {name: Memo(max_bytes=1 << 20) for name in MEMOS}):
        yield


@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize("kind", ALL)
def test_counts_are_tiktokens(name: VocabularyName, kind: str) -> None:
    for text in (ALL[kind], ALL[kind] * 30):
        for _ in range(2):  # The second time from memory.
            assert count_text(text, name).tokens == reference.count(text, name)


def test_special_tokens_are_ordinary_text() -> None:
    assert count_text("<|endoftext|>", "o200k_base").tokens == 7


@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize("kind", ["english", "german", "russian", "python", "c", "html", "korean"])
def test_text_with_spaces_is_cut_without_loss(name: VocabularyName, kind: str) -> None:
    text = ALL[kind] * (3 * CHUNK // len(ALL[kind]))
    assert len(list(chunks(text))) > 2
    assert count_text(text, name).tokens == reference.count(text, name)


@pytest.mark.parametrize("name", VOCABULARIES)
def test_random_text_loses_nothing_where_a_clean_cut_exists(name: VocabularyName) -> None:
    mixed = "".join(ALL.values())
    with mock.patch.object(module, "CHUNK", 300), mock.patch.object(module, "BACKTRACK", 150):
        parts = list(chunks(mixed * 5))
        assert "".join(parts) == mixed * 5
        clean = sum(part.startswith(" ") for part in parts)
        total = sum(reference.count(part, name) for part in parts)
    cut_hard = len(parts) - 1 - clean
    assert clean > 10
    assert abs(total - reference.count(mixed * 5, name)) <= 2 * cut_hard


@pytest.mark.parametrize("kind", ["a", " ", "\t", "\n", "!", "中", "\u0301"])
def test_long_runs_are_counted(kind: str) -> None:
    text = kind * 100_000
    counted = count_text(text, "o200k_base")
    exact = reference.count(text)
    assert counted.source == "counted"
    assert exact <= counted.tokens <= exact + 2 * (len(text) // CHUNK)


def test_a_million_spaces_do_not_reach_the_engine_at_once() -> None:
    # In one piece this is what makes the engine panic.
    counted = count_text(" " * 1_000_000, "o200k_base")
    assert counted.source == "counted"
    assert 1_000_000 / 128 <= counted.tokens <= 1_000_000 / 128 + 100


def test_lone_surrogates_are_counted() -> None:
    for text in ("a\ud800b", "\udfff" * 2000, "x" * 40_000 + "\ud83d"):
        assert count_text(text, "o200k_base").source == "counted"
        assert estimate_text(text) > 0
    assert count_text("\ud83d\ude00", "o200k_base").tokens == reference.count("😀")


def test_beyond_the_limit_a_sample_stands_for_the_whole() -> None:
    unit = ALL["english"] + ALL["python"] + ALL["german"]
    text = unit * (3 * LARGEST // len(unit))
    with mock.patch.object(module, "count_chunks", wraps=module.count_chunks) as count:
        counted = count_text(text, "o200k_base")
    assert sum(map(len, count.call_args.args[1])) == LARGEST // 2
    assert counted.source == "estimated"
    assert counted.tokens == pytest.approx(reference.count(unit) * len(text) / len(unit), rel=0.02)
    assert len(MEMOS["o200k_base"]) == 0


# tiktoken's engine raises this class, which derives from BaseException and which no module exports.
_Panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})


@pytest.mark.parametrize("fault", [_Panic("stack overflow"), ValueError("regex stack")])
def test_engine_faults_become_estimates(fault: BaseException) -> None:
    with mock.patch.object(module, "count_chunks", side_effect=fault):
        counted = count_text("some unlucky text", "o200k_base")
    assert counted.source == "estimated"
    assert counted.tokens == estimate_text("some unlucky text")
    assert count_text("some unlucky text", "o200k_base").source == "counted"


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError(), MemoryError()])
def test_other_exceptions_pass(fault: BaseException) -> None:
    with mock.patch.object(module, "count_chunks", side_effect=fault), pytest.raises(type(fault)):
        count_text("some unlucky text", "o200k_base")


def test_the_panic_is_what_the_engine_really_raises() -> None:
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        SHIPPED.encoding("o200k_base").encode_ordinary(" " * 1_500_000)
    raised = caught.value
    assert type(raised).__module__ == "pyo3_runtime" or isinstance(raised, ValueError)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=200))
def test_any_text_counts_as_tiktoken_does_and_within_its_bytes(text: str) -> None:
    for name in VOCABULARIES:
        tokens = count_text(text, name).tokens
        assert tokens == reference.count(text, name)
        assert tokens <= len(text.encode("utf-8", "surrogatepass"))


def test_long_texts_are_remembered_by_digest_only() -> None:
    secret = "classified " * 500
    count_text(secret, "o200k_base")
    key = key_of(secret)
    assert isinstance(key, bytes)
    assert len(key) == 32
    assert MEMOS["o200k_base"].get(key) is not None
