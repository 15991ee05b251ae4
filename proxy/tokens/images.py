"""What an image costs in tokens: arithmetic on its size, which its first bytes tell; nothing is fetched.

Some models count tiles of 512 pixels, some patches of 32; other families have rules of their own. Whatever size is not
known (a remote URL, an unknown format) costs the most the model can charge.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64
from math import ceil, floor, sqrt

from msgspec import Struct

from .encodings import Tokenizer

HEADER = 64 * 1024
"""Characters of base64 looked at for the size of an image."""

Size = tuple[int, int]
"""Width and height in pixels."""


class TileRule(Struct, frozen=True):
    """``base`` plus ``tile`` for each 512-pixel tile, after a fit to 2048 by 2048 and a short side of 768."""

    base: int
    tile: int


class Fit(Struct, frozen=True):
    """What a level of detail allows: at most ``patches`` and, unless 0, ``longest`` pixels on either side."""

    patches: int
    longest: int = 0


class PatchRule(Struct, frozen=True, kw_only=True):
    """``multiplier`` tokens a 32-pixel patch. ``auto`` holds for every level of detail that is not named."""

    multiplier: float
    auto: Fit
    high: Fit | None = None
    low: Fit | None = None
    original: Fit | None = None


UNCAPPED = Fit(30_000)
"""No cap is documented; this many patches is the safety bound."""

_LOW = Fit(256, 512)
_OLDER = Fit(1536)
_LATEST = PatchRule(multiplier=1.2, auto=UNCAPPED, high=Fit(2500, 2048), low=_LOW)

_RULES: tuple[tuple[str, TileRule | PatchRule], ...] = (
    ("gpt-4o-mini", TileRule(2833, 5667)),
    ("gpt-4.1-mini", PatchRule(multiplier=1.62, auto=Fit(6144, 2048))),
    ("gpt-4.1-nano", PatchRule(multiplier=2.46, auto=_OLDER)),
    ("gpt-4", TileRule(85, 170)),
    ("chatgpt-4o", TileRule(85, 170)),
    ("o4-mini", PatchRule(multiplier=1.72, auto=_OLDER)),
    ("o1", TileRule(75, 150)),
    ("o3", TileRule(75, 150)),
    ("computer-use-preview", TileRule(65, 129)),
    ("gpt-5-mini", PatchRule(multiplier=1.62, auto=_OLDER)),
    ("gpt-5-nano", PatchRule(multiplier=2.46, auto=_OLDER)),
    ("gpt-5.1", TileRule(70, 140)),
    ("gpt-5.2", PatchRule(multiplier=1.2, auto=Fit(6144, 2048))),
    ("gpt-5.4", PatchRule(multiplier=1.2, auto=Fit(2500, 2048), low=_LOW, original=Fit(10_000, 6000))),
    ("gpt-5.5", PatchRule(multiplier=1.2, auto=Fit(10_000, 6000), high=Fit(2500, 2048), low=_LOW)),
    ("gpt-5.", _LATEST),
    ("gpt-5", TileRule(70, 140)),
    ("gpt-6", PatchRule(multiplier=1.2, auto=UNCAPPED, high=Fit(2500), low=_LOW)),
)
"""First match holds. Where sources conflict (gpt-4.1-mini) the larger figure stands."""

_UNKNOWN = PatchRule(multiplier=1.2, auto=Fit(2500))


def image_tokens(tokenizer: Tokenizer, size: Size | None, detail: str = "auto") -> int:
    """Tokens of one image for a model; the most it can cost if ``size`` is None."""
    family = tokenizer.family
    if family == "claude-older":
        return _claude_tokens(size, most=1568, resized=32)
    if family == "claude":
        return _claude_tokens(size, most=4784, resized=40)
    if family == "gemini":
        return 1120
    if family == "gemini-2":
        return _gemini_2_tokens(size)
    rule = _rule_for(tokenizer.name)
    if isinstance(rule, TileRule):
        return _tile_tokens(rule, size, detail)
    return _patch_tokens(rule, size, detail)


def _rule_for(name: str) -> TileRule | PatchRule:
    for prefix, rule in _RULES:
        if name.startswith(prefix):
            return rule
    return _UNKNOWN


def _tile_tokens(rule: TileRule, size: Size | None, detail: str) -> int:
    if detail == "low":
        return rule.base
    if size is None:
        return rule.base + 8 * rule.tile
    width, height = size
    scale = min(1.0, 2048 / max(width, height))
    scale = min(scale, 768 / min(width, height))
    return rule.base + rule.tile * _cells(width * scale, 512) * _cells(height * scale, 512)


def _patch_tokens(rule: PatchRule, size: Size | None, detail: str) -> int:
    fit = {"high": rule.high, "low": rule.low, "original": rule.original}.get(detail) or rule.auto
    return ceil(rule.multiplier * _patches(size, fit) - 1e-9)


def _patches(size: Size | None, fit: Fit) -> int:
    if size is None:
        return fit.patches
    width, height = float(size[0]), float(size[1])
    if fit.longest and max(size) > fit.longest:
        scale = fit.longest / max(size)
        width, height = width * scale, height * scale
    patches = _cells(width, 32) * _cells(height, 32)
    if patches <= fit.patches:
        return patches
    ratio = sqrt(32 * 32 * fit.patches / (width * height))
    across, down = width * ratio / 32, height * ratio / 32
    # Shrink a little more, so that one side is a whole number of patches; a strip narrower than one keeps its one row.
    shrink = min(floor(across) / across, floor(down) / down) or 1.0
    return min(fit.patches, _cells(across * shrink, 1) * _cells(down * shrink, 1))


def _cells(length: float, cell: int) -> int:
    """Cells needed for ``length``; what floating point adds to a whole number is not one more."""
    return max(1, ceil(length / cell - 1e-9))


def _claude_tokens(size: Size | None, *, most: int, resized: int) -> int:
    if size is None:
        return most + resized
    tokens = _cells(size[0], 28) * _cells(size[1], 28)
    return tokens if tokens <= most else most + resized


def _gemini_2_tokens(size: Size | None) -> int:
    if size is None:
        return 16 * 258
    width, height = size
    return 258 if max(size) <= 384 else 258 * min(16, _cells(width, 768) * _cells(height, 768))


def size_of_data_url(head: bytes) -> Size | None:
    """Width and height from the start of a ``data:image/…;base64,…`` URL as it stands in JSON; None if it does not say."""
    start = head.find(b";base64,", 0, 256)
    if start < 0:
        return None
    return image_size(decode_base64(head[start + 8 : start + 8 + HEADER]))


def decode_base64(data: bytes) -> bytes:
    """The bytes of a base64 text that may be cut off, with JSON's escaped slashes; empty if it is none."""
    data = data.split(b'"', 1)[0].replace(b"\\/", b"/").rstrip(b"\\")
    try:
        return a2b_base64(data[: len(data) // 4 * 4])
    except Base64Error:
        return b""


def image_size(data: bytes) -> Size | None:
    """Width and height in pixels from the first bytes of a PNG, JPEG, GIF or WebP; None if they do not tell."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 24:
        size = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    elif data.startswith((b"GIF87a", b"GIF89a")) and len(data) >= 10:
        size = int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    elif data.startswith(b"\xff\xd8"):
        size = _jpeg_size(data)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        size = _webp_size(data)
    else:
        return None
    return size if min(size) > 0 else None


def _jpeg_size(data: bytes) -> Size:
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[place + 7 : place + 9], "big"), int.from_bytes(
                data[place + 5 : place + 7], "big"
            )
        else:
            place += 2 + max(2, int.from_bytes(data[place + 2 : place + 4], "big"))
    return 0, 0


def _webp_size(data: bytes) -> Size:
    kind = data[12:16]
    if len(data) < 30:
        return 0, 0
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return 0, 0
