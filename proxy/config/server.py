"""The half of the configuration that needs a restart: listeners, process, telemetry."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .secrets import Secret

Port = Annotated[int, Meta(ge=1, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Workers = Annotated[int, Meta(ge=1, le=1024)]
Ratio = Annotated[float, Meta(ge=0, le=1)]
KeyMetrics = Annotated[int, Meta(ge=0, le=10_000)]
Duration = Annotated[float, Meta(ge=0, le=86_400, extra={"unit": "seconds"})]
Wait = Annotated[float, Meta(gt=0, le=86_400, extra={"unit": "seconds"})]
Size = Annotated[int, Meta(ge=1, extra={"unit": "bytes"})]


class Tls(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Our own TLS listener: PEM files for the certificate chain and its key."""

    cert: str
    key: str


class Cors(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Browsers that may call the gateway. Empty ``origins``: no CORS headers, and WebSockets with an Origin are refused."""

    origins: tuple[str, ...] = ()
    max_age: Duration = 600.0


class Server(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Listener and process. Sizes in bytes, times in seconds."""

    host: str = "127.0.0.1"
    port: Port = 8080
    uds: str | None = None
    workers: Workers = 1
    health_port: Port | None = None
    health_host: str | None = None
    admin_port: Port | None = None
    admin_host: str = "127.0.0.1"
    tls: Tls | None = None
    cors: Cors = Cors()
    backlog: Positive = 2048
    connections: Positive = 10_240
    drain: Duration = 60.0
    header_timeout: Wait = 10.0
    body_idle_timeout: Wait = 10.0
    body_total_timeout: Wait = 120.0
    upload_total_timeout: Wait = 1800.0
    send_timeout: Wait = 30.0
    max_body: Size = 64 * 1024 * 1024
    max_upload: Size = 512 * 1024 * 1024
    spool_dir: str | None = None
    lag_limit: Wait = 10.0


class Telemetry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What leaves the process about requests. ``access_log`` is ``stdout``, ``stderr``, ``off`` or a file path.

    ``otlp``: base URL of an OpenTelemetry collector (OTLP over HTTP); empty: none. ``trace_ratio``: share of the traces that begin
    here which are recorded; unset: as OpenTelemetry's own variables say, else all. ``compat_headers``: gateways whose names for our
    answer headers are added.
    """

    prometheus: bool = True
    metrics_key: Secret | None = None
    key_metrics: KeyMetrics = 0
    access_log: str = "stdout"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    server_timing: bool = True
    gateway_headers: bool = True
    compat_headers: tuple[Literal["litellm", "portkey", "helicone", "cloudflare"], ...] = ()
    otlp: str | None = None
    otlp_headers: dict[str, Secret] = {}
    otlp_signals: tuple[Literal["traces", "metrics"], ...] = ("traces", "metrics")
    trace_ratio: Ratio | None = None
