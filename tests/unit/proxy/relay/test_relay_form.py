"""Forms: the model is found wherever it stands, renamed in place, and every other byte passes as it came."""

import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.context import RequestContext
from proxy.errors import IncompleteBody, InvalidRequest, RequestTooLarge, SpoolFailed
from proxy.relay import form
from proxy.relay.form import FormScanner, FormUpload
from proxy.relay.upload import BodyLimits
from tests.support.asgi import Client

BOUNDARY = b"----tollway7"


def part(name: bytes, value: bytes, extra: bytes = b"") -> bytes:
    return (
        b"--"
        + BOUNDARY
        + b'\r\nContent-Disposition: form-data; name="'
        + name
        + b'"'
        + extra
        + b"\r\n\r\n"
        + value
        + b"\r\n"
    )


END = b"--" + BOUNDARY + b"--\r\n"
FILE = part(b"file", b"RIFF\x00\xff" + b"\r\n--" + b"\x01" * 40, b'; filename="model.wav"\r\nContent-Type: audio/wav')
MODEL = part(b"model", b"whisper-1")
STREAM = part(b"stream", b"True")
AFTER = FILE + MODEL + END
BEFORE = STREAM + MODEL + FILE + END


def limits(**changes: object) -> BodyLimits:
    usual: dict[str, object] = {"body": 100, "upload": 10**9, "idle": 10.0, "total": 60.0, "upload_total": 600.0}
    return BodyLimits(**{**usual, "spool_dir": None, **changes})  # type: ignore[arg-type]


def upload_of(client: Client, *, length: int | None = None, caps: BodyLimits | None = None) -> FormUpload:
    headers = {b"content-type": b"multipart/form-data; boundary=" + BOUNDARY}
    if length is not None:
        headers[b"content-length"] = b"%d" % length
    ctx = RequestContext(request_id="r", headers=headers)
    return FormUpload(ctx, client.receive, caps or limits())


async def through(pieces: list[bytes], *, rename: str | None = None) -> tuple[FormUpload, bytes]:
    upload = upload_of(Client(pieces), length=sum(map(len, pieces)))
    await upload.find_model()
    if rename is not None:
        upload.rename(rename)
    body = b"".join([chunk async for chunk in upload.chunks()])
    assert upload.finished
    assert upload.length == len(body)
    return upload, body


@pytest.mark.parametrize("body", [BEFORE, AFTER, MODEL + END])
async def test_unchanged_at_every_split(body: bytes) -> None:
    for at in range(len(body) + 1):
        upload, out = await through([body[:at], body[at:]])
        assert upload.model == "whisper-1"
        assert out == body


@pytest.mark.parametrize("body", [BEFORE, AFTER, MODEL + END])
@pytest.mark.parametrize("name", ["w", "a-much-longer-model-name", "whisper-1", "modèle"])
async def test_renamed_at_every_split(body: bytes, name: str) -> None:
    expected = body.replace(b"whisper-1", name.encode())
    for at in range(len(body) + 1):
        _, out = await through([body[:at], body[at:]], rename=name)
        assert out == expected


async def test_renamed_byte_by_byte() -> None:
    _, out = await through([bytes((byte,)) for byte in AFTER], rename="x")
    assert out == AFTER.replace(b"whisper-1", b"x")


async def test_a_stream_field_before_the_model_is_noted() -> None:
    assert (await through([BEFORE]))[0].stream
    assert not (await through([AFTER]))[0].stream


@settings(deadline=None)
@example(value="\r7", cuts=[127], before=b"")
@example(value="a\r\n--7", cuts=[130, 131], before=b"")
@given(
    value=st.text(alphabet="ab-\r\n7tol", min_size=1, max_size=30),
    cuts=st.lists(st.integers(0, 400), max_size=6),
    before=st.binary(max_size=30),
)
def test_the_span_is_where_the_value_is(value: str, cuts: list[int], before: bytes) -> None:
    body = part(b"x", before) + part(b"model", value.encode()) + END
    if body.count(b"\r\n--" + BOUNDARY) != 2:
        return
    scanner = FormScanner(BOUNDARY)
    edges = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    for start, end in pairwise(edges):
        scanner.feed(body[start:end])
    assert scanner.model == value
    assert scanner.span is not None
    start, end = scanner.span
    assert body[start:end] == value.encode()


async def read_all(upload: FormUpload) -> bytes:
    await upload.find_model()
    return b"".join([chunk async for chunk in upload.chunks()])


async def test_a_second_model_is_refused_even_behind_the_file() -> None:
    for body in (MODEL + MODEL + END, MODEL + FILE + part(b"model", b"other") + END):
        upload = upload_of(Client([body[:120], body[120:]]))
        with pytest.raises(InvalidRequest) as caught:
            await read_all(upload)
        assert caught.value.code == "duplicate_field"


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense without a boundary",
        part(b"model", b"x" * 1025) + END,
        part(b"model", b"\xff\xfe") + END,
        b"--" + BOUNDARY + b"\r\nX: " + b"y" * 20_000 + b"\r\n\r\n" + END,
        b"--" + BOUNDARY + b"\r\n" + b"X: y\r\n" * 5000 + b"\r\n" + END,
        b"--" + BOUNDARY + b"\r\nbad header\r\n\r\nx\r\n" + END,
    ],
)
async def test_malformed_forms_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        await upload_of(Client(body)).find_model()


async def test_a_form_without_a_model_is_read_to_its_end_and_passes() -> None:
    upload, out = await through([FILE + END], rename="x")
    assert upload.model is None
    assert out == FILE + END


async def test_an_empty_model_is_not_renamed_into_another_place() -> None:
    body = FILE + part(b"model", b"") + END
    upload, out = await through([body], rename="x")
    assert upload.model == ""
    assert out in (body, FILE + part(b"model", b"x") + END)


async def test_what_comes_before_the_model_spools_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "SPOOL", 1000)
    body = part(b"file", os.urandom(10_000), b'; filename="a"') + MODEL + FILE + END
    pieces = [body[at : at + 700] for at in range(0, len(body), 700)]
    upload = upload_of(Client(pieces), length=len(body), caps=limits(spool_dir=str(tmp_path)))
    await upload.find_model()
    assert upload._file is not None
    assert upload._kept_size <= 1000 + 700
    upload.rename("x")
    assert b"".join([chunk async for chunk in upload.chunks()]) == body.replace(b"whisper-1", b"x")
    assert upload._file is None
    assert os.listdir(tmp_path) == [], "the spool has no name that could stay behind"


async def test_a_model_that_crosses_from_disk_to_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "SPOOL", 100)
    monkeypatch.setattr(form, "BLOCK", 7)
    body = FILE + MODEL + END
    for size in (1, 3, 50, 130):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        upload = upload_of(Client(pieces), caps=limits(spool_dir=str(tmp_path)))
        await upload.find_model()
        upload.rename("longer-than-before")
        assert b"".join([chunk async for chunk in upload.chunks()]) == body.replace(b"whisper-1", b"longer-than-before")


async def test_a_spool_that_cannot_be_written_is_a_503_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form, "SPOOL", 10)
    upload = upload_of(Client([FILE, MODEL + END]), caps=limits(spool_dir=str(tmp_path / "missing")))
    with pytest.raises(SpoolFailed) as caught:
        await upload.find_model()
    assert caught.value.status == 503
    assert "before the file" in caught.value.message
    assert str(tmp_path) not in caught.value.message
    upload.close()


async def test_a_full_disk_is_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "SPOOL", 10)
    monkeypatch.setattr(form.tempfile, "TemporaryFile", lambda **_: open("/dev/full", "r+b", buffering=0))
    upload = upload_of(Client([FILE, MODEL + END]))
    with pytest.raises(SpoolFailed):
        await upload.find_model()
    upload.close()


async def test_uploads_beyond_the_limit_are_refused() -> None:
    with pytest.raises(RequestTooLarge):
        upload_of(Client(), length=11, caps=limits(upload=10))
    upload = upload_of(Client([FILE, MODEL + END]), caps=limits(upload=len(FILE)))
    with pytest.raises(RequestTooLarge):
        await upload.find_model()


async def test_a_form_that_breaks_off_is_incomplete() -> None:
    with pytest.raises(IncompleteBody):
        await upload_of(Client([FILE[:50]], truncated=True)).find_model()


async def test_close_twice_is_harmless() -> None:
    upload = upload_of(Client([BEFORE]))
    await upload.find_model()
    upload.close()
    upload.close()
