"""``tollway routes``: where a request would go and why, without sending it; where one went; and how all targets do."""

import json
import os
import sys
from pathlib import Path

import click

from ..wire.values import Json, JsonObject, obj, object_in, objects, text
from . import Failure
from .admin_client import URL, connected, part
from .chat import find_admin
from .config import CONFIG_OPTION
from .printed import OUTPUT, Columns, Printer, aligned, text_of

SAMPLE = "Say hello in one sentence."
"""What is asked where no FILE is given."""

PREFIX = "x-tollway-"

CANDIDATES: Columns = {
    "TARGET": "target",
    "STATE": "state",
    "IN FLIGHT": "inflight",
    "TTFT S": "ttft_seconds",
    "P95 S": "ttft_p95_seconds",
    "COST USD": lambda row: _usd(row.get("expected_cost_usd")),
    "SCORE": "score",
    "WEIGHT": "weight",
}
FILTERED: Columns = {"LEFT OUT": "target", "FILTER": "filter", "REASON": "reason"}
ATTEMPTS: Columns = {
    "TRIED": "target",
    "AS": "role",
    "KEY": "key",
    "STATUS": "status",
    "FAULT": "fault",
    "WAIT S": "asked_to_wait_seconds",
    "MS": "milliseconds",
}


def _target(row: JsonObject) -> str:
    return f"{text(row.get('provider'))}/{text(row.get('model'))}"


def _keys_ready(row: JsonObject) -> str:
    keys = objects(row.get("keys"))
    return f"{sum(key.get('state') == 'ready' for key in keys)}/{len(keys)}"


TARGETS: Columns = {
    "TARGET": _target,
    "STATE": "state",
    "REASON": "reason",
    "BACK IN S": lambda row: row.get("back_in_seconds") or None,
    "IN FLIGHT": "inflight",
    "WAITING": "waiting",
    "TTFT S": "ttft_seconds",
    "P95 S": "ttft_p95_seconds",
    "KEYS READY": _keys_ready,
}
KEYS: Columns = {
    "TARGET": "target",
    "KEY": "key",
    "STATE": "state",
    "REASON": "reason",
    "BACK IN S": lambda row: row.get("back_in_seconds") or None,
    "LEFT": "left",
}


@click.group(short_help="Show where a request would go, or went, and why; and how targets do.")
def routes() -> None:
    """Candidates, filters, live figures, order, expected cost and latency."""


@routes.command(epilog="Exit codes: 0 there is a target, 1 the request would be refused, 2 wrong usage.")
@click.argument("model")
@click.argument("file", required=False, metavar="[FILE|-]")
@click.option(
    "--header",
    "-H",
    "headers",
    multiple=True,
    metavar="NAME=VALUE",
    help="A control: policy=lowest_cost, slo-ttft-ms=800.",
)
@click.option("--key", "key", metavar="NAME", help="As this key of the configuration. Without it nothing is forbidden.")
@click.option("--url", help="Ask a running gateway, which knows live figures; the key to use is in TOLLWAY_KEY.")
@CONFIG_OPTION
@OUTPUT
@click.option("--json", "as_json", is_flag=True, help="The same as --output json.")
def test(
    model: str,
    file: str | None,
    headers: tuple[str, ...],
    key: str | None,
    url: str | None,
    path: str | None,
    output: str,
    as_json: bool,
) -> None:
    """Show how a request for MODEL would be routed. Nothing is sent to any provider.

    FILE is a request body of chat, responses, messages, completions or embeddings; without it a small chat.
    """
    if url is not None and (key is not None or path is not None):
        raise click.UsageError("--url asks a running gateway; --key and --config belong to a configuration here.")
    body = _body(file, model)
    place, raw = f"/v1/{_operation(body)}", json.dumps(body).encode()
    controls = {"dry-run": "true", **dict(_control(each) for each in headers)}
    named = {f"{PREFIX}{name}": value for name, value in controls.items()}
    status, answer = (
        _asked_there(url, place, named, raw) if url is not None else _asked_here(path, key, place, named, raw)
    )
    found = object_in(answer) or {}
    if status != 200 or found.get("object") != "tollway.route":
        raise _refused(status, found)
    _show(found, "json" if as_json else output)


@routes.command()
@click.argument("request_id")
@click.option("--url", metavar="URL", help=f"The gateway. Default: {URL}, then the listener of the configuration.")
@CONFIG_OPTION
@OUTPUT
@click.option("--json", "as_json", is_flag=True, help="The same as --output json.")
def trace(request_id: str, url: str | None, path: str | None, output: str, as_json: bool) -> None:
    """Show how the request REQUEST_ID was routed, and what became of it.

    The id is in the answer's header x-tollway-request-id and in the access log; the admin key in TOLLWAY_ADMIN_KEY.
    """
    with connected(_gateway(url, path), None, "json" if as_json else output) as admin:
        found = admin.get(f"/traces/{part(request_id)}")
        _show(obj(found.get("route")), admin.output)


@routes.command()
@click.option("--url", metavar="URL", help=f"The gateway. Default: {URL}, then the listener of the configuration.")
@CONFIG_OPTION
@OUTPUT
@click.option("--json", "as_json", is_flag=True, help="The same as --output json.")
def health(url: str | None, path: str | None, output: str, as_json: bool) -> None:
    """Show how the targets of a running gateway and their keys do: what rests and why, seconds until it is back, live figures.

    The admin key is taken from TOLLWAY_ADMIN_KEY. Of several workers the one that answers tells what it sees.
    """
    with connected(_gateway(url, path), None, "json" if as_json else output) as admin:
        found = admin.get("/health")
        if admin.output != "table":
            admin.value(found)
            return
        _show_health(objects(found.get("targets")))


def _gateway(url: str | None, path: str | None) -> str:
    """The address of the running gateway that is meant."""
    if url is not None and path is not None:
        raise click.UsageError("--url and --config both name the gateway; give one of them.")
    return url or (os.environ.get(URL) if path is None else None) or find_admin(path)


# ---- asking ----------------------------------------------------------------------------------------------------------


def _body(file: str | None, model: str) -> JsonObject:
    """FILE as a request for MODEL."""
    if file is None:
        return {"model": model, "messages": [{"role": "user", "content": SAMPLE}]}
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Failure(f"Cannot read {file}: {error.strerror}.", fix="name a file, or - for standard input") from None
    found = object_in(data)
    if found is None:
        raise Failure(f"{file} is not a JSON object.", fix="give a request body, such as an SDK sends")
    return {**found, "model": model}


def _operation(body: JsonObject) -> str:
    """The path of the operation that a body is for."""
    if "messages" in body:
        return "messages" if "system" in body or "anthropic_version" in body else "chat/completions"
    if "prompt" in body:
        return "completions"
    embeds = "input" in body and not {"instructions", "max_output_tokens", "tools", "stream"} & body.keys()
    return "embeddings" if embeds and "embed" in text(body["model"]) else "responses"


def _control(given: str) -> tuple[str, str]:
    """``policy=priority`` and ``x-tollway-policy: priority`` are the same. Raises ``click.UsageError``."""
    ends = [given.index(mark) for mark in "=:" if mark in given]
    if not ends or not given[: min(ends)].strip():
        raise click.UsageError(f"--header takes NAME=VALUE, such as policy=lowest_cost; {given!r} is none.")
    name, value = given[: min(ends)].strip().lower(), given[min(ends) + 1 :].strip()
    if not name.isascii() or not value.isprintable():
        raise click.UsageError(f"--header {name!r} holds a character that a header cannot have.")
    return name.removeprefix(PREFIX), value


def _asked_there(url: str, place: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    from .admin_remote import Remote

    key = os.environ.get("TOLLWAY_KEY")
    if not key:
        raise Failure(f"There is no key for {url}.", fix="put one of the gateway's keys into TOLLWAY_KEY")
    return Remote(url.rstrip("/").removesuffix("/v1"), key).request("POST", place, headers, body)


def _asked_here(
    path: str | None, key: str | None, place: str, headers: dict[str, str], body: bytes
) -> tuple[int, bytes]:
    """The gateway of the configuration in this process: nothing listens, nothing is opened, every target is fresh."""
    from ..rehearsal import rehearse
    from .config import load_or_fail

    loaded = load_or_fail(path)
    secret = None
    if key is not None:
        secret = next((each.key.reveal() for each in loaded.config.keys if each.name == key), None)
        if secret is None:
            names = ", ".join(each.name for each in loaded.config.keys) or "none"
            raise Failure(f"The configuration has no key named {key!r}.", fix=f"its keys: {names}")
    return rehearse(loaded, place, headers, body, key=secret)


def _refused(status: int, answer: JsonObject) -> Failure:
    message = text(obj(answer.get("error")).get("message"))
    if not message:
        return Failure(
            f"What answered does not know dry runs (status {status}).", fix="check --url: the gateway's address"
        )
    return Failure(
        f"The request would be refused with {status}: {message}", fix="see docs/routing.md for filters and controls"
    )


# ---- showing ---------------------------------------------------------------------------------------------------------


def _show(found: JsonObject, output: str) -> None:
    if output != "table":
        Printer(output).value(found)
        return
    click.echo(aligned([[name, text_of(value)] for name, value in _head(found)]))
    candidates = objects(found.get("candidates"))
    numbered: list[JsonObject] = [{**row, "at": at} for at, row in enumerate(candidates, 1)]
    _table(numbered, {"#": "at", **CANDIDATES}, right=frozenset({3, 4, 5, 6, 7, 8}))
    _table(objects(found.get("filtered")), FILTERED)
    _table(objects(found.get("attempts")), ATTEMPTS, right=frozenset({5, 6}))


def _show_health(targets: list[JsonObject]) -> None:
    """All targets; and the keys of those that have several, or one that rests."""
    if not targets:
        click.echo("No target was asked yet.")
        return
    click.echo(_aligned(targets, TARGETS, right=frozenset({3, 4, 5, 6, 7, 8})))
    keys: list[JsonObject] = []
    for row in targets:
        own = objects(row.get("keys"))
        if len(own) > 1 or any(key.get("state") != "ready" for key in own):
            keys += [{**key, "target": _target(row)} for key in own]
    _table(keys, KEYS, right=frozenset({1, 4, 5}))


def _head(found: JsonObject) -> list[tuple[str, Json]]:
    asked, outcome = obj(found.get("asked")), obj(found.get("outcome"))
    rows: list[tuple[str, Json]] = [
        ("model", found.get("model")),
        ("route", found.get("route")),
        ("policy", found.get("policy")),
        ("chosen", found.get("chosen")),
        ("bound to it", obj(found.get("bound")).get("reason")),
        ("needs", asked.get("needs")),
        (
            "tokens",
            f"{asked.get('prompt_tokens')} in, {asked.get('output_tokens')} out, {asked.get('cached_tokens')} cached",
        ),
        ("kind", asked.get("kind")),
        ("slo", _given(obj(asked.get("slo")))),
        (
            "controls",
            _given(
                {name: value for name, value in obj(asked.get("controls")).items() if name not in ("dry_run", "slo")}
            ),
        ),
        ("fallbacks", found.get("fallbacks")),
        ("fallbacks for", _given(obj(found.get("fallbacks_for")))),
        ("retry", _given(obj(found.get("retry")))),
        ("hedge", _given(obj(found.get("hedge")))),
        ("slow stream", _given(obj(found.get("slow_stream")))),
        ("outcome", _given(outcome)),
    ]
    return [(name, value) for name, value in rows if value not in (None, "", [])]


def _given(fields: JsonObject) -> str:
    return "  ".join(f"{name}={text_of(value)}" for name, value in fields.items() if value not in (None, [], {}))


def _table(rows: list[JsonObject], columns: Columns, *, right: frozenset[int] = frozenset()) -> None:
    if rows:
        click.echo()
        click.echo(_aligned(rows, columns, right=right))


def _aligned(rows: list[JsonObject], columns: Columns, *, right: frozenset[int]) -> str:
    cells = [
        [text_of(row.get(cell) if isinstance(cell, str) else cell(row)) for cell in columns.values()] for row in rows
    ]
    return aligned([list(columns), *cells], right=right)


def _usd(value: Json) -> str | None:
    return f"{value:.6f}" if isinstance(value, int | float) else None
