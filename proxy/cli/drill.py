"""``tollway drill``: the configuration of the user against every fault, and what a client would have seen."""

import asyncio
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import click

from ..config import Config
from ..drill.cases import Case, cases_of
from ..drill.derive import patience_of
from ..drill.faults import DRILLED
from ..drill.process import StartFailed
from ..drill.report import as_json, lines, shortened, summary
from ..drill.shape import shapes_of
from ..drill.stage import Played, play
from . import Failure
from .config import CONFIG_OPTION, load_or_fail


@click.command(epilog="Exit codes: 0 every request passed, 1 one did not, or the drill could not run, 2 wrong usage.")
@CONFIG_OPTION
@click.option("--route", "routes", multiple=True, metavar="NAME", help="Only this route (repeatable).")
@click.option("--fault", "faults", multiple=True, metavar="NAME", help="Only this fault (repeatable).")
@click.option(
    "--timeout", default=2.0, show_default=True, type=click.FloatRange(0.2, 60), help="Longest time limit, seconds."
)
@click.option("--failures", is_flag=True, help="Print failures only.")
@click.option("--json", "as_document", is_flag=True, help="Print one JSON document.")
@click.option("--list", "listed", is_flag=True, help="List the faults and leave.")
def drill(
    path: str | None,
    routes: tuple[str, ...],
    faults: tuple[str, ...],
    timeout: float,
    failures: bool,
    as_document: bool,
    listed: bool,
) -> None:
    """Play every fault against every route of the configuration and print what a client would have seen.

    No provider is called and no key leaves: a gateway of the drill's own talks to a mock on this machine.
    """
    if listed:
        click.echo(_listed())
        return
    config = load_or_fail(path).config
    cases = _cases(config, routes, faults)
    patience = patience_of(config, timeout)
    if not as_document:
        click.echo(f"{shortened(patience)} {len(cases)} requests; no provider is called.")
    begun = time.monotonic()
    played = _play(config, cases, timeout)
    took = time.monotonic() - begun
    if as_document:
        click.echo(json.dumps(as_json(played, patience, took), indent=2, ensure_ascii=False))
    else:
        for line in lines(played, failures_only=failures):
            click.secho(line.text, fg="red" if line.failed else None)
        click.secho(f"\n{summary(played, took)}", bold=True)
    if not all(one.verdict.passed for one in played):
        raise SystemExit(1)


def _listed() -> str:
    """The faults by group, each with what the mock is told."""
    width = max(map(len, DRILLED))
    doors = {"shut": "nobody listens", "stuck": "connections are never made"}
    told: list[str] = []
    for group, rows in groupby(DRILLED.values(), key=lambda row: row.group):
        told += [group, *(f"  {row.name:<{width}}  {row.told or doors[row.door]}" for row in rows)]
    return "\n".join(told)


def _cases(config: Config, routes: tuple[str, ...], faults: tuple[str, ...]) -> tuple[Case, ...]:
    """What is to be played. Raises ``Failure`` for a name that nothing has."""
    shapes = shapes_of(config)
    known = [shape.name for shape in shapes]
    for name in routes:
        if name not in known:
            raise Failure(f"There is no route {name!r}.", fix=f"use one of: {', '.join(known) or 'none is configured'}")
    for name in faults:
        if name not in DRILLED:
            raise Failure(f"There is no fault {name!r}.", fix="tollway drill --list shows them")
    if not shapes:
        raise Failure("The configuration has no route.", fix="add one under models, or a provider")
    chosen = [shape for shape in shapes if not routes or shape.name in routes]
    return cases_of(chosen, [row for name, row in DRILLED.items() if not faults or name in faults])


def _play(config: Config, cases: Sequence[Case], timeout: float) -> list[Played]:
    folder = Path(tempfile.mkdtemp(prefix="tollway-drill-"))

    def told(done: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{done} of {len(cases)}", err=True, nl=done == len(cases))

    async def run() -> list[Played]:
        task = asyncio.current_task()
        assert task is not None
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await play(config, cases, folder=folder, seconds=timeout, told=told)

    try:
        return asyncio.run(run())
    except StartFailed as error:
        raise Failure(
            f"The gateway of the drill did not start: {error}", fix="tollway doctor looks for the cause"
        ) from None
    except asyncio.CancelledError:
        raise Failure("The drill was stopped.") from None
    except KeyboardInterrupt:
        raise click.Abort from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
