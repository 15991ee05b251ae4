"""A whole answer to one client; and what of a usage chunk stands in it."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cache.attending import Attendance, Departure
from proxy.cache.lagging import Lagging
from proxy.cache.serving import AT_ONCE, Manner, serve_events, serve_json
from proxy.cache.wishes import Inserter
from proxy.context import Message, RequestContext
from proxy.errors import ClientGone
from tests.support.asgi import Client
from tests.support.clock import FakeClock, elapsed, turns, virtual

EVENTS = [b'data: {"n":%d}\n\n' % n for n in range(40)] + [b"data: [DONE]\n\n"]


def manner(pace: float = 0.0) -> Manner:
    return Manner(
        headers=lambda ctx: [(b"x-ours", b"1")],
        keepalive=15.0,
        pace=pace,
        status_header=False,
        clock=FakeClock(),
    )


def context() -> RequestContext:
    return RequestContext(request_id="r", task=asyncio.current_task())


async def test_json_leaves_in_two_messages() -> None:
    client, ctx = Client(), context()
    await serve_json(ctx, client.send, b"{}", b"application/json", manner())
    assert client.headers == {b"content-type": b"application/json", b"content-length": b"2", b"x-ours": b"1"}
    assert client.chunks == [b"{}"]
    assert (ctx.committed, ctx.insertion, ctx.first_byte_at, ctx.first_token_at) == (True, None, 1000.0, 0.0)


async def test_a_stream_leaves_in_two_messages() -> None:
    client, ctx = Client(), context()
    await serve_events(ctx, client.send, b"".join(EVENTS), manner())
    assert client.chunks == [b"".join(EVENTS)]
    assert (ctx.insertion, ctx.first_token_at, ctx.last_token_at) == (b"", 1000.0, 1000.0)


@virtual
async def test_a_large_one_leaves_in_parts() -> None:
    client, ctx = Client(), context()
    departure = Departure(client.receive)
    attendance = Attendance(ctx, departure, send_limit=30.0, left=None)
    body = b"x" * (2 * AT_ONCE + 1)
    await serve_events(ctx, client.send, body, manner(), attendance=attendance)
    attendance.stop()
    departure.close()
    assert [len(chunk) for chunk in client.chunks] == [AT_ONCE, AT_ONCE, 1]
    assert client.ended


@pytest.mark.parametrize(("pace", "seconds"), [(1.0, 40.0), (100.0, 0.4), (100_000.0, 0.0)])
def test_a_paced_one_takes_its_time(pace: float, seconds: float) -> None:
    @virtual
    async def run() -> None:
        client, ctx = Client(), context()
        departure = Departure(client.receive)
        attendance = Attendance(ctx, departure, send_limit=30.0, left=None)
        await serve_events(ctx, client.send, b"".join(EVENTS), manner(pace), attendance=attendance)
        attendance.stop()
        departure.close()
        assert client.body == b"".join(EVENTS)
        assert abs(elapsed() - seconds) <= 0.05
        assert client.ended

    run()


# ---- departures -----------------------------------------------------------------------------------------------------


@virtual
async def test_a_departure_is_asked_for_once_and_told_to_whoever_comes_next() -> None:
    client = Client(b"late body")
    departure = Departure(client.receive)
    first = departure.watched()
    assert departure.watched() is first
    await turns()
    assert client.received == 2, "what is no departure is passed over"
    waiting = asyncio.create_task(departure.receive())
    await turns()
    waiting.cancel()
    await turns()
    client.leave()
    assert (await departure.receive())["type"] == "http.disconnect"
    assert client.received == 2
    departure.close()


@virtual
async def test_after_its_stop_nobody_is_interrupted() -> None:
    client, ctx = Client(), context()
    departure = Departure(client.receive)
    Attendance(ctx, departure, send_limit=1.0, left=2.0).stop()
    client.leave()
    await asyncio.sleep(5)
    assert ctx.interruption is None
    assert not ctx.client_gone


# ---- a leader that lags ---------------------------------------------------------------------------------------------


@virtual
async def test_what_lags_leaves_in_order() -> None:
    sent: list[bytes] = []
    gate = asyncio.Event()

    async def send(message: Message) -> None:
        await gate.wait()
        sent.append(message["body"])

    first = asyncio.ensure_future(send({"body": b"1"}))
    lagging = Lagging(first, send, limit=100)
    for part in (b"2", b"3"):
        lagging.add({"type": "http.response.body", "body": part, "more_body": part != b"3"})
    await turns()
    gate.set()
    await lagging.done()
    assert sent == [b"1", b"2", b"3"]
    lagging.close()


@virtual
async def test_what_lags_too_far_is_given_up() -> None:
    async def send(message: Message) -> None:
        await asyncio.Event().wait()

    lagging = Lagging(asyncio.ensure_future(send({})), send, limit=10)
    for _ in range(5):
        lagging.add({"type": "http.response.body", "body": b"12345", "more_body": True})
    with pytest.raises(ClientGone):
        await lagging.done()


# ---- the usage chunk ------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 60), max_size=30), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_a_chunk_is_put_before_the_end_however_the_reads_are_cut(cuts: list[int], line: bytes, talks: bool) -> None:
    """Text that only looks like the end changes nothing."""
    text = b'data: {"text":"data: [DONE]"}' if talks else b'data: {"text":"x"}'
    whole = (b"event: x" + line if talks else b"") + text + line * 2 + text + line * 2
    end = b"data: [DONE]" + line * 2
    stream, inserter, out, at = whole + end, Inserter(), b"", 0
    for cut in [*cuts, len(stream)]:
        out += inserter.feed(stream[at : at + cut])
        at += cut
    inserter.usage = b"data: {}" + line * 2
    assert whole.startswith(out), "the end is held"
    assert out + inserter.close() == whole + inserter.usage + end


@given(st.binary(max_size=200), st.lists(st.integers(1, 20), max_size=20))
def test_every_other_byte_leaves_as_it_came(data: bytes, cuts: list[int]) -> None:
    inserter, out, at = Inserter(), b"", 0
    for cut in [*cuts, len(data)]:
        out += inserter.feed(data[at : at + cut])
        at += cut
    assert out + inserter.close() == data
