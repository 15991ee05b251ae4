"""``tollway chat``: one chat request to a running gateway, so that a person sees that everything works."""

import contextlib
import http.client
import json
import os
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import click
from msgspec import Struct

from ..config import ConfigError, load
from ..config.server import Server
from . import Failure
from .config import CONFIG_OPTION

DEFAULT_URL = "http://127.0.0.1:8080/v1"
DEFAULT_MODEL = "gpt-4o-mini"


class Gateway(Struct, frozen=True, kw_only=True):
    """Where to send, with which key, and a model to ask for. ``key`` is ``None`` when nobody said one."""

    url: str
    key: str | None
    model: str


class Outcome(Struct, kw_only=True):
    """What an answer told besides its text. Times in seconds from sending; ``usage`` as the provider reports it."""

    started: float
    first: float | None = None
    usage: dict[str, object] | None = None
    finish: str | None = None


@click.command(epilog="Example: tollway chat 'Say hello' --model gpt-4o-mini")
@click.argument("text")
@click.option("--url", help="Base URL. Default: TOLLWAY_URL, OPENAI_BASE_URL, then the configuration's listener.")
@click.option("--key", help="Key for the gateway. Default: TOLLWAY_KEY, the configuration's first key, OPENAI_API_KEY.")
@click.option("--model", "-m", help=f"Model. Default: the configuration's first named model, else {DEFAULT_MODEL}.")
@click.option("--stream/--no-stream", default=True, show_default=True, help="Print the text as it arrives.")
@click.option("--timeout", default=120.0, show_default=True, type=click.FloatRange(min=0.1), help="Seconds of silence.")
@CONFIG_OPTION
def chat(
    text: str, url: str | None, key: str | None, model: str | None, stream: bool, timeout: float, path: str | None
) -> None:
    """Send one chat request to a running gateway and print the answer; "-" reads TEXT from standard input.

    Tokens and times follow on stderr.
    """
    gateway = find(path, url)
    key = key or gateway.key
    body: dict[str, object] = {
        "model": model or gateway.model,
        "messages": [{"role": "user", "content": sys.stdin.read() if text == "-" else text}],
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    connection, prefix = _open(gateway.url, timeout)
    outcome = Outcome(started=time.perf_counter())
    try:
        with _send(connection, f"{prefix}/chat/completions", key, body) as answer:
            if answer.status != 200:
                raise _refused(answer, key)
            if "text/event-stream" in (answer.getheader("content-type") or ""):
                _print_stream(answer, outcome)
            else:
                _print_whole(answer, outcome)
            click.echo(_summary(outcome, answer), err=True)
    except TimeoutError:
        raise Failure(f"The gateway was silent for {timeout:g} s.", fix="wait longer with --timeout") from None
    except http.client.HTTPException as error:
        raise Failure(
            f"What answers at {gateway.url} broke off or does not speak HTTP ({type(error).__name__}).",
            fix="check the URL: https where the gateway has TLS, http where it has not",
        ) from None
    except OSError as error:
        raise _unreachable(gateway.url, error) from None
    finally:
        connection.close()


# ---- where to --------------------------------------------------------------------------------------------------------


def find(path: str | None, url: str | None) -> Gateway:
    """The gateway that the options, the environment or the configuration name, in this order."""
    named = url or os.environ.get("TOLLWAY_URL") or os.environ.get("OPENAI_BASE_URL")
    key = os.environ.get("TOLLWAY_KEY")
    provider_key = os.environ.get("OPENAI_API_KEY")
    if named:
        return Gateway(url=named, key=key or provider_key, model=DEFAULT_MODEL)
    try:
        config = load(path, os.environ).config
    except ConfigError:
        if path is not None:
            raise Failure(f"The configuration {path} cannot be used.", fix="run tollway check, or give --url") from None
        return Gateway(url=DEFAULT_URL, key=key or provider_key, model=DEFAULT_MODEL)
    server = config.server
    if server.uds is not None:
        raise Failure(
            f"The gateway listens on the Unix socket {server.uds}, which this command does not speak.",
            fix=f"curl --unix-socket {server.uds} http://tollway/v1/models, or give --url",
        )
    if config.auth.mode == "keys" and config.keys:
        # OPENAI_API_KEY holds the provider's key here: the gateway would refuse it.
        key = key or config.keys[0].key.reveal()
    return Gateway(
        url=f"{_origin(server, server.host, server.port)}/v1",
        key=key or provider_key,
        model=next((name for name in config.models if name != "*"), DEFAULT_MODEL),
    )


def find_admin(path: str | None) -> str:
    """Where the admin API of the gateway is that the environment or the configuration name: a listener of its own, or that of requests."""
    if not (os.environ.get("TOLLWAY_URL") or os.environ.get("OPENAI_BASE_URL")):
        with contextlib.suppress(ConfigError):
            server = load(path, os.environ).config.server
            if server.admin_port is not None:
                return _origin(server, server.admin_host, server.admin_port)
    return find(path, None).url.removesuffix("/v1")


def _origin(server: Server, host: str, port: int) -> str:
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - the listener's wildcard, not bound here
    shown = f"[{near}]" if ":" in near and not near.startswith("[") else near
    return f"{'https' if server.tls is not None else 'http'}://{shown}:{port}"


def _open(url: str, timeout: float) -> tuple[http.client.HTTPConnection, str]:
    """A connection that is not made yet, and the path below which the API lies."""
    try:
        parts = urlsplit(url)
        number = parts.port
    except ValueError:
        parts, number = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Failure(f"{url!r} is not an http or https URL.", fix=f"write it like {DEFAULT_URL}")
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(parts.hostname, number, timeout=timeout, context=context), parts.path.rstrip(
            "/"
        )
    return http.client.HTTPConnection(parts.hostname, number, timeout=timeout), parts.path.rstrip("/")


def _send(
    connection: http.client.HTTPConnection, path: str, key: str | None, body: dict[str, object]
) -> http.client.HTTPResponse:
    headers = {"content-type": "application/json", "user-agent": "tollway-chat"}
    if key:
        try:
            headers["authorization"] = f"Bearer {key}".encode().decode("latin-1")
        except UnicodeError:
            raise Failure("The key is not text.", fix="check --key or TOLLWAY_KEY") from None
    try:
        connection.request("POST", path, json.dumps(body).encode(), headers)
    except ValueError:
        raise Failure("The key or the URL holds a character that cannot be sent.", fix="look for line breaks") from None
    return connection.getresponse()


# ---- the answer -----------------------------------------------------------------------------------------------------


def _print_stream(answer: http.client.HTTPResponse, outcome: Outcome) -> None:
    ended = False
    for data in _events(answer):
        if data == "[DONE]":
            ended = True
            break
        event = _object(data)
        if "error" in event:
            click.echo()
            raise _told(event, "The stream ended with an error.")
        text = _take(event, outcome, "delta")
        if text:
            if outcome.first is None:
                outcome.first = time.perf_counter() - outcome.started
            click.echo(text, nl=False)
    click.echo()
    if not ended:
        raise Failure("The stream broke off before its end.", fix="see the gateway's log for this request")


def _events(answer: http.client.HTTPResponse) -> Iterator[str]:
    """The data of each event; comments and other fields are passed over."""
    while line := answer.readline():
        if line.startswith(b"data:"):
            yield line[5:].strip().decode("utf-8", "replace")


def _print_whole(answer: http.client.HTTPResponse, outcome: Outcome) -> None:
    click.echo(_take(_object(answer.read().decode("utf-8", "replace")), outcome, "message"))


def _object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Failure("The answer is not the JSON of a chat completion.", fix="check that the URL is the gateway's")
    return value


def _take(value: dict[str, object], outcome: Outcome, member: str) -> str:
    """The text of the first choice; usage and finish reason are noted on the way."""
    usage = value.get("usage")
    if isinstance(usage, dict):
        outcome.usage = usage
    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return ""
    finish = choice.get("finish_reason")
    if isinstance(finish, str):
        outcome.finish = finish
    inner = choice.get(member)
    text = inner.get("content") if isinstance(inner, dict) else None
    return text if isinstance(text, str) else ""


def _summary(outcome: Outcome, answer: http.client.HTTPResponse) -> str:
    parts = []
    if outcome.usage is not None:
        parts.append(f"{outcome.usage.get('prompt_tokens', '?')} in, {outcome.usage.get('completion_tokens', '?')} out")
    else:
        parts.append("no usage reported")
    if outcome.first is not None:
        parts.append(f"first token {outcome.first * 1000:.0f} ms")
    parts.append(f"total {(time.perf_counter() - outcome.started) * 1000:.0f} ms")
    provider = answer.getheader("x-tollway-provider")
    if provider:
        parts.append(f"{provider}/{answer.getheader('x-tollway-model') or '?'}")
    if outcome.finish not in (None, "stop"):
        parts.append(f"finish_reason {outcome.finish}")
    return "[" + ", ".join(parts) + "]"


# ---- what can go wrong ----------------------------------------------------------------------------------------------


def _refused(answer: http.client.HTTPResponse, key: str | None) -> Failure:
    """The gateway's own words, and what to do about them."""
    body = answer.read(64 * 1024)
    try:
        value = json.loads(body)
    except ValueError:
        value = {}
    fixes = {
        401: "give the gateway's key with --key or TOLLWAY_KEY" if key else "no key was sent: use --key or TOLLWAY_KEY",
        404: "name another --model, or check that the URL ends with /v1",
        502: "run tollway doctor --network on the gateway's machine",
    }
    return _told(value if isinstance(value, dict) else {}, f"Status {answer.status}.", fixes.get(answer.status))


def _told(value: dict[str, object], otherwise: str, fix: str | None = None) -> Failure:
    error = value.get("error")
    message = error.get("message") if isinstance(error, dict) else None
    return Failure(message if isinstance(message, str) and message else otherwise, fix=fix)


def _unreachable(url: str, error: OSError) -> Failure:
    match error:
        case ConnectionRefusedError():
            return Failure(
                f"Nothing listens at {url}.", fix="is the gateway running? tollway serve starts it, --url names another"
            )
        case socket.gaierror():
            return Failure(f"The host of {url} has no address.", fix="check the URL")
        case ssl.SSLCertVerificationError():
            return Failure(
                f"The certificate of {url} is not trusted: {error.verify_message}.",
                fix="put its authority into a file and export SSL_CERT_FILE",
            )
        case ssl.SSLError():
            return Failure(f"{url} does not speak TLS.", fix="use http:// for a gateway without TLS")
        case _:
            return Failure(f"{url} cannot be reached: {error.strerror or type(error).__name__}.", fix="check the URL")
