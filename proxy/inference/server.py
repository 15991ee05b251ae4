"""The engine's process: llama.cpp's own HTTP server on loopback, until standard input closes.

``python -m proxy.inference.server`` reads its settings as one line of JSON, so that the key is on no command line.
"""

import os
import signal
import sys
from importlib.resources import files

import msgspec
from msgspec import Struct


class EngineSettings(Struct, frozen=True, kw_only=True):
    """``context`` in tokens for each of ``parallel`` slots; ``template``: ours in place of the one inside the file."""

    model: str
    alias: str
    port: int
    key: str
    context: int
    parallel: int
    threads: int
    template: bool


def main() -> None:
    """Serves until the supervisor closes the pipe, or dies."""
    leave_signals_to_the_gateway()
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=EngineSettings)
    server = _started(settings)
    sys.stdin.buffer.read()
    # Its destructor waits for the clients; the gateway has seen to those.
    os._exit(0 if server is not None else 1)


def leave_signals_to_the_gateway() -> None:
    """Whoever stops a process group or a control group means the gateway, which drains first and then closes the pipe."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _started(settings: EngineSettings) -> object:
    import xllamacpp  # noqa: PLC0415 - the extra, wanted in this process only

    params = xllamacpp.CommonParams()
    params.model.path = settings.model
    params.model_alias = {settings.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = settings.port
    params.api_keys = [settings.key]
    params.n_ctx = settings.context * settings.parallel
    params.n_parallel = settings.parallel
    params.cpuparams.n_threads = settings.threads
    if settings.template:
        params.chat_template = files(__package__).joinpath("smollm2.jinja").read_text(encoding="utf-8")
    params.use_jinja = True
    params.ui = False
    params.offline = True
    params.verbosity = -1
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        sys.stderr.write(f"tollway: llama.cpp cannot serve {settings.model}: {error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
