"""What recordings and files cost in tokens, from their size alone: bounds, not counts.

A recording costs by the second, a document by its text and one image a page, neither of which is read here.
"""

from .estimate import ATTACHMENT_LIKELY, likely_tokens
from .images import decode_base64

TOKENS_A_SECOND = {"gemini": 32, "gemini-2": 32}
"""Of audio; 10 for every other family."""

COMPRESSED = 2_000
"""Bytes a second of a compressed recording: 16 kbit/s, less than speech is usually given."""

PCM = 48_000
"""Bytes a second of raw ``pcm16``: 24 kHz, 16 bits, one channel."""

SLOWEST_WAV = 8_000
"""Bytes a second, the least that a WAV header is believed."""


def audio_tokens(family: str, data: bytes, length: int, audio_format: str) -> int:
    """Tokens of a recording. ``data`` is the start of its base64, ``length`` all of it in characters."""
    size = length * 3 // 4
    rate = COMPRESSED
    if audio_format == "wav":
        header = decode_base64(data[:64])
        rate = max(SLOWEST_WAV, int.from_bytes(header[28:32], "little")) if header.startswith(b"RIFF") else SLOWEST_WAV
        rate = min(rate, 400_000)
    elif audio_format == "pcm16":
        rate = PCM
    return -(-size * TOKENS_A_SECOND.get(family, 10) // rate)


def file_tokens(head: bytes, length: int) -> int:
    """Tokens of a file whose data URL (or bare base64) starts with ``head`` and has ``length`` characters; 0: is elsewhere."""
    if not length:
        return ATTACHMENT_LIKELY
    size = length * 3 // 4
    if head.startswith(b"data:text/"):
        return likely_tokens(size)
    return max(ATTACHMENT_LIKELY, size // 4)
