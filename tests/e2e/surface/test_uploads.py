"""Multipart: the model wherever it stands, renamed in place, refused twice; large bodies in bounded memory; 413s."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import KEY, Gateway, Mock, config_for, running

from .wire import CHAT, JSON, ask, body_of, chat, connect, form, head, mark, one, receive, received, values_of

pytestmark = pytest.mark.e2e

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(256)) * 8
MIB = 1024 * 1024


@pytest.mark.parametrize("order", ["model first", "model last", "model between"])
@pytest.mark.parametrize("size", [100, 200_000, 3 * MIB])
@pytest.mark.parametrize("model", ["whisper-1", "fast"])
def test_the_model_wherever_it_stands(gateway: Gateway, mock: Mock, order: str, size: int, model: str) -> None:
    """Beyond 1 MiB what precedes the model goes to disk; the bytes are the same either way."""
    sound = ("file", "a.wav", (WAV * (size // len(WAV) + 1))[:size])
    rest = [("language", None, b"en"), ("prompt", None, "röad".encode())]

    def made(name: str) -> tuple[tuple[str, str], bytes]:
        field = ("model", None, name.encode())
        parts = {
            "model first": [field, sound, *rest],
            "model last": [sound, *rest, field],
            "model between": [rest[0], sound, field, rest[1]],
        }[order]
        return form(*parts)

    kind, body = made(model)
    _, expected = made("gpt-4o" if model == "fast" else model)
    marked = mark()
    answer = ask(gateway.origin, "POST", "/v1/audio/transcriptions", headers=[kind, marked], body=body)
    assert (answer.status, answer.get("x-tollway-model")) == (200, "gpt-4o" if model == "fast" else model)
    entry = one(mock, marked)
    assert entry["body_length"] == len(expected)
    assert entry["body_sha256"] == hashlib.sha256(expected).hexdigest()
    assert values_of(entry, "content-type") == [kind[1]]
    assert values_of(entry, "content-length") == [str(len(expected))]


@pytest.mark.parametrize("piece", [1, 7, 100])
def test_renaming_whatever_the_splits(gateway: Gateway, mock: Mock, piece: int) -> None:
    """The body in chunks of a few bytes, framed by the client: boundary and value fall on every edge."""
    kind, body = form(
        ("file", "a.wav", b"\r\n--frontier-\r\n" + WAV[:300]), ("model", None, b"fast"), ("n", None, b"1")
    )
    _, expected = form(
        ("file", "a.wav", b"\r\n--frontier-\r\n" + WAV[:300]), ("model", None, b"gpt-4o"), ("n", None, b"1")
    )
    marked = mark()
    headers = [kind, marked, ("authorization", f"Bearer {KEY}"), ("transfer-encoding", "chunked")]
    with connect(gateway.origin) as link:
        link.sendall(head("POST", "/v1/audio/transcriptions", headers, None))
        for at in range(0, len(body), piece):
            part = body[at : at + piece]
            link.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        link.sendall(b"0\r\n\r\n")
        assert receive(link).status == 200
    assert body_of(one(mock, marked)) == expected


@pytest.mark.parametrize("far", [0, 2 * MIB])
@pytest.mark.parametrize("second", [b"fast", b"whisper-1"])
def test_a_second_model_is_refused(gateway: Gateway, mock: Mock, far: int, second: bytes) -> None:
    """Also one that stands behind a large file, where the first megabytes have left already."""
    kind, body = form(("model", None, b"whisper-1"), ("file", "a.wav", bytes(far)), ("model", None, second))
    marked = mark()
    answer = ask(gateway.origin, "POST", "/v1/audio/transcriptions", headers=[kind, marked], body=body)
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, "model", "duplicate_field")
    assert all(entry["outcome"] != "complete" for entry in received(mock, marked))


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([("file", "a.wav", WAV)], 400),
        ([("model", None, b""), ("file", "a.wav", WAV)], 404),
        ([("model", None, b"x" * 5000), ("file", "a.wav", WAV)], 400),
        ([("model", None, b"\xff\xfe"), ("file", "a.wav", WAV)], 400),
    ],
)
def test_forms_without_a_usable_model(
    several: Gateway, mock: Mock, parts: list[tuple[str, str | None, bytes]], status: int
) -> None:
    kind, body = form(*parts)
    marked = mark()
    answer = ask(several.origin, "POST", "/v1/audio/transcriptions", headers=[kind, marked], body=body)
    assert answer.status == status
    assert answer.error["type"] == "invalid_request_error"
    assert received(mock, marked) == []


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"])
def test_forms_of_another_type(gateway: Gateway, mock: Mock, kind: str) -> None:
    marked = mark()
    answer = ask(
        gateway.origin, "POST", "/v1/audio/transcriptions", headers=[("content-type", kind), marked], body=b"x=1"
    )
    assert answer.status in (400, 415)
    assert answer.error["type"] == "invalid_request_error"
    assert received(mock, marked) == []


# ---- memory ---------------------------------------------------------------------------------------------------------


def resident(pid: int) -> int:
    """Bytes of anonymous memory of a process and its children, files left out."""
    total = 0
    children = {pid}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent in children:
                children.add(int(entry.name))
    for child in children:
        for line in Path(f"/proc/{child}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                total += int(line.split()[1]) * 1024
    return total


class Peak:
    """The highest ``resident`` seen while a block ran."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.before = resident(pid)
        self.highest = self.before

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self.highest = max(self.highest, resident(self._pid))

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        return self.highest - self.before


@pytest.fixture(scope="module")
def own(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Path]]:
    """A gateway whose memory nobody else uses, with a spool folder that can be seen."""
    spool = tmp_path_factory.mktemp("spool")
    limits = {"spool_dir": str(spool), "max_body": MIB, "max_upload": 80 * MIB}
    with running(config_for(mock.url, server=limits)) as gateway:
        yield gateway, spool


def upload(
    gateway: Gateway, path: str, kind: tuple[str, str], before: bytes, size: int, after: bytes
) -> tuple[str, int]:
    """Sends ``size`` random bytes between two others without holding them; (SHA-256 of all, status)."""
    marked = mark()
    digest = hashlib.sha256(before)
    block = os.urandom(256 * 1024)
    with connect(gateway.origin) as link:
        length = len(before) + size + len(after)
        link.sendall(head("POST", path, [kind, marked, ("authorization", f"Bearer {KEY}")], length) + before)
        for _ in range(size // len(block)):
            digest.update(block)
            link.sendall(block)
        digest.update(after)
        link.sendall(after)
        answer = receive(link)
    assert answer.status == 200, answer.body[:500]
    return digest.hexdigest(), length


@pytest.mark.parametrize("order", ["a file without a model", "model first", "model last"])
def test_64_mib_in_bounded_memory(own: tuple[Gateway, Path], mock: Mock, order: str) -> None:
    gateway, spool = own
    size = 64 * MIB
    boundary = "b0undary"
    kind = ("content-type", f"multipart/form-data; boundary={boundary}")
    file = f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'.encode()
    end = f"\r\n--{boundary}--\r\n".encode()

    def field(name: str, value: str) -> bytes:
        return f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()

    path = "/v1/files" if order == "a file without a model" else "/v1/audio/transcriptions"
    before, after = {
        "a file without a model": (field("purpose", "user_data") + file, end),
        "model first": (field("model", "whisper-1") + file, end),
        "model last": (file, b"\r\n" + field("model", "whisper-1")[:-2] + end),
    }[order]
    with Peak(gateway.pid) as peak:
        digest, length = upload(gateway, path, kind, before, size, after)
    (entry,) = [found for found in mock_entries(mock) if found["body_sha256"] == digest]
    assert entry["body_length"] == length
    assert peak.growth < 12 * MIB
    assert list(spool.iterdir()) == []


def mock_entries(mock: Mock) -> list[dict[str, object]]:
    found: list[dict[str, object]] = ask(mock.origin, "GET", "/mock/requests?last=3", key=None).json()["data"]
    return found


def test_json_above_the_limit(own: tuple[Gateway, Path], mock: Mock) -> None:
    gateway, _ = own
    body = CHAT[:-1] + b',"pad":"' + b"x" * MIB + b'"}'
    marked = mark()
    answer = chat(gateway.origin, body, headers=[marked])
    assert (answer.status, answer.error["type"]) == (413, "invalid_request_error")
    assert str(MIB) in answer.error["message"]
    assert "server.max_body" in answer.error["message"]
    assert received(mock, marked) == []


def test_a_declared_length_above_the_limit_is_refused_before_it_is_sent(own: tuple[Gateway, Path], mock: Mock) -> None:
    gateway, _ = own
    for path, kind, limit in (
        ("/v1/chat/completions", JSON, "server.max_body"),
        ("/v1/files", ("content-type", "multipart/form-data; boundary=x"), "server.max_upload"),
        ("/v1/audio/transcriptions", ("content-type", "multipart/form-data; boundary=x"), "server.max_upload"),
    ):
        marked = mark()
        with connect(gateway.origin) as link:
            link.sendall(head("POST", path, [kind, marked, ("authorization", f"Bearer {KEY}")], 10**12))
            answer = receive(link)
        assert answer.status == 413
        assert limit in answer.error["message"]
        assert received(mock, marked) == []


def test_a_chunked_body_above_the_limit(own: tuple[Gateway, Path], mock: Mock) -> None:
    gateway, _ = own
    marked = mark()
    with connect(gateway.origin) as link:
        fields = [JSON, marked, ("authorization", f"Bearer {KEY}"), ("transfer-encoding", "chunked")]
        link.sendall(head("POST", "/v1/chat/completions", fields, None))
        piece = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
        try:
            for _ in range(200):
                link.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = receive(link)
    assert answer.status == 413
    assert received(mock, marked) == []


def test_the_gateway_is_well_afterwards(own: tuple[Gateway, Path]) -> None:
    gateway, _ = own
    assert chat(gateway.origin).status == 200
    deadline = time.monotonic() + 3
    while in_flight(gateway):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def in_flight(gateway: Gateway) -> float:
    """The gauge of requests under way."""
    lines = gateway.get("/metrics")[1].decode().splitlines()
    (value,) = [line.split()[-1] for line in lines if line.startswith("tollway_inflight_requests")]
    return float(value)
