"""Looking into compressed answers without being blown up."""

import gzip
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.relay import inflate
from proxy.relay.inflate import LIMIT, Inflater

TEXT = b'data: {"a":1}\n\n' * 50


@pytest.mark.parametrize("encoding", [None, b"", b"identity", b" Identity "])
def test_plain_answers_have_no_inflater(encoding: bytes | None) -> None:
    assert Inflater.for_encoding(encoding) is None


@given(cut=st.integers(0, 200))
@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        (b"gzip", gzip.compress(TEXT)),
        (b"X-GZIP", gzip.compress(TEXT)),
        (b"deflate", zlib.compress(TEXT)),
        (b"br", brotli.compress(TEXT)),
    ],
)
def test_any_split_gives_the_text(encoding: bytes, data: bytes, cut: int) -> None:
    inflater = Inflater.for_encoding(encoding)
    assert inflater is not None
    assert inflater.feed(data[:cut]) + inflater.feed(b"") + inflater.feed(data[cut:]) == TEXT
    assert not inflater.blind


def test_brotli_without_the_extra_is_blind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "brotli", None)
    inflater = Inflater.for_encoding(b"br")
    assert inflater is not None
    assert inflater.blind


def test_a_brotli_bomb_costs_what_is_looked_at() -> None:
    inflater = Inflater(b"br")
    assert len(inflater.feed(brotli.compress(bytes(4 * LIMIT)))) <= 2 * LIMIT
    assert inflater.blind


@pytest.mark.parametrize("encoding", [b"zstd", b"gzip, gzip", b"nonsense"])
def test_an_unknown_encoding_is_blind(encoding: bytes) -> None:
    inflater = Inflater.for_encoding(encoding)
    assert inflater is not None
    assert inflater.blind
    assert inflater.feed(b"anything") == b""


def test_garbage_makes_blind_and_never_raises() -> None:
    inflater = Inflater(b"gzip")
    assert inflater.feed(b"not gzip at all") == b""
    assert inflater.blind
    assert inflater.feed(gzip.compress(TEXT)) == b""


def test_a_bomb_is_bounded() -> None:
    compressor = zlib.compressobj(9)
    bomb = b"".join(compressor.compress(bytes(1024 * 1024)) for _ in range(64)) + compressor.flush()
    assert len(bomb) < 100_000
    inflater = Inflater(b"deflate")
    seen = sum(len(inflater.feed(bomb[at : at + 1000])) for at in range(0, len(bomb), 1000))
    assert seen <= LIMIT
    assert inflater.blind


def test_a_bomb_in_one_read_is_bounded() -> None:
    assert len(Inflater(b"deflate").feed(zlib.compress(bytes(4 * LIMIT)))) <= LIMIT


def test_exactly_the_limit_then_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "LIMIT", 1000)
    data = zlib.compress(bytes(5000))
    inflater = Inflater(b"deflate")
    assert len(inflater.feed(data)) == 1000
    assert inflater.feed(data) == b""


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_no_bytes_raise(pieces: list[bytes]) -> None:
    inflater = Inflater(b"gzip")
    for piece in pieces:
        inflater.feed(piece)
