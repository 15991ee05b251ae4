"""An OTLP/HTTP collector for the tests: takes traces and metrics, decodes them, and can be as unpleasant as real ones."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

SERVER, CLIENT = ProtoSpan.SPAN_KIND_SERVER, ProtoSpan.SPAN_KIND_CLIENT


def plain(value: AnyValue) -> Any:
    """What an attribute holds."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


def pairs(attributes: "list[KeyValue] | Any") -> dict[str, Any]:
    """Attributes by name. No name may come twice."""
    found = {each.key: plain(each.value) for each in attributes}
    assert len(found) == len(attributes), [each.key for each in attributes]
    return found


class Span(msgspec.Struct, frozen=True):
    """One span, its ids in hexadecimal digits, its times in nanoseconds. ``failed``: is its status an error?"""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent: str
    started: int
    ended: int
    attributes: dict[str, Any]
    failed: bool
    state: str
    remote: bool
    events: list[tuple[str, dict[str, Any]]]
    resource: dict[str, Any]


class Point(msgspec.Struct, frozen=True):
    """One series of a metric. ``value``: of a counter; of a histogram its sum."""

    metric: str
    unit: str
    attributes: dict[str, Any]
    value: float
    count: int
    buckets: tuple[int, ...]
    delta: bool
    resource: dict[str, Any]


class Collector:
    """Listens on a free port. ``status`` and ``hold`` (seconds) say how it answers; everything it was sent is kept."""

    def __init__(self) -> None:
        self.status = 200
        self.first: list[int] = []
        """Statuses of the first answers; after them it is ``status``."""
        self.hold = 0.0
        self.garbage = False
        self.answer_headers: dict[str, str] = {}
        self.traces: list[bytes] = []
        self.metrics: list[bytes] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Lets go of whoever waits, and stops."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.took(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                if collector.hold:
                    collector._released.wait(collector.hold)
                if collector.garbage:
                    self.wfile.write(b"\x00\x01 this is no HTTP\r\n\r\n")
                    self.close_connection = True
                    return
                self.send_response(collector.first.pop(0) if collector.first else collector.status)
                for name, value in collector.answer_headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        return Handler

    def took(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Keeps an export that is to be taken."""
        self.requests.append((path, headers, body))
        if self.status == 200 and not self.garbage and not self.hold:
            (self.traces if path.endswith("traces") else self.metrics).append(body)

    # ---- what it was sent -------------------------------------------------------------------------------------------

    def spans(self) -> list[Span]:
        """All of them, in the order in which they came."""
        return [span for body in [*self.traces] for span in _spans_in(body)]

    def points(self) -> list[Point]:
        """Of every export, oldest first."""
        return [point for body in [*self.metrics] for point in _points_in(body)]

    def latest(self, metric: str) -> list[Point]:
        """The newest point of each series of a cumulative metric."""
        found = {repr((each.attributes, each.resource)): each for each in self.points() if each.metric == metric}
        return [*found.values()]

    def until(self, done: Callable[[], Any], timeout: float = 10.0) -> Any:
        """Waits until ``done()`` holds, and gives it."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            found = done()
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{len(self.requests)} exports, {[span.name for span in self.spans()]}")

    def tree(self, request_id: str, timeout: float = 10.0) -> tuple[Span, list[Span]]:
        """The server span of a request and its children, as they began."""

        def whole() -> tuple[Span, list[Span]] | None:
            spans = self.spans()
            for span in spans:
                if span.attributes.get("tollway.request_id") == request_id:
                    children = [each for each in spans if each.parent == span.span_id and each.kind == CLIENT]
                    return span, sorted(children, key=lambda each: each.started)
            return None

        found: tuple[Span, list[Span]] = self.until(whole, timeout)
        return found


def _spans_in(body: bytes) -> Iterator[Span]:
    for whole in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = pairs(whole.resource.attributes)
        for scoped in whole.scope_spans:
            for span in scoped.spans:
                yield Span(
                    name=span.name,
                    kind=span.kind,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    started=span.start_time_unix_nano,
                    ended=span.end_time_unix_nano,
                    attributes=pairs(span.attributes),
                    failed=span.status.code == 2,
                    state=span.trace_state,
                    remote=bool(span.flags & 0x200),
                    events=[(each.name, pairs(each.attributes)) for each in span.events],
                    resource=resource,
                )


def _points_in(body: bytes) -> Iterator[Point]:
    for whole in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        resource = pairs(whole.resource.attributes)
        for scoped in whole.scope_metrics:
            for metric in scoped.metrics:
                data = metric.histogram if metric.HasField("histogram") else metric.sum
                for point in data.data_points:
                    spread = metric.HasField("histogram")
                    yield Point(
                        metric=metric.name,
                        unit=metric.unit,
                        attributes=pairs(point.attributes),
                        value=point.sum if spread else point.as_int,
                        count=point.count if spread else 0,
                        buckets=tuple(point.bucket_counts) if spread else (),
                        delta=data.aggregation_temporality == 1,
                        resource=resource,
                    )
