"""Where telemetry goes: our own settings, then OpenTelemetry's variables; odd values are said and left out."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from proxy import traced
from proxy.config import Config
from proxy.config.server import Telemetry
from proxy.inflight import InFlight
from proxy.lifespan import StartRefused
from proxy.telemetry.otel.sampling import ALWAYS, NEVER, Sampler
from proxy.telemetry.otel.settings import Settings, settings_of
from tests.architecture.test_loading import loaded_by

E, T = "OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"


def found(endpoint: str = "http://c:4318/", environ: dict[str, str] | None = None, **more: Any) -> Settings | None:
    return told(endpoint, environ, **more)[0]


def told(endpoint: str, environ: dict[str, str] | None = None, **more: Any) -> tuple[Settings | None, list[str]]:
    said: list[str] = []
    given = {"headers": {}, "signals": ("traces", "metrics"), "ratio": None, **more}
    return settings_of(endpoint, environ=environ or {}, said=said.append, **given), said


def test_the_defaults_are_those_of_the_specification() -> None:
    settings = found()
    assert settings is not None
    assert settings.traces is not None
    assert settings.metrics is not None
    assert (settings.traces.url, settings.metrics.url) == ("http://c:4318/v1/traces", "http://c:4318/v1/metrics")
    assert (settings.traces.timeout, settings.traces.gzip, settings.traces.certificate) == (10.0, False, None)
    assert (settings.queue, settings.batch, settings.delay, settings.interval) == (2048, 512, 5.0, 60.0)
    assert (settings.sampler, settings.latest, settings.delta) == (Sampler(ratio=1.0, heeded=True), False, False)


@pytest.mark.parametrize(
    ("endpoint", "environ", "more"),
    [
        ("", {}, {}),
        ("http://c", {"OTEL_SDK_DISABLED": "TRUE"}, {}),
        ("http://c", {}, {"signals": ()}),
        ("http://c", {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}, {}),
    ],
)
def test_off(endpoint: str, environ: dict[str, str], more: dict[str, Any]) -> None:
    assert found(endpoint, environ, **more) is None


def test_a_signals_own_variables_go_first() -> None:
    settings = found(
        environ={
            T + "ENDPOINT": "https://traces.example/otlp",
            T + "TIMEOUT": "500",
            E + "TIMEOUT": "900",
            E + "HEADERS": "A=1,b=x%20y,broken",
            T + "HEADERS": "a=2",
            E + "COMPRESSION": "gzip",
            T + "COMPRESSION": "none",
            E + "CERTIFICATE": "/ca.pem",
            "OTEL_METRICS_EXPORTER": "otlp",
        },
        headers={"B": "ours"},
    )
    assert settings is not None
    assert settings.traces is not None
    assert settings.metrics is not None
    assert settings.traces.url == "https://traces.example/otlp"
    assert (settings.traces.timeout, settings.metrics.timeout) == (0.5, 0.9)
    assert (settings.traces.headers, settings.metrics.headers) == ({"a": "2", "b": "ours"}, {"a": "1", "b": "ours"})
    assert (settings.traces.gzip, settings.metrics.gzip, settings.traces.certificate) == (False, True, "/ca.pem")


@pytest.mark.parametrize(
    ("environ", "ratio", "sampler"),
    [
        ({"OTEL_TRACES_SAMPLER": "always_on"}, None, ALWAYS),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, None, NEVER),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, None, Sampler(ratio=0.0)),
        (
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"},
            None,
            Sampler(ratio=0.25, heeded=False),
        ),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}, None, Sampler(ratio=1.0)),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, 0.5, Sampler(ratio=0.5)),
    ],
)
def test_samplers(environ: dict[str, str], ratio: float | None, sampler: Sampler) -> None:
    settings = found(environ=environ, ratio=ratio)
    assert settings is not None
    assert settings.sampler == sampler


@pytest.mark.parametrize(
    ("endpoint", "environ", "word"),
    [
        ("http://c:4317", {}, "4317"),
        ("http://c", {E + "PROTOCOL": "grpc"}, "http/protobuf alone"),
        ("http://c", {"OTEL_TRACES_SAMPLER": "jaeger_remote"}, "OTEL_TRACES_SAMPLER is not one of"),
        ("http://c", {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "10%"}, "from 0 to 1"),
        ("http://c", {"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "2048 is used"),
        ("http://c", {"OTEL_METRIC_EXPORT_INTERVAL": "nan"}, "60000 is used"),
        ("http://c", {E + "COMPRESSION": "zstd"}, "COMPRESSION is not one of gzip, none"),
    ],
)
def test_odd_values_are_said(endpoint: str, environ: dict[str, str], word: str) -> None:
    settings, said = told(endpoint, environ)
    assert settings is not None
    assert any(word in sentence for sentence in said), said


def opened(telemetry: Telemetry, environ: dict[str, str]) -> object:
    return traced.opened(
        Config(telemetry=telemetry),
        InFlight(),
        CollectorRegistry(),
        environ=environ,
        known_models=lambda _: True,
        clock=lambda: 0.0,
        wall=lambda: 0.0,
    )


def test_a_collector_without_the_extra_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traced, "find_spec", lambda name: None)
    with pytest.raises(StartRefused, match=r"install tollway\[otel\]"):
        opened(Telemetry(otlp="http://127.0.0.1:1"), {})
    assert opened(Telemetry(), {}) is None


def test_a_certificate_that_cannot_be_read_refuses_to_start() -> None:
    with pytest.raises(StartRefused, match="OTEL_EXPORTER_OTLP_CERTIFICATE"):
        opened(Telemetry(otlp="https://127.0.0.1:1"), {E + "CERTIFICATE": "/nowhere/ca.pem"})


def test_nothing_of_it_is_loaded_where_no_collector_is_named() -> None:
    program = """
import proxy.app
from prometheus_client import CollectorRegistry
from proxy.config import Config
from proxy.inflight import InFlight
from proxy.traced import opened
known = dict(environ={}, known_models=lambda _: True, clock=lambda: 0.0, wall=lambda: 0.0)
assert opened(Config(), InFlight(), CollectorRegistry(), **known) is None
"""
    found = loaded_by(program)
    assert not {name for name in found if name.split(".")[0] in ("opentelemetry", "google", "requests")}
    assert not {name for name in found if name.startswith("proxy.telemetry.otel")}
