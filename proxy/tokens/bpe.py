"""The vocabularies of this package as ``tiktoken.Encoding``: read from disk on first use, checked, never downloaded.

tiktoken fetches its ranks over the network; given them, it does not. Loading costs about 0.15 s and 50 MB, so nothing
here runs, and tiktoken is not even imported, before somebody wants an exact count.
"""

import gzip
import hashlib
import logging
import zlib
from binascii import a2b_base64
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from tiktoken import Encoding

VocabularyName = Literal["o200k_base", "cl100k_base"]

log = logging.getLogger("tollway.tokens")

_SLICE = 64 * 1024
"""Bytes of the rank file parsed per step: between steps the event loop's thread may have the GIL."""


class VocabularyError(RuntimeError):
    """A vocabulary cannot be used; counts fall back to estimates. The message says what to do."""


class Vocabulary(Struct, frozen=True, kw_only=True):
    """A BPE vocabulary: its rank file, the SHA-256 of that file unpacked, and the pattern that splits text into words."""

    name: VocabularyName
    sha256: str
    ranks: int
    pattern: str
    special_tokens: dict[str, int]


VOCABULARIES: dict[VocabularyName, Vocabulary] = {
    vocabulary.name: vocabulary
    for vocabulary in (
        Vocabulary(
            name="o200k_base",
            sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
            ranks=199_998,
            pattern="|".join(
                (
                    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                    r"\p{N}{1,3}",
                    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
                    r"\s*[\r\n]+",
                    r"\s+(?!\S)",
                    r"\s+",
                )
            ),
            special_tokens={"<|endoftext|>": 199_999, "<|endofprompt|>": 200_018},
        ),
        Vocabulary(
            name="cl100k_base",
            sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
            ranks=100_256,
            pattern="|".join(
                (
                    r"'(?i:[sdmt]|ll|ve|re)",
                    r"[^\r\n\p{L}\p{N}]?+\p{L}++",
                    r"\p{N}{1,3}+",
                    r" ?[^\s\p{L}\p{N}]++[\r\n]*+",
                    r"\s++$",
                    r"\s*[\r\n]",
                    r"\s+(?!\S)",
                    r"\s",
                )
            ),
            special_tokens={
                "<|endoftext|>": 100_257,
                "<|fim_prefix|>": 100_258,
                "<|fim_middle|>": 100_259,
                "<|fim_suffix|>": 100_260,
                "<|endofprompt|>": 100_276,
            },
        ),
    )
}
"""The patterns are part of the encodings' definition; a test holds them to those that tiktoken ships."""


class VocabularyStore:
    """Encodings by name, each built once, whichever thread asks first."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = Lock()
        self._built: dict[VocabularyName, Encoding] = {}
        self._failed: dict[VocabularyName, VocabularyError] = {}

    def ready(self, name: VocabularyName) -> bool:
        """Will ``encoding`` answer at once, with an encoding or with its error?"""
        return name in self._built or name in self._failed

    def encoding(self, name: VocabularyName) -> "Encoding":
        """The encoding, loaded on first use (about 0.15 s). Raises VocabularyError, the same one every time."""
        encoding = self._built.get(name)
        if encoding is not None:
            return encoding
        with self._lock:
            if name in self._failed:
                raise self._failed[name]
            if name not in self._built:
                try:
                    self._built[name] = _build(VOCABULARIES[name], self.directory)
                except VocabularyError as error:
                    self._failed[name] = error
                    log.error("%s Token counts are estimated from bytes until then.", error)
                    raise
            return self._built[name]


SHIPPED = VocabularyStore(Path(__file__).with_name("vocabularies"))
"""The vocabularies inside this package."""


def _build(vocabulary: Vocabulary, directory: Path) -> "Encoding":
    try:
        from tiktoken import Encoding  # noqa: PLC0415 - 11 ms and 5 MB that most requests never need
    except ImportError as error:
        raise VocabularyError("tiktoken cannot be imported: install it with `pip install 'tiktoken>=0.13'`.") from error

    ranks = _read_ranks(vocabulary, directory)
    encoding = Encoding(
        vocabulary.name, pat_str=vocabulary.pattern, mergeable_ranks=ranks, special_tokens=vocabulary.special_tokens
    )
    # The engine has its own copy by now; encoding text never looks here again, and 20 to 30 MB go back.
    ranks.clear()
    return encoding


def _read_ranks(vocabulary: Vocabulary, directory: Path) -> dict[bytes, int]:
    path = directory / f"{vocabulary.name}.tiktoken.gz"
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise VocabularyError(f"Vocabulary {path} cannot be read ({error}): reinstall tollway.") from error

    found = hashlib.sha256(data).hexdigest()
    if found != vocabulary.sha256:
        raise VocabularyError(
            f"Vocabulary {path} is damaged (SHA-256 {found[:12]}…, expected {vocabulary.sha256[:12]}…): reinstall tollway."
        )

    ranks: dict[bytes, int] = {}
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + _SLICE) + 1 or len(data)
        fields = data[start:end].split()
        ranks.update(zip(map(a2b_base64, fields[::2]), map(int, fields[1::2]), strict=True))
        start = end
    if len(ranks) != vocabulary.ranks:
        raise VocabularyError(f"Vocabulary {path} holds {len(ranks)} ranks, not {vocabulary.ranks}: reinstall tollway.")
    return ranks
