"""Plays the cases: mocks on loopback, the real gateway in front of them, a client, and the judge."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import takewhile
from pathlib import Path

import orjson
from msgspec import Struct

from ..config import Config
from ..mock.controls import Controls
from ..mock.faults import bomb
from ..mock.server import Running, Settings, start
from .cases import Case
from .client import ask
from .derive import MARK, Addresses, document, model_name, patience_of, place_of
from .expect import Patience, longest
from .judge import Verdict, judge
from .process import Gateway
from .seen import Received, Seen, understood

AT_ONCE = 24
"""Requests at the same time: most of them wait for a time limit, and cost nothing meanwhile."""

BATCH = 600
"""Cases that one gateway is configured for."""


class Played(Struct, frozen=True, kw_only=True):
    """One case with what came of it."""

    case: Case
    seen: Seen
    verdict: Verdict


async def play(
    config: Config, cases: Sequence[Case], *, folder: Path, seconds: float, told: Callable[[int], None]
) -> list[Played]:
    """Every case, in order. ``seconds``: the longest time limit; ``told`` hears how many are done. Raises ``StartFailed``."""
    patience = patience_of(config, seconds)
    # Half a second of work that would hold up the mock when it is first asked for.
    await asyncio.to_thread(bomb)
    truths: dict[tuple[str, bool, int], str] = {}
    played: list[Played] = []
    async with _mocks() as (mock, addresses):
        for first in range(0, len(cases), BATCH):
            batch = cases[first : first + BATCH]
            answers = await _batch(config, batch, mock, addresses, folder=folder, seconds=seconds, patience=patience)
            _learn(truths, batch, answers)
            for case, seen in zip(batch, answers, strict=True):
                known = {
                    index: text
                    for (name, stream, index), text in truths.items()
                    if (name, stream) == (case.shape.name, case.stream)
                }
                played.append(Played(case=case, seen=seen, verdict=judge(case, seen, known, patience)))
            told(len(played))
    return played


@asynccontextmanager
async def _mocks() -> AsyncIterator[tuple[Running, Addresses]]:
    """One mock that listens, a port that refuses and one that never answers."""
    async with AsyncExitStack() as stack:
        origins: dict[str, str] = {}
        found: dict[str, Running] = {}
        for name, fault in (("mock", ""), ("shut", "refused"), ("stuck", "black-hole")):
            running = found[name] = await start(settings=Settings(controls=Controls(fault=fault)))
            stack.push_async_callback(running.stop)
            origins[name] = running.url.removesuffix("/v1")
        yield found["mock"], Addresses(**origins)


async def _batch(
    config: Config,
    batch: Sequence[Case],
    mock: Running,
    addresses: Addresses,
    *,
    folder: Path,
    seconds: float,
    patience: Patience,
) -> list[Seen]:
    key, port = f"sk-tw-drill-{secrets.token_hex(16)}", _free_port()
    file = folder / "drill.json"
    file.write_bytes(orjson.dumps(document(config, batch, addresses, key=key, port=port, seconds=seconds)))
    loop = asyncio.get_running_loop()
    most = patience.total + 10

    def one(case: Case) -> Received:
        return ask(port, key, model_name(case), stream=case.stream, patience=most)

    gateway, pool = Gateway(file, port, folder), ThreadPoolExecutor(AT_ONCE)
    try:
        gateway.start()
        await loop.run_in_executor(pool, gateway.ready)
        order = sorted(batch, key=lambda case: -longest(case, patience))
        futures = {case.number: loop.run_in_executor(pool, one, case) for case in order}
        calls = _Calls(mock)
        for future in futures.values():
            # As each ends: what is awaited first may be the last to end, and the mock forgets.
            future.add_done_callback(lambda _: calls.note())
        received = {number: await future for number, future in futures.items()}
    finally:
        gateway.stop()
        pool.shutdown(cancel_futures=True)
    calls.note()
    return [_seen(case, received[case.number], calls.of.get(case.number, ())) for case in batch]


def _seen(case: Case, received: Received, places: Sequence[int]) -> Seen:
    place = place_of(received.headers.get("x-tollway-provider", ""))
    struck = sum(index in case.where.faulty for index in places)
    if case.where.once:
        struck = min(struck, 1)
    return understood(received, stream=case.stream, place=place, calls=len(places), struck=struck)


class _Calls:
    """What the mock received, noted now and then: it remembers a bounded number. ``of``: case number to the places called, in order."""

    def __init__(self, mock: Running) -> None:
        self._mock = mock
        self._last = 0
        self.of: dict[int, list[int]] = {}

    def note(self) -> None:
        """Takes in what has come since the last time."""
        fresh = list(takewhile(lambda entry: entry.number > self._last, reversed(self._mock.received())))
        for entry in reversed(fresh):
            self._last = entry.number
            for name, value in entry.headers:
                if name.lower() == MARK.encode():
                    number, _, place = value.decode().partition(".")
                    self.of.setdefault(int(number), []).append(int(place))


def _learn(truths: dict[tuple[str, bool, int], str], batch: Iterable[Case], answers: Iterable[Seen]) -> None:
    """The text of each place that was asked alone and well."""
    for case, seen in zip(batch, answers, strict=True):
        if case.where.alone is not None and seen.kind == "answer":
            truths[case.shape.name, case.stream, case.where.alone] = seen.text


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
