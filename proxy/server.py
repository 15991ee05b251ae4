"""Granian, pinned to what the chain relies on: asyncio tasks, uvloop, HTTP/1, one Rust thread, a kill timeout behind the drain."""

import contextlib
import ctypes
import errno
import gc
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import packages_distributions, version
from multiprocessing.util import Finalize
from pathlib import Path

from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes, TaskImpl
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer
from starlette.types import ASGIApp

from . import unix_socket
from .config import Config, Loaded
from .config.checks_policy import effective_state
from .config.stores import EMBEDDED_STATE
from .signalled import SignalledEvent
from .telemetry.log import configure
from .telemetry.shared import DIRECTORY, metrics_folder

MINIMUM_GRANIAN = (2, 8, 7)
"""Older ones end a cut answer as if it were whole."""

SERVING = "TOLLWAY_SERVING"
"""Set in the workers' environment: a local model that a later reload brings has no engine, and its provider says so."""

PR_SET_PDEATHSIG = 1
"""linux/prctl.h: the signal that a process gets when its parent dies."""

M_ARENA_MAX = -8
"""malloc.h of glibc."""

ARENAS = 2
"""Few threads allocate at once: the interpreter's lock lets one of them run at a time."""

READ_BUFFER = 128 * 1024
"""Bytes that are read of a connection at most at once, reached by doubling: a prompt of 100 KB comes in one piece. Bounds the head too."""

LOOK = 0.02
"""Seconds between two looks at whether a worker accepts connections."""

KILL_MARGIN = 5
"""Seconds behind the drain limit after which a worker is killed."""


KNOWN_LINES = ("tollway: start failed", "ASGI lifespan startup failed", "Embedded server is experimental")
"""How Granian's lines begin that tell nothing new."""


class StartError(Exception):
    """The server cannot start; the message is one sentence with the fix."""


class Granian(MPServer):
    """Says that it listens once it does. ``opened``: does somebody accept connections? ``greet`` is called then, by the launcher."""

    opened: Callable[[], bool]
    greet: Callable[[], None]

    def startup(self, spawn_target: Callable[..., None], target_loader: Callable[..., object]) -> None:
        """Workers are started, and waited for: not where all of them have ended, or where a signal has come."""
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]
        while not self.interrupt_signal and any(worker.is_alive() for worker in self.wrks):  # type: ignore[no-untyped-call]
            if self.opened():
                self.greet()
                return
            time.sleep(LOOK)


def serve(loaded: Loaded, *, overrides: Mapping[str, str], greet: Callable[[], None] = lambda: None) -> None:
    """Runs until a signal. Raises ``StartError``, or ``SystemExit`` when the workers failed. ``greet``: connections are accepted."""
    config = loaded.config
    check_packages()
    check_granian()
    check_listener(config)
    raise_file_limit(config.server.connections)
    with shared_metrics(config), started(config):
        server = granian(config, path=loaded.path, overrides=overrides)
        server.greet = greet
        with administered(config, server, path=loaded.path, overrides=overrides):
            server.serve(target_loader=partial(load_application, loaded.path, dict(overrides)), wrap_loader=False)


@contextlib.contextmanager
def administered(config: Config, server: Granian, *, path: str | None, overrides: Mapping[str, str]) -> Iterator[None]:
    """The process of the admin listener, where there is one. Raises ``StartError``."""
    if config.server.admin_port is None:
        yield
        return
    from .admin_process import admin_process  # noqa: PLC0415 - only with a listener of its own

    with admin_process(config, path=path, overrides=overrides, stopping=lambda: bool(server.interrupt_signal)):
        yield


@contextlib.contextmanager
def shared_metrics(config: Config) -> Iterator[None]:
    """The folder through which workers share their counters, where there are several. Raises ``StartError``."""
    named = os.environ.get(DIRECTORY)
    if named and not (os.path.isdir(named) and os.access(named, os.W_OK | os.X_OK)):
        raise StartError(
            f"{DIRECTORY} names {named}, which is not a folder that can be written to: make it, or unset the variable."
        )
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(metrics_folder(wanted=config.server.workers > 1 and config.telemetry.prometheus))
        except OSError as error:
            raise StartError(no_folder("the metrics of several workers need one", error)) from None
        yield


def no_folder(why: str, error: OSError) -> str:
    """What to do where no temporary folder can be made, as under a read-only root."""
    return (
        f"No temporary folder can be made ({error.strerror or type(error).__name__}), and {why}: "
        "mount a tmpfs at /tmp, or name a folder that can be written to in TMPDIR."
    )


@contextlib.contextmanager
def started(config: Config) -> Iterator[None]:
    """What runs beside the workers: the engines of local models, the embedded state store. Raises ``StartError``."""
    os.environ[SERVING] = "1"
    try:
        with contextlib.ExitStack() as stack:
            if any(provider.use == "local" for provider in config.providers.values()):
                _local_models(config, stack)
            if effective_state(config) == "embedded":
                _embedded_state(stack)
            yield
    finally:
        os.environ.pop(SERVING, None)
        os.environ.pop(EMBEDDED_STATE, None)


def _local_models(config: Config, stack: contextlib.ExitStack) -> None:
    from .inference.launch import local_models  # noqa: PLC0415 - only with a local model
    from .inference.weights import LocalModelError  # noqa: PLC0415

    try:
        stack.enter_context(local_models(config))
    except LocalModelError as error:
        raise StartError(str(error)) from None


def _embedded_state(stack: contextlib.ExitStack) -> None:
    from .state.embedded import EmbeddedStateError, embedded_state  # noqa: PLC0415 - only with an embedded store

    try:
        os.environ[EMBEDDED_STATE] = stack.enter_context(embedded_state())
    except EmbeddedStateError as error:
        raise StartError(str(error)) from None
    except OSError as error:
        raise StartError(no_folder("the embedded state store needs one", error)) from None


def granian(config: Config, *, path: str | None, overrides: Mapping[str, str]) -> Granian:
    """The server object with every setting that matters named."""
    server = config.server
    # The modules are imported before the fork, so that workers share their pages.
    from . import app  # noqa: F401, PLC0415

    if config.storage.type != "none":
        from .storage import database  # noqa: F401, PLC0415 - the extra `server`
    if server.admin_port is not None:
        from . import admin_process  # noqa: F401, PLC0415
    gc.collect()
    gc.freeze()
    bound_arenas()
    made = Granian(
        "tollway",
        address=server.host,
        port=server.port,
        uds=Path(server.uds) if server.uds is not None else None,
        uds_permissions=unix_socket.MODE if server.uds is not None else None,
        interface=Interfaces.ASGI,
        workers=server.workers,
        runtime_mode=RuntimeModes.st,
        loop=Loops.uvloop if sys.platform != "win32" else Loops.asyncio,
        task_impl=TaskImpl.asyncio,
        http=HTTPModes.http1,
        websockets=True,
        backlog=server.backlog,
        backpressure=server.connections,
        http1_settings=HTTP1Settings(
            header_read_timeout=int(server.header_timeout * 1000), keep_alive=True, max_buffer_size=READ_BUFFER
        ),
        log_level=LogLevels.warning,
        log_dictconfig=granian_log(),
        ssl_cert=Path(server.tls.cert) if server.tls is not None else None,
        ssl_key=Path(server.tls.key) if server.tls is not None else None,
        respawn_failed_workers=server.workers > 1,
        workers_kill_timeout=int(server.drain) + KILL_MARGIN,
    )
    made.main_loop_interrupt = SignalledEvent()
    made.opened = partial(accepts, server.host, server.port, server.uds)
    made.greet = lambda: None
    return made


def accepts(host: str, port: int, path: str | None) -> bool:
    """Does somebody accept connections there? ``path``: of a Unix socket, in place of the others."""
    nearest = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    family = socket.AF_UNIX if path is not None else socket.AF_INET6 if ":" in nearest else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        probe.connect(path if path is not None else (nearest, port))
        return True
    return False


def granian_log(name: str = "granian") -> dict[str, object]:
    """Granian's own lines on stderr, warnings and worse. ``name`` is what they begin with."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": f"{name}: %(message)s"}},
        "filters": {"once": {"()": Once}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "plain",
                "filters": ["once"],
                "stream": "ext://sys.stderr",
            }
        },
        "loggers": {"_granian": {"handlers": ["stderr"], "propagate": False, "level": "WARNING"}},
    }


class Once(logging.Filter):
    """Drops what Granian repeats of a start that failed, since the worker's own log has said it, with the fix; and its name for
    the form of server that the admin process is."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Is it news?"""
        return not record.getMessage().startswith(KNOWN_LINES)


def load_application(path: str | None, overrides: dict[str, str]) -> ASGIApp:
    """Runs in the worker: its own configuration, logging and application."""
    end_with_the_launcher()
    from .accounts import load_checked  # noqa: PLC0415
    from .app import Gateway  # noqa: PLC0415

    def reload() -> Loaded:
        return load_checked(path, os.environ, overrides)

    loaded = reload()
    log = configure(loaded.config.telemetry.log_level)
    # A worker that ends, be it because its start failed, has said everything before.
    Finalize(None, log.stop, exitpriority=0)
    return Gateway(loaded, reload=reload)


def bound_arenas() -> None:
    """Of glibc's arenas, one a thread otherwise, each of which keeps what it was once given: 6 MiB more in 20 minutes of mixed traffic.

    The workers are forked and inherit it; an environment variable would come too late. Elsewhere nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_ARENA_MAX, ARENAS)


def end_with_the_launcher() -> None:
    """A worker whose launcher is killed drains and ends, or it would keep the port from the next one. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def check_packages() -> None:
    """Raises ``StartError`` when another distribution shares our import names: pip merges such folders silently."""
    owners = packages_distributions()
    for package in ("proxy", "middleware"):
        others = sorted(set(owners.get(package, ())) - {"tollway"})
        if others:
            raise StartError(
                f"The package {package!r} also belongs to {', '.join(others)}: install Tollway in an environment of its own "
                "(uv tool install tollway)."
            )


def check_granian() -> None:
    """Raises ``StartError`` for a Granian whose aborts look like clean ends."""
    found = version("granian")
    parts = tuple(int(part) for part in found.split(".")[:3] if part.isdigit())
    if parts < MINIMUM_GRANIAN:
        raise StartError(f"Granian {found} is too old: install granian>=2.8.7.")


def check_listener(config: Config) -> None:
    """Raises ``StartError`` when the address or socket of a listener is somebody else's."""
    server = config.server
    if server.health_port is not None:
        check_port(server.health_host or server.host, server.health_port, setting="server.health_port")
    if server.admin_port is not None:
        check_port(server.admin_host, server.admin_port, setting="server.admin_port")
    if server.uds is None:
        check_port(server.host, server.port)
        return
    try:
        unix_socket.clear_path(Path(server.uds))
    except unix_socket.UnixSocketError as error:
        raise StartError(str(error)) from None


def check_port(host: str, port: int, *, setting: str = "server.port") -> None:
    """Raises ``StartError`` when somebody listens there already; Granian would share the port, and the requests, silently."""
    if port == 0:
        raise StartError(f"{setting} 0 is not supported: choose a port.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # No SO_REUSEPORT: the bind fails if anybody listens. SO_REUSEADDR: it does not for old connections.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # Nor does it listen: who connects early is refused, not taken in and dropped.
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StartError(
                    f"Port {port} on {host} is taken: stop what listens there or set {setting}."
                ) from error
            raise StartError(
                f"Cannot listen on {host}:{port} ({error.strerror}): set {setting}, or its host, to one that this user may take."
            ) from error


def raise_file_limit(connections: int) -> None:
    """Two descriptors a connection; warns when the hard limit is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + 1000
    if soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        logging.getLogger("tollway.server").warning(
            "the open files limit is %d; %d connections may need %d", allowed, connections, wanted
        )
