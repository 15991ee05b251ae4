"""What is held before the commit point: answers that are rebuilt, streams under a limit, and streams that begin too slowly."""

import json
from collections.abc import Callable

import orjson
import pytest

from proxy.context import RequestContext, Target
from proxy.errors import RateLimited, TollwayError, UpstreamCut, UpstreamInvalid
from proxy.policy.routes import SlowStream
from proxy.protocols import Exchange, Prepared
from proxy.providers.openai import OPENAI
from proxy.providers.openai_dialect.chat import CompatibleChat
from proxy.relay.held import HELD
from proxy.relay.replayed import Replayed
from proxy.translation.ask import Ask
from proxy.translation.composed import Composed
from proxy.translation.fronts import FRONTS
from proxy.wire.endpoints import MESSAGES, RESPONSES, Endpoint
from tests.support.clock import elapsed, virtual
from tests.support.courses import FakeCourse, step_to
from tests.support.fakes import SSE, FakeExchange, FakeProvider
from tests.support.journeys import ANSWER, DONE, END, GOOD, PLAIN, ROLE, STREAM, Journey, chunk, good, target

# ---- answers that are rebuilt ---------------------------------------------------------------------------------------


class Translating(FakeProvider):
    """Repairs chat for chat clients, or rebuilds it for others."""

    def __init__(self, path: str = "", *, stream: bool = True) -> None:
        super().__init__()
        self._path = path
        self._stream = stream

    def prepare(self, ctx: RequestContext, target: Target, *, include_usage: bool, now: int) -> Prepared:
        found = super().prepare(ctx, target, include_usage=include_usage, now=now)
        ask = Ask(model="small", request_id=ctx.request_id, stream=self._stream)
        front = FRONTS[self._path]() if self._path else None
        return Prepared(found.request, Composed(ask, CompatibleChat(OPENAI), front, forwards=False))


def translating(path: str = "", *, stream: bool = True) -> dict[str, FakeProvider]:
    return {name: Translating(path, stream=stream) for name in "abc"}


def event(delta: dict[str, object], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + orjson.dumps({"id": "1", "object": "chat.completion.chunk", "choices": [choice]}) + b"\n\n"


FIRST = event({"role": "assistant", "content": ""})
YES = (FIRST, event({"content": "yes"}), event({}, "stop") + DONE)
ERROR = b'data: {"error":{"message":"overloaded","type":"overloaded_error","code":"overloaded"}}\n\n'

FAILURES: list[tuple[Callable[[], FakeExchange], set[str]]] = [
    (lambda: FakeExchange(b'{"error":{"message":"no"}}', status=500), {"server_error"}),
    (lambda: FakeExchange(FIRST, ERROR, headers=SSE), {"error_event", "overloaded"}),
    (lambda: FakeExchange(FIRST, headers=SSE), {"cut"}),
    (lambda: FakeExchange(FIRST, UpstreamCut("cut"), headers=SSE), {"cut"}),
    (lambda: FakeExchange(headers=SSE), {"cut", "invalid"}),
    (lambda: FakeExchange(b"<html>", headers=((b"content-type", b"text/html"),)), {"cut", "invalid"}),
    (lambda: FakeExchange(b"{}", status=307), {"invalid"}),
]


@pytest.mark.parametrize("failure", range(len(FAILURES)))
@pytest.mark.parametrize(("path", "endpoint"), [("", None), ("/messages", MESSAGES), ("/responses", RESPONSES)])
async def test_of_a_rebuilt_answer_that_fails_nothing_leaves(
    failure: int, path: str, endpoint: Endpoint | None
) -> None:
    make, kinds = FAILURES[failure]
    more: dict[str, object] = {"endpoint": endpoint} if endpoint is not None else {}
    alone = Journey(good(*YES), providers=translating(path), attempts=1, **more)  # type: ignore[arg-type]
    wanted = await alone.go()
    run = Journey(make(), good(*YES), providers=translating(path), **more)  # type: ignore[arg-type]
    client = await run.go()
    assert without_ids(client.body) == without_ids(wanted.body)
    assert client.ended
    assert run.kinds[0] in kinds
    assert run.tried == ["a", "b"]
    assert run.context.outcome == "ok"


def without_ids(stream: bytes) -> list[object]:
    """Its events; the gateway's own ids of a request differ."""

    def bare(value: object) -> object:
        if isinstance(value, dict):
            return {
                name: bare(part)
                for name, part in value.items()
                if name not in ("id", "item_id", "created_at", "created")
            }
        return [bare(part) for part in value] if isinstance(value, list) else value

    lines = [line[6:] for line in stream.decode().splitlines() if line.startswith("data: ")]
    return [bare(json.loads(line)) if line != "[DONE]" else line for line in lines]


async def test_an_error_inside_a_rebuilt_200_moves_on() -> None:
    bad = FakeExchange(b'{"error":{"message":"no","type":"server_error","code":500}}')
    run = Journey(bad, FakeExchange(ANSWER), request=PLAIN, providers=translating(stream=False))
    client = await run.go()
    assert client.status == 200
    assert json.loads(client.body)["choices"][0]["message"]["content"] == "yes"
    assert run.tried == ["a", "b"]


async def test_a_rebuilt_stream_that_breaks_after_output_stays() -> None:
    run = Journey(FakeExchange(*YES[:2], UpstreamCut("cut"), headers=SSE), good(*YES), providers=translating())
    client = await run.go()
    assert client.status == 200
    assert client.body.count(b"yes") == 1
    assert b'"upstream_error"' in client.body
    assert run.tried == ["a"]
    assert run.leases[0].told == ["answered 200", "output", "failed cut", "closed"]


@pytest.mark.parametrize("reads", [[FIRST + YES[1] + ERROR], [FIRST, YES[1] + ERROR]])
async def test_output_and_an_error_in_one_read_is_output(reads: list[bytes]) -> None:
    run = Journey(FakeExchange(*reads, headers=SSE), good(*YES), providers=translating())
    client = await run.go()
    assert client.body.count(b"yes") == 1
    assert b"overloaded" in client.body
    assert run.tried == ["a"]
    assert run.leases[0].faults != []


async def test_the_last_error_of_a_rebuilt_answer_is_told_in_the_clients_words() -> None:
    run = Journey(
        FakeExchange(b"{}", status=500),
        FakeExchange(b'{"error":{"message":"busy","type":"overloaded_error"}}', status=529),
        providers=translating("/messages"),
        endpoint=MESSAGES,
    )
    client = await run.go()
    assert client.status == 503, "as the translation says it"
    assert json.loads(client.body)["type"] == "error"
    run = Journey(FakeExchange(b"{}", status=500), FakeExchange(FIRST, ERROR, headers=SSE), providers=translating())
    client = await run.go()
    assert client.status >= 400
    assert "overloaded" in client.error["message"]


async def test_our_credentials_refused_in_a_rebuilt_answer() -> None:
    run = Journey(FakeExchange(b'{"error":{"message":"sk-ours"}}', status=401), good(*YES), providers=translating())
    assert (await run.go()).status == 200
    assert run.kinds == ["credentials", ""]
    run = Journey(FakeExchange(b'{"error":{"message":"sk-ours"}}', status=401), providers=translating(), attempts=2)
    client = await run.go()
    assert client.status == 502
    assert b"sk-ours" not in client.body


async def test_whoever_looks_at_a_rebuilt_answer_sees_it_as_it_came() -> None:
    seen: list[bytes] = []

    async def look(request: object, exchange: Exchange, again: object) -> Exchange:
        while not exchange.ended:
            seen.append(await exchange.read())
        return Replayed(exchange, b"".join(seen))

    run = Journey(FakeExchange(b"{}", status=500), good(*YES), providers=translating(), filters=[look])
    client = await run.go()
    assert b"".join(seen) == b"".join(YES)
    assert client.body.count(b"yes") == 1


# ---- under a limit --------------------------------------------------------------------------------------------------


class Meter:
    """Lets events pass until ``granted`` have; then refuses."""

    def __init__(self, granted: int) -> None:
        self.error: TollwayError | None = None
        self.waiting = False
        self._granted = granted

    def feed(self, data: bytes) -> bytes:
        events = [part + b"\n\n" for part in data.split(b"\n\n") if part]
        passed = events[: self._granted]
        self._granted -= len(passed)
        if len(passed) < len(events):
            self.error = RateLimited("The limit is reached.")
        return b"".join(passed)

    def finish(self) -> bytes:
        return b""

    async def more(self) -> bytes:
        return b""

    def close(self) -> None:
        return None


@pytest.mark.parametrize("providers", [None, translating])
@pytest.mark.parametrize("granted", [1, 2, 3])
async def test_what_was_held_and_may_not_leave_is_not_counted(
    granted: int, providers: Callable[[], dict[str, FakeProvider]] | None
) -> None:
    """Read together, so held together; only what the limit lets through is output."""
    reads = FIRST + event({"content": "a"}) + event({"content": "b"}) + event({"content": "c"})
    run = Journey(
        FakeExchange(reads, event({}, "stop") + DONE, headers=SSE),
        good(*YES),
        providers=providers() if providers is not None else None,  # type: ignore[arg-type]
    )
    run.meter = Meter(granted)
    client = await run.go()
    assert "".join(run.context.output_text) == "ab"[: granted - 1]
    assert b"rate_limit_exceeded" in client.body
    assert run.tried == ["a"]


# ---- streams that begin too slowly ----------------------------------------------------------------------------------

SLOW = SlowStream(tokens_per_second=2.0, window=2.0)


def paced(*names: str) -> FakeCourse:
    return FakeCourse(*[step_to(target(name)) for name in names], slow_stream=SLOW)


@virtual
async def test_a_slow_stream_is_left_before_anything_of_it_leaves() -> None:
    slow = FakeExchange(ROLE, chunk("a"), 1.5, chunk("b"), 10.0, chunk("c"), END + DONE, headers=SSE)
    run = Journey(slow, good(ROLE, *[chunk("x")] * 4, END + DONE), course=paced("a", "b"))
    client = await run.go()
    assert client.body == ROLE + chunk("x") * 4 + END + DONE
    assert elapsed() == pytest.approx(2, abs=0.05), "judged when the window is over, not when the next read comes"
    assert run.kinds == ["slow", ""]
    assert run.context.attempts[0].maybe_billed
    assert slow.aborted == 1


@virtual
async def test_a_stream_that_is_fast_enough_leaves_as_soon_as_that_is_known() -> None:
    run = Journey(
        FakeExchange(
            ROLE, chunk("a"), 0.2, chunk("b"), 0.2, chunk("c"), 0.2, chunk("d"), 50.0, END + DONE, headers=SSE
        ),
        good(),
        course=paced("a", "b"),
    )
    client = await run.go()
    assert client.chunks[0] == ROLE + chunk("a") + chunk("b") + chunk("c") + chunk("d")
    assert run.tried == ["a"]


@virtual
async def test_a_short_answer_is_not_slow() -> None:
    run = Journey(good(), good(), course=paced("a", "b"))
    assert (await run.go()).body == GOOD
    assert run.tried == ["a"]


@virtual
async def test_long_events_count_by_their_text() -> None:
    run = Journey(
        FakeExchange(ROLE, chunk("word " * 20), 30.0, END + DONE, headers=SSE), good(), course=paced("a", "b")
    )
    await run.go()
    assert run.tried == ["a"]


@virtual
async def test_a_slow_stream_goes_on_where_nothing_else_is_left() -> None:
    slow = FakeExchange(ROLE, chunk("a"), 10.0, chunk("b"), END + DONE, headers=SSE)
    run = Journey(slow, course=paced("a"), attempts=2)
    client = await run.go()
    assert client.body == ROLE + chunk("a") + chunk("b") + END + DONE
    assert client.ended
    assert run.kinds == ["slow"]


@virtual
async def test_nothing_waits_for_a_pace_on_the_last_try() -> None:
    slow = FakeExchange(ROLE, chunk("a"), 10.0, END + DONE, headers=SSE)
    run = Journey(slow, course=paced("a"), attempts=1)
    assert (await run.go()).chunks == [ROLE, chunk("a"), END + DONE]


@virtual
async def test_a_slow_rebuilt_stream_is_left_too() -> None:
    slow = FakeExchange(*YES[:2], 10.0, YES[2], headers=SSE)
    run = Journey(slow, good(*YES), course=paced("a", "b"), providers=translating())
    client = await run.go()
    assert client.body.count(b"yes") == 1
    assert run.kinds == ["slow", ""]


async def test_the_hold_is_bounded() -> None:
    reads = [b": " + b"x" * 1000 + b"\n\n"] * 80
    run = Journey(FakeExchange(*reads, chunk("a"), UpstreamCut("cut"), headers=SSE), good())
    client = await run.go()
    assert HELD <= len(client.chunks[0]) < HELD + 2000
    assert run.tried == ["a"]


async def test_a_stream_that_is_none_after_all() -> None:
    run = Journey(FakeExchange(UpstreamInvalid("nonsense"), headers=SSE), good(), request=STREAM)
    assert (await run.go()).body == GOOD
    assert run.kinds == ["invalid", ""]
