"""What leaves: bounded queues, retries that end, facts without content, and metrics that add up."""

import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from msgspec import Struct
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from prometheus_client import CollectorRegistry

from proxy.context import Attempt, RequestContext
from proxy.policy.faults import Fault
from proxy.telemetry.otel.exported import OtelMetrics
from proxy.telemetry.otel.facts import NOTHING, SILENT, asked_in, told_by
from proxy.telemetry.otel.heard import Heard
from proxy.telemetry.otel.identity import resource
from proxy.telemetry.otel.outbox import Outbox
from proxy.telemetry.otel.points import MetricEncoder
from proxy.telemetry.otel.sending import SHORTEST_PAUSE, Sender
from proxy.telemetry.otel.settings import Collector as To
from proxy.telemetry.otel.tallies import MOST, Tallies
from proxy.wire.chat import RequestView
from proxy.wire.usage import Usage
from tests.support.collector import Collector, Point, pairs

SECRET = "never-told-4711"


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.close()


def sender(collector: Collector, timeout: float = 5.0, stopping: threading.Event | None = None) -> Sender:
    return Sender(To(url=collector.url, timeout=timeout), agent="test", stopping=stopping or threading.Event())


# ---- sending --------------------------------------------------------------------------------------------------------


def test_what_is_taken_is_sent_once(collector: Collector) -> None:
    assert sender(collector).send(b"x") == ""
    assert len(collector.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500, 301])
def test_what_will_never_be_taken_is_not_sent_again(collector: Collector, status: int) -> None:
    collector.status = status
    collector.answer_headers = {"location": "http://127.0.0.1:1/"}
    assert sender(collector).send(b"x") == f"it answered {status}"
    assert len(collector.requests) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_be_taken_later_is_sent_again_when_the_collector_says(collector: Collector, status: int) -> None:
    collector.first = [status, status]
    collector.answer_headers = {"retry-after": "0"}
    begun = time.monotonic()
    assert sender(collector).send(b"x") == ""
    assert len(collector.requests) == 3
    assert 2 * SHORTEST_PAUSE <= time.monotonic() - begun < 1.0, "not as fast as it can"


@pytest.mark.parametrize("wanted", ["3600", "soon"])
def test_no_retry_outlasts_the_timeout(collector: Collector, wanted: str) -> None:
    collector.status = 429
    collector.answer_headers = {"retry-after": wanted}
    begun = time.monotonic()
    assert sender(collector, timeout=0.3).send(b"x") == "it answered 429"
    assert time.monotonic() - begun < 1.0


def test_the_end_of_the_process_ends_a_pause(collector: Collector) -> None:
    collector.status = 503
    stopping = threading.Event()
    threading.Timer(0.1, stopping.set).start()
    begun = time.monotonic()
    assert sender(collector, timeout=30.0, stopping=stopping).send(b"x") == "it answered 503"
    assert time.monotonic() - begun < 1.0


def test_a_collector_that_hangs_is_left_in_time(collector: Collector) -> None:
    collector.hold = 30.0
    begun = time.monotonic()
    assert sender(collector, timeout=0.2).send(b"x") == "it did not answer in time"
    assert time.monotonic() - begun < 2.0


# ---- the queue ------------------------------------------------------------------------------------------------------


class Item(Struct):
    spans: int


class Sink:
    """Takes batches, once it may."""

    def __init__(self, why: str = "") -> None:
        self.may = threading.Event()
        self.taken: list[int] = []
        self.why = why
        self.dropped = self.counted = 0

    def send(self, items: Sequence[Item]) -> str:
        self.may.wait(5.0)
        self.taken.append(sum(item.spans for item in items))
        return self.why

    def lost(self, size: int) -> None:
        self.dropped += size

    def took(self, size: int) -> None:
        self.counted += size


def outbox(sink: Sink, *, limit: int = 10, batch: int = 4) -> Outbox[Item]:
    made: Outbox[Item] = Outbox(sink.send, limit=limit, batch=batch, delay=0.01, dropped=sink.lost, taken=sink.took)
    made.start()
    return made


def test_a_queue_is_bounded_and_what_is_beyond_is_counted() -> None:
    sink = Sink()
    box = outbox(sink)
    for _ in range(100):
        box.put(Item(2))
    assert sink.dropped == 2 * 100 - 10
    sink.may.set()
    box.stop()
    box.join(5.0)
    assert sum(sink.taken) == sink.counted == 10
    assert max(sink.taken) <= 4
    assert sink.dropped == 190


def test_a_batch_that_is_not_taken_is_lost_and_makes_room() -> None:
    sink = Sink("it answered 400")
    sink.may.set()
    box = outbox(sink)
    for _ in range(3):
        box.put(Item(3))
    box.stop()
    box.join(5.0)
    assert (sink.dropped, sink.counted) == (9, 0)


def test_a_batch_that_cannot_be_written_does_not_end_the_thread() -> None:
    sink = Sink()
    sink.may.set()
    send = sink.send

    def broken(items: Sequence[Item]) -> str:
        if not sink.dropped:
            raise ValueError
        return send(items)

    sink.send = broken  # type: ignore[method-assign]
    box = outbox(sink)
    for _ in range(2):
        box.put(Item(4))
    box.stop()
    box.join(5.0)
    assert (sink.dropped, sink.counted) == (4, 4)


def test_the_end_is_bounded_and_what_is_left_is_counted() -> None:
    sink = Sink()
    box = outbox(sink)
    for _ in range(3):
        box.put(Item(2))
    box.stop()
    begun = time.monotonic()
    box.join(0.1)
    assert time.monotonic() - begun < 1.0
    assert sink.dropped == 6
    sink.may.set()


# ---- facts ----------------------------------------------------------------------------------------------------------


def test_settings_of_a_request() -> None:
    asked = asked_in(
        b'{"temperature": 0.5, "top_p": 1, "seed": 3, "messages": [{"content": "' + SECRET.encode() + b'"}]}'
    )
    assert (asked.temperature, asked.top_p, asked.seed) == (0.5, 1.0, 3)
    assert SECRET not in repr(asked)
    for form, output in (
        ('{"type":"json_schema"}', "json"),
        ('{"type":"text"}', "text"),
        ('{"type":"x"}', ""),
        ('"mp3"', ""),
    ):
        found = asked_in(f'{{"seed": 1, "response_format": {form}}}'.encode())
        assert (found.seed, found.output) == (1, output)
    for body in (b"", b"[]", b'{"temperature": "hot"}', b"{", b'{"seed": 1' + b" " * 70_000 + b"}"):
        assert asked_in(body) == NOTHING


@pytest.mark.parametrize(
    ("body", "ident", "model", "reasons"),
    [
        ('{"id":"c1","model":"m","choices":[{"finish_reason":"stop"},{"finish_reason":"length"}]}', "c1", "m", ("stop", "length")),
        ('{"id":"msg_1","model":"claude","stop_reason":"end_turn"}', "msg_1", "claude", ("end_turn",)),
        ('{"responseId":"r","modelVersion":"g","candidates":[{"finishReason":"STOP","content":{"parts":[{"functionCall":{"args":{"id":"S"}}}]}}]}', "r", "g", ("stop",)),
        ('{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"id":"S","model":"S"}}}]}}]}', "", "", ()),
        ('{"id":"a b S","model":7}', "", "", ()),
        ('{"id":"a b S"}', "_OTHER", "", ()),
        ("no json", "", "", ()),
    ],
)  # fmt: skip
def test_what_an_answer_says_of_itself(body: str, ident: str, model: str, reasons: tuple[str, ...]) -> None:
    told = told_by([body.replace('"S"', f'"{SECRET}"').replace(" S", " " + SECRET).encode()], stream=False)
    assert (told.ident, told.model, told.reasons) == (ident, model, reasons)


STREAMS = {
    "chat": (
        b'data: {"id":"c1","model":"m","choices":[{"delta":{"content":"X"},"finish_reason":null}]}\n\n',
        b'data: {"id":"c1","choices":[{"delta":{},"finish_reason":"length"}]}\n\ndata: {"choices":[],"usage":{}}\n\ndata: [DONE]\n\n',
        ("c1", "m", ("length",)),
    ),
    "messages": (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"claude","content":[]}}\n\n',
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"max_tokens"}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n',
        ("msg_1", "claude", ("max_tokens",)),
    ),
    "responses": (
        b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1","model":"m","status":"in_progress"}}\n\n',
        b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"resp_1","model":"m","status":"completed"}}\n\n',
        ("resp_1", "m", ("completed",)),
    ),
}


class Stream:
    """An exchange that is read in pieces."""

    status = 200
    headers = ((b"content-type", b"text/event-stream; charset=utf-8"),)

    def __init__(self, parts: Sequence[bytes], *more: tuple[bytes, bytes]) -> None:
        self._parts = [*parts]
        self.headers = (*self.headers, *more)

    @property
    def ended(self) -> bool:
        return not self._parts

    async def read(self) -> bytes:
        return self._parts.pop(0) if self._parts else b""

    def release(self) -> None:
        """Nothing."""

    abort = release


async def heard(exchange: Stream) -> tuple[Heard, bytes]:
    listener, data = Heard(exchange), b""
    while not listener.ended:
        data += await listener.read()
    return listener, data


@pytest.mark.parametrize("dialect", STREAMS)
@pytest.mark.parametrize("size", [7, 1000, 100_000])
async def test_a_stream_is_known_by_its_ends_however_it_arrives(dialect: str, size: int) -> None:
    first, last, expected = STREAMS[dialect]
    middle = b'data: {"type":"x","choices":[{"delta":{"content":"' + SECRET.encode() + b'"}}]}\n\n'
    whole = first + middle * 300 + last
    listener, data = await heard(Stream([whole[at : at + size] for at in range(0, len(whole), size)]))
    assert data == whole
    told = listener.told()
    assert (told.ident, told.model, told.reasons) == expected


async def test_a_compressed_answer_is_not_read() -> None:
    listener, _ = await heard(Stream([STREAMS["chat"][0]], (b"content-encoding", b"gzip")))
    assert listener.told() == SILENT


# ---- metrics --------------------------------------------------------------------------------------------------------


def tallies(*, latest: bool = False, known: bool = True) -> Tallies:
    return Tallies(
        about=lambda operation, provider: {"gen_ai.operation.name": operation, "gen_ai.system": provider},
        known_models=lambda _: known,
        latest=latest,
        scheme="http",
    )


def encoder(*, delta: bool = False) -> MetricEncoder:
    return MetricEncoder(resource=Resource(), scope=InstrumentationScope(), started=1, delta=delta)


def points(encoded: MetricEncoder, of: Tallies, now: int = 2) -> list[Point]:
    collector = object.__new__(Collector)
    collector.metrics = [encoded.encoded(of.made, now)]
    return collector.points()


def request(**more: object) -> RequestContext:
    attempt = Attempt(provider="p", model="m", started=1.0, status=200, ended=2.0)
    ctx = RequestContext(request_id="r", started=0.5, status=200, path="/chat/completions", attempts=[attempt])
    ctx.usage = Usage(input=10, output=5, cached=4)
    for name, value in more.items():
        setattr(ctx, name, value)
    return ctx


def test_a_streams_chunks_are_counted_with_their_mean() -> None:
    of = tallies()
    of.note(request(request=RequestView(stream=True), first_token_at=1.5, last_token_at=2.5, token_events=5), 2.5)
    (between,) = [each for each in points(encoder(), of) if each.metric.endswith("time_per_output_chunk")]
    assert (between.count, between.value) == (4, 1.0)
    (first,) = [each for each in points(encoder(), of) if each.metric.endswith("time_to_first_chunk")]
    assert (first.count, first.value) == (1, 0.5)


def test_a_failed_try_and_one_that_was_not_sent() -> None:
    of = tallies()
    failed = Attempt(
        provider="q", model="m", started=0.6, ended=0.7, fault=Fault(kind="timeout"), error="UpstreamTimeout"
    )
    unsent = Attempt(
        provider="z", model="m", started=0.6, ended=0.6, fault=Fault(kind="limited_here"), error="RateLimited"
    )
    ctx = request()
    ctx.attempts[:0] = [failed, unsent]
    of.note(ctx, 2.0)
    found = [each for each in points(encoder(), of) if each.metric == "gen_ai.client.operation.duration"]
    assert {(each.attributes["gen_ai.system"], each.attributes.get("error.type")) for each in found} == {
        ("q", "timeout"),
        ("p", None),
    }


@pytest.mark.parametrize(("latest", "histograms"), [(True, 0), (False, 2)])
def test_an_answer_that_broke_off_used_tokens_but_is_no_operation_of_so_many(latest: bool, histograms: int) -> None:
    of = tallies(latest=latest)
    of.note(request(outcome="upstream_error"), 2.0)
    found = points(encoder(), of)
    assert (
        len([each for each in found if "operation.input" in each.metric or "token.usage" in each.metric]) == histograms
    )
    counted = {each.metric: each.value for each in found if ".usage." in each.metric and latest}
    assert counted.get("gen_ai.client.inference.usage.output_tokens") == (5 if latest else None)


def test_delta_says_what_is_new_and_cumulative_everything() -> None:
    for delta, expected in ((False, [10, 20]), (True, [10, 10])):
        of, encoded = tallies(latest=True), encoder(delta=delta)
        seen = []
        for now in (2, 3):
            of.note(request(), 2.0)
            found = {each.metric: each for each in points(encoded, of, now)}
            counter = found["gen_ai.client.inference.usage.input_tokens"]
            seen.append(counter.value)
            assert found["gen_ai.client.inference.operation.input_tokens"].value == counter.value
            assert counter.delta is delta
        assert seen == expected
    assert encoded.encoded(of.made, 4) == b"", "nothing new"


def test_series_are_bounded_whatever_clients_and_providers_say() -> None:
    of = tallies(known=False)
    for number in range(300):
        ctx = request(path="/chat/completions", method=f"M{number}")
        ctx.attempts[0].model = f"model-{number}"
        of.note(ctx, 2.0)
    assert len(of.made) < 10
    of = tallies()
    for number in range(MOST + 300):
        ctx = request()
        ctx.attempts[0].model = f"model-{number}"
        of.note(ctx, 2.0)
    counts = [each for each in points(encoder(), of) if each.metric == "gen_ai.client.operation.duration"]
    beyond = [each for each in counts if each.attributes == {"otel.metric.overflow": "true"}]
    assert sum(each.count for each in counts) == MOST + 300
    assert sum(each.count for each in beyond) == 300


# ---- who exports ----------------------------------------------------------------------------------------------------


def test_an_instance_that_the_operator_named_is_still_one_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=here,k=v")
    one, several = (pairs(resource(workers=workers).attributes) for workers in (1, 2))
    assert (one["service.instance.id"], one["service.name"], one["k"]) == ("here", "tollway", "v")
    assert several["service.instance.id"] == f"here/{several['process.pid']}"
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES")
    made = {pairs(resource(workers=2).attributes)["service.instance.id"] for _ in range(2)}
    assert len(made) == 2


def test_both_signals_are_counted_from_the_start() -> None:
    registry = CollectorRegistry()
    dropped, exported = OtelMetrics(registry).counts("traces")
    dropped(3)
    exported(2)
    assert registry.get_sample_value("tollway_otel_dropped_total", {"signal": "traces"}) == 3
    assert registry.get_sample_value("tollway_otel_exported_total", {"signal": "traces"}) == 2
    assert registry.get_sample_value("tollway_otel_dropped_total", {"signal": "metrics"}) == 0
