"""What is kept of an answer while it leaves."""

import gzip
import zlib

import pytest

from proxy.cache.recording import Recording
from proxy.wire.answered import Entity
from proxy.wire.sse import COMMENT

SSE = [(b"content-type", b"Text/Event-Stream; charset=utf-8")]


def head(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, object]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def recorded(*parts: bytes, headers: list[tuple[bytes, bytes]] | None = None, limit: int = 1000) -> Recording:
    recording = Recording(limit)
    recording.begin(head(*(headers or [(b"content-type", b"application/json")])))
    for at, part in enumerate(parts):
        recording.add(part, last=at == len(parts) - 1)
    return recording


def test_parts_are_kept_as_they_are() -> None:
    part = b"x" * 500
    recording = recorded(part, b"")
    assert recording.body is part, "no copy"
    assert (recording.form, recording.status, recording.entire, recording.count) == ("json", 200, True, 1)


def test_comments_of_ours_and_nothing_else_are_left_out() -> None:
    recording = recorded(COMMENT, b": theirs\n\n", COMMENT, b"data: 1\n\n", headers=SSE)
    assert recording.body == b": theirs\n\ndata: 1\n\n"
    assert recording.form == "events"


def test_where_the_providers_headers_are_known_ours_are_not_looked_at() -> None:
    theirs = [*SSE, (b"content-encoding", b"gzip")]
    recording = Recording(1000)
    recording.begin(head(*theirs, (b"x-tollway-route", b"r")), Entity(SSE[0][1], encoding=b"gzip"))
    assert (recording.form, recording.content_type, recording.packed) == ("events", SSE[0][1], True)
    assert recording.headers[-1] == (b"x-tollway-route", b"r"), "all of them are there to be passed on"


def test_another_head_takes_the_place_of_the_first() -> None:
    """An answer that was begun and given up for another."""
    recording = Recording(1000)
    recording.begin(head(*SSE))
    recording.begin(head((b"content-type", b"application/json"), status=503))
    assert (recording.form, recording.status) == ("json", 503)


def test_it_is_entire_only_with_its_end() -> None:
    recording = recorded()
    recording.add(b"x", last=False)
    assert not recording.entire
    recording.add(b"", last=True)
    assert recording.entire


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_what_comes_compressed_is_kept_plain(encoding: bytes) -> None:
    packed = (gzip.compress if encoding == b"gzip" else zlib.compress)(b"hello" * 100)
    recording = recorded(packed[:10], packed[10:], headers=[(b"content-encoding", encoding)])
    assert recording.body == b"hello" * 100
    assert recording.packed
    assert recording.entire


@pytest.mark.parametrize(("encoding", "data"), [(b"zstd", b"\x28\xb5"), (b"gzip", b"no gzip"), (b"gzip", None)])
def test_what_cannot_be_read_is_not_entire(encoding: bytes, data: bytes | None) -> None:
    """The last one is a bomb."""
    recording = recorded(data or gzip.compress(bytes(100_000)), headers=[(b"content-encoding", encoding)])
    assert recording.blind
    assert not recording.entire
    assert recording.size <= 1001


def test_beyond_its_limit_the_beginning_goes() -> None:
    recording = recorded()
    for number in range(100):
        recording.add(b"%03d" % number * 30, last=False)
        assert recording.size <= 1000
    assert recording.count == 100
    assert recording.gone > 80
    assert recording.since(recording.count - 2) == b"098" * 30 + b"099" * 30
    recording.add(b"", last=True)
    assert not recording.entire


def test_one_part_that_is_too_large_is_there_for_whoever_waits() -> None:
    recording = recorded(b"x" * 5000)
    assert recording.since(0) == b"x" * 5000
    assert recording.size > recording.limit


def test_letting_go_does_not_happen_for_every_part() -> None:
    """Else a long answer would cost the square of its length."""
    recording, times = recorded(limit=10_000), 0
    for _ in range(5000):
        before = recording.gone
        recording.add(b"x" * 10, last=False)
        times += recording.gone != before
    assert times < 5000 * 10 / 5000 + 2


def test_the_parts_of_one_are_not_anothers() -> None:
    recorded(b"x")
    assert recorded().parts == []
