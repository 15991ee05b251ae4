"""Bodies that are passed on as they arrive."""

import asyncio

import pytest

from proxy.context import Message, RequestContext
from proxy.errors import IncompleteBody, RequestTimeout, RequestTooLarge
from proxy.relay.upload import BodyLimits, BodyUpload
from tests.support.asgi import Client
from tests.support.clock import elapsed, virtual

LIMITS = BodyLimits(body=10, upload=100, idle=10.0, total=60.0, upload_total=60.0, spool_dir=None)


def upload_of(client: Client, headers: dict[bytes, bytes] | None = None) -> tuple[BodyUpload, RequestContext]:
    ctx = RequestContext(request_id="r", headers=headers or {}, task=asyncio.current_task())
    return BodyUpload(ctx, client.receive, LIMITS), ctx


async def test_pieces_pass_one_by_one() -> None:
    upload, _ = upload_of(Client([b"a", b"", b"b", b""]), {b"content-length": b"2"})
    assert upload.length == 2
    assert [chunk async for chunk in upload.chunks()] == [b"a", b"b"]
    assert upload.finished


@pytest.mark.parametrize(("value", "length"), [(b"", None), (b"x", None), (b"-1", None), (b"7", 7)])
async def test_the_declared_length(value: bytes, length: int | None) -> None:
    upload, _ = upload_of(Client(), {b"content-length": value} if value else {})
    assert upload.length == length


async def test_too_large_by_declaration_and_by_count() -> None:
    with pytest.raises(RequestTooLarge):
        upload_of(Client(), {b"content-length": b"101"})
    upload, _ = upload_of(Client([b"x" * 60, b"x" * 60]))
    with pytest.raises(RequestTooLarge):
        [chunk async for chunk in upload.chunks()]


async def test_a_body_that_breaks_off() -> None:
    upload, ctx = upload_of(Client([b"x"], truncated=True))
    with pytest.raises(IncompleteBody):
        [chunk async for chunk in upload.chunks()]
    assert ctx.interruption is None, "the reader is the request's own task: raising is enough"
    assert not ctx.client_gone, "it may still read an answer"


async def test_a_reader_in_another_task_interrupts_the_request() -> None:
    client = Client([b"x"], truncated=True)
    request = asyncio.get_running_loop().create_task(asyncio.Event().wait())
    ctx = RequestContext(request_id="r", task=request)
    upload = BodyUpload(ctx, client.receive, LIMITS)
    with pytest.raises(IncompleteBody):
        [chunk async for chunk in upload.chunks()]
    assert isinstance(ctx.interruption, IncompleteBody)
    with pytest.raises(asyncio.CancelledError):
        await request


class Slow(Client):
    """Parts arrive ``pause`` seconds apart."""

    pause = 0.0

    async def receive(self) -> Message:
        await asyncio.sleep(self.pause)
        return await super().receive()


@virtual
async def test_an_upload_that_stops_is_interrupted() -> None:
    client = Slow([b"a", b"b"])
    client.pause = 3600.0
    ctx = RequestContext(request_id="r")
    upload = BodyUpload(ctx, client.receive, LIMITS)
    ctx.task = asyncio.get_running_loop().create_task(upload.next_chunk())
    with pytest.raises(asyncio.CancelledError):
        await ctx.task
    assert isinstance(ctx.interruption, RequestTimeout)
    assert elapsed() == pytest.approx(10.0)


@virtual
async def test_an_upload_that_trickles_ends_at_the_total_limit() -> None:
    client = Slow([b"a"] * 50)
    client.pause = 9.0
    ctx = RequestContext(request_id="r", task=asyncio.current_task())
    upload = BodyUpload(ctx, client.receive, LIMITS)
    with pytest.raises(RequestTimeout):
        [chunk async for chunk in upload.chunks()]
    assert elapsed() < 75
