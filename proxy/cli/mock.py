"""`tollway mock`: run the deterministic upstream in its own process."""

import asyncio
import signal
import sys
from collections.abc import Callable

import click

from ..mock.controls import CONTROLS, BadControl, Controls, read


def _flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give the command a flag for every control."""
    for control in reversed(CONTROLS.values()):
        flag = f"--{control.name}/--no-{control.name}" if control.switch else f"--{control.name}"
        shown = None if control.switch else control.form.upper()
        command = click.option(flag, control.field, default=None, metavar=shown, help=control.doc)(command)
    return command


@click.command("mock")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=9000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 chooses a free one."
)
@click.option("--key", default="", help="Demand this key, in each dialect's own header; without it any is accepted.")
@click.option("--access-log", is_flag=True, help="Write one line a request to stderr.")
@_flags
def mock(host: str, port: int, key: str, access_log: bool, **flags: str | bool | None) -> None:
    """Run an upstream of every dialect that answers the same request with the same bytes.

    Every control is also a request header: `--pace 20` is `x-mock-pace: 20`.
    """
    given = {
        control.name: ("on" if value else "off") if isinstance(value, bool) else value
        for control in CONTROLS.values()
        if (value := flags[control.field]) is not None
    }
    try:
        controls = read(Controls(), given)
    except BadControl as problem:
        raise click.UsageError(str(problem).replace("x-mock-", "--")) from None
    _run(host, port, key, controls, access_log=access_log)


def _run(host: str, port: int, key: str, controls: Controls, *, access_log: bool) -> None:
    from ..mock.faults import BadFault
    from ..mock.server import Settings, start

    try:
        import uvloop
    except ImportError:
        factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    else:
        factory = uvloop.new_event_loop
    settings = Settings(controls=controls, key=key, access_log=_log if access_log else None)

    async def serve() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        running = await start(host, port, settings)
        click.echo(f"tollway mock: listening on {running.url}")
        await stopped.wait()
        await running.stop()

    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(serve())
    except BadFault as problem:
        raise click.UsageError(str(problem)) from None
    except OSError as problem:
        raise click.ClickException(f"cannot listen on {host}:{port}: {problem.strerror or problem}") from None


def _log(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    mock()
