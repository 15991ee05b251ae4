"""OTLP metrics of two workers under the newer names: what all of them say together is what the access log says."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.collector import CLIENT, Collector, Point
from tests.support.processes import Gateway, Mock

from .traced import CANARY, Answer, ask, exporting, lines

pytestmark = pytest.mark.e2e

VENDOR = "vendor-key-" + CANARY


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
    environ = {
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http,gen_ai_latest_experimental",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-team=road%20works,x-vendor=replaced",
    }
    telemetry = {"otlp": collector.url + "/", "otlp_headers": {"x-vendor": VENDOR}}
    with exporting(mock, collector, environ=environ, telemetry=telemetry, server={"workers": 2}) as found:
        yield found


@pytest.fixture(scope="module")
def asked(gateway: Gateway, collector: Collector) -> list[Answer]:
    """One of each kind, several times, on connections of their own; all counted when this returns."""
    answers = []
    for _ in range(4):
        answers += [
            ask(gateway, "fast"),
            ask(gateway, "fast", stream=True, stream_options={"include_usage": True}),
            ask(gateway, "over"),
            ask(gateway, "grok"),
            ask(gateway, "vectors", path="/embeddings", input="a road", messages=None),
            ask(gateway, "fast", key="sk-tw-wrong"),
            ask(gateway, f"made-up-{len(answers)}", path="/completions", prompt="A road", messages=None),
        ]
    collector.until(lambda: total(collector, "http.server.request.duration") == len(answers))
    return answers


def chosen(collector: Collector, metric: str, **about: Any) -> list[Point]:
    """The newest points of a metric whose attributes are ``about`` (``_`` for a dot)."""
    wanted = {name.replace("__", "."): value for name, value in about.items()}
    return [each for each in collector.latest(metric) if wanted.items() <= each.attributes.items()]


def answered(gateway: Gateway, model: str, count: int) -> list[dict[str, Any]] | None:
    """The log's lines of the answers of one model, once there are so many."""
    found = [line for line in lines(gateway) if line["model"] == model and line["status"] == 200]
    return found if len(found) == count else None


def total(collector: Collector, metric: str, **about: Any) -> int:
    """How many amounts all workers have of it."""
    return sum(each.count for each in chosen(collector, metric, **about))


def test_all_workers_together_count_what_was_asked(gateway: Gateway, asked: list[Answer], collector: Collector) -> None:
    statuses: dict[int, int] = {}
    for answer in asked:
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
    for status, count in statuses.items():
        assert total(collector, "http.server.request.duration", http__response__status_code=status) == count
    instances = {each.resource["service.instance.id"] for each in collector.points()}
    pids = {each.resource["process.pid"] for each in collector.points()}
    assert len(instances) == len(pids) == 2, "each worker is an instance"
    assert {each.resource["service.name"] for each in collector.points()} == {"tollway"}


def test_figures_are_those_of_the_access_log(gateway: Gateway, asked: list[Answer], collector: Collector) -> None:
    told = collector.until(lambda: answered(gateway, "gpt-4o", 12))
    chats = {"gen_ai__request__model": "gpt-4o", "gen_ai__provider__name": "openai", "gen_ai__operation__name": "chat"}
    for metric, field in (("input", "input_tokens"), ("output", "output_tokens")):
        exact = sum(line[field] for line in told)
        (spread, counter) = (
            chosen(collector, f"gen_ai.client.inference.{kind}.{metric}_tokens", **chats)
            for kind in ("operation", "usage")
        )
        assert sum(each.count for each in spread) == len(told)
        assert sum(each.value for each in spread) == sum(each.value for each in counter) == exact
        assert all(sum(each.buckets) == each.count and not each.delta for each in spread)
    assert total(collector, "gen_ai.client.inference.duration", **chats) == 12
    failed = chosen(collector, "gen_ai.client.inference.duration", error__type="500")
    assert sum(each.count for each in failed) == 4
    assert {each.attributes["gen_ai.request.model"] for each in failed} == {"gpt-4o-mini"}
    assert total(collector, "gen_ai.client.inference.time_to_first_chunk") == 4
    assert total(collector, "gen_ai.client.inference.time_per_output_chunk") == 4 * 23, "24 tokens, one a chunk"


def test_the_newer_names_and_no_older_ones(asked: list[Answer], collector: Collector) -> None:
    names = {each.metric for each in collector.points()}
    assert not {name for name in names if name.startswith("gen_ai.client.operation") or "token.usage" in name}
    assert total(collector, "gen_ai.client.embeddings.duration", gen_ai__operation__name="embeddings") == 4
    assert total(collector, "gen_ai.client.inference.duration", gen_ai__provider__name="x_ai") == 4
    spans = collector.until(lambda: [span for span in collector.spans() if span.kind == CLIENT])
    assert all("gen_ai.provider.name" in span.attributes and "gen_ai.system" not in span.attributes for span in spans)


def test_models_that_nobody_knows_are_one_series(asked: list[Answer], collector: Collector) -> None:
    other = {"gen_ai__request__model": "other", "gen_ai__operation__name": "text_completion"}
    assert total(collector, "gen_ai.client.inference.duration", **other) == 4
    assert not [each for each in collector.points() if "made-up" in str(each.attributes)]


def test_exports_carry_the_headers_and_are_compressed(asked: list[Answer], collector: Collector) -> None:
    assert {path for path, _, _ in collector.requests} == {"/v1/traces", "/v1/metrics"}
    for _, headers, body in [*collector.requests]:
        assert headers["content-type"] == "application/x-protobuf"
        assert headers["content-encoding"] == "gzip"
        assert (headers["x-team"], headers["x-vendor"]) == ("road works", VENDOR)
        assert CANARY.encode() not in body


def test_what_is_left_is_sent_at_the_end(gateway: Gateway, asked: list[Answer], collector: Collector) -> None:
    """The last of the file: the gateway ends."""
    answer = ask(gateway, "fast")
    assert gateway.terminate() == 0
    assert collector.tree(answer.trace, timeout=2.0)
    assert total(collector, "http.server.request.duration") == len(asked) + 1
    assert VENDOR not in gateway.log()
