"""Where telemetry goes and how much of it: our own configuration first, then OpenTelemetry's own variables, then its defaults."""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote

from msgspec import Struct

from .sampling import NAMED, Sampler

LATEST = "gen_ai_latest_experimental"
"""The word in ``OTEL_SEMCONV_STABILITY_OPT_IN`` that asks for the newer names."""

GRPC_PORT = ":4317"


class Collector(Struct, frozen=True, kw_only=True):
    """Who takes one signal. ``url`` is complete; ``timeout`` in seconds bounds an export with all its retries."""

    url: str
    headers: Mapping[str, str] = {}
    timeout: float = 10.0
    gzip: bool = False
    certificate: str | None = None
    """PEM file of the authorities that its certificate is checked against; ``None``: the system's."""
    client_certificate: str | None = None
    client_key: str | None = None


class Settings(Struct, frozen=True, kw_only=True):
    """``traces`` and ``metrics``: ``None`` where a signal is off. Times in seconds, sizes in spans."""

    traces: Collector | None
    metrics: Collector | None
    sampler: Sampler = Sampler()
    latest: bool = False
    """Are the newer names of the GenAI conventions wanted?"""
    queue: int = 2048
    batch: int = 512
    delay: float = 5.0
    interval: float = 60.0
    delta: bool = False
    """Do metrics say what was added since the last time, and not since the start?"""


class _Environ:
    """Variables as the specification reads them: empty is unset, and what cannot be read is said and left out."""

    def __init__(self, environ: Mapping[str, str], said: Callable[[str], None]) -> None:
        self._environ = environ
        self._said = said

    def text(self, *names: str) -> str:
        """Of the first that is set."""
        for name in names:
            value = self._environ.get(name, "").strip()
            if value:
                return value
        return ""

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """Within its bounds."""
        text = self.text(name)
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if least <= value <= most:
            return value
        self._said(f"{name} is no number from {least:g} to {most:g}; {default:g} is used")
        return default

    def word(self, names: Sequence[str], known: Sequence[str], default: str) -> str:
        """One of ``known``."""
        text = self.text(*names).lower()
        if not text or text in known:
            return text or default
        self._said(f"{names[-1]} is not one of {', '.join(known)}; {default} is used")
        return default


def settings_of(
    endpoint: str,
    *,
    headers: Mapping[str, str],
    signals: Sequence[str],
    ratio: float | None,
    environ: Mapping[str, str],
    said: Callable[[str], None],
) -> Settings | None:
    """What to export; ``None``: nothing. ``endpoint`` is the collector's base URL; ``said`` takes what was found odd, one sentence each."""
    found = _Environ(environ, said)
    if not endpoint or found.text("OTEL_SDK_DISABLED").lower() == "true":
        return None
    _warn_of_grpc(endpoint, found, said)
    traces, metrics = (
        _collector(endpoint, signal, headers, found)
        if signal in signals and found.text(f"OTEL_{signal.upper()}_EXPORTER").lower() != "none"
        else None
        for signal in ("traces", "metrics")
    )
    if traces is None and metrics is None:
        return None
    opted = [word.strip() for word in found.text("OTEL_SEMCONV_STABILITY_OPT_IN").split(",")]
    preference = found.word(
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",), ("cumulative", "delta", "lowmemory"), "cumulative"
    )
    queue = int(found.number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, least=1, most=1_000_000))
    return Settings(
        traces=traces,
        metrics=metrics,
        sampler=Sampler(ratio=ratio) if ratio is not None else _sampler(found),
        latest=LATEST in opted,
        queue=queue,
        batch=min(queue, int(found.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, least=1, most=100_000))),
        delay=found.number("OTEL_BSP_SCHEDULE_DELAY", 5000, least=10, most=600_000) / 1000,
        interval=found.number("OTEL_METRIC_EXPORT_INTERVAL", 60_000, least=100, most=86_400_000) / 1000,
        delta=preference != "cumulative",
    )


def _warn_of_grpc(endpoint: str, found: _Environ, said: Callable[[str], None]) -> None:
    protocol = found.text("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in ("", "http/protobuf"):
        said(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol[:20]}, but the gateway speaks http/protobuf alone")
    if endpoint.rstrip("/").endswith(GRPC_PORT):
        said("telemetry.otlp names port 4317, where collectors speak gRPC; OTLP over HTTP is mostly on 4318")


def _collector(endpoint: str, signal: str, headers: Mapping[str, str], found: _Environ) -> Collector:
    """A signal's own variables go before those for all."""
    own, every = f"OTEL_EXPORTER_OTLP_{signal.upper()}_", "OTEL_EXPORTER_OTLP_"
    given = _pairs(found.text(own + "HEADERS", every + "HEADERS"))
    return Collector(
        url=found.text(own + "ENDPOINT") or f"{endpoint.rstrip('/')}/v1/{signal}",
        headers=given | {name.lower(): value for name, value in headers.items()},
        timeout=found.number(
            own + "TIMEOUT" if found.text(own + "TIMEOUT") else every + "TIMEOUT", 10_000, least=1, most=600_000
        )
        / 1000,
        gzip=found.word((own + "COMPRESSION", every + "COMPRESSION"), ("gzip", "none"), "none") == "gzip",
        certificate=found.text(own + "CERTIFICATE", every + "CERTIFICATE") or None,
        client_certificate=found.text(own + "CLIENT_CERTIFICATE", every + "CLIENT_CERTIFICATE") or None,
        client_key=found.text(own + "CLIENT_KEY", every + "CLIENT_KEY") or None,
    )


def _pairs(text: str) -> dict[str, str]:
    """``name=value,name=value``, percent-encoded."""
    pairs = [part.partition("=") for part in text.split(",") if "=" in part]
    return {unquote(name).strip().lower(): unquote(value).strip() for name, _, value in pairs if name.strip()}


def _sampler(found: _Environ) -> Sampler:
    name = found.word(("OTEL_TRACES_SAMPLER",), tuple(NAMED), "parentbased_always_on")
    ratio, heeded = NAMED[name]
    if ratio is None:
        ratio = found.number("OTEL_TRACES_SAMPLER_ARG", 1.0, least=0.0, most=1.0)
    return Sampler(ratio=ratio, heeded=heeded)
