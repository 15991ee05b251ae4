"""Bad bodies: a clear 4xx in OpenAI's form, no upstream call, the same worker, and a connection that goes on or is closed."""

import asyncio
from collections.abc import Iterator

import pytest

from proxy.telemetry.requests import SAMPLED
from tests.support.observed import metric, metrics_text, rss, workers
from tests.support.processes import KEY, Gateway, Mock, config_for, running
from tests.support.rawhttp import Answer, Client, ask, chat, request

from .corpus import BODIES, VALID, body, nested

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def strict() -> Iterator[Mock]:
    """An upstream of this module's own, so that its counters tell."""
    upstream = Mock()
    try:
        yield upstream
    finally:
        upstream.close()


@pytest.fixture(scope="module")
def guarded(strict: Mock) -> Iterator[Gateway]:
    """A gateway that serves two names and nothing else."""
    models = {
        "gpt-4o": {"targets": [{"provider": "mock", "model": "gpt-4o"}]},
        "gpt-4o-mini": {"targets": [{"provider": "mock", "model": "gpt-4o-mini"}]},
    }
    with running(config_for(strict.url, models=models)) as found:
        yield found


def check(answer: Answer, status: int, code: str | None) -> None:
    assert (answer.status, answer.ending) == (status, "whole"), answer
    assert answer.error["code"] == code
    assert answer.header("x-should-retry") == "false"
    assert answer.header("x-tollway-error-source") == "gateway"
    assert len(answer.body) < 2000


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings"])
async def test_every_bad_body_is_a_clear_4xx(guarded: Gateway, strict: Mock, path: str) -> None:
    (worker,) = workers(guarded)
    before = strict.stats()["requests"]
    wrong = []
    for name, (data, status, code) in BODIES.items():
        async with await Client.open(guarded.port) as client:
            await client.send(request("POST", path, data))
            answer = await client.answer()
            try:
                check(answer, status, code)
                if answer.header("connection") == "close":
                    assert not data
                    assert await client.closed()
                else:
                    await client.send(request("GET", "/v1/models"))
                    assert (await client.answer()).status == 200
            except AssertionError as error:
                wrong.append(f"{name}: {error}")
    assert not wrong, "\n".join(wrong)
    assert (await ask(guarded.port, chat())).status == 200
    assert strict.stats()["requests"] == before + 1
    assert workers(guarded) == [worker]
    assert metric(guarded, "tollway_unexpected_errors_total") == 0


async def test_what_is_allowed_up_to_the_edge_passes(guarded: Gateway) -> None:
    """The mirror of the table: the same shapes one step inside the rules."""
    sound = [
        nested(64),
        body(user="\ud83d\ude00"),
        b'{"model":"gpt-4o","messages":[{"role":"user","content":"{\\"model\\": 1, \\"model\\": 2}"}]}',
        b'{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"metadata":{"model":"a","stream":"b","api_base":"c"}}',
        b'{"model":"gpt-4o","messages":[{"role":"user","content":"' + b"[" * 5000 + b'"}]}',
        b' \t\r\n{"model":"gpt-4o","messages":[{"role":"user","content":"nul \\u0000"}]} \n',
        b'{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"seed":123456789012345678901234567890}',
    ]
    for data in sound:
        answer = await ask(guarded.port, request("POST", "/v1/chat/completions", data))
        assert answer.status == 200 or answer.header("x-tollway-error-source") == "upstream", (data[:100], answer)


async def test_an_unknown_model_names_close_ones_that_the_key_may_use(guarded: Gateway) -> None:
    answer = await ask(guarded.port, chat(model="gpt-4o-mni"))
    assert answer.status == 404
    assert "gpt-4o-mini" in answer.error["message"]
    assert answer.error["param"] == "model"


async def test_unknown_models_do_not_grow_the_metrics(guarded: Gateway) -> None:
    for _ in range(2 * SAMPLED):
        # Of some requests more is noted than of others.
        await ask(guarded.port, chat(model="unknown-0"))
    size = len(metrics_text(guarded))
    async with await Client.open(guarded.port) as client:
        for number in range(300):
            await client.send(chat(model=f"unknown-{number}-{'x' * (number % 50)}"))
            assert (await client.answer()).status == 404
    assert len(metrics_text(guarded)) < size + 500


@pytest.mark.parametrize("framing", ["declared", "chunked"])
async def test_a_body_of_100_mb_is_refused_in_bounded_memory(guarded: Gateway, strict: Mock, framing: str) -> None:
    (worker,) = workers(guarded)
    before, asked = rss(worker), strict.stats()["requests"]
    size = 100 * MIB
    head = request("POST", "/v1/chat/completions", b"")
    client = await Client.open(guarded.port)
    if framing == "declared":
        await client.send(head.replace(b"content-length: 0", b"content-length: %d" % size))
        sending = asyncio.create_task(client.send(b" " * MIB))
    else:
        await client.send(head.replace(b"content-length: 0", b"transfer-encoding: chunked"))

        async def stream() -> None:
            block = b"%x\r\n%b\r\n" % (MIB, b" " * MIB)
            for _ in range(100):
                await client.send(block)

        sending = asyncio.create_task(stream())
    try:
        answer = await client.answer(timeout=20)
        check(answer, 413, "request_too_large")
        assert answer.header("connection") == "close"
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        client.close()
    if framing == "declared":
        assert rss(worker) - before < 8 * MIB
    else:
        assert rss(worker) - before < 160 * MIB, "64 MiB are allowed, and joined once"
    assert strict.stats()["requests"] == asked
    assert (await ask(guarded.port, chat())).status == 200


async def test_a_compressed_body_is_refused(guarded: Gateway) -> None:
    answer = await ask(
        guarded.port, request("POST", "/v1/chat/completions", VALID, headers={"content-encoding": "gzip"})
    )
    check(answer, 415, "unsupported_content_encoding")


async def test_a_body_that_stops_arriving_is_a_408(strict: Mock) -> None:
    with running(config_for(strict.url, server={"body_idle_timeout": 0.5})) as gateway:
        before = strict.stats()["requests"]
        async with await Client.open(gateway.port) as client:
            await client.send(chat()[:-10])
            answer = await client.answer()
            assert answer.status == 408
            assert answer.error["type"] == "invalid_request_error"
            assert await client.closed()
        # A drip that never stops is ended by the total limit, or by its own end.
        assert strict.stats()["requests"] == before


@pytest.mark.parametrize(
    "name",
    [
        "x-api-base",
        "x-base-url",
        "x-tollway-provider",
        "x-tollway-base-url",
        "x-forwarded-host",
        "x-portkey-custom-host",
        "x-tollway-model",
    ],
)
async def test_no_header_chooses_a_destination(guarded: Gateway, strict: Mock, name: str) -> None:
    before = strict.stats()["requests"]
    answer = await ask(guarded.port, chat(headers={name: "http://127.0.0.1:1/v1"}))
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert strict.stats()["requests"] == before + 1
        if name.startswith("x-tollway") or name.startswith("x-forwarded"):
            sent = {key.lower() for key, _ in strict.requests()[-1]["headers"]}
            assert name not in sent


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        ("multipart/form-data", b"--b--"),
        ("multipart/form-data; boundary=", b"--b--"),
        ("multipart/form-data; boundary=" + "b" * 300, b"--b--"),
        ("multipart/form-data; boundary=b", b"no boundary at all"),
        ("multipart/form-data; boundary=b", b"--b\r\nbroken header\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n'),
        ("multipart/form-data; boundary=b", b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n\xff\xfe\r\n--b--\r\n'),
        ("multipart/form-data; boundary=b", b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n' + b"m" * 5000 + b"\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"x-h: " + b"h" * 50_000 + b"\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nnone-such\r\n--b--\r\n'),
        ("text/plain", b"hello"),
        ("application/x-www-form-urlencoded", b"model=gpt-4o"),
    ],
)  # fmt: skip
async def test_bad_forms_are_a_clear_4xx(guarded: Gateway, strict: Mock, content_type: str, data: bytes) -> None:
    before = strict.stats()["requests"]
    answer = await ask(guarded.port, request("POST", "/v1/audio/transcriptions", data, content_type=content_type))
    assert 400 <= answer.status < 500
    assert answer.error["type"] == "invalid_request_error"
    assert strict.stats()["requests"] == before
    assert metric(guarded, "tollway_unexpected_errors_total") == 0


async def test_a_second_model_behind_the_first_never_passes_whole(guarded: Gateway, strict: Mock) -> None:
    def part(name: str, value: bytes) -> bytes:
        return b'--b\r\ncontent-disposition: form-data; name="' + name.encode() + b'"\r\n\r\n' + value + b"\r\n"

    data = part("model", b"gpt-4o") + part("file", b"x" * 300_000) + part("model", b"other") + b"--b--\r\n"
    answer = await ask(
        guarded.port, request("POST", "/v1/audio/transcriptions", data, content_type="multipart/form-data; boundary=b")
    )
    assert answer.status == 400
    assert answer.error["code"] == "duplicate_field"
    assert KEY not in answer.body.decode()
