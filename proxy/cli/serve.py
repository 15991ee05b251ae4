"""``tollway serve``: the gateway, or with ``--demo`` the gateway in front of the built-in mock."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from ..config import Loaded
from ..inference.weights import MODEL, LocalModelError, check_engine, weights
from . import Failure
from .config import CONFIG_OPTION, load_or_fail

Demo = tuple[Loaded, Callable[[], None]]
"""Its configuration, and what is said once it answers."""


@click.command()
@CONFIG_OPTION
@click.option("--host", help="Address to listen on (server.host).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (server.port).")
@click.option("--workers", type=click.IntRange(1), help="Worker processes (server.workers).")
@click.option("--demo", is_flag=True, help="Start with a built-in upstream and a fresh key; needs nothing.")
@click.option("--local", is_flag=True, help="With --demo: a small real model on this machine answers (extra local).")
def serve(path: str | None, host: str | None, port: int | None, workers: int | None, demo: bool, local: bool) -> None:
    """Start the gateway and run until stopped."""
    flags = {"server.host": host, "server.port": port, "server.workers": workers}
    overrides = {name: str(value) for name, value in flags.items() if value is not None}
    if demo or local:
        with _local_demo(overrides) if local else _demo(overrides) as (loaded, greet):
            _run(loaded, overrides, greet=greet)
        return
    loaded = load_or_fail(path, overrides)
    server = loaded.config.server
    scheme = "https" if server.tls is not None else "http"
    place = f"{scheme}://{_shown(server.host)}:{server.port}/v1" if server.uds is None else f"unix:{server.uds}"
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    greeting = f"Tollway listens on {place} (auth: {loaded.config.auth.mode})"
    if server.admin_port is not None:
        greeting += f"; its admin API on {scheme}://{_shown(server.admin_host)}:{server.admin_port}"
    _run(loaded, overrides, greet=lambda: click.echo(greeting, err=True))


def _run(loaded: Loaded, overrides: dict[str, str], *, greet: Callable[[], None] = lambda: None) -> None:
    from ..server import StartError
    from ..server import serve as run

    try:
        run(loaded, overrides=overrides, greet=greet)
    except StartError as error:
        raise Failure(str(error)) from None


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@contextmanager
def _demo(overrides: dict[str, str]) -> Iterator[Demo]:
    """A mock upstream in its own process, and a configuration in front of it."""
    mock = subprocess.Popen(
        [sys.executable, "-m", "proxy", "mock", "--host", "127.0.0.1", "--port", "0", "--pace", "40"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert mock.stdout is not None
        line = mock.stdout.readline()
        if "http://" not in line:
            raise Failure("The demo's upstream did not start.", fix="run 'tollway mock' to see why")
        provider = {"use": "openai", "base_url": line.split()[-1], "api_key": "none"}
        with _configured({"mock": provider}, "*", overrides, "a built-in upstream") as demo:
            yield demo
    finally:
        mock.terminate()
        mock.wait(5)


@contextmanager
def _local_demo(overrides: dict[str, str]) -> Iterator[Demo]:
    """A small model on this machine: whatever is asked for, it answers."""
    try:
        check_engine()
        weights(None)
    except LocalModelError as error:
        raise Failure(str(error)) from None
    with _configured({"local": {"use": "local"}}, MODEL, overrides, f"{MODEL} on this machine") as demo:
        yield demo


@contextmanager
def _configured(
    providers: dict[str, dict[str, str]], model: str, overrides: dict[str, str], what: str
) -> Iterator[Demo]:
    """A configuration that sends every name to the one provider's ``model``, with a key of its own."""
    try:
        folder = tempfile.mkdtemp(prefix="tollway-demo-")
    except OSError as error:
        raise Failure(
            f"No temporary folder can be made: {error.strerror}.", fix="name a writable one in TMPDIR"
        ) from None
    try:
        key = os.environ.get("TOLLWAY_DEMO_KEY") or f"sk-tw-demo-{secrets.token_hex(16)}"
        config = {
            "keys": [{"name": "demo", "key": key}],
            "providers": providers,
            "models": {"*": {"targets": [{"provider": next(iter(providers)), "model": model}]}},
            "cache": {"exact": {}},
            "telemetry": {"access_log": "off"},
        }
        file = Path(folder) / "demo.json"
        file.write_text(json.dumps(config))
        file.chmod(0o600)
        loaded = load_or_fail(str(file), overrides)
        server = loaded.config.server
        yield loaded, partial(_greet, f"http://{_shown(server.host)}:{server.port}/v1", key, what)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _greet(url: str, key: str, what: str) -> None:
    body = '{"model": "gpt-4o-mini", "stream": true, "messages": [{"role": "user", "content": "Say hello"}]}'
    click.echo(
        f"""
Tollway runs at {url} with {what}: no provider, no account, no cost.

  key   {key}

Try it (paste in another terminal; remove "stream": true for one plain answer). Paste it twice: the second answer is
the first one, at once, from the cache; with -i in place of -N its headers say so, x-tollway-cache: hit.

  curl -N {url}/chat/completions \\
    -H 'Authorization: Bearer {key}' \\
    -H 'Content-Type: application/json' \\
    -d '{body}'

With an SDK change only its base URL and key:

  export OPENAI_BASE_URL={url} OPENAI_API_KEY={key}

Stop with Ctrl-C. The real thing: export OPENAI_API_KEY=... and run `tollway serve`.
"""
    )
