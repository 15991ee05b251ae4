"""Deterministic English, ids, token counts and vectors: the same numbers in, the same text out, and no clock.

A token of an answer is one piece: a word with the space before it, or one punctuation mark.
"""

import math
import re
import struct
from collections.abc import Iterator
from hashlib import blake2b

MASK = (1 << 64) - 1
EPOCH = 1_760_000_000
DEFAULT_TOKENS = 24

_SENTENCES = (
    "Done",
    "Yes.",
    "All clear.",
    "The road bends.",
    "The gate is open.",
    "A bridge carries the road.",
    "Every car pays its own way.",
    "The morning lanes are quiet and dry.",
    "Nobody waits long when the barrier is up.",
    "The river under the bridge runs slow in summer.",
    "Rain fell on the hills before the first truck arrived.",
    "A good map shows the short way and the safe way.",
    "The keeper counts each wheel, writes it down and opens the gate.",
    "When the fog lifts you can see the old mill from the road.",
    "Keep to the right.",
    "Two lanes lead north.",
    "The lamp burns all night.",
    "Small coins add up by evening.",
    "The next village lies past the wood.",
    "A clear sign saves a hundred wrong turns.",
    "The ferry stops at nine, but the bridge stays open.",
    "Good stone lasts longer than the people who laid it.",
    "Drivers like a road that tells them what comes next.",
    "The clerk wrote the number twice so that nobody could mistake it.",
    "Wind from the east brings the smell of bread and warm asphalt.",
    "If the bell rings once, the road ahead is free.",
)
_PIECES = re.compile(r"\s*\w+|\s*[^\w\s]|\s+$")
_WORDS = re.compile(r"\w+")


def digest(*parts: bytes) -> int:
    """Return 64 bits that depend on every part and on where the parts divide."""
    state = blake2b(digest_size=8)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return int.from_bytes(state.digest(), "little")


def stream(seed: int) -> Iterator[int]:
    """Yield 64-bit numbers for ever (splitmix64)."""
    state = seed & MASK
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        yield mixed ^ (mixed >> 31)


def identifier(prefix: str, seed: int) -> str:
    """Return `prefix` and 24 hexadecimal digits."""
    numbers = stream(seed)
    return f"{prefix}{next(numbers):016x}{next(numbers) & 0xFFFFFFFF:08x}"


def created(seed: int) -> int:
    """Return a time in Unix seconds that is derived, not read."""
    return EPOCH + seed % 10_000_000


def pieces_of(text: str) -> list[str]:
    """Split `text` into tokens; joined they are `text` again."""
    return _PIECES.findall(text)


_BY_LENGTH: dict[int, list[list[str]]] = {}
for _sentence in _SENTENCES:
    _pieces = pieces_of(_sentence)
    _BY_LENGTH.setdefault(len(_pieces), []).append(_pieces)
_LONGEST = max(_BY_LENGTH)
_COMMON = [pieces for length, choices in sorted(_BY_LENGTH.items()) if length >= 5 for pieces in choices]


def sentences(seed: int, count: int) -> list[str]:
    """Return exactly `count` pieces of whole English sentences."""
    numbers = stream(seed)
    pieces: list[str] = []
    left = count
    while left:
        if left > _LONGEST + 5:
            chosen = _COMMON[next(numbers) % len(_COMMON)]
        elif left > _LONGEST:
            choices = _BY_LENGTH[left // 2]
            chosen = choices[next(numbers) % len(choices)]
        else:
            choices = _BY_LENGTH[left]
            chosen = choices[next(numbers) % len(choices)]
        if pieces:
            pieces.append(" " + chosen[0])
            pieces.extend(chosen[1:])
        else:
            pieces.extend(chosen)
        left -= len(chosen)
    return pieces


def text_tokens(text: str) -> int:
    """Return the mock's count for text of a request: a token for every four UTF-8 bytes begun."""
    return (len(text.encode("utf-8", "surrogatepass")) + 3) // 4


def vector(seed: int, text: str, dimensions: int) -> bytes:
    """Return a unit vector as little-endian float32; texts that share words lie close to one another."""
    values = [0.0] * dimensions
    lowered = text.lower()
    for word in _WORDS.findall(lowered) or [lowered]:
        number = digest(word.encode("utf-8", "surrogatepass"), seed.to_bytes(8, "little"))
        for _ in range(4):
            values[number % dimensions] += 1.0 if number & 0x8000 else -1.0
            number = (number >> 16) | ((number & 0xFFFF) << 48)
    numbers = stream(digest(text.encode("utf-8", "surrogatepass"), seed.to_bytes(8, "little")))
    for index in range(0, dimensions, 7):
        values[index] += (next(numbers) % 1001 - 500) / 20_000
    length = math.sqrt(sum(value * value for value in values)) or 1.0
    return struct.pack(f"<{dimensions}f", *(value / length for value in values))
