"""Traces at a real OTLP/HTTP endpoint: the tree of spans of each kind of request, whose child it is, and what providers are told."""

import json
import socket
import time
from collections.abc import Iterator

import pytest

from tests.support.collector import SERVER, Collector, Span
from tests.support.processes import KEY, Gateway, Mock

from .traced import CALLER, CANARY, TRACE, ask, exporting, line_of, lines

pytestmark = pytest.mark.e2e

UNRECORDED = TRACE[:-4] + "0002"


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    found = Mock()
    yield found
    found.close()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.close()


@pytest.fixture(scope="module")
def gateway(mock: Mock, collector: Collector) -> Iterator[Gateway]:
    environ = {"OTEL_SERVICE_NAME": "edge", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
    cache = {"exact": {"ttl": 60}}
    with exporting(mock, collector, environ=environ, cache=cache) as found:
        yield found


def sent_to(mock: Mock, trace_id: str) -> list[dict[str, list[str]]]:
    """Headers of the requests of one trace that reached providers, oldest first."""
    found = []
    for request in mock.requests():
        headers: dict[str, list[str]] = {}
        for name, value in request["headers"]:
            headers.setdefault(name, []).append(value)
        if any(trace_id in value for value in headers.get("traceparent", [])):
            found.append(headers)
    return found


def test_a_plain_answer(gateway: Gateway, mock: Mock, collector: Collector) -> None:
    answer = ask(gateway, "fast", temperature=0.5, seed=7, max_tokens=100)
    server, (client,) = collector.tree(answer.trace)
    assert (server.name, server.kind, server.parent, server.failed) == ("POST /v1/chat/completions", SERVER, "", False)
    told = {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "url.path": "/v1/chat/completions",
        "url.scheme": "http",
        "tollway.model": "fast",
        "http.response.status_code": 200,
        "tollway.route": "fast",
        "tollway.key": "app",
        "tollway.outcome": "ok",
        "tollway.cache": "miss",
        "client.address": "127.0.0.1",
    }
    assert told.items() <= server.attributes.items()
    assert not [name for name in server.attributes if name.startswith("gen_ai.")], "else it counts as a second call"
    assert client.name == "chat gpt-4o"
    reply = json.loads(answer.body)
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.seed": 7,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.response.id": reply["id"],
        "gen_ai.response.model": reply["model"],
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": reply["usage"]["prompt_tokens"],
        "gen_ai.usage.output_tokens": reply["usage"]["completion_tokens"],
        "server.address": "127.0.0.1",
        "server.port": int(mock.origin.rsplit(":", 1)[1]),
        "http.response.status_code": 200,
        "tollway.provider": "good",
        "tollway.attempt.role": "first",
        "tollway.usage.source": "reported",
    }
    assert told.items() <= client.attributes.items()
    assert not {"gen_ai.provider.name", "gen_ai.request.stream", "error.type"} & client.attributes.keys()
    assert server.started <= client.started <= client.ended <= server.ended
    assert abs(server.started / 1e9 - time.time()) < 60
    assert {"service.name": "edge", "deployment.environment.name": "test"}.items() <= server.resource.items()
    assert server.resource["service.instance.id"]
    (headers,) = sent_to(mock, server.trace_id)
    assert headers["traceparent"] == [f"00-{server.trace_id}-{client.span_id}-01"]
    assert line_of(gateway, answer.trace)["trace_id"] == server.trace_id


def test_the_callers_trace_goes_on(gateway: Gateway, mock: Mock, collector: Collector) -> None:
    trace = TRACE[:-4] + "0001"
    given = {"traceparent": f"00-{trace}-{CALLER}-01", "tracestate": "a=b,c=d", "baggage": "k=v"}
    answer = ask(gateway, "fast", headers=given, seed=1)
    server, (client,) = collector.tree(answer.trace)
    assert (server.trace_id, server.parent, server.remote, server.state) == (trace, CALLER, True, "a=b,c=d")
    assert (client.trace_id, client.parent, client.remote) == (trace, server.span_id, False)
    (headers,) = sent_to(mock, trace)
    assert headers["traceparent"] == [f"00-{trace}-{client.span_id}-01"]
    assert (headers["tracestate"], headers["baggage"]) == (["a=b,c=d"], ["k=v"])
    assert line_of(gateway, answer.trace)["trace_id"] == trace


def test_a_caller_that_does_not_record_is_heeded(gateway: Gateway, mock: Mock, collector: Collector) -> None:
    trace = UNRECORDED
    given = {"traceparent": f"00-{trace}-{CALLER}-00", "tracestate": "a=b"}
    answer = ask(gateway, "fast", headers=given, seed=2)
    following = ask(gateway, "fast", seed=3)
    collector.tree(following.trace)
    assert trace not in {span.trace_id for span in collector.spans()}
    (headers,) = sent_to(mock, trace)
    assert (headers["traceparent"], headers["tracestate"]) == ([given["traceparent"]], ["a=b"])
    assert line_of(gateway, answer.trace)["trace_id"] == trace


def test_what_is_no_traceparent_begins_a_trace(gateway: Gateway, mock: Mock, collector: Collector) -> None:
    given = {"traceparent": f"00-{'0' * 32}-{CALLER}-01", "tracestate": "a=b", "baggage": "k=v"}
    answer = ask(gateway, "fast", headers=given, seed=4)
    server, (client,) = collector.tree(answer.trace)
    assert (server.parent, server.state) == ("", "")
    (headers,) = sent_to(mock, server.trace_id)
    assert headers["traceparent"] == [f"00-{server.trace_id}-{client.span_id}-01"]
    assert "tracestate" not in headers
    assert headers["baggage"] == ["k=v"]
    assert line_of(gateway, answer.trace)["trace_id"] == server.trace_id


def test_a_stream(gateway: Gateway, collector: Collector) -> None:
    options = {"include_usage": True}
    answer = ask(gateway, "fast", stream=True, stream_options=options, headers={"x-mock-first-token": "150"})
    _, (client,) = collector.tree(answer.trace)
    first = client.attributes["gen_ai.response.time_to_first_chunk"]
    assert 0.1 < first <= (client.ended - client.started) / 1e9
    told = {
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.model": "gpt-4o",
        "gen_ai.usage.output_tokens": 24,
        "tollway.usage.source": "reported",
    }
    assert told.items() <= client.attributes.items()
    assert client.attributes["gen_ai.response.id"].startswith("chatcmpl-")


def test_a_failover_is_two_tries(gateway: Gateway, mock: Mock, collector: Collector) -> None:
    answer = ask(gateway, "over")
    server, (first, second) = collector.tree(answer.trace)
    assert answer.status == 200
    assert not server.failed
    assert server.attributes["tollway.attempts"] == 2
    assert (first.failed, first.attributes["error.type"]) == (True, "500")
    assert first.attributes["tollway.attempt.fault"] == "server_error"
    assert "gen_ai.usage.input_tokens" not in first.attributes
    assert (second.failed, second.attributes["tollway.attempt.role"]) == (False, "failover")
    assert second.attributes["gen_ai.usage.output_tokens"] == 24
    assert first.ended <= second.started
    told = [headers["traceparent"][0].split("-")[2] for headers in sent_to(mock, server.trace_id)]
    assert told == [first.span_id, second.span_id]


def test_a_hedge_is_two_tries_at_once(gateway: Gateway, collector: Collector) -> None:
    answer = ask(gateway, "hedged")
    server, (first, second) = collector.tree(answer.trace)
    assert answer.status == 200
    roles = [span.attributes["tollway.attempt.role"] for span in (first, second)]
    assert roles == ["first", "hedge"]
    assert second.started < first.ended
    assert not any(span.failed for span in (server, first, second)), "nobody failed: one was slower"
    assert second.attributes["gen_ai.usage.output_tokens"] == 24
    assert len({server.span_id, first.span_id, second.span_id}) == 3


def test_an_answer_from_the_cache_asked_nobody(gateway: Gateway, collector: Collector) -> None:
    ask(gateway, "fast", seed=99)
    answer = ask(gateway, "fast", seed=99)
    server, clients = collector.tree(answer.trace)
    assert (server.attributes["tollway.cache"], server.failed, clients) == ("hit", False, [])


def test_a_refusal_is_no_failure_of_ours(gateway: Gateway, collector: Collector) -> None:
    answer = ask(gateway, "fast", key="sk-tw-wrong-" + CANARY)
    server, clients = collector.tree(answer.trace)
    assert (answer.status, server.attributes["http.response.status_code"], server.failed) == (401, 401, False)
    assert server.attributes["tollway.error"] == "invalid_api_key"
    assert clients == []


def test_a_request_that_nobody_could_answer(gateway: Gateway, collector: Collector) -> None:
    answer = ask(gateway, "nobody")
    server, clients = collector.tree(answer.trace)
    assert answer.status >= 500
    assert (server.failed, server.attributes["http.response.status_code"]) == (True, answer.status)
    assert server.attributes["error.type"]
    assert {(span.failed, span.attributes["error.type"]) for span in clients} == {(True, "connect")}


def test_a_client_that_leaves(gateway: Gateway, collector: Collector) -> None:
    body = json.dumps({"model": "fast", "stream": True, "messages": [{"role": "user", "content": CANARY}]}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nx-request-id: leaver\r\n"
        f"x-mock-pace: 200\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(head.encode() + body)
        assert b"200" in client.recv(65536)
        client.recv(65536)
    server, (tried,) = collector.tree("leaver")
    assert (server.attributes["tollway.outcome"], server.failed, tried.failed) == ("client_closed", False, False)
    assert tried.attributes["gen_ai.usage.output_tokens"] > 0


def test_a_translated_request(gateway: Gateway, mock: Mock, collector: Collector) -> None:
    answer = ask(gateway, "haiku", max_tokens=50)
    server, (client,) = collector.tree(answer.trace)
    told = {
        "gen_ai.system": "anthropic",
        "gen_ai.request.model": "claude-haiku-4-5",
        "gen_ai.response.finish_reasons": ["end_turn"],
        "gen_ai.response.model": "claude-haiku-4-5",
    }
    assert told.items() <= client.attributes.items()
    assert client.attributes["gen_ai.response.id"].startswith("msg_")
    (headers,) = sent_to(mock, server.trace_id)
    assert headers["traceparent"] == [f"00-{server.trace_id}-{client.span_id}-01"]


def test_paths_that_anybody_makes_up_are_one_route(gateway: Gateway, collector: Collector) -> None:
    given = {"x-request-id": "listing"}
    ask(gateway, "x", path="/vector_stores/made-up", headers=given)
    server, _ = collector.tree("listing")
    assert (server.name, server.attributes["http.route"]) == ("POST /v1/*", "/v1/*")
    assert server.attributes["url.path"] == "/v1/vector_stores/made-up"


def test_every_span_is_whole_and_nothing_was_lost(gateway: Gateway, collector: Collector) -> None:
    """Over all that was asked before, but for the one whose caller wanted no trace."""
    asked = {line["request_id"] for line in lines(gateway) if line["trace_id"] != UNRECORDED}
    spans = collector.until(lambda: found if (found := _servers(collector)) and asked <= found.keys() else None)
    children = [span for span in collector.spans() if span.kind != SERVER]
    assert {span.parent for span in children} <= {span.span_id for span in spans.values()}
    ids = [span.span_id for span in collector.spans()]
    assert len(ids) == len(set(ids))
    _, page = gateway.get("/metrics")
    assert 'tollway_otel_dropped_total{signal="traces"} 0.0' in page.decode()


def _servers(collector: Collector) -> dict[str, Span]:
    return {span.attributes["tollway.request_id"]: span for span in collector.spans() if span.kind == SERVER}


def test_no_export_holds_a_secret_or_a_word_that_was_said(gateway: Gateway, mock: Mock, collector: Collector) -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    made = ask(gateway, "fast", tools=tools, user=CANARY, metadata={"k": CANARY}, stop=[CANARY])
    said = json.loads(ask(gateway, "fast", seed=5).body)["choices"][0]["message"]["content"]
    collector.tree(made.trace)
    everything = b"".join(body for _, _, body in collector.requests)
    assert b"gpt-4o" in everything
    for secret in (CANARY, KEY, said, said.split(".")[0]):
        assert secret.encode() not in everything
