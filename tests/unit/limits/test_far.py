"""A stream far from every limit: nothing waits and nothing is counted, what is asked for covers it, and near a limit counting begins."""

import asyncio
from collections.abc import Callable, Iterable

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import RateLimited, TollwayError
from proxy.limits.far import LOOK, FarMeter, stream_meter
from proxy.limits.meter import UNDECODED, LiveMeter
from proxy.tokens.text import count_text
from proxy.wire.endpoints import Dialect
from tests.support.clock import FakeClock, turns
from tests.support.metering import WORDS, payload, relay, split, stream, text_of

LIMIT = RateLimited("The key's limit is used up; wait 30 s.")
FAR = 64


def count(text: str) -> int:
    return count_text(text, "o200k_base").tokens


class Store:
    """A limit with so much left; a sixty-fourth of it may be asked for at once."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.asked: list[int] = []
        self.counts = 0

    def ample(self, need: int) -> int:
        most = self.left // FAR
        return max(need, min(4096, most)) if most >= max(need, 256) else 0

    async def extend(self, tokens: int) -> TollwayError | None:
        self.asked.append(tokens)
        await asyncio.sleep(0)
        if tokens > self.left:
            return LIMIT
        self.left -= tokens
        return None

    def counted(self) -> tuple[Callable[[str], int], float]:
        self.counts += 1
        return count, 1.0


def meter_of(
    store: Store,
    dialect: Dialect = "chat",
    reserved: int | None = 200,
    *,
    clock: FakeClock | None = None,
    checkpoint: Callable[[int], None] | None = None,
    spend: Callable[[int], None] | None = None,
) -> FarMeter | LiveMeter:
    return stream_meter(
        dialect=dialect,
        counted=store.counted,
        reserved=reserved,
        extend=store.extend,
        ample=store.ample,
        step=256,
        checkpoint=checkpoint,
        spend=spend,
        clock=clock or FakeClock(),
    )


async def passed(meter: FarMeter | LiveMeter, chunks: Iterable[bytes]) -> bytes:
    out = b""
    for chunk in chunks:
        out += meter.feed(chunk)
        while meter.waiting and meter.error is None:
            out += await meter.more()
        if meter.error is not None:
            break
        await turns(2)
    return out + meter.finish()


@pytest.mark.parametrize("dialect", ["chat", "completions", "responses", "messages", "events"])
@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("size", [700, 16 * 1024])
async def test_far_from_the_limit_all_leaves_as_it_comes_and_is_never_counted(
    dialect: Dialect, eol: bytes, size: int
) -> None:
    store = Store(10_000_000)
    meter = meter_of(store, dialect)
    data = b"".join(stream(dialect, eol=eol))
    for at in range(0, len(data), size):
        chunk = data[at : at + size]
        assert meter.feed(chunk) == chunk
        assert not meter.waiting
        await turns(2)
    assert meter.finish() == b""
    meter.close()
    assert store.counts == 0
    assert 200 + sum(store.asked) >= 1000, "what left was granted"


async def test_one_question_is_enough_for_a_usual_answer() -> None:
    store = Store(10_000_000)
    await passed(meter_of(store), stream("chat"))
    assert store.asked == [4096]


async def test_a_short_answer_asks_for_nothing() -> None:
    store = Store(10_000_000)
    events = stream("chat", WORDS[:100])
    await passed(meter_of(store, reserved=1024), [b"".join(events[:50]), b"".join(events[50:])])
    assert store.asked == []


async def test_where_a_limit_is_near_it_counts_from_the_beginning() -> None:
    store = Store(256 * FAR - 1)
    assert isinstance(meter_of(store), LiveMeter)
    assert store.counts == 1


@settings(max_examples=60, deadline=None)
@given(
    left=st.integers(256 * FAR, 300 * FAR),
    others=st.integers(0, 300 * FAR),
    edges=st.lists(st.integers(0, 90_000), max_size=30),
    eol=st.sampled_from([b"\n", b"\r\n"]),
    dialect=st.sampled_from(["chat", "messages"]),
)
def test_a_limit_that_comes_near_meanwhile_holds(
    left: int, others: int, edges: list[int], eol: bytes, dialect: Dialect
) -> None:
    """Others use up what was left while the stream runs; from then on it gets what is granted, and no event more."""
    data = b"".join(stream(dialect, WORDS * 4, eol=eol))

    async def run() -> None:
        store = Store(left)
        meter = meter_of(store, dialect)
        chunks = list(split(data, edges))
        half = len(chunks) // 2
        out = await passed(meter, chunks[:half])
        store.left = max(0, store.left - others)
        before = store.left
        if meter.error is None:
            out += await passed(meter, chunks[half:])
        meter.close()
        assert data.startswith(out)
        granted = 200 + sum(store.asked)
        if meter.error is None:
            assert out == data
        else:
            assert store.left < 256 * FAR
            assert count(text_of(dialect, out)) <= granted + before + 256

    asyncio.run(run())


async def test_counting_goes_on_where_the_estimate_ended_in_the_midst_of_an_event() -> None:
    store = Store(256 * FAR)
    meter = meter_of(store)
    data = b"".join(stream("chat", WORDS * 3))
    out = b""
    chunks = [data[at : at + 1000] for at in range(0, len(data), 1000)]
    for number, chunk in enumerate(chunks):
        if number == 20:
            store.left = 400
        out += meter.feed(chunk)
        while meter.waiting and meter.error is None:
            out += await meter.more()
        if meter.error is not None:
            break
        await turns(2)
    assert meter.error is LIMIT
    assert store.counts == 1, "the counting meter was made once"
    assert data.startswith(out)
    assert out.endswith(b"\n\n"), "whole events"
    assert store.left < 4
    assert meter.feed(b"data: late\n\n") == b""


async def test_more_at_once_than_was_asked_for_is_asked_for_at_once() -> None:
    store = Store(10_000_000)
    meter = meter_of(store)
    data = b"".join(b"data: " + orjson.dumps(payload("chat", " word0" * 400)) + b"\n\n" for _ in range(30))
    assert meter.feed(data) == data
    await turns(2)
    assert store.asked[0] >= 30 * 400 * 6 // 4 - 200 > 4096
    assert store.counts == 0


async def test_a_refusal_brings_counting_and_what_is_left() -> None:
    store = Store(300 * FAR)
    meter = meter_of(store)
    events = stream("chat", WORDS * 4)
    out = meter.feed(b"".join(events[:100]))
    store.left = 100
    out += await relay_on(meter, events[100:])
    assert meter.error is LIMIT
    assert store.counts == 1
    assert store.left < 4, "the last tokens of the limit were asked for"


async def relay_on(meter: FarMeter | LiveMeter, chunks: Iterable[bytes]) -> bytes:
    out = await passed(meter, chunks)
    meter.close()
    return out


async def test_what_has_surely_passed_is_spent_by_the_clock() -> None:
    clock, spent = FakeClock(), list[int]()
    meter = meter_of(Store(10_000_000), clock=clock, spend=spent.append)
    for event in stream("chat"):
        meter.feed(event)
        await turns(1)
    assert spent == []
    clock.advance(3)
    meter.feed(b": keepalive\n\n")
    # Less than the 1,000 that passed: a window gives nothing back.
    assert 300 < spent[0] <= 1000
    clock.advance(3)
    meter.feed(b": keepalive\n\n")
    assert sum(spent[1:]) <= 1


@pytest.mark.parametrize("reserved", [200, None])
async def test_a_stream_in_a_ledger_is_counted_and_asks_for_much_at_once(reserved: int | None) -> None:
    told: list[int] = []
    store = Store(10_000_000)
    meter = meter_of(store, reserved=reserved, checkpoint=told.append)
    assert isinstance(meter, LiveMeter)
    data = stream("chat")
    assert await relay_on(meter, data) == b"".join(data)
    assert told[-1] == pytest.approx(1000, abs=200)
    assert store.asked == ([] if reserved is None else [4096])


async def test_an_event_too_large_to_be_kept_is_handed_on() -> None:
    store = Store(100_000_000)
    meter = meter_of(store)
    event = b"data: " + orjson.dumps(payload("chat", "x" * 1_000_000)) + b"\n\n"
    for at in range(0, len(event), 10_000):
        chunk = event[at : at + 10_000]
        out = meter.feed(chunk)
        while meter.waiting:
            out += await meter.more()
        assert out == chunk
        assert isinstance(meter, FarMeter)
        assert len(meter._begun) <= UNDECODED
    meter.close()
    assert store.counts == 1


async def test_close_cancels_a_question_under_way() -> None:
    store = Store(10_000_000)
    meter = meter_of(store, reserved=10)
    meter.feed(b"".join(stream("chat")))
    assert isinstance(meter, FarMeter)
    asking = meter._asking
    assert asking is not None
    meter.close()
    meter.close()
    await turns(2)
    assert asking.cancelled()


async def test_both_meters_relay_the_same_bytes() -> None:
    data = b"".join(stream("chat"))
    near = LiveMeter(
        dialect="chat", count=count, reserved=5000, extend=Store(0).extend, step=256, checkpoint=None, spend=None, clock=FakeClock()
    )  # fmt: skip
    chunks = [data[at : at + 333] for at in range(0, len(data), 333)]
    assert await relay(near, chunks) == await relay_on(meter_of(Store(10_000_000)), chunks) == data


async def test_most_reads_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, looked = [0], FarMeter._looked_at

    def counted(meter: FarMeter, data: bytes) -> bytes:
        looks[0] += 1
        return looked(meter, data)

    monkeypatch.setattr(FarMeter, "_looked_at", counted)
    meter = meter_of(Store(10_000_000), reserved=100_000)
    events = stream("chat", WORDS)
    assert await relay_on(meter, events) == b"".join(events)
    assert 1 <= looks[0] <= 2 + len(b"".join(events)) // LOOK
    assert len(events) > 500


async def test_what_was_not_looked_at_is_estimated_like_the_event_before() -> None:
    clock, spent = FakeClock(), list[int]()
    meter = meter_of(Store(10_000_000), reserved=100_000, clock=clock, spend=spent.append)
    events = stream("chat", [" abcdefg"] * 40)
    for event in events:
        meter.feed(event)
        meter.feed(b": a comment\n\n")
    clock.advance(3)
    meter.feed(events[1])
    # Eight bytes an event are two tokens, of which half is told; comments are taken for as much as they could be.
    assert len(spent) == 1
    assert len(events) <= spent[0] <= 2 * len(events)


async def test_while_an_event_is_under_way_every_read_is_looked_at() -> None:
    """The next meter has to know where the event began."""
    store = Store(10_000_000)
    meter = meter_of(store, reserved=100_000)
    event = stream("chat")[0]
    meter.feed(event)
    meter.feed(event[:20])
    meter.feed(event[20:])
    meter.feed(event + event[:5])
    assert isinstance(meter, FarMeter)
    assert meter._begun == event[:5]
