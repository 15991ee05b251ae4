"""Starts the engines that a configuration asks for, and tells the workers where they listen."""

import http.client
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import msgspec

from ..config import Config
from ..providers.base import OptionError, Settings
from ..providers.local import LocalOptions, Place, variable_of
from .cores import threads
from .keeper import Keeper
from .server import EngineSettings
from .weights import MODEL, LocalModelError, check_engine, weights

START = 60.0
"""Seconds a model may take to be loaded before the gateway gives up."""


@contextmanager
def local_models(config: Config) -> Iterator[None]:
    """Every provider with ``use: local`` answers inside. Raises ``LocalModelError``."""
    wanted = {
        name: _options(name, Settings(name=name, options=provider.options))
        for name, provider in config.providers.items()
        if provider.use == "local" and provider.base_url is None
    }
    with ExitStack() as stack:
        for name, options in wanted.items():
            stack.enter_context(_running(name, options))
        yield


def _options(name: str, settings: Settings) -> LocalOptions:
    """What is asked for, once it is certain that it is there: before anything starts."""
    try:
        options = settings.read(LocalOptions)
    except OptionError as error:
        raise LocalModelError(f"providers.{name}.{error}.") from None
    check_engine()
    weights(options.model)
    return options


@contextmanager
def _running(name: str, options: LocalOptions) -> Iterator[None]:
    # Bound and never listening: nobody else gets the port while the engine starts, or starts again.
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        engine = EngineSettings(
            model=str(weights(options.model)),
            alias=options.alias or MODEL,
            port=held.getsockname()[1],
            key=secrets.token_urlsafe(24),
            context=options.context,
            parallel=options.parallel,
            threads=options.threads or threads(),
            template=options.model is None,
        )
        keeper = Keeper(msgspec.json.encode(engine) + b"\n")
        variable = variable_of(name)
        try:
            _wait(name, engine, keeper)
            keeper.keep()
            place = Place(url=f"http://127.0.0.1:{engine.port}/v1", key=engine.key, options=options)
            os.environ[variable] = msgspec.json.encode(place).decode()
            yield
        finally:
            os.environ.pop(variable, None)
            keeper.close()


def _wait(name: str, engine: EngineSettings, keeper: Keeper) -> None:
    """Until the engine says that its model is loaded."""
    give_up = time.monotonic() + START
    while time.monotonic() < give_up:
        if _answers(engine.port):
            return
        if not keeper.alive():
            raise LocalModelError(
                f"The local model of providers.{name} cannot be loaded from {engine.model}: name a GGUF file that llama.cpp "
                "reads and that fits into memory, or lower options.context and options.parallel."
            )
        time.sleep(0.05)
    raise LocalModelError(
        f"The local model of providers.{name} was not ready within {START:g} s: name a smaller GGUF file in options.model."
    )


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
