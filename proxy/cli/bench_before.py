"""What ``tollway bench`` looks at before the load: its files, its room for connections, and whether somebody agrees to what it costs."""

import contextlib
import resource
import sys
from collections.abc import Sequence
from typing import BinaryIO

import click

from ..benchmark.dataset import Entry
from ..benchmark.dataset import read as read_dataset
from ..benchmark.phases import Extent
from ..benchmark.session import Plan
from ..benchmark.target import loopback
from . import Failure

_SPARE = 64
"""Descriptors for everything that is no connection."""

_SHOWN = 5
"""Broken lines of a data set that are told of one by one."""


def read_entries(dataset: BinaryIO | None) -> list[Entry]:
    """The prompts of a data set; its broken lines are told of. Raises ``Failure`` where there is none."""
    if dataset is None:
        return []
    entries, broken = read_dataset(dataset)
    for each in broken[:_SHOWN]:
        click.echo(f"{dataset.name}, line {each.line}: {each.why}. Left out.", err=True)
    if len(broken) > _SHOWN:
        lines = ", ".join(str(each.line) for each in broken[_SHOWN : _SHOWN + 20])
        click.echo(
            f"{dataset.name}: {len(broken) - _SHOWN} more lines are left out: {lines}{' …' if len(broken) > 25 else ''}",
            err=True,
        )
    if not entries:
        raise Failure(
            f"{dataset.name} holds no prompt.",
            fix='one JSON object a line: {"prompt": "…"}, or with messages or request',
        )
    return entries


def make_room(concurrency: int | None) -> None:
    """As many descriptors as the system allows; a load that would not find enough is not begun."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if soft != resource.RLIM_INFINITY and concurrency is not None and concurrency + _SPARE > soft:
        raise Failure(
            f"{concurrency} requests at once need more than the {soft} files this process may open.",
            fix="raise ulimit -n",
        )


def consent(plan: Plan, sides: Sequence[str], *, yes: bool, quiet: bool) -> None:
    """Says what it comes to, and asks where the load leaves this machine."""
    estimate = _estimate(plan, len(sides))
    away = [url for url in sides if not loopback(url)]
    if not away or yes:
        if not quiet:
            click.echo(f"Load: {estimate}.", err=True)
        return
    click.echo(f"This sends {estimate} to {' and '.join(away)}. They cost what they cost there.", err=True)
    if not sys.stdin.isatty():
        raise Failure("Nobody is there to agree to this load.", fix="say --yes where no terminal is")
    click.confirm("Go on?", abort=True, err=True)


def _estimate(plan: Plan, sides: int) -> str:
    counts = [_requests(each, plan.rate) for each in (plan.warmup, plan.measured, plan.cooldown)]
    prompt, answer = plan.prompts(0).estimate()
    size = f"some {prompt:,.0f} tokens in and " + (
        "as many out as the model likes" if answer is None else f"up to {answer:,.0f} out"
    )
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return f"as many requests as are answered in {plan.measured.seconds or 0:g} s, each with {size}"
    total = sum(known) * plan.repeat * sides + sides
    if answer is None:
        return f"{total:,.0f} requests, each with {size}"
    return f"{total:,.0f} requests, {total * prompt:,.0f} tokens in and up to {total * answer:,.0f} out"


def _requests(extent: Extent, rate: float | None) -> float | None:
    """Requests of a phase, ``None``: the server decides."""
    if extent.none:
        return 0.0
    bounds = [] if extent.requests is None else [float(extent.requests)]
    if extent.seconds is not None and rate is not None:
        bounds.append(extent.seconds * rate)
    return min(bounds) if bounds else None
