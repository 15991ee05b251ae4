"""What of a stream may leave, and what was counted: every dialect, every split, grants that come late, never or not at all."""

import asyncio
import base64
import json
from collections.abc import Callable

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.errors import BudgetExceeded, LimitsUnavailable, RateLimited, TollwayError
from proxy.limits.meter import CHECKPOINT_TOKENS, UNDECODED, LiveMeter
from proxy.limits.streamed import StreamedText
from proxy.limits.tally import Tally
from proxy.tokens.text import count_text
from proxy.wire.endpoints import Dialect
from tests.support.clock import FakeClock, turns
from tests.support.metering import WORDS, payload, relay, split, stream, text_of

READABLE: tuple[Dialect, ...] = ("chat", "completions", "responses", "messages", "events")
LIMIT = RateLimited("The key's limit of 200 tokens a minute is used up; wait 30 s.")


def count(text: str) -> int:
    return count_text(text, "o200k_base").tokens


TOKENS = count("".join(WORDS))
assert TOKENS == 1000


class Grants:
    """A store: so much in all, and what was asked of it."""

    def __init__(self, total: int, error: TollwayError = LIMIT) -> None:
        self.left = total
        self.error = error
        self.asked: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, tokens: int) -> TollwayError | None:
        self.asked.append(tokens)
        await self.gate.wait()
        if tokens > self.left:
            return self.error
        self.left -= tokens
        return None


def meter_of(
    dialect: Dialect = "chat",
    reserved: int | None = 200,
    extend: Callable[[int], "asyncio.Future[TollwayError | None]"] | Grants | None = None,
    *,
    step: int = 256,
    clock: FakeClock | None = None,
    checkpoint: Callable[[int], None] | None = None,
    spend: Callable[[int], None] | None = None,
    factor: float = 1.0,
    patience: float = 5.0,
) -> LiveMeter:
    return LiveMeter(
        dialect=dialect,
        count=count,
        reserved=reserved,
        extend=extend or Grants(0),
        step=step,
        checkpoint=checkpoint,
        spend=spend,
        clock=clock or FakeClock(),
        factor=factor,
        patience=patience,
    )


def waits(meter: LiveMeter) -> bool:
    """Asked anew each time: the type checker would believe the first answer."""
    return meter.waiting


# ---- limits hold ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", READABLE)
@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("size", [1, 7, 300, 1460, 64 * 1024])
async def test_an_allowance_of_200_holds(dialect: Dialect, eol: bytes, size: int) -> None:
    events = stream(dialect, eol=eol)
    data = b"".join(events)
    meter = meter_of(dialect)
    out = await relay(meter, [data[at : at + size] for at in range(0, len(data), size)])
    assert meter.error is LIMIT
    assert data.startswith(out)
    # Two tokens an event: at 200 of them the allowance is used up, not passed by more than the event that had begun.
    assert 200 <= count(text_of(dialect, out)) <= 202
    assert meter.tokens == count(text_of(dialect, out))


@settings(max_examples=150, deadline=None)
@given(
    dialect=st.sampled_from(READABLE),
    eol=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    reserved=st.integers(0, 1100),
    more=st.integers(0, 1100),
    step=st.integers(1, 300),
    edges=st.lists(st.integers(0, 90_000), max_size=60),
)
@example(dialect="chat", eol=b"\n", reserved=0, more=0, step=1, edges=[])
@example(dialect="chat", eol=b"\r\n", reserved=999, more=1, step=300, edges=[])
def test_for_every_split_no_more_than_granted_and_one_event(
    dialect: Dialect, eol: bytes, reserved: int, more: int, step: int, edges: list[int]
) -> None:
    data = b"".join(stream(dialect, eol=eol))

    async def run() -> None:
        grants = Grants(more)
        meter = meter_of(dialect, reserved, grants, step=step)
        out = await relay(meter, split(data, edges))
        delivered = count(text_of(dialect, out))
        granted = reserved + more - grants.left
        assert delivered <= granted + 2
        assert meter.tokens == delivered
        assert data.startswith(out)
        if meter.error is None:
            assert out == data
        else:
            # Nothing that was there was left lying: not even the next event would have fitted.
            assert reserved + more < delivered + 2
            assert delivered < TOKENS

    asyncio.run(run())


@pytest.mark.parametrize("dialect", READABLE)
async def test_what_is_granted_leaves_unchanged(dialect: Dialect) -> None:
    data = b"".join(stream(dialect))
    for reserved in (None, 1000, 5000):
        meter = meter_of(dialect, reserved, Grants(0))
        assert await relay(meter, [data[at : at + 1000] for at in range(0, len(data), 1000)]) == data
        assert meter.error is None
        assert meter.tokens == 1000


async def test_far_from_the_boundary_everything_leaves_at_once_even_half_an_event() -> None:
    meter = meter_of(reserved=100_000)
    data = b"".join(stream("chat", WORDS[:20]))
    for at in range(len(data)):
        assert meter.feed(data[at : at + 1]) == data[at : at + 1]


async def test_near_the_boundary_only_whole_events_leave() -> None:
    meter = meter_of(reserved=3)
    event = b"data: " + orjson.dumps(payload("chat", " word0")) + b"\n\n"
    assert meter.feed(event[:30]) == b""
    assert not waits(meter)
    assert meter.feed(event[30:]) == event
    assert meter.feed(event) == b""
    assert waits(meter)
    meter.close()


async def test_an_event_that_had_begun_to_leave_is_finished() -> None:
    event = b"data: " + orjson.dumps(payload("chat", " word0" * 150)) + b"\n\n"
    meter = meter_of(reserved=200)
    assert meter.feed(event[:100]) == event[:100]
    assert meter.feed(event[100:] + event) == b""
    assert waits(meter)
    assert await meter.more() == event[100:]
    assert meter.error is LIMIT
    assert meter.tokens == 300
    assert meter.feed(event) == b""


async def test_events_without_text_pass_when_nothing_is_left() -> None:
    meter = meter_of(reserved=0)
    quiet = [*stream("chat", []), b"event: ping\nid: 1\nretry: 5\n\n", b"data:\n\n", b"\n\n"]
    for event in quiet:
        assert meter.feed(event) == event
        assert not waits(meter)
    assert meter.tokens == 0
    meter.close()


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "abc def"},
        {"reasoning_content": "abc def"},
        {"reasoning": "abc def"},
        {"refusal": "abc def"},
        {"tool_calls": [{"index": 0, "function": {"name": "abc", "arguments": " def"}}]},
        {"tool_calls": [{"index": 0, "custom": {"input": "abc def"}}]},
        {"function_call": {"name": "abc", "arguments": " def"}},
    ],
)
async def test_reasoning_and_tool_calls_count(delta: dict[str, object]) -> None:
    event = b"data: " + orjson.dumps({"choices": [{"index": 0, "delta": delta}]}) + b"\n\n"
    meter = meter_of(reserved=2)
    assert meter.feed(event) == event
    assert meter.tokens == 2
    assert meter.feed(event) == b""
    assert waits(meter)
    meter.close()


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("responses", {"type": "response.function_call_arguments.delta", "delta": "abc def"}),
        ("responses", {"type": "response.reasoning_summary_text.delta", "delta": "abc def"}),
        ("messages", {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "abc def"}}),
        ("messages", {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "abc def"}}),
        ("messages", {"type": "content_block_start", "content_block": {"type": "tool_use", "name": "abc def"}}),
    ],
)
async def test_reasoning_and_tool_calls_count_in_other_dialects(dialect: Dialect, body: dict[str, object]) -> None:
    meter = meter_of(dialect, 1)
    meter.feed(b"data: " + orjson.dumps(body) + b"\n\n")
    assert waits(meter)
    meter.close()


@pytest.mark.parametrize(
    "text",
    [
        "\U0001f9d1\u200d\U0001f680\U0001f469\u200d\U0001f52c",
        base64.b64encode(bytes(range(240))).decode(),
        "\u6f22\u5b57" * 40,
        " " * 200,
        "a" * 300,
        "\n" * 50,
    ],
    ids=["emoji", "base64", "cjk", "spaces", "run", "lines"],
)
@pytest.mark.parametrize("size", [50, 1460, 64 * 1024])
async def test_extreme_texts_are_counted_exactly(text: str, size: int) -> None:
    data = (b"data: " + json.dumps(payload("chat", text)).encode() + b"\n\n") * 400
    reserved = 5 * count(text) + 1
    meter = meter_of(reserved=reserved)
    out = await relay(meter, [data[at : at + size] for at in range(0, len(data), size)])
    delivered = count(text_of("chat", out))
    assert meter.error is LIMIT
    assert reserved - count(text) <= delivered <= reserved + count(text)
    # Where no word ends for long, a seam may cost a token.
    assert abs(meter.tokens - delivered) <= delivered // 50 + 1


async def test_a_burst_of_64_kib_in_one_event() -> None:
    event = b"data: " + orjson.dumps(payload("chat", " word0" * 10_000)) + b"\n\n"
    meter = meter_of(reserved=200)
    assert meter.feed(event) == b""
    assert waits(meter)
    assert await meter.more() == b""
    assert meter.error is LIMIT
    assert meter.tokens == 0


async def test_several_choices_in_one_stream() -> None:
    bodies = [{"choices": [{"index": number % 3, "delta": {"content": text}}]} for number, text in enumerate(WORDS)]
    data = b"".join(b"data: " + orjson.dumps(body) + b"\n\n" for body in bodies)
    out = await relay(meter_of(), [data])
    assert 200 <= count(text_of("chat", out)) <= 202


# ---- what cannot be read --------------------------------------------------------------------------------------------

MALFORMED = [
    b"data: {not json}\n\n",
    b"hello, this is no event stream at all\n\n",
    b"data: \xff\xfe\xff\xfe\n\n",
    b'data: {"choices":[{"delta":{"content":["parts","of","text"]}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"\\ud800"}}]}\n\n',
]


@pytest.mark.parametrize("event", MALFORMED)
async def test_malformed_events_pass_untouched_and_count_by_their_bytes(event: bytes) -> None:
    meter = meter_of(reserved=None)
    assert await relay(meter, [event] * 10) == event * 10
    assert (len(event) - 8) / 4 <= meter.tokens / 10 <= len(event) / 4 + 1
    limited = meter_of(reserved=20)
    out = await relay(limited, [event] * 100)
    assert limited.error is LIMIT
    assert event * 100 == out + event * (100 - len(out) // len(event))
    assert limited.tokens <= 20


@settings(max_examples=100, deadline=None)
@given(
    data=st.binary(max_size=2000), edges=st.lists(st.integers(0, 2000), max_size=10), dialect=st.sampled_from(READABLE)
)
def test_any_bytes_pass_where_there_is_room(data: bytes, edges: list[int], dialect: Dialect) -> None:
    async def run() -> None:
        meter = meter_of(dialect, 1500)
        out = await relay(meter, split(data, edges))
        assert out == data if meter.error is None else data.startswith(out)
        assert meter.error is None
        assert meter.tokens <= len(data)

    asyncio.run(run())


@settings(max_examples=100, deadline=None)
@given(
    pieces=st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"\n\n", b"data: {}", b"data: x", b": c", b"\xef\xbb\xbf"]), max_size=40),
    edges=st.lists(st.integers(0, 100), max_size=10),
)  # fmt: skip
def test_odd_line_ends_lose_nothing(pieces: list[bytes], edges: list[int]) -> None:
    data = b"".join(pieces)

    async def run() -> None:
        meter = meter_of("chat", 2, Grants(10_000), step=1)
        assert await relay(meter, split(data, edges)) == data

    asyncio.run(run())


async def test_an_opaque_stream_counts_what_it_understands_and_guesses_the_rest() -> None:
    chat = b"data: " + orjson.dumps(payload("chat", "abc def")) + b"\n\n"
    other = b"data: " + orjson.dumps({"event": "thread.message.delta", "value": "x" * 100}) + b"\n\n"
    meter = meter_of("opaque", None)
    await relay(meter, [chat, b"data: [DONE]\n\n"])
    assert meter.tokens == 2
    meter = meter_of("opaque", None)
    await relay(meter, [other])
    assert meter.tokens == -(-(len(other) - 8) // 4)


@pytest.mark.parametrize("size", [1460, 64 * 1024])
async def test_an_event_too_large_to_be_read_goes_by_in_parts_and_memory_is_bounded(size: int) -> None:
    event = b"data: " + orjson.dumps(payload("chat", "x" * 1_000_000)) + b"\n\n"
    after = b"data: " + orjson.dumps(payload("chat", " word0")) + b"\n\n"
    data = event + after
    meter = meter_of(reserved=None)
    out = b""
    for at in range(0, len(data), size):
        out += meter.feed(data[at : at + size])
        assert meter._size <= UNDECODED + size
    out += meter.finish()
    assert out == data
    assert abs(meter.tokens - len(event) // 4) <= 5
    limited = meter_of(reserved=50_000)
    out = await relay(limited, [data[at : at + size] for at in range(0, len(data), size)])
    assert limited.error is LIMIT
    assert limited.tokens <= 50_000
    assert len(out) <= 50_000 * 4 + size


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
async def test_large_events_that_generate_nothing_are_free(eol: bytes) -> None:
    whole = {"type": "response.completed", "response": {"output": "x" * 300_000, "usage": {"output_tokens": 5}}}
    image = {"choices": [{"delta": {"images": [{"image_url": {"url": "data:image/png;base64," + "A" * 300_000}}]}}]}
    for dialect, body in (("responses", whole), ("chat", image)):
        data = b"data: " + orjson.dumps(body) + b"\n\n"
        data += b"data: " + orjson.dumps(payload(dialect, " word0")) + b"\n\n"  # type: ignore[arg-type]
        data = data.replace(b"\n", eol)
        meter = meter_of(dialect, 2)  # type: ignore[arg-type]
        assert await relay(meter, [data[at : at + 1000] for at in range(0, len(data), 1000)]) == data
        assert meter.tokens == 2


@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("before", range(6))
async def test_the_end_of_a_large_event_is_seen_however_it_is_split(eol: bytes, before: int) -> None:
    whole = {"type": "response.completed", "response": {"output": "x" * 100_000}}
    large = (b"data: " + orjson.dumps(whole) + b"\n\n").replace(b"\n", eol)
    after = (b"data: " + orjson.dumps(payload("responses", " word0")) + b"\n\n").replace(b"\n", eol)
    meter = meter_of("responses", None)
    cut = len(large) - before
    for chunk in (large[:70_000], large[70_000:cut], large[cut:] + after[:5], after[5:]):
        assert meter.feed(chunk) == chunk
    assert meter.finish() == b""
    assert meter.tokens == 2


async def test_half_an_event_leaves_where_what_was_counted_leaves_room_for_all_its_bytes() -> None:
    meter = meter_of(reserved=1000, step=1)
    text = " internationalisation" * 40
    event = b"data: " + orjson.dumps(payload("chat", text)) + b"\n\n"
    assert len(event) * 1.2 > 1000 > count(text) + 700
    assert meter.feed(event) == event
    assert meter.feed(event[:600]) == event[:600]


async def test_a_last_event_without_its_blank_line_leaves_with_the_end() -> None:
    data = b"data: " + orjson.dumps(payload("chat", " word0")) + b"\n"
    meter = meter_of(reserved=2)
    assert meter.feed(data) == b""
    assert meter.finish() == data
    assert meter.tokens == 2
    meter = meter_of(reserved=1)
    assert meter.feed(data) == meter.finish() == b""
    assert waits(meter)
    assert await meter.more() == b""
    assert meter.error is LIMIT


# ---- asking for more ------------------------------------------------------------------------------------------------


async def test_more_is_asked_for_ahead_so_that_nothing_waits() -> None:
    grants = Grants(10_000)
    meter = meter_of(extend=grants, step=256)
    events = stream("chat")
    for event in events:
        assert meter.feed(event) == event
        await turns(3)
    assert meter.error is None
    assert meter.tokens == 1000
    # 200 were granted; 256 at a time until what is left covers the rest.
    assert grants.asked == [256] * 4


async def test_nothing_is_asked_for_while_enough_is_left() -> None:
    grants = Grants(10_000)
    meter = meter_of(reserved=1100, extend=grants)
    await relay(meter, stream("chat"))
    assert grants.asked == []


async def test_a_grant_that_comes_late_is_waited_for() -> None:
    grants = Grants(10_000)
    grants.gate.clear()
    meter = meter_of(extend=grants)
    data = b"".join(stream("chat"))
    out = meter.feed(data)
    assert waits(meter)
    assert count(text_of("chat", out)) == 200
    waiting = asyncio.ensure_future(meter.more())
    await turns()
    assert not waiting.done()
    grants.gate.set()
    out += await waiting
    while meter.waiting:
        out += await meter.more()
    assert out == data
    assert meter.tokens == 1000


async def test_what_is_fed_while_it_waits_keeps_its_order() -> None:
    grants = Grants(10_000)
    grants.gate.clear()
    meter = meter_of(reserved=10, extend=grants, step=5000)
    events = stream("chat")
    out = meter.feed(b"".join(events[:20]))
    assert waits(meter)
    assert meter.feed(events[20]) == b""
    grants.gate.set()
    await turns()
    out += meter.feed(events[21])
    assert not waits(meter)
    assert out == b"".join(events[:22])


async def test_a_grant_that_never_comes_ends_the_stream() -> None:
    grants = Grants(10_000)
    grants.gate.clear()
    meter = meter_of(reserved=10, extend=grants, patience=0.01)
    out = await relay(meter, stream("chat"))
    assert isinstance(meter.error, LimitsUnavailable)
    assert count(text_of("chat", out)) == 10
    assert (b"retry-after", b"1") in meter.error.headers


async def test_the_last_tokens_of_a_limit_are_asked_for_in_smaller_parts() -> None:
    error = BudgetExceeded("The budget is used up.")
    grants = Grants(70, error)
    meter = meter_of(extend=grants, step=256)
    out = await relay(meter, stream("chat"))
    assert meter.error is error
    assert count(text_of("chat", out)) == 270
    assert grants.left == 0
    assert len(grants.asked) < 20


async def test_an_event_larger_than_a_step_asks_for_what_it_needs() -> None:
    event = b"data: " + orjson.dumps(payload("chat", " word0" * 200)) + b"\n\n"
    grants = Grants(1000)
    meter = meter_of(reserved=100, extend=grants, step=16)
    assert await relay(meter, [event]) == event
    assert max(grants.asked) == 300


async def test_close_cancels_a_question_under_way() -> None:
    grants = Grants(0)
    grants.gate.clear()
    meter = meter_of(reserved=10, extend=grants)
    meter.feed(b"".join(stream("chat")))
    asking = meter._asking
    assert asking is not None
    await turns(2)
    meter.close()
    meter.close()
    await turns(2)
    assert asking.cancelled()


async def test_a_broken_store_is_not_taken_for_a_grant() -> None:
    async def extend(_: int) -> TollwayError | None:
        raise RuntimeError("a bug")

    meter = meter_of(reserved=10, extend=extend)  # type: ignore[arg-type]
    meter.feed(b"".join(stream("chat")))
    with pytest.raises(RuntimeError, match="a bug"):
        await meter.more()
    meter.close()
    forgotten = meter_of(reserved=10, extend=extend)  # type: ignore[arg-type]
    forgotten.feed(b"".join(stream("chat")[:8]))
    await turns(2)
    forgotten.close()


# ---- checkpoints ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", READABLE)
@pytest.mark.parametrize("reserved", [None, 100_000, 2_000])
@pytest.mark.parametrize("each", [1, 10, 100])
async def test_checkpoints_come_at_least_every_200_tokens(dialect: Dialect, reserved: int | None, each: int) -> None:
    told: list[int] = []
    spent: list[int] = []
    meter = meter_of(dialect, reserved, checkpoint=told.append, spend=spent.append)
    passed = 0
    for text in WORDS * 2:
        piece = text * each
        meter.feed(b"data: " + orjson.dumps(payload(dialect, piece)) + b"\n\n")
        passed += 2 * each
        if meter.waiting:
            break
        assert passed - (told[-1] if told else 0) <= max(CHECKPOINT_TOKENS, 2 * each)
    meter.close()
    assert told == sorted(set(told))
    assert sum(spent) == told[-1]
    # And not much more often.
    assert len(told) <= passed / 75


async def test_a_slow_stream_is_told_of_every_two_seconds() -> None:
    clock, told = FakeClock(), list[int]()
    meter = meter_of(reserved=None, clock=clock, checkpoint=told.append)
    for event in stream("chat", WORDS[:30])[1:31]:
        meter.feed(event)
        clock.advance(0.5)
    assert len(told) == 7
    assert meter.tokens - 8 < told[-1] < meter.tokens
    clock.advance(10)
    meter.feed(b": keepalive\n\n")
    meter.feed(b": keepalive\n\n")
    assert told[-1] == meter.tokens
    assert len(told) == 8


async def test_a_burst_is_told_of_before_it_leaves() -> None:
    told: list[int] = []
    meter = meter_of(reserved=None, checkpoint=told.append)
    meter.feed(b"".join(stream("chat")))
    assert told == [1000]


@settings(max_examples=50, deadline=None)
@given(edges=st.lists(st.integers(0, 40_000), max_size=40), asked=st.sets(st.integers(0, 40)))
def test_asking_for_the_figure_counts_nothing_twice(edges: list[int], asked: set[int]) -> None:
    events = stream("messages")
    data = b"".join(events)

    async def run() -> None:
        told: list[int] = []
        meter = meter_of("messages", 900, Grants(10_000), checkpoint=told.append)
        for number, chunk in enumerate(split(data, edges)):
            meter.feed(chunk)
            while meter.waiting:
                await meter.more()
            if number in asked:
                assert meter.tokens >= (told[-1] if told else 0)
        assert meter.finish() == b""
        assert meter.tokens == 1000

    asyncio.run(run())


async def test_figures_of_a_model_whose_vocabulary_is_not_known_are_stretched() -> None:
    told: list[int] = []
    meter = meter_of(reserved=200, factor=1.25, checkpoint=told.append)
    out = await relay(meter, stream("chat"))
    assert count(text_of("chat", out)) == 160
    assert meter.tokens == 200
    assert max(told) <= 200


# ---- the running count ----------------------------------------------------------------------------------------------

TEXTS = st.text(alphabet=st.sampled_from(" ab1.\n\u00e9\u6f22'"), max_size=12)


@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(TEXTS, max_size=60), asked=st.sets(st.integers(0, 60)))
def test_pieces_count_like_the_whole(pieces: list[str], asked: set[int]) -> None:
    tally = Tally(count)
    for number, piece in enumerate(pieces):
        tally.add(piece)
        assert tally.ceiling >= count("".join(pieces[: number + 1]))
        if number in asked:
            assert tally.with_more("x y") == count("".join(pieces[: number + 1]) + "x y")
            assert tally.total() == count("".join(pieces[: number + 1]))
    assert tally.total() == count("".join(pieces))


def test_a_long_answer_is_not_counted_again_and_again() -> None:
    seen = 0

    def counting(text: str) -> int:
        nonlocal seen
        seen += len(text)
        return count(text)

    tally = Tally(counting)
    for _ in range(2000):
        tally.add(" word")
        tally.total()
    assert tally.total() == 2000
    assert seen < 4 * 2000 * len(" word")


def test_what_is_kept_of_a_text_is_bounded() -> None:
    longest = 0

    def counting(text: str) -> int:
        nonlocal longest
        longest = max(longest, len(text))
        return count(text)

    tally = Tally(counting)
    for _ in range(5000):
        tally.add("xyzzy plugh ")
    tally.total()
    assert longest < 20_000
    words = Tally(counting)
    longest = 0
    for _ in range(2000):
        words.add("x1y2")
        words.total()
    # A run without a space is cut somewhere; it is not counted from its begin each time.
    assert longest < 1_000


def test_bytes_of_an_envelope_are_learnt_from_the_least() -> None:
    text = StreamedText("chat")
    small, large = payload("chat", " word"), {**payload("chat", " word"), "system_fingerprint": "fp_1"}
    text.text_of(b"".join(b"data: " + orjson.dumps(body) + b"\n\n" for body in (large, small, large)))
    assert text.envelope == len(orjson.dumps(small)) - len(" word") + len(b"data:\n\n")
