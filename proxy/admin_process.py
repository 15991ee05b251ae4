"""The process behind ``server.admin_port``: started before the workers, watched by a thread of the launcher, started again when it
ends, and ended with the launcher. It never ends the gateway: traffic goes on without it.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess, SpawnProcess
from multiprocessing.util import Finalize
from pathlib import Path

import uvloop
from granian.constants import HTTPModes, Interfaces, TaskImpl
from granian.errors import FatalError
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from .accounts import load_checked
from .admin_plane import AdminPlane
from .config import Config, Loaded
from .server import StartError, end_with_the_launcher, granian_log
from .telemetry.log import configure

_log = logging.getLogger("tollway.server")

Process = ForkProcess | SpawnProcess

CONNECTIONS = 256
"""Connections that the admin listener holds at most."""

START_WITHIN = 60.0
"""Seconds that a start may take; opening the database has 30 of them."""

PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before it is started again: doubled each time that it ends before ``STEADY``."""

STEADY = 60.0
"""Seconds after which it counts as having started well."""

FAREWELL = 5.0
"""Seconds that it has to end before it is killed."""


@contextlib.contextmanager
def admin_process(
    config: Config, *, path: str | None, overrides: Mapping[str, str], stopping: Callable[[], bool]
) -> Iterator[None]:
    """Runs beside the workers. ``stopping``: has the launcher been told to end? Raises ``StartError`` where it cannot start."""
    supervisor = Supervisor(lambda ready: _made(path, dict(overrides), ready), stopping=stopping)
    try:
        supervisor.start()
        yield
    finally:
        supervisor.close()


def _made(path: str | None, overrides: dict[str, str], ready: Connection) -> Process:
    # As Granian makes its workers: forked where the system allows it, so that pages are shared.
    kind = ForkProcess if sys.platform == "linux" else SpawnProcess
    return kind(name="tollway-admin", target=administer, args=(path, overrides, ready))


class Supervisor:
    """Keeps one process running from ``start`` to ``close``. ``make`` is given the end of a pipe that it says something into once ready."""

    def __init__(
        self,
        make: Callable[[Connection], Process],
        *,
        stopping: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._stopping = stopping
        self._clock = clock
        self._process: Process | None = None
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._watcher = threading.Thread(target=self._watch, name="tollway-admin", daemon=True)

    def start(self) -> None:
        """Returns when it is ready. Raises ``StartError``."""
        reader = self._spawn()
        with reader:
            if not reader.poll(START_WITHIN):
                raise StartError(f"The admin process was not ready within {START_WITHIN:g} s: see its messages above.")
            try:
                reader.recv_bytes()
            except EOFError:
                raise StartError(
                    "The admin process (server.admin_port) did not start: see its message above."
                ) from None
        self._watcher.start()

    def close(self) -> None:
        """Ends it, and waits: ``FAREWELL`` seconds at most."""
        with self._lock:
            self._ending.set()
            process = self._process
        if process is None:
            return
        # One thread waits for it: of two, one would be told that there is no such child.
        join = self._watcher.join if self._watcher.is_alive() else process.join
        process.terminate()
        join(FAREWELL)
        if process.exitcode is None:
            process.kill()
            join()

    def _spawn(self) -> Connection:
        """The end of the pipe on which it says that it is ready; EOF: it ended before."""
        reader, writer = multiprocessing.Pipe(duplex=False)
        with writer:
            process = self._make(writer)
            process.start()
        self._process = process
        return reader

    def _watch(self) -> None:
        """In a thread that lives as long as what it starts: the kernel takes its end for the launcher's."""
        pause = PAUSE
        while True:
            born = self._clock()
            assert self._process is not None
            self._process.join()
            if self._ending.is_set():
                return
            if self._clock() - born >= STEADY:
                pause = PAUSE
            if self._ending.wait(pause) or self._stopping():
                return
            _log.warning("the admin process ended (%s) and is started again", _said(self._process.exitcode))
            with self._lock:
                if self._ending.is_set():
                    return
                try:
                    self._spawn().close()
                except OSError as error:
                    _log.error("the admin process could not be started: %s", error.strerror)
            pause = min(2 * pause, LONGEST_PAUSE)


def _said(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


# ---- inside ---------------------------------------------------------------------------------------------------------


def administer(path: str | None, overrides: dict[str, str], ready: Connection) -> None:
    """The process: its own configuration, logging, loop and application."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # The launcher's own are inherited, and would lose what comes before the loop has its own.
        signal.signal(number, signal.SIG_DFL)
    end_with_the_launcher()

    def reload() -> Loaded:
        return load_checked(path, os.environ, overrides)

    def told() -> None:
        # After a restart nobody waits for it.
        with contextlib.suppress(OSError), ready:
            ready.send_bytes(b"ready")

    loaded = reload()
    log = configure(loaded.config.telemetry.log_level)
    Finalize(None, log.stop, exitpriority=0)
    plane = AdminPlane(loaded, reload=reload, ready=told)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(plane, loaded.config))
        except FatalError:
            # The start failed; the log has said why.
            sys.exit(1)


async def _serve(plane: AdminPlane, config: Config) -> None:
    """Until a signal."""
    server = config.server
    assert server.admin_port is not None
    granian = Server(
        plane,
        address=server.admin_host,
        port=server.admin_port,
        interface=Interfaces.ASGI,
        task_impl=TaskImpl.asyncio,
        http=HTTPModes.http1,
        websockets=False,
        backpressure=CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=int(server.header_timeout * 1000), keep_alive=True),
        log_level=LogLevels.warning,
        log_dictconfig=granian_log("granian (admin)"),
        ssl_cert=Path(server.tls.cert) if server.tls is not None else None,
        ssl_key=Path(server.tls.key) if server.tls is not None else None,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, granian.stop)
    await granian.serve()
