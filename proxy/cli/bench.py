"""``tollway bench``: a load of chat requests on any OpenAI-compatible URL, and the times they took."""

import json
from collections.abc import Callable

import click

from ..benchmark import lengths, objectives, phases, target
from . import Failure
from .benched import Asked, perform
from .finite import Finite


def _read(read: Callable[[str], object]) -> Callable[[click.Context, click.Parameter, str | None], object]:
    """The callback of an option that a reader of the benchmark's own understands."""

    def convert(ctx: click.Context, param: click.Parameter, value: str | None) -> object:
        try:
            return None if value is None else read(value)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from None

    return convert


def _fields(_ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]) -> dict[str, object]:
    return dict(map(_field, texts))


def _field(text: str) -> tuple[str, object]:
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise click.BadParameter(f"{text!r} is no field: write it like temperature=0.2")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


_LENGTHS = _read(lengths.read)
_EXTENT = _read(phases.extent)

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def _options(*found: Decorator) -> Decorator:
    def add(command: Callable[..., None]) -> Callable[..., None]:
        for each in reversed(found):
            command = each(command)
        return command

    return add


_LOAD = _options(
    click.option(
        "--rate", type=Finite(0, 100_000, min_open=True), help="Open loop: requests a second, answered or not."
    ),
    click.option("--arrivals", type=click.Choice(["poisson", "constant"]), default="poisson", show_default=True, help="Of the open loop."),
    click.option(
        "--concurrency", "-c", type=click.IntRange(1, 65_536), help="Closed loop: requests at once. With --rate: at most so many. Default: 1."
    ),
    click.option("--requests", "-n", type=click.IntRange(1, 10_000_000), help="Measure so many."),
    click.option("--duration", "-d", "seconds", metavar="TIME", callback=_read(phases.seconds), help="Measure so long: 30s, 5m."),
    click.option("--warmup", callback=_EXTENT, default="0", metavar="N|TIME", show_default=True, help="Requests or time before what is measured."),
    click.option("--cooldown", callback=_EXTENT, default="0", metavar="N|TIME", show_default=True, help="Load that goes on behind it."),
    click.option("--repeat", type=click.IntRange(1, 100), default=1, show_default=True, help="Runs, to see how much they differ."),
    click.option("--pid", type=click.IntRange(1), help="Process of the server on this machine: its CPU time and memory are told, too."),
    click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Of prompts, lengths and arrivals. Default: another each time."),
    click.option("--timeout", default=600.0, show_default=True, type=Finite(0.1, 86_400), help="Seconds for one request."),
)  # fmt: skip

_REQUESTS = _options(
    click.option("--model", "-m", help="Model to ask for. Default: gpt-4o-mini."),
    click.option("--key", help="Key. Default: TOLLWAY_KEY, OPENAI_API_KEY."),
    click.option("--stream/--no-stream", default=True, show_default=True, help="Without a stream there is no time to the first token."),
    click.option("--input-tokens", callback=_LENGTHS, default="128", show_default=True, metavar="LENGTH", help=f"Of prompts that are made up: {lengths.FORMS}."),
    click.option("--output-tokens", callback=_LENGTHS, metavar="LENGTH", help="Limit of the answers. Default: 128, with --dataset none."),
    click.option("--limit-field", type=click.Choice(["max_tokens", "max_completion_tokens"]), default="max_tokens", show_default=True, help="How it is written."),
    click.option("--dataset", type=click.File("rb"), help="JSONL with prompt, messages or request a line, - for standard input."),
    click.option("--prompts", "distinct", type=click.IntRange(1, 512), help="So many prompts, again and again. Default: each request its own."),
    click.option("--usage/--no-usage", default=True, show_default=True, help="Ask streams for their token counts."),
    click.option("--header", "-H", "headers", multiple=True, metavar="NAME=VALUE", help="Sent with every request."),
    click.option("--body", "fields", multiple=True, callback=_fields, metavar="NAME=JSON", help="A field of every request: temperature=0."),
)  # fmt: skip

_BASELINE = _options(
    click.option(
        "--baseline", metavar="URL", help="Ask this URL the same in turn, and tell what the other adds to it."
    ),
    click.option(
        "--baseline-key", envvar="TOLLWAY_BASELINE_KEY", help="Its key. --key and credentials of -H are not sent there."
    ),
    click.option("--baseline-model", help="The model's name there. Default: --model."),
)

_OUTPUT = _options(
    click.option("--goodput", "slo", multiple=True, metavar="SLO", help="What a good request keeps to, in ms: 'ttft:300 tpot:50 e2el:2000'."),
    click.option("--output", "-o", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Format."),
    click.option("--save", type=click.Path(dir_okay=False), help="Write the JSON to this file too."),
    click.option("--details", is_flag=True, help="Single requests in the JSON."),
    click.option("--report", type=click.Path(dir_okay=False), help="Write an HTML page with plots to this file."),
    click.option("--quiet", "-q", is_flag=True, help="No progress."),
    click.option("--yes", "-y", is_flag=True, help="Do not ask before a server elsewhere is put under load."),
)  # fmt: skip


@click.command(
    epilog="Example: tollway bench http://127.0.0.1:8080/v1 --rate 20 --duration 30s --warmup 5s --report bench.html"
)
@click.argument("url")
@_LOAD
@_REQUESTS
@_BASELINE
@_OUTPUT
def bench(
    url: str,
    headers: tuple[str, ...],
    slo: tuple[str, ...],
    baseline: str | None,
    fields: dict[str, object],
    **given: object,
) -> None:
    """Measure how an OpenAI-compatible URL answers under load: time to first token, gaps, tokens a second, errors.

    Needs a bound: --requests, --duration or both. Every request costs what it costs at the server.
    """  # fmt: skip
    try:
        asked = Asked.of(
            given,
            url=target.endpoint(url),
            baseline=None if baseline is None else target.endpoint(baseline),
            headers=target.headers(headers),
            objectives=objectives.read(slo),
            extra=fields,
        )
    except (target.BadTarget, objectives.BadObjective) as error:
        raise click.UsageError(str(error)) from None
    if asked.requests is None and asked.seconds is None:
        raise click.UsageError("Nothing ends this load: give --requests, --duration or both.")
    if asked.seconds == 0:
        raise click.UsageError("--duration is no time at all: leave it out, or write it like 30s or 5m.")
    if not asked.stream and "ttft" in asked.objectives:
        raise click.UsageError("There is no time to the first token without a stream: leave ttft out of --goodput.")
    if asked.dataset is not None and asked.distinct is not None:
        raise click.UsageError("--prompts is about prompts that are made up: leave it out with --dataset.")
    try:
        perform(asked)
    except target.BadTarget as error:
        raise Failure(str(error), fix="check --key, TOLLWAY_KEY and OPENAI_API_KEY") from None
