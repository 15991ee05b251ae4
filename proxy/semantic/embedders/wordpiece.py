"""The tokenizer of BERT's uncased models, which MiniLM reads: the vocabulary ships with this package and is checked when it is read.

Agrees with the library ``tokenizers`` on every character that Unicode 8 knows; the vocabulary has none that is newer.
"""

import gzip
import hashlib
import re
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from ...protocols import EmbedderFailed

VOCABULARY = Path(__file__).with_name("uncased.vocab.gz")
SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
"""Of the unpacked vocabulary, byte for byte as it was published with BERT."""

LONGEST_WORD = 100
"""Characters of a word beyond which it is unknown."""

FOLDED = 20_000
"""Characters whose folding is remembered."""

_SPECIAL = re.compile(r"(\[(?:PAD|UNK|CLS|SEP|MASK)\])")
"""Tokens of their own wherever they stand in a text, in these capitals."""

_IDEOGRAPHS = (
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B81F), (0x2B920, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)  # fmt: skip
"""Each is a word. The last but one begins too late in the reference, and so in what the models were trained on."""


class _Folding(dict[int, str]):
    """What becomes of a character of decomposed text, for ``str.translate``: dropped, a space, a word of its own, or its small letter."""

    def __missing__(self, code: int) -> str:
        folded = _folded(chr(code))
        if len(self) < FOLDED:
            self[code] = folded
        return folded


def _folded(character: str) -> str:
    if character in "\t\n\r":
        return " "
    category = unicodedata.category(character)
    if category == "Mn" or category in ("Cc", "Cf", "Cs", "Co") or character in "\x00\ufffd":
        return ""
    if character.isspace():
        return " "
    code = ord(character)
    if (
        category[0] == "P"
        or (code < 128 and category[0] == "S")
        or any(first <= code <= last for first, last in _IDEOGRAPHS)
    ):
        return f" {character} "
    return character.lower()


class WordPiece(Struct, frozen=True):
    """``pieces``: number of each piece of a word; those that continue one begin with ``##``."""

    pieces: dict[str, int]
    longest: int
    """Characters of the longest piece."""
    folding: dict[int, str]

    @classmethod
    def read(cls) -> "WordPiece":
        """The vocabulary of this package. Raises ``EmbedderFailed`` where the file is not what it was made as. Takes some 20 ms."""
        try:
            packed = gzip.decompress(VOCABULARY.read_bytes())
        except (OSError, EOFError, zlib.error) as error:
            raise EmbedderFailed(
                "error", f"{VOCABULARY.name} cannot be read ({error}); install tollway again"
            ) from None
        if hashlib.sha256(packed).hexdigest() != SHA256:
            raise EmbedderFailed("error", f"{VOCABULARY.name} is damaged; install tollway again")
        pieces = {piece: number for number, piece in enumerate(packed.decode().splitlines())}
        return cls(pieces, max(map(len, pieces)), _Folding())

    def numbers(self, text: str, most: int) -> list[int]:
        """The text between ``[CLS]`` and ``[SEP]``. Of a text of more than ``most`` tokens more than ``most``, but not all."""
        found = [self.pieces["[CLS]"]]
        for word in self._words(text):
            number = self.pieces.get(word)
            if number is None:
                found += self._split(word)
            else:
                found.append(number)
            if len(found) >= most:
                break
        found.append(self.pieces["[SEP]"])
        return found

    def _words(self, text: str) -> Iterator[str]:
        for part in _SPECIAL.split(text) if "[" in text else (text,):
            if _SPECIAL.fullmatch(part):
                yield part
            else:
                decomposed = part if part.isascii() else unicodedata.normalize("NFD", part)
                yield from decomposed.translate(self.folding).split()

    def _split(self, word: str) -> list[int]:
        """The longest pieces from the left; a word that has a part in no vocabulary is unknown as a whole."""
        unknown = [self.pieces["[UNK]"]]
        if len(word) > LONGEST_WORD:
            return unknown
        found: list[int] = []
        begin = 0
        while begin < len(word):
            mark = "##" if begin else ""
            for end in range(min(len(word), begin + self.longest), begin, -1):
                number = self.pieces.get(mark + word[begin:end])
                if number is not None:
                    break
            else:
                return unknown
            found.append(number)
            begin = end
        return found
