"""The tokens of one text, exactly, whatever the text: special tokens are text, long runs are cut, engine faults estimated."""

from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING

from .bpe import SHIPPED, VocabularyError, VocabularyName, VocabularyStore
from .encodings import Tokenizer
from .estimate import estimate_text
from .memo import Counted, Memo, key_of

if TYPE_CHECKING:
    from tiktoken import Encoding

CHUNK = 32 * 1024
"""Characters given to the engine at once. A million spaces overflow its regex stack; this is far below."""

BACKTRACK = 2048
"""Characters before a chunk's end in which a clean cut is looked for."""

LARGEST = 2 * 1024 * 1024
"""Characters counted in full; of a longer text half as many are sampled and the rest is extrapolated."""

MEMOS: dict[VocabularyName, Memo] = {
    "o200k_base": Memo(max_bytes=8 * 1024 * 1024),
    "cl100k_base": Memo(max_bytes=4 * 1024 * 1024),
}
"""One memory a vocabulary, shared by all threads of the process."""

NOTHING = Counted(0, "counted")


def count_text(text: str, vocabulary: VocabularyName, *, store: VocabularyStore = SHIPPED) -> Counted:
    """Tokens of ``text`` as ordinary text: ``<|endoftext|>`` is 7 of them. Never raises on account of the text."""
    if not text:
        return NOTHING
    if len(text) > LARGEST:
        return _encode(text, vocabulary, store)

    memo = MEMOS[vocabulary]
    key = key_of(text)
    counted = memo.get(key)
    if counted is None:
        counted = _encode(text, vocabulary, store)
        if counted.source == "counted":
            memo.put(key, counted)
    return counted


def count_piece(text: str, vocabulary: VocabularyName, *, store: VocabularyStore = SHIPPED) -> int:
    """Tokens of a piece of text that will hardly come again, so that it is not remembered."""
    return _encode(text, vocabulary, store).tokens if text else 0


def count_for(tokenizer: Tokenizer, text: str, *, store: VocabularyStore = SHIPPED) -> Counted:
    """Tokens of a text for a model: counted, then stretched if the vocabulary is not the model's own."""
    counted = count_text(text, tokenizer.vocabulary, store=store)
    if tokenizer.source == "counted":
        return counted
    return Counted(ceil(counted.tokens * tokenizer.factor), "estimated")


def _encode(text: str, vocabulary: VocabularyName, store: VocabularyStore) -> Counted:
    try:
        encoding = store.encoding(vocabulary)
    except VocabularyError:
        return Counted(estimate_text(text), "estimated")
    try:
        if len(text) <= LARGEST:
            return Counted(count_chunks(encoding, chunks(text)), "counted")
        sample = _sample(text)
        tokens = count_chunks(encoding, sample)
    except ValueError:
        # tiktoken's word for a regex that ran out of stack.
        return Counted(estimate_text(text), "estimated")
    except BaseException as fault:
        # A Rust panic arrives as pyo3_runtime.PanicException, which no module exports; all else is not ours to stop.
        if type(fault).__module__ != "pyo3_runtime":
            raise
        return Counted(estimate_text(text), "estimated")
    return Counted(-(-tokens * len(text) // sum(map(len, sample))), "estimated")


def count_chunks(encoding: "Encoding", parts: Iterator[str] | list[str]) -> int:
    """Tokens of all parts."""
    # encode_to_numpy would save the list of ints, but needs numpy, which the core does not have. A chunk's list is at
    # most a few tens of thousands of small ints, so the GIL is held for well under a millisecond either way.
    return sum(len(encoding.encode_ordinary(part)) for part in parts)


def chunks(text: str) -> Iterator[str]:
    """``text`` in pieces of at most CHUNK characters, cut where both vocabularies start a new word anyway, if there is such a place.

    A cut elsewhere (a run without spaces) can add a token or two.
    """
    start = 0
    while len(text) - start > CHUNK:
        end = _cut(text, start + CHUNK)
        yield text[start:end]
        start = end
    yield text[start:] if start else text


def _cut(text: str, end: int) -> int:
    """The last place at or before ``end`` where a space follows a visible character, else ``end``."""
    low = end - BACKTRACK
    place = end
    for _ in range(32):
        place = text.rfind(" ", low, place)
        if place <= low:
            return end
        if not text[place - 1].isspace():
            return place
    return end


def _sample(text: str) -> list[str]:
    """Evenly spread chunks, LARGEST / 2 characters in all."""
    number = LARGEST // 2 // CHUNK
    step = (len(text) - CHUNK) / (number - 1)
    starts = [int(step * i) for i in range(number)]
    return [text[start : start + CHUNK] for start in starts]
