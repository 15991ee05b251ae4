"""Whose trace a request belongs to, whether it is recorded, and what its tries are told."""

import asyncio
from collections import Counter

import pytest

from proxy.context import Attempt, Limits, RequestContext, Target
from proxy.errors import UpstreamUnavailable
from proxy.protocols import Exchange, Prepared, UpstreamRequest
from proxy.telemetry.otel.sampling import ALWAYS, NEVER, Sampler, lower_half
from proxy.telemetry.otel.tracer import Tracer
from proxy.telemetry.otel.tries import Places, TracedProvider, TracedTransport, place_of
from proxy.telemetry.otel.w3c import parent_of, traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"
LIMITS = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)
TARGET = Target(provider="good", model="small", limits=LIMITS)


def request(*pairs: tuple[bytes, bytes]) -> RequestContext:
    return RequestContext(request_id="r", raw_headers=[*pairs], headers=dict(pairs))


def parent(*pairs: tuple[bytes, bytes]) -> object:
    ctx = request(*pairs)
    return parent_of(ctx.headers, ctx.raw_headers)


def test_a_parent_is_read() -> None:
    ctx = request((b"traceparent", GOOD.encode()), (b"tracestate", b"a=b"), (b"tracestate", b"c@d=e f"))
    found = parent_of(ctx.headers, ctx.raw_headers)
    assert found is not None
    assert (f"{found.trace_id:032x}", f"{found.span_id:016x}", found.sampled) == (TRACE, SPAN, True)
    assert found.state == "a=b,c@d=e f"
    assert traceparent(found.trace_id, found.span_id, 1) == GOOD


@pytest.mark.parametrize(
    "value",
    [
        "",
        GOOD.upper(),
        GOOD[:-1],
        GOOD + "-more",
        "ff" + GOOD[2:],
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        " " + GOOD,
        GOOD + "\n",
    ],
)
def test_what_is_no_parent(value: str) -> None:
    assert parent((b"traceparent", value.encode())) is None


def test_two_parents_are_none_and_later_versions_may_say_more() -> None:
    assert parent((b"traceparent", GOOD.encode()), (b"traceparent", GOOD.encode())) is None
    assert parent((b"traceparent", ("01" + GOOD[2:] + "-more").encode())) is not None


@pytest.mark.parametrize("state", ["no pair", "A=b", "a=b\x01", "a=" + "x" * 600, ",".join(["a=b"] * 40)])
def test_a_tracestate_that_cannot_be_read_is_none(state: str) -> None:
    ctx = request((b"traceparent", GOOD.encode()), (b"tracestate", state.encode()))
    found = parent_of(ctx.headers, ctx.raw_headers)
    assert found is not None
    assert found.state == ""


# ---- who is recorded ------------------------------------------------------------------------------------------------


def recorded(tracer: Tracer, ctx: RequestContext) -> bool:
    tracer.begin(ctx)
    return tracer.end(ctx) is not None


def test_a_share_of_the_traces_is_recorded_and_by_their_ids_alone() -> None:
    tracer = Tracer(Sampler(ratio=0.1))
    found = Counter(recorded(tracer, request()) for _ in range(20_000))
    assert 1800 < found[True] < 2200
    assert len(tracer) == 0
    ids = [int(TRACE, 16), int(TRACE, 16) ^ (1 << 63)]
    assert [lower_half(each) < Sampler(ratio=0.51).bound for each in ids] == [False, True]


@pytest.mark.parametrize(
    ("sampler", "flags", "expected"),
    [
        (Sampler(ratio=0.0), "01", True),
        (Sampler(ratio=1.0), "00", False),
        (Sampler(ratio=1.0), "02", False),
        (ALWAYS, "00", True),
        (NEVER, "01", False),
    ],
)
def test_a_callers_decision_is_heeded_or_not(sampler: Sampler, flags: str, expected: bool) -> None:
    ctx = request((b"traceparent", GOOD[:-2].encode() + flags.encode()))
    assert recorded(Tracer(sampler), ctx) is expected


# ---- tries ----------------------------------------------------------------------------------------------------------


class Answer:
    """An exchange with nothing in it."""

    status = 200
    headers = ()
    ended = True

    async def read(self) -> bytes:
        return b""

    def release(self) -> None:
        """Nothing."""

    abort = release


class Upstream:
    """Keeps what it was sent; fails the first ``failing`` times."""

    def __init__(self, failing: int = 0) -> None:
        self.sent: list[UpstreamRequest] = []
        self._failing = failing

    async def send(self, request: UpstreamRequest, limits: Limits, *, fresh: bool = False) -> Exchange:
        await asyncio.sleep(0)
        self.sent.append(request)
        if len(self.sent) <= self._failing:
            raise UpstreamUnavailable("no")
        return Answer()

    async def connect(self, request: UpstreamRequest, limits: Limits, subprotocols: object) -> object:
        self.sent.append(request)
        return object()

    async def close(self) -> None:
        """Nothing."""


HEADERS = [("accept", "*/*"), ("traceparent", GOOD), ("tracestate", "a=b"), ("baggage", "k=v")]


class Account:
    """Passes everything; shares its headers with every request, as accounts do."""

    name = "good"
    forwards = False

    def passes(self, endpoint: object, model: str, path: str) -> bool:
        return True

    def prepare(self, ctx: RequestContext, target: Target, *, include_usage: bool, now: int) -> Prepared:
        url = "https://api.example:8443/v1/chat?key=secret"
        return Prepared(UpstreamRequest(method="POST", url=url, headers=HEADERS, body=b"{}"))


async def tried(tracer: Tracer, ctx: RequestContext, upstream: Upstream, places: Places | None = None) -> None:
    """One try, as the relay makes it: prepared, noted, sent."""
    provider = TracedProvider(Account(), tracer)
    transport = TracedTransport(upstream, tracer, "good", {} if places is None else places)  # type: ignore[arg-type]
    prepared = provider.prepare(ctx, TARGET, include_usage=False, now=0)
    await asyncio.sleep(0)
    ctx.attempts.append(Attempt(provider="good", model="small", started=0.0))
    await transport.send(prepared.request, LIMITS)


def carried(request: UpstreamRequest) -> dict[str, str]:
    assert len({name for name, _ in request.headers}) == len(request.headers)
    return dict(request.headers)


async def test_each_try_carries_a_span_of_its_own() -> None:
    tracer, upstream, ctx = (
        Tracer(ALWAYS),
        Upstream(failing=1),
        request((b"traceparent", GOOD.encode()), (b"tracestate", b"a=b")),
    )
    tracer.begin(ctx)
    with pytest.raises(UpstreamUnavailable):
        await tried(tracer, ctx, upstream)
    await tried(tracer, ctx, upstream)
    trace = tracer.end(ctx)
    assert trace is not None
    spans = [trace.try_of(attempt) for attempt in ctx.attempts]
    told = [carried(each)["traceparent"].split("-") for each in upstream.sent]
    assert [each.span_id for each in spans if each is not None] == [int(words[2], 16) for words in told]
    assert {words[1] for words in told} == {TRACE}
    assert [name for name, _ in upstream.sent[0].headers] == [name for name, _ in HEADERS], "in its place"
    assert carried(upstream.sent[0])["tracestate"] == "a=b"
    assert HEADERS[1] == ("traceparent", GOOD), "shared headers stay as they are"


async def test_tries_at_once_are_told_apart() -> None:
    tracer, ctx = Tracer(ALWAYS), request((b"traceparent", b"no such thing"), (b"tracestate", b"a=b"))
    slow, quick = Upstream(), Upstream()
    tracer.begin(ctx)
    tasks = [asyncio.create_task(tried(tracer, ctx, each)) for each in (slow, quick)]
    await asyncio.gather(*tasks)
    trace = tracer.end(ctx)
    assert trace is not None
    spans = {sent.span_id for attempt in ctx.attempts if (sent := trace.try_of(attempt)) is not None}
    assert {int(carried(each.sent[0])["traceparent"].split("-")[2], 16) for each in (slow, quick)} == spans
    assert len(spans) == 2
    assert "tracestate" not in carried(slow.sent[0]), "it belongs to a parent that is not ours"
    assert carried(slow.sent[0])["baggage"] == "k=v"


async def test_what_is_not_recorded_travels_as_it_came() -> None:
    tracer, upstream, ctx = Tracer(NEVER), Upstream(), request((b"traceparent", GOOD.encode()))
    tracer.begin(ctx)
    places: Places = {}
    await tried(tracer, ctx, upstream, places)
    assert upstream.sent[0].headers is HEADERS
    assert tracer.end(ctx) is None
    assert places == {"good": ("api.example", 8443)}


async def test_a_request_of_our_own_has_no_part_in_the_trace_that_started_it() -> None:
    """A copy for a shadow is sent from a task that was made within the original's."""
    tracer, upstream, ctx, copy = Tracer(ALWAYS), Upstream(), request((b"traceparent", GOOD.encode())), request()
    tracer.begin(ctx)
    await tried(tracer, ctx, upstream)
    await asyncio.create_task(tried(tracer, copy, upstream))
    assert upstream.sent[1].headers is HEADERS
    trace = tracer.end(ctx)
    assert trace is not None
    assert len(trace.sent) == 1


def test_a_place_holds_no_secret() -> None:
    assert place_of("https://user:word@h.example/v1?key=secret") == ("h.example", 443)
    assert place_of("ws://127.0.0.1:9/x") == ("127.0.0.1", 9)
