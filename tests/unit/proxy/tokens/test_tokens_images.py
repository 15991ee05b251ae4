"""Image arithmetic against published values, and sizes read from real headers."""

import base64
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tokens.attachments import audio_tokens, file_tokens
from proxy.tokens.encodings import tokenizer_for
from proxy.tokens.images import Size, decode_base64, image_size, image_tokens, size_of_data_url

SIZES = [(256, 256), (512, 512), (1024, 1024), (1920, 1080), (3840, 2160), (4032, 3024)]


@pytest.mark.parametrize(
    ("model", "detail", "tokens"),
    [
        ("gpt-6-astra", "auto", [77, 308, 1229, 2448, 9792, 14364]),
        ("gpt-6-astra", "high", [77, 308, 1229, 2448, 2931, 2942]),
        ("gpt-5.5", "auto", [77, 308, 1229, 2448, 9792, 11868]),
    ],
)
def test_patch_models_match_measured_values(model: str, detail: str, tokens: list[int]) -> None:
    assert [image_tokens(tokenizer_for(model), size, detail) for size in SIZES] == tokens


@pytest.mark.parametrize(
    ("model", "size", "detail", "tokens"),
    [
        ("gpt-4o", (1024, 1024), "high", 765),
        ("gpt-4o", (2048, 4096), "high", 1105),
        ("gpt-4o", (4096, 8192), "low", 85),
        ("gpt-4o", (512, 512), "auto", 255),
        ("gpt-4o", (513, 512), "auto", 425),
        ("gpt-4o", None, "auto", 1445),
        ("gpt-4o", None, "low", 85),
        ("gpt-4.1", (768, 2048), "high", 1445),
        ("gpt-4-turbo", (1024, 1024), "auto", 765),
        ("gpt-4o-mini", (1024, 1024), "high", 25_501),
        ("o1", (1024, 1024), "high", 675),
        ("o3", (512, 512), "high", 225),
        ("gpt-5", (1024, 1024), "high", 630),
        ("gpt-5.1", (1024, 1024), "high", 630),
        ("computer-use-preview", (512, 512), "high", 194),
        ("gpt-5-mini", (1024, 1024), "auto", 1659),
        ("gpt-5-nano", (1024, 1024), "auto", 2520),
        ("gpt-4.1-nano", (1800, 2400), "auto", 3572),  # 1452 patches
        ("o4-mini", (1800, 2400), "auto", 2498),
        ("gpt-5.4", (4032, 3024), "original", 11_868),
        ("gpt-5.6-sol", (1024, 1024), "low", 308),
        ("gpt-6-luna", None, "auto", 36_000),
        ("gpt-6-luna", None, "high", 3000),
    ],
)
def test_rules_of_each_family(model: str, size: Size | None, detail: str, tokens: int) -> None:
    assert image_tokens(tokenizer_for(model), size, detail) == tokens


@pytest.mark.parametrize(
    ("model", "measured"),
    [
        ("claude-sonnet-4-5", [100, 361, 1369, 1560, 1592, 1596]),
        ("claude-opus-4-7", [100, 361, 1369, 2691, 2992, 3928]),
        ("gemini-3-pro", [1090, 1090, 1090, 1101, 1101, 1065]),
    ],
)
def test_other_families_are_bounded_and_exact_where_nothing_is_resized(model: str, measured: list[int]) -> None:
    for size, tokens in zip(SIZES, measured, strict=True):
        counted = image_tokens(tokenizer_for(model), size)
        assert tokens <= counted <= tokens * 1.65
        if model.startswith("claude") and size[0] <= 1024:
            assert counted == tokens


@given(
    st.sampled_from(
        ["gpt-4o", "gpt-4o-mini", "gpt-5-mini", "gpt-5.2", "gpt-5.5", "gpt-6", "claude-opus-5", "gemini-2.5-pro", "x"]
    ),
    st.tuples(st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1)),
    st.sampled_from(["auto", "high", "low", "original", "nonsense"]),
)
def test_no_size_costs_more_than_an_unknown_one(model: str, size: Size, detail: str) -> None:
    tokenizer = tokenizer_for(model)
    assert 0 < image_tokens(tokenizer, size, detail) <= image_tokens(tokenizer, None, detail)


def _png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + b"IHDR"
        + header
        + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )


def _jpeg(width: int, height: int, *, before: int = 0, marker: int = 0xC0) -> bytes:
    exif = b"\xff\xe1" + struct.pack(">H", 2 + before) + b"e" * before
    return (
        b"\xff\xd8"
        + exif
        + b"\xff\xdb\x00\x04\x00\x00"
        + bytes((0xFF, marker))
        + struct.pack(">HBHHB", 17, 8, height, width, 3)
    )


def _webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 100) + b"WEBP" + kind + struct.pack("<I", len(body)) + body + bytes(20)


HEADERS = {
    "png": _png(640, 480),
    "gif": b"GIF89a" + struct.pack("<HH", 640, 480),
    "jpeg": _jpeg(640, 480),
    "jpeg, progressive": _jpeg(640, 480, marker=0xC2),
    "jpeg, 30 KB of EXIF": _jpeg(640, 480, before=30_000),
    "webp, lossy": _webp(b"VP8 ", b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 640, 480)),
    "webp, lossless": _webp(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 479 << 14)),
    "webp, extended": _webp(b"VP8X", b"\x00\x00\x00\x00" + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_sizes_are_read_from_headers(kind: str) -> None:
    assert image_size(HEADERS[kind]) == (640, 480)
    url = b'"data:image/any;base64,' + base64.b64encode(HEADERS[kind] + b"\xff\xfe\xfd" * 1000)
    assert size_of_data_url(url + b'"') == (640, 480)
    assert size_of_data_url(url.replace(b"/", b"\\/")) == (640, 480)


@pytest.mark.parametrize("kind", HEADERS)
def test_every_cut_and_every_flipped_byte_is_survived(kind: str) -> None:
    head = HEADERS[kind][:200]
    for place in range(len(head)):
        assert image_size(head[:place]) in (None, (640, 480))
        flipped = bytearray(head)
        flipped[place] ^= 0xFF
        found = image_size(bytes(flipped))
        assert found is None or min(found) > 0


@given(st.binary(max_size=200))
def test_noise_has_no_size_that_is_not_positive(data: bytes) -> None:
    for magic in (b"", b"\xff\xd8\xff", b"RIFF____WEBPVP8 ", b"\x89PNG\r\n\x1a\n", b"GIF89a"):
        found = image_size(magic + data)
        assert found is None or min(found) > 0
    decode_base64(data)
    assert size_of_data_url(b"data:;base64," + data) is None or data


def test_recordings_cost_by_their_length() -> None:
    openai = tokenizer_for("gpt-4o").family
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
    wav = b"RIFF" + bytes(4) + b"WAVE" + form + b"data" + bytes(4) + bytes(32_000 * 3)
    data = base64.b64encode(wav)
    assert audio_tokens(openai, data[:256], len(data), "wav") == pytest.approx(30, abs=1)
    assert audio_tokens(tokenizer_for("gemini-3-pro").family, data[:256], len(data), "wav") == pytest.approx(96, abs=2)
    assert audio_tokens(openai, b"", 64_000, "pcm16") == 10
    assert audio_tokens(openai, b"", 64_000, "mp3") == 240
    assert audio_tokens(openai, b"!!", 64_000, "wav") == 60


def test_files_cost_by_their_size() -> None:
    assert file_tokens(b"", 0) == 3000
    assert file_tokens(b"data:application/pdf;base64,", 4_000_000) == 750_000
    assert file_tokens(b"data:text/plain;base64,", 4_000) == 1200
