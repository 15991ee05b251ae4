"""Ended requests as OTLP spans. What many spans share is written once and copied; most of a span is that."""

from collections.abc import Mapping, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, SpanFlags, Status

from ...wire.usage import NO_USAGE
from .conventions import names_of, provider_name
from .ended import Ended, Try, broken
from .tries import Places

Value = str | int | float | bool

_KEPT = 1024
"""Kinds of spans that are kept."""

_LARGE = 1 << 63

_REMOTE_KNOWN = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_REMOTE = _REMOTE_KNOWN | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK


def any_value(value: Value) -> AnyValue:
    """One value; a bool is no number here."""
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value) if -_LARGE < value < _LARGE else AnyValue(string_value=str(value))
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=plain(value))


def plain(text: str) -> str:
    """What protobuf takes: a lone surrogate may come from a path or a model's name."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def attributes_of(pairs: Mapping[str, Value | None]) -> list[KeyValue]:
    """Those that are there: neither ``None`` nor ""."""
    return [
        KeyValue(key=key, value=any_value(value)) for key, value in pairs.items() if value is not None and value != ""
    ]


class SpanEncoder:
    """``uses``: provider ids of ours by configured name; ``scheme``: of our own listener."""

    def __init__(
        self,
        *,
        resource: Resource,
        scope: InstrumentationScope,
        uses: Mapping[str, str],
        places: Places,
        latest: bool,
        scheme: str,
    ) -> None:
        self._resource = resource
        self._scope = scope
        self._uses = uses
        self._places = places
        self._latest = latest
        self._scheme = scheme
        self._kinds: dict[tuple[object, ...], Span] = {}

    def encoded(self, requests: Sequence[Ended]) -> bytes:
        """An export request with all their spans."""
        export = ExportTraceServiceRequest()
        whole = export.resource_spans.add(resource=self._resource)
        spans = whole.scope_spans.add(scope=self._scope).spans
        for each in requests:
            self._server(spans.add(), each)
            for tried in each.tries:
                self._client(spans.add(), each, tried)
        return bytes(export.SerializeToString())

    # ---- the request ------------------------------------------------------------------------------------------------

    def _server(self, span: Span, each: Ended) -> None:
        alike = (
            *("server", each.method, each.route, each.endpoint, each.operation, each.model, each.public, each.policy),
            *(each.key, each.account, each.status, each.outcome, each.error, each.cache),
        )
        kind = self._kinds.get(alike)
        span.CopyFrom(kind if kind is not None else self._kept(alike, self._server_kind(each)))
        span.trace_id = each.trace_id.to_bytes(16, "big")
        span.span_id = each.span_id.to_bytes(8, "big")
        span.flags = each.flags | _REMOTE_KNOWN
        if each.parent is not None:
            span.parent_span_id = each.parent.span_id.to_bytes(8, "big")
            span.flags = each.flags | _REMOTE
            span.trace_state = each.parent.state
        span.start_time_unix_nano, span.end_time_unix_nano = each.started, each.ended
        _say(
            span,
            {
                "tollway.request_id": each.request_id,
                "client.address": each.client,
                "url.path": each.path or each.route,
                "tollway.cost_usd": each.cost,
                "tollway.charge_usd": each.charge,
                "tollway.overhead_ms": each.overhead * 1000 if each.overhead is not None else None,
            },
        )
        if each.unsent or len(each.tries) > 1:
            _say(span, {"tollway.attempts": len(each.tries)})
        for provider, model, why, at in each.unsent:
            about = attributes_of({"tollway.provider": provider, "gen_ai.request.model": model, "error.type": why})
            span.events.add(name="tollway.target.skipped", time_unix_nano=at, attributes=about)

    def _server_kind(self, each: Ended) -> Span:
        error = broken(each.status, each.outcome, each.error)
        span = Span(
            name=plain(f"{each.method} {each.route}"),
            kind=Span.SPAN_KIND_SERVER,
            attributes=attributes_of(
                {
                    "http.request.method": each.method,
                    "http.route": each.route,
                    "url.scheme": self._scheme,
                    "http.response.status_code": each.status or None,
                    "error.type": error,
                    "tollway.endpoint": each.endpoint,
                    "tollway.model": each.model,
                    "tollway.route": each.public,
                    "tollway.policy": each.policy,
                    "tollway.key": each.key,
                    "tollway.account": each.account,
                    "tollway.outcome": each.outcome,
                    "tollway.error": each.error,
                    "tollway.cache": each.cache,
                }
            ),
        )
        return _marked(span, error)

    # ---- its tries --------------------------------------------------------------------------------------------------

    def _client(self, span: Span, each: Ended, tried: Try) -> None:
        attempt = tried.attempt
        alike = (
            *("client", each.operation, attempt.provider, attempt.model, each.stream, each.choices, each.cap),
            *(attempt.role, attempt.key, attempt.status, tried.error, attempt.fault.kind if attempt.fault else ""),
        )
        kind = self._kinds.get(alike)
        span.CopyFrom(kind if kind is not None else self._kept(alike, self._client_kind(each, tried)))
        span.trace_id = each.trace_id.to_bytes(16, "big")
        span.span_id = tried.span_id.to_bytes(8, "big")
        span.parent_span_id = each.span_id.to_bytes(8, "big")
        span.flags = each.flags | _REMOTE_KNOWN
        if each.parent is not None:
            span.trace_state = each.parent.state
        span.start_time_unix_nano, span.end_time_unix_nano = tried.started, max(tried.started, tried.ended)
        asked, told = each.asked, tried.told
        _say(
            span,
            {
                "gen_ai.request.temperature": asked.temperature,
                "gen_ai.request.top_p": asked.top_p,
                "gen_ai.request.top_k": asked.top_k,
                "gen_ai.request.frequency_penalty": asked.frequency_penalty,
                "gen_ai.request.presence_penalty": asked.presence_penalty,
                "gen_ai.request.seed": asked.seed,
                "gen_ai.output.type": asked.output,
                "gen_ai.response.id": told.ident,
                "gen_ai.response.model": told.model,
                "gen_ai.response.time_to_first_chunk": tried.first or None,
                "tollway.upstream_request_id": attempt.upstream_id,
            },
        )
        if told.reasons:
            reasons = span.attributes.add(key="gen_ai.response.finish_reasons").value.array_value.values
            reasons.extend([any_value(reason) for reason in told.reasons])
        self._tell_usage(span, each, tried)

    def _tell_usage(self, span: Span, each: Ended, tried: Try) -> None:
        usage = tried.usage
        if usage is NO_USAGE or usage == NO_USAGE:
            return
        _say(
            span,
            {
                "gen_ai.usage.input_tokens": usage.input,
                "gen_ai.usage.output_tokens": usage.output,
                "gen_ai.usage.cache_read.input_tokens": usage.cached or None,
                names_of(each.operation, latest=self._latest).cache_write: usage.cache_write or None,
                "gen_ai.usage.reasoning.output_tokens": usage.reasoning or None,
                "tollway.usage.source": usage.output_source,
            },
        )

    def _client_kind(self, each: Ended, tried: Try) -> Span:
        attempt = tried.attempt
        host, port = self._places.get(attempt.provider, ("", 0))
        use = self._uses.get(attempt.provider, attempt.provider)
        span = Span(
            name=plain(f"{each.operation} {attempt.model}".rstrip()),
            kind=Span.SPAN_KIND_CLIENT,
            attributes=attributes_of(
                {
                    "gen_ai.operation.name": each.operation,
                    names_of(each.operation, latest=self._latest).provider: provider_name(use, latest=self._latest),
                    "gen_ai.request.model": attempt.model,
                    "gen_ai.request.stream": each.stream or None,
                    "gen_ai.request.choice.count": each.choices if each.choices > 1 else None,
                    "gen_ai.request.max_tokens": each.cap or None,
                    "server.address": host,
                    "server.port": port or None,
                    "http.response.status_code": attempt.status or None,
                    "error.type": tried.error,
                    "tollway.provider": attempt.provider,
                    "tollway.attempt.role": attempt.role,
                    "tollway.attempt.key": attempt.key or None,
                    "tollway.attempt.fault": attempt.fault.kind if attempt.fault is not None else "",
                }
            ),
        )
        return _marked(span, tried.error)

    # ---- what spans share -------------------------------------------------------------------------------------------

    def _kept(self, alike: tuple[object, ...], kind: Span) -> Span:
        if len(self._kinds) >= _KEPT:
            self._kinds.clear()
        self._kinds[alike] = kind
        return kind


def _say(span: Span, pairs: Mapping[str, Value | None]) -> None:
    """Adds those that are there. Written in place: a message of one's own for each takes twice as long."""
    add = span.attributes.add
    for key, value in pairs.items():
        if value is None or value == "":
            continue
        if isinstance(value, str) and value.isascii():
            add(key=key).value.string_value = value
        elif isinstance(value, float):
            add(key=key).value.double_value = value
        elif type(value) is int and -_LARGE < value < _LARGE:
            add(key=key).value.int_value = value
        else:
            add(key=key).value.CopyFrom(any_value(value))


def _marked(span: Span, error: str) -> Span:
    if error:
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR))
    return span
