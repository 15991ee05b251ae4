"""What ``tollway bench`` does with its options: plan, run, write."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from random import SystemRandom
from time import perf_counter
from typing import BinaryIO

import click
import msgspec
from msgspec import Struct

from .. import __version__
from ..benchmark import tabular
from ..benchmark.arrivals import Arrivals
from ..benchmark.asking import Side
from ..benchmark.dataset import Entry
from ..benchmark.document import document
from ..benchmark.driving import Load
from ..benchmark.lengths import Lengths
from ..benchmark.outcome import Outcome, Settings
from ..benchmark.phases import Extent
from ..benchmark.progress import Progress
from ..benchmark.prompts import Prompts, Shape, Sided, Synthetic, Written
from ..benchmark.report import page
from ..benchmark.server import tree
from ..benchmark.session import Plan, hopeless, probe
from ..benchmark.session import bench as run_bench
from ..benchmark.target import Headers, with_key, without_credentials
from ..benchmark.timeline import Timeline
from ..wire.values import Json
from . import Failure
from .bench_before import consent, make_room, read_entries
from .chat import DEFAULT_MODEL
from .kept import check_writable, keep

_ANSWER = Lengths("uniform", 128, 128)


class Asked(Struct, frozen=True, kw_only=True):
    """The options, read."""

    url: str
    baseline: str | None
    headers: Headers
    objectives: dict[str, float]
    extra: dict[str, Json]
    rate: float | None
    arrivals: Arrivals
    concurrency: int | None
    requests: int | None
    seconds: float | None
    warmup: Extent
    cooldown: Extent
    repeat: int
    pid: int | None
    seed: int
    timeout: float
    model: str
    key: str | None
    stream: bool
    input_tokens: Lengths
    output_tokens: Lengths | None
    limit_field: str
    dataset: BinaryIO | None
    distinct: int | None
    usage: bool
    baseline_key: str | None
    baseline_model: str | None
    output: str
    save: str | None
    details: bool
    report: str | None
    quiet: bool
    yes: bool

    @classmethod
    def of(cls, given: Mapping[str, object], **read: object) -> "Asked":
        """From the command's options; what is left out comes from the environment, or by lot."""
        options = {**given, **read}
        options["key"] = given["key"] or os.environ.get("TOLLWAY_KEY") or os.environ.get("OPENAI_API_KEY") or None
        options["model"] = given["model"] or DEFAULT_MODEL
        if given["seed"] is None:
            options["seed"] = SystemRandom().getrandbits(32)
        if given["rate"] is None and given["concurrency"] is None:
            options["concurrency"] = 1
        return cls(**options)  # type: ignore[arg-type]  # click has read each of them

    @property
    def sides(self) -> list[str]:
        """The URLs under load."""
        return [self.url] if self.baseline is None else [self.url, self.baseline]


def perform(asked: Asked) -> None:
    """The whole command. Raises ``Failure``."""
    for path in (asked.save, asked.report):
        check_writable(path)
    entries = read_entries(asked.dataset)
    make_room(asked.concurrency)
    plan = _plan(asked, entries)
    consent(plan, asked.sides, yes=asked.yes, quiet=asked.quiet)
    found = _run(asked, plan)
    written = msgspec.json.format(msgspec.json.encode(document(found, details=asked.details)), indent=2).decode()
    problems = [keep(asked.save, written + "\n")] if asked.save is not None else []
    problems += [keep(asked.report, page(found))] if asked.report is not None else []
    click.echo(written if asked.output == "json" else tabular.text(found))
    for problem in filter(None, problems):
        raise Failure(problem, fix="the figures are above")
    if found.interrupted:
        raise Failure("Interrupted: the figures are about a part of what was asked for.")
    if not found.measured.completed:
        raise Failure("No request was answered.", fix="the errors above say why")


# ---- the plan ------------------------------------------------------------------------------------------------------------


def _plan(asked: Asked, entries: Sequence[Entry]) -> Plan:
    shapes = [
        Shape(model=model, stream=asked.stream, usage=asked.usage, limit_field=asked.limit_field, extra=asked.extra)
        for model in (asked.model, asked.baseline_model or asked.model)
    ]
    answer = asked.output_tokens or (None if entries else _ANSWER)

    def prompts(run: int) -> Prompts:
        if entries:
            return Sided([Written(shape, entries, answer=answer, seed=asked.seed) for shape in shapes])
        return Sided(
            [
                Synthetic(
                    shape, prompt=asked.input_tokens, answer=answer, seed=asked.seed, run=run, distinct=asked.distinct
                )
                for shape in shapes
            ]
        )

    return Plan(
        settings=_settings(asked, len(entries)),
        prompts=prompts,
        rate=asked.rate,
        arrivals=asked.arrivals,
        concurrency=asked.concurrency,
        warmup=asked.warmup,
        measured=Extent(requests=asked.requests, seconds=asked.seconds),
        cooldown=asked.cooldown,
        repeat=asked.repeat,
        seed=asked.seed,
        server=() if asked.pid is None else _processes(asked.pid),
    )


def _processes(pid: int) -> tuple[int, ...]:
    found = tree(pid)
    if not found:
        raise Failure(f"There is no process {pid} on this machine.", fix="--pid names the server's first process")
    return found


def _settings(asked: Asked, entries: int) -> Settings:
    made = "each its own" if asked.distinct is None else f"{asked.distinct} in turn"
    return Settings(
        url=asked.url,
        baseline=asked.baseline,
        model=asked.model,
        stream=asked.stream,
        rate=asked.rate,
        arrivals=asked.arrivals,
        concurrency=asked.concurrency,
        requests=asked.requests,
        seconds=asked.seconds,
        warmup=_extent(asked.warmup),
        cooldown=_extent(asked.cooldown),
        prompts=f"{entries:,} of a data set, in turn" if entries else f"made up, {_length(asked.input_tokens)}, {made}",
        answers="as the data set says"
        if entries and asked.output_tokens is None
        else f"at most {_length(asked.output_tokens or _ANSWER)}",
        seed=asked.seed,
        repeat=asked.repeat,
        objectives=asked.objectives,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        version=__version__,
    )


def _extent(found: Extent) -> str:
    if found.none:
        return "none"
    return f"{found.requests} requests" if found.requests is not None else f"{found.seconds:g} s"


def _length(found: Lengths) -> str:
    if found.kind == "uniform":
        return (
            f"{found.first:g} tokens" if found.first == found.second else f"{found.first:g} to {found.second:g} tokens"
        )
    return f"{found.kind} {found.first:g} ± {found.second:g} tokens"


# ---- the run and after it --------------------------------------------------------------------------------------------


def _run(asked: Asked, plan: Plan) -> Outcome:
    try:
        import uvloop
    except ImportError:
        factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_measure(asked, plan))


async def _measure(asked: Asked, plan: Plan) -> Outcome:
    keyed = with_key(asked.headers, asked.key), with_key(without_credentials(asked.headers), asked.baseline_key)
    sides = [
        Side(url, headers, stream=asked.stream, timeout=asked.timeout)
        for url, headers in zip(asked.sides, keyed, strict=False)
    ]
    try:
        for url, found in zip(asked.sides, await probe(sides, plan.prompts(plan.repeat)), strict=True):
            _judge(url, found, keyed=asked.key is not None if url == asked.url else asked.baseline_key is not None)
        return await run_bench(
            plan, sides, None if asked.quiet else lambda load, run: _progress(asked, plan, load, run)
        )
    finally:
        for side in sides:
            await side.close()


def _progress(asked: Asked, plan: Plan, load: Load, run: int) -> Progress:
    drawn = sys.stderr.isatty()
    return Progress(
        load,
        plan.measured,
        len(asked.sides),
        label=f"run {run + 1}/{plan.repeat}  " if plan.repeat > 1 else "",
        out=sys.stderr,
        drawn=drawn,
        colour=drawn and not os.environ.get("NO_COLOR"),
        clock=perf_counter,
    )


def _judge(url: str, found: Timeline, *, keyed: bool) -> None:
    """Stops where every request would fail as the first one did. Raises ``Failure``."""
    if not found.error:
        return
    said = f": {found.message}" if found.message else ""
    if not hopeless(found):
        click.echo(f"The first question to {url} failed ({found.error}{said}). The load goes on.", err=True)
        return
    raise Failure(f"{url} did not answer the first question ({found.error}{said}).", fix=_fix(found, keyed=keyed))


def _fix(found: Timeline, *, keyed: bool) -> str:
    statuses = {
        401: "check the key (--key or TOLLWAY_KEY)" if keyed else "no key was sent: use --key or TOLLWAY_KEY",
        403: "the key may not do this: use another one, or another --model",
        404: "name another --model, or check that the URL ends with /v1",
        400: "leave out what the server does not take: --no-usage, --limit-field, --body",
    }
    kinds = {
        "unreachable": "is the server running? check the URL",
        "connect_timeout": "check the URL, and whether a firewall is between",
        "tls": "put its authority into a file and export SSL_CERT_FILE, or use http:// for a server without TLS",
        "not_streamed": "use --no-stream for a server that does not stream",
    }
    return (
        kinds.get(found.error) or statuses.get(found.status) or "check that the URL is that of an OpenAI-compatible API"
    )
