"""``tollway doctor``: looks at this machine and this installation for what would stop the gateway, or slow it down."""

import asyncio
import json
import os
import re
import resource
import shutil
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import click
import msgspec
from msgspec import Struct

from ..accounts import load_checked
from ..config import Config, ConfigError, Loaded
from ..config.checks_policy import caches
from ..config.traffic import Provider
from ..interpreter import build
from .config import CONFIG_OPTION

Status = Literal["ok", "warning", "failed", "skipped"]

FLOORS: dict[str, str] = {"granian": "2.8.7", "aiohttp": "3.14.5", "starlette": "1.0.1", "tiktoken": "0.13"}
"""Least versions that were tried; a test holds them to the package's own metadata."""

PROBE_TIMEOUT = 5.0
"""Seconds for each of DNS, TCP and TLS."""

BUILT_AFTER = 1_760_000_000
"""Unix seconds of late 2025: a clock that shows less is wrong, and no certificate will pass."""


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at; ``fix`` is a sentence when something is to be done."""

    check: str
    status: Status
    detail: str
    fix: str | None = None


@click.command(epilog="Exit codes: 0 nothing failed, 1 something did.")
@CONFIG_OPTION
@click.option("--network", is_flag=True, help="Also connect to each provider (DNS, TCP, TLS; no request, no key).")
@click.option("--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def doctor(path: str | None, network: bool, output: str) -> None:
    """Look for what is wrong with this installation. Nothing is changed; without --network nothing is called."""
    findings = list(examine(path, network=network))
    failed = [finding for finding in findings if finding.status == "failed"]
    if output == "json":
        body = {"ok": not failed, "checks": [msgspec.to_builtins(finding) for finding in findings]}
        click.echo(json.dumps(body, indent=2, ensure_ascii=False))
    else:
        click.echo(table(findings))
    if failed:
        raise SystemExit(1)


def examine(path: str | None, *, network: bool) -> Iterator[Finding]:
    """Every check in order. Those that need a configuration use the defaults when there is none."""
    yield python()
    yield packages()
    for name, floor in FLOORS.items():
        yield dependency(name, floor)
    yield from vocabularies()
    loaded: Loaded | None = None
    try:
        loaded = load_checked(path, os.environ)
    except ConfigError as error:
        # A text of several lines that is one problem brings its own fix.
        whole = len(error.problems) == 1 and "\n" in str(error)
        fix = None if whole else "mend it and run tollway check"
        yield Finding(check="configuration", status="failed", detail=str(error), fix=fix)
    else:
        yield configuration(loaded)
    config = loaded.config if loaded is not None else Config()
    yield open_files(config.server.connections)
    if config.server.uds is not None:
        yield unix_socket(config.server.uds)
    else:
        yield port("port", config.server.host, config.server.port)
    if config.server.health_port is not None:
        yield port("health port", config.server.health_host or config.server.host, config.server.health_port)
    if config.server.admin_port is not None:
        yield port("admin port", config.server.admin_host, config.server.admin_port)
    yield clock()
    yield metrics_folder(config)
    yield spool(config)
    if caches(config) and config.cache.semantic.embedder == "local":
        # Loads what serves requests, which nothing else here needs.
        from ..cached import semantic_anywhere

        if semantic_anywhere(config):
            yield embedder()
    for name, provider in config.providers.items():
        if provider.use == "local" and provider.base_url is None:
            yield local_model(name, provider)
            continue
        yield (
            reach(name, provider)
            if network
            else Finding(check=f"provider {name}", status="skipped", detail="not called; --network connects to it")
        )


# ---- installation ---------------------------------------------------------------------------------------------------


def python() -> Finding:
    """The interpreter, and whether it is one of the slower builds."""
    detail = f"{'.'.join(map(str, sys.version_info[:3]))} on {sys.platform}"
    if build() != "plain":
        return Finding(check="python", status="ok", detail=detail)
    return Finding(
        check="python",
        status="warning",
        detail=f"{detail}, built without --enable-optimizations: requests take about a quarter more CPU",
        fix="run a distribution's Python, uv's or the official image's (docs/performance.md)",
    )


def packages() -> Finding:
    """Do other distributions own our import names? pip merges such folders without a word."""
    try:
        from ..server import StartError, check_packages
    except ImportError as error:
        return Finding(
            check="packages",
            status="failed",
            detail=f"{error.name or 'a dependency'} cannot be imported",
            fix="install again: uv tool install tollway",
        )
    try:
        check_packages()
    except StartError as error:
        return Finding(check="packages", status="failed", detail=str(error), fix="install Tollway by itself")
    return Finding(check="packages", status="ok", detail="proxy and middleware are Tollway's alone")


def dependency(name: str, floor: str) -> Finding:
    """Is a dependency there, and new enough?"""
    fix = f"install {name}>={floor}"
    try:
        found = version(name)
    except PackageNotFoundError:
        return Finding(check=name, status="failed", detail="not installed", fix=fix)
    if release(found) < release(floor):
        return Finding(check=name, status="failed", detail=f"{found} is older than {floor}", fix=fix)
    return Finding(check=name, status="ok", detail=f"{found} (needs {floor})")


def release(text: str) -> tuple[int, ...]:
    """The numbers a version begins with: ``3.14.5rc1`` is (3, 14, 5)."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match is not None else ()


def vocabularies() -> Iterator[Finding]:
    """Are the shipped vocabularies whole? Each is unpacked, hashed and built, which takes a fraction of a second."""
    from ..tokens.bpe import SHIPPED, VOCABULARIES, VocabularyError

    for name in VOCABULARIES:
        check = f"vocabulary {name}"
        try:
            SHIPPED.encoding(name)
        except VocabularyError as error:
            yield Finding(check=check, status="failed", detail=str(error), fix="install tollway again")
        else:
            yield Finding(check=check, status="ok", detail="SHA-256 as published")


def local_model(name: str, provider: Provider) -> Finding:
    """Are the engine and the weights of a local model there? Neither is loaded."""
    from ..inference.weights import LocalModelError, check_engine, weights

    named = provider.options.get("model")
    try:
        check_engine()
        file = weights(named if isinstance(named, str) else None)
    except LocalModelError as error:
        what, _, fix = str(error).rstrip(".").partition(": ")
        return Finding(check=f"provider {name}", status="failed", detail=what, fix=fix)
    return Finding(check=f"provider {name}", status="ok", detail=f"xllamacpp {version('xllamacpp')}, weights {file}")


def embedder() -> Finding:
    """Can the semantic cache's own model be loaded, and is it the file it should be? It is, in a fraction of a second."""
    from ..protocols import EmbedderFailed

    begun = time.perf_counter()
    try:
        # What is missing may be what this imports.
        from ..semantic.embedders.installed import check_installed

        check_installed(local=True)
        from ..semantic.embedders.local import NAME, LocalEmbedder

        asyncio.run(LocalEmbedder().warm())
    except EmbedderFailed as error:
        what, _, fix = str(error).rstrip(".").rpartition(": ")
        return Finding(check="embedder", status="failed", detail=what, fix=fix)
    seconds = time.perf_counter() - begun
    return Finding(check="embedder", status="ok", detail=f"{NAME}, loaded in {seconds:.1f} s")


# ---- machine --------------------------------------------------------------------------------------------------------


def configuration(loaded: Loaded) -> Finding:
    """The configuration loads; its warnings are passed on."""
    where = loaded.path or "no file: built from the environment"
    if loaded.warnings:
        return Finding(check="configuration", status="warning", detail=f"{where}: {'; '.join(loaded.warnings)}")
    return Finding(check="configuration", status="ok", detail=where)


def open_files(connections: int) -> Finding:
    """Can the process open two descriptors a connection?"""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = 2 * connections + 1000
    if hard == resource.RLIM_INFINITY or hard >= wanted:
        shown = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
        return Finding(check="open files", status="ok", detail=f"limit {shown}, {wanted} wanted")
    return Finding(
        check="open files",
        status="warning",
        detail=f"the hard limit is {hard}; {connections} connections may need {wanted}",
        fix=f"raise it (systemd: LimitNOFILE={wanted}) or lower server.connections",
    )


def port(check: str, host: str, number: int) -> Finding:
    """Can we listen there? A gateway that runs already is worth a word, not a failure."""
    from ..server import StartError, check_port

    try:
        check_port(host, number)
    except StartError as error:
        if answers(host, number):
            return Finding(check=check, status="warning", detail=f"{number} is taken: a gateway answers there already")
        return Finding(check=check, status="failed", detail=str(error), fix="stop what listens there or set the port")
    return Finding(check=check, status="ok", detail=f"{host}:{number} is free")


def unix_socket(path: str) -> Finding:
    """Can we listen on the socket? Nothing is removed here."""
    from ..unix_socket import answers as taken

    if taken(Path(path)):
        return Finding(check="socket", status="warning", detail=f"{path} is taken: something listens there already")
    folder = Path(path).parent
    if not os.access(folder, os.W_OK | os.X_OK):
        fix = "make the folder, or set server.uds"
        return Finding(check="socket", status="failed", detail=f"{folder} cannot be written to", fix=fix)
    return Finding(check="socket", status="ok", detail=f"{path} is free")


def answers(host: str, number: int) -> bool:
    """Does something answer ``/livez`` as a gateway does?"""
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - the wildcard of a listener, read not bound
    try:
        with socket.create_connection((near, number), 1.0) as connection:
            connection.settimeout(1.0)
            connection.sendall(b"GET /livez HTTP/1.1\r\nhost: doctor\r\nconnection: close\r\n\r\n")
            answer = b""
            while part := connection.recv(4096):
                answer += part
    except OSError:
        return False
    return b'{"status":"' in answer


def clock(now: Callable[[], float] = time.time) -> Finding:
    """A clock far in the past fails every certificate and mislabels every log line."""
    seconds = now()
    shown = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    if seconds < BUILT_AFTER:
        return Finding(check="clock", status="failed", detail=f"it shows {shown}", fix="set the clock (NTP)")
    return Finding(check="clock", status="ok", detail=shown)


def metrics_folder(config: Config) -> Finding:
    """Where several workers share their counters."""
    check = "metrics folder"
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        if config.server.workers == 1 or not config.telemetry.prometheus:
            return Finding(check=check, status="ok", detail="not needed")
        folder, made = tempfile.gettempdir(), "a folder is made there at each start"
    else:
        made = "PROMETHEUS_MULTIPROC_DIR"
    if not writable(folder):
        return Finding(
            check=check,
            status="failed",
            detail=f"{folder} is not a folder that we may write to",
            fix="make it, or set PROMETHEUS_MULTIPROC_DIR to another",
        )
    leftover = [name for name in os.listdir(folder) if name.endswith(".db")]
    if leftover:
        return Finding(
            check=check,
            status="warning",
            detail=f"{folder} holds {len(leftover)} files of an earlier run, which are counted again",
            fix="empty it before each start",
        )
    return Finding(check=check, status="ok", detail=f"{folder} ({made})")


def spool(config: Config) -> Finding:
    """Where uploads wait for their model field."""
    folder = config.server.spool_dir or tempfile.gettempdir()
    if not writable(folder):
        return Finding(
            check="spool folder",
            status="failed",
            detail=f"{folder} is not a folder that we may write to",
            fix="make it, or set server.spool_dir",
        )
    free = shutil.disk_usage(folder).free
    detail = f"{folder}, {free // 1024**2} MiB free"
    if free < config.server.max_upload:
        return Finding(
            check="spool folder",
            status="warning",
            detail=f"{detail}, less than one upload may have",
            fix="free some space, set server.spool_dir or lower server.max_upload",
        )
    return Finding(check="spool folder", status="ok", detail=detail)


def writable(folder: str) -> bool:
    """Can a file be made in ``folder``? Permission bits do not tell, so one is made."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


# ---- network --------------------------------------------------------------------------------------------------------


def reach(name: str, provider: Provider) -> Finding:
    """DNS, TCP and TLS to a provider (or to the proxy on the way there), timed. No request is sent."""
    check = f"provider {name}"
    url = provider.base_url or str(vars(import_module(f"...providers.{provider.use}", __name__))["BASE_URL"])
    through = ""
    if provider.proxy:
        url, through = provider.proxy.reveal(), "its proxy at "
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host, number = parts.hostname or "", parts.port or (443 if secure else 80)
    place = f"{through}{host}:{number}"
    times: list[str] = []
    started = time.perf_counter()

    def lap(step: str) -> None:
        nonlocal started
        now = time.perf_counter()
        times.append(f"{step} {(now - started) * 1000:.0f} ms")
        started = now

    step = "DNS"
    try:
        socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)
        lap(step)
        step = "TCP"
        with socket.create_connection((host, number), PROBE_TIMEOUT) as connection:
            lap(step)
            if secure:
                step = "TLS"
                context = ssl.create_default_context()
                if provider.ca_file is not None:
                    context.load_verify_locations(cafile=provider.ca_file)
                with context.wrap_socket(connection, server_hostname=host):
                    lap(step)
    except (OSError, UnicodeError) as error:
        fixes = {
            "DNS": "check the host name in base_url and this machine's resolver",
            "TCP": "check the port and any firewall; behind one, set the provider's proxy",
            "TLS": "check the clock, and set ca_file when the certificate comes from an authority of your own",
        }
        why = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or type(error).__name__
        return Finding(check=check, status="failed", detail=f"{step} to {place} failed: {why}", fix=fixes[step])
    return Finding(check=check, status="ok", detail=f"{place}: {', '.join(times)}")


# ---- output ---------------------------------------------------------------------------------------------------------

_MARKS: dict[Status, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "warning": ("warn", "yellow"),
    "failed": ("FAIL", "red"),
    "skipped": ("skip", "bright_black"),
}


def table(findings: list[Finding]) -> str:
    """One line a check, its fix on the next, a verdict at the end."""
    width = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        mark, colour = _MARKS[finding.status]
        indent = " " * (width + 8)
        detail = finding.detail.replace("\n", f"\n{indent}")
        lines.append(f"{click.style(f'{mark:<4}', fg=colour)}  {finding.check:<{width}}  {detail}")
        if finding.fix is not None:
            lines.append(f"{indent}Fix: {finding.fix}")
    counts = [(s, sum(f.status == s for f in findings)) for s in ("failed", "warning")]
    said = ", ".join(
        f"{count} {status}{'s' if status == 'warning' and count > 1 else ''}" for status, count in counts if count
    )
    lines.append(said or "nothing is wrong")
    return "\n".join(lines)
